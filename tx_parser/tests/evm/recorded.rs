//! Recorded transactions of three chains against the expectations that came with them, and of a
//! simulated chain against balances that were read from its node.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use pnl_core::{Chain, TxKind, TxStatus, WalletTransaction};
use serde_json::Value;
use tx_parser::evm::{self, Network, Transaction};

use crate::common::{self, Differences, address};

/// The wrapped coins in the expectations, which list them beside the native coin.
const CHAINS: [(Chain, &str); 3] = [
    (Chain::Ethereum, "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2"),
    (Chain::Base, "0x4200000000000000000000000000000000000006"),
    (Chain::BinanceSmartChain, "0xbb4cdb9cbd36b01bd1cbaebf2de08d9173bc095c"),
];

/// Figures fit: the largest one recorded has 29 digits.
type Changes = BTreeMap<String, i128>;

fn json(path: &Path) -> Value {
    let text = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap()
}

fn number(value: &Value) -> i128 {
    value.as_str().unwrap().parse().unwrap()
}

/// The expected changes with the wrapped coin counted as the coin and ids as assets of their own.
fn expected(row: &Value, wrapped: &str) -> Changes {
    let mut changes = Changes::new();
    for change in row["net_changes"].as_array().unwrap() {
        let contract = change["asset"].as_str().unwrap();
        let asset = match change["token_id"].as_str() {
            Some(id) => format!("{contract}/{id}"),
            None if contract == wrapped => "native".to_owned(),
            None => contract.to_owned(),
        };
        *changes.entry(asset).or_default() += number(&change["raw"]);
    }
    changes.retain(|_, raw| *raw != 0);
    changes
}

fn net(line: &WalletTransaction) -> Changes {
    line.net.iter().map(|c| (c.asset.to_string(), c.raw.to_string().parse().unwrap())).collect()
}

#[test]
fn every_line_equals_its_expectation() {
    let Some(root) = common::recorded_of("evm") else { return };
    let all = json(&root.join("expected.json"));
    let mut differences = Differences::default();
    let (mut transactions, mut rows) = (0, 0);
    for (chain, wrapped) in CHAINS {
        let network = Network::of(chain).unwrap();
        for (hash, expectations) in all["chains"][chain.as_str()].as_object().unwrap() {
            let path = root.join(format!("{chain}/transactions/{hash}.json"));
            let bytes = fs::read(&path).unwrap();
            let transaction = Transaction::decode(&bytes, &network).unwrap();
            let receipt = json(&path)["receipt"].clone();
            transactions += 1;
            for row in expectations.as_array().unwrap() {
                rows += 1;
                let user = row["user"].as_str().unwrap();
                let line = transaction.view(&address(user)).unwrap();
                let what = format!("{chain} {hash} {user}");
                compare(&mut differences, &what, &line, row, wrapped);
                let lacks_l1_fee = chain == Chain::Base
                    && receipt["l1Fee"].is_null()
                    && receipt["type"] != "0x7e"
                    && line.fee.is_some();
                differences.check(&format!("{what} fee known"), line.complete.fee, !lacks_l1_fee);
                // A receipt without status is from before there was one.
                let failed = receipt["status"] == "0x0";
                let got = (line.status == TxStatus::Failed, line.kind == TxKind::FeeOnly);
                if failed {
                    differences.check(&format!("{what} failed"), got, (true, true));
                }
            }
        }
    }
    eprintln!("{transactions} transactions, {rows} expectations");
    assert!(transactions >= 539 && rows >= 609, "{transactions} transactions, {rows} rows");
    differences.assert_none(rows);
}

/// Settlements, bridge receipts and smart accounts: the wallet is named by events alone, and nobody
/// asks for what contracts sent each other.
#[test]
fn wallets_without_a_part_in_any_call_are_complete_without_a_trace() {
    let Some(root) = common::recorded_of("evm") else { return };
    let all = json(&root.join("expected.json"));
    let mut differences = Differences::default();
    let mut rows = 0;
    for (chain, wrapped) in CHAINS {
        let network = Network::of(chain).unwrap();
        for (hash, expectations) in all["chains"][chain.as_str()].as_object().unwrap() {
            let mut record = json(&root.join(format!("{chain}/transactions/{hash}.json")));
            let parties = parties(&record);
            record["internal_transfers"] = Value::Null;
            let bytes = record.to_string();
            for row in expectations.as_array().unwrap() {
                let user = row["user"].as_str().unwrap().to_lowercase();
                if parties.contains(&user) {
                    continue;
                }
                rows += 1;
                let line = evm::parse_apart(bytes.as_bytes(), &network, &address(&user)).unwrap();
                let what = format!("{chain} {hash} {user}");
                differences.check(&format!("{what} native known"), line.complete.native, true);
                differences.check(&what, net(&line), expected(row, wrapped));
            }
        }
    }
    assert!(rows >= 41, "{rows} rows");
    differences.assert_none(rows);
}

/// Who calls, is called, is created, or sends or gets coins inside.
fn parties(record: &Value) -> BTreeSet<String> {
    let none = Vec::new();
    let inside = record["internal_transfers"].as_array().unwrap_or(&none);
    let own = [&record["transaction"], &record["receipt"]];
    let rows = inside.iter().chain(own);
    rows.flat_map(|row| [&row["from"], &row["to"], &row["contractAddress"]])
        .map(|address| address.as_str().unwrap_or_default().to_lowercase())
        .collect()
}

fn compare(
    differences: &mut Differences,
    what: &str,
    line: &WalletTransaction,
    row: &Value,
    wrapped: &str,
) {
    let (mut got, mut want) = (net(line), expected(row, wrapped));
    let is_whole = row["native_net_complete"].as_bool().unwrap();
    differences.check(&format!("{what} native known"), line.complete.native, is_whole);
    if !is_whole {
        got.remove("native");
        want.remove("native");
    }
    differences.check(what, got, want);
    if line.complete.fee {
        let paid = line.fee.as_ref().map_or("0".to_owned(), |fee| fee.raw.to_string());
        let want = number(&row["gas_paid_wei"]);
        differences.check(&format!("{what} fee"), paid, (-want).to_string());
    }
    // What the expectation calls incomplete must not be presented as complete.
    let is_known = row["gas_complete"].as_bool().unwrap();
    differences.check(&format!("{what} fee flag"), line.complete.fee && !is_known, false);
    let rest = (line.tips.is_zero(), line.rent.is_zero(), line.unexplained.len());
    differences.check(&format!("{what} rest"), rest, (true, true, 0));
}

#[test]
fn lines_of_a_simulated_chain_equal_its_balances() {
    let Some(root) = common::recorded_of("evm") else { return };
    // More sets made with another seed can be compared: EVM_DEVNET_DIRS=a:b:c.
    let more = std::env::var("EVM_DEVNET_DIRS").unwrap_or_default();
    let mut sets = vec![root.join("devnet_seed7")];
    sets.extend(more.split(':').filter(|dir| !dir.is_empty()).map(Into::into));
    for set in sets {
        compare_simulated(&set);
    }
}

/// What only balances can tell: a rebase has no event, and a false event no change.
const BALANCES_ONLY: [&str; 2] = ["rebase", "fake_transfer_events"];

/// Most units by which balances of a rebasing token differ from what its transfers say.
const ROUNDING: i128 = 2;

fn compare_simulated(set: &Path) {
    let manifest = json(&set.join("manifest.json"));
    let wrapped = manifest["contracts"]["WETH"].as_str().unwrap();
    let nft = manifest["contracts"]["NFT"].as_str().unwrap();
    let rebasing = manifest["contracts"]["DREB"].as_str().unwrap();
    let network = Network::of(Chain::Ethereum).unwrap();
    let network = network.with_wrapped_native(&address(wrapped)).unwrap();
    let mut differences = Differences::default();
    let (mut pairs, mut rounded) = (0, 0);
    for row in manifest["transactions"].as_array().unwrap() {
        if BALANCES_ONLY.contains(&row["kind"].as_str().unwrap()) {
            continue;
        }
        let hash = row["hash"].as_str().unwrap();
        let bytes = fs::read(set.join(format!("transactions/{hash}.json"))).unwrap();
        let transaction = Transaction::decode(&bytes, &network).unwrap();
        for wallet in manifest["wallets"].as_array().unwrap() {
            let wallet = wallet.as_str().unwrap();
            let line = transaction.view(&address(wallet)).unwrap();
            let what = format!("{} {hash} {wallet}", row["kind"]);
            pairs += 1;
            let mut want = Changes::new();
            for (asset, raw) in
                row["deltas_excluding_gas"][wallet].as_object().into_iter().flatten()
            {
                let asset = if asset == wrapped { "native" } else { asset };
                *want.entry(asset.to_owned()).or_default() += number(raw);
            }
            want.retain(|_, raw| *raw != 0);
            // Balances of the collection count its tokens, whichever they are.
            let mut got = Changes::new();
            for (asset, raw) in net(&line) {
                let contract = asset.split('/').next().unwrap();
                let asset = if contract == nft { nft.to_owned() } else { asset };
                *got.entry(asset).or_default() += raw;
            }
            // It keeps shares, and rounds units to them after it has told of the units.
            let off = |asset: &str| {
                let raw = |changes: &Changes| changes.get(asset).copied().unwrap_or_default();
                (raw(&got) - raw(&want)).abs()
            };
            if (1..=ROUNDING).contains(&off(rebasing)) {
                rounded += 1;
                got.remove(rebasing);
                want.remove(rebasing);
            }
            differences.check(&what, got, want);
            let pays = row["gas_payer"] == wallet;
            let paid = line.fee.as_ref().map(|fee| fee.raw.to_string());
            let want = pays.then(|| (-number(&row["gas_paid_wei"])).to_string());
            differences.check(&format!("{what} fee"), paid, want);
            let complete = (line.complete.native, line.complete.fee);
            differences.check(&format!("{what} complete"), complete, (true, true));
            let failed = row["status"] == 0;
            differences.check(&format!("{what} status"), line.status == TxStatus::Failed, failed);
            differences.check(&format!("{what} block"), line.block, row["block"].as_u64().unwrap());
            let time = line.block_time;
            differences.check(&format!("{what} time"), time, row["timestamp"].as_i64());
        }
    }
    let set = set.display();
    eprintln!(
        "{set}: {pairs} pairs of wallet and transaction, {rounded} rounded by a rebasing token"
    );
    assert!(pairs >= 1_400, "{pairs} pairs");
    differences.assert_none(pairs);
}

#[test]
fn without_a_wallet_the_sender_comes_first_and_every_change_has_a_line() {
    let Some(root) = common::recorded_of("evm") else { return };
    for (chain, _) in CHAINS {
        let network = Network::of(chain).unwrap();
        for entry in fs::read_dir(root.join(format!("{chain}/transactions"))).unwrap() {
            let bytes = fs::read(entry.unwrap().path()).unwrap();
            let transaction = Transaction::decode(&bytes, &network).unwrap();
            let lines = transaction.view_all();
            assert!(lines[0].signed && lines[0].fee.is_some());
            let others = &lines[1..];
            assert!(others.windows(2).all(|pair| pair[0].wallet < pair[1].wallet));
            assert!(others.iter().all(|line| !line.net.is_empty() && line.fee.is_none()));
            for line in &lines {
                assert_eq!(line, &transaction.view(&line.wallet).unwrap());
            }
        }
    }
}
