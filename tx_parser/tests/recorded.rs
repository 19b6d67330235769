//! Every recorded transaction against the balances that were recorded with it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use common::{Differences, address, all_net, fee, integer, native_change};
use pnl_core::{TxKind, TxStatus, WalletTransaction};
use serde_json::Value;
use tx_parser::solana::{self, Transaction};

const NATIVE_MINT: &str = "So11111111111111111111111111111111111111112";

fn load(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&load(path)).unwrap()
}

fn number(value: &Value) -> i128 {
    value.as_i64().map(i128::from).or_else(|| value.as_str()?.parse().ok()).unwrap()
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().unwrap().iter()
}

/// Token changes of an owner as the index lists them, the wrapped native coin left out.
fn recorded_tokens(row: &Value, owner: &str) -> BTreeMap<String, i128> {
    let mut tokens = BTreeMap::new();
    for delta in row["token_delta"].as_array().unwrap() {
        if delta["owner"].as_str() == Some(owner) && delta["mint"] != NATIVE_MINT {
            *tokens.entry(delta["mint"].as_str().unwrap().to_owned()).or_default() +=
                number(&delta["amount"]);
        }
    }
    tokens.retain(|_, raw| *raw != 0);
    tokens
}

/// Lamports of a wallet and of the accounts that rows of this recording say it owns.
fn recorded_lamports(raw: &Value, wallet: &str) -> i128 {
    let message = &raw["transaction"]["message"];
    let text = |key: &Value| key.as_str().or(key["pubkey"].as_str()).unwrap().to_owned();
    let mut keys: Vec<_> = message["accountKeys"].as_array().unwrap().iter().map(text).collect();
    if message["accountKeys"][0].is_string() {
        for part in ["writable", "readonly"] {
            let loaded = raw["meta"]["loadedAddresses"][part].as_array();
            keys.extend(loaded.into_iter().flatten().map(text));
        }
    }
    let lamports = |list: &str, index: usize| number(&raw["meta"][list][index]);
    let owners = |list: &str| -> BTreeMap<usize, &str> {
        let rows = raw["meta"][list].as_array().into_iter().flatten();
        rows.filter_map(|row| {
            let index = usize::try_from(number(&row["accountIndex"])).unwrap();
            Some((index, row["owner"].as_str()?))
        })
        .collect()
    };
    let (before, after) = (owners("preTokenBalances"), owners("postTokenBalances"));
    let own = keys.iter().enumerate().filter(|(index, key)| {
        // A row that is missing on one side says nothing; one that names another owner does.
        let named: Vec<_> = [before.get(index), after.get(index)].into_iter().flatten().collect();
        assert!(
            named.windows(2).all(|pair| pair[0] == pair[1]),
            "no recorded account changes hands"
        );
        *key == wallet || named.contains(&&wallet)
    });
    own.map(|(index, _)| lamports("postBalances", index) - lamports("preBalances", index)).sum()
}

fn token_net(line: &WalletTransaction) -> BTreeMap<String, i128> {
    let mut net = all_net(line);
    net.remove("native");
    net
}

#[test]
fn every_line_sums_to_the_recorded_change_of_its_wallet() {
    let Some(root) = common::recorded() else { return };
    let index = json(&root.join("index.json"));
    let mut differences = Differences::default();
    let mut lines = 0;
    for (signature, row) in members(&index) {
        let bytes = load(&root.join(format!("transactions/{signature}.json")));
        let raw: Value = serde_json::from_slice(&bytes).unwrap();
        let transaction = Transaction::decode(&bytes).unwrap();
        let rows = ["preTokenBalances", "postTokenBalances"]
            .into_iter()
            .flat_map(|rows| raw["meta"][rows].as_array().into_iter().flatten());
        let mut wallets: BTreeSet<&str> = rows.filter_map(|r| r["owner"].as_str()).collect();
        wallets.extend(row["signers"].as_array().unwrap().iter().filter_map(Value::as_str));
        for wallet in wallets {
            let line = transaction.view(&address(wallet)).unwrap();
            let what = format!("{signature} {wallet}");
            lines += 1;
            let change = native_change(&line);
            differences.check(&format!("{what} native"), change, recorded_lamports(&raw, wallet));
            if let Some(view) = row["signer_view"].get(wallet) {
                let controlled = number(&view["controlled_lamports"]);
                differences.check(&format!("{what} controlled"), change, controlled);
            }
            // Old recordings lack owners; what is resolved comes on top of the index.
            let has_owners =
                row["token_delta"].as_array().unwrap().iter().all(|d| d["owner"].is_string());
            if has_owners {
                let want = recorded_tokens(row, wallet);
                differences.check(&format!("{what} tokens"), token_net(&line), want);
            }
            differences.check(&format!("{what} unexplained"), line.unexplained.len(), 0);
            let payer = row["fee_payer"] == wallet;
            let paid = line.fee.as_ref().map(|fee| integer(fee.raw));
            differences.check(&format!("{what} fee"), paid, payer.then(|| -number(&row["fee"])));
            if !row["err"].is_null() {
                differences.check(&format!("{what} failed"), line.status, TxStatus::Failed);
                differences.check(&format!("{what} kind"), line.kind, TxKind::FeeOnly);
                let rest = (line.net.len(), integer(line.tips), integer(line.rent));
                differences.check(&format!("{what} only the fee"), rest, (0, 0, 0));
            }
        }
    }
    assert!(lines > 2_000, "{lines} lines");
    differences.assert_none(lines);
}

#[test]
fn tips_are_what_the_tip_accounts_received() {
    let Some(root) = common::recorded() else { return };
    let index = json(&root.join("index.json"));
    let mut differences = Differences::default();
    let mut tipped = 0;
    for (signature, row) in members(&index) {
        let bytes = load(&root.join(format!("transactions/{signature}.json")));
        let lines = solana::parse_all(&bytes, &[]).unwrap();
        let tips: i128 = lines.iter().map(|line| integer(line.tips)).sum();
        let recorded: i128 = members(&row["jito_tips"]).map(|(_, lamports)| number(lamports)).sum();
        tipped += usize::from(recorded != 0);
        differences.check(signature, tips, -recorded);
    }
    assert!(tipped > 100, "{tipped} transactions with tips");
    differences.assert_none(tipped);
}

#[test]
fn both_encodings_of_a_transaction_give_the_same_lines() {
    let Some(root) = common::recorded() else { return };
    let mut compared = 0;
    for entry in fs::read_dir(root.join("transactions_alt_encoding")).unwrap() {
        let other = entry.unwrap().path();
        let bytes = load(&root.join("transactions").join(other.file_name().unwrap()));
        let one = solana::parse_all(&bytes, &[]).unwrap();
        let two = solana::parse_all(&load(&other), &[]).unwrap();
        assert_eq!(one, two, "{}", other.display());
        assert!(!one.is_empty());
        let wallet = &one[0].wallet;
        let discovered = solana::discover(&bytes, wallet).unwrap();
        assert_eq!(discovered, solana::discover(&load(&other), wallet).unwrap());
        compared += 1;
    }
    assert!(compared >= 10, "{compared} pairs");
}

#[test]
fn lines_of_complete_histories_equal_the_truth_read_from_accounts() {
    let Some(root) = common::recorded() else { return };
    // More sets made with another seed can be compared: PARSER_DEVNET_DIRS=a:b:c.
    let more = std::env::var("PARSER_DEVNET_DIRS").unwrap_or_default();
    let mut sets = vec![root.join("devnet_seed7")];
    sets.extend(more.split(':').filter(|dir| !dir.is_empty()).map(Into::into));
    for set in sets {
        let manifest = json(&set.join("manifest.json"));
        let mut differences = Differences::default();
        let mut lines = 0;
        for row in manifest["transactions"].as_array().unwrap() {
            let signature = row["signature"].as_str().unwrap();
            let bytes = load(&set.join(format!("transactions/{signature}.json")));
            let transaction = Transaction::decode(&bytes).unwrap();
            for (wallet, truth) in members(&row["wallets"]) {
                let line = transaction.view(&address(wallet)).unwrap();
                let what = format!("{} {signature} {wallet}", row["kind"]);
                let want: BTreeMap<String, i128> = members(&truth["net"])
                    .map(|(asset, raw)| (asset.clone(), number(raw)))
                    .collect();
                lines += 1;
                differences.check(&format!("{what} net"), all_net(&line), want);
                differences.check(&format!("{what} fee"), fee(&line), number(&truth["fee"]));
                let (tips, rent) = (integer(line.tips), integer(line.rent));
                differences.check(&format!("{what} tips"), tips, number(&truth["tips"]));
                differences.check(&format!("{what} rent"), rent, number(&truth["rent"]));
                let signed = truth["signed"].as_bool().unwrap();
                differences.check(&format!("{what} signed"), line.signed, signed);
                let found = transaction.discover(&address(wallet)).unwrap().token_accounts;
                for account in truth["token_accounts_changed"].as_array().unwrap() {
                    let account = address(account.as_str().unwrap());
                    let known = found.contains(&account);
                    // Without a token program among the keys no transaction names the account.
                    let derived = line.notes.iter().any(|note| note.code == "account_derived");
                    differences.check(&format!("{what} {account}"), known || derived, true);
                }
            }
        }
        assert!(lines >= 360, "{lines} lines");
        eprintln!("{}: {lines} lines", set.display());
        differences.assert_none(lines);
    }
}
