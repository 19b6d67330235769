//! Solana: lines against the balances of the recording.

use std::collections::{BTreeMap, BTreeSet};

use pnl_core::{Address, RawDelta, WalletTransaction};
use serde_json::Value;
use tx_parser::solana::Transaction;

use crate::lines::{self, Flow};

/// Mints of the wrapped native coin: their tokens are lamports.
const WRAPPED: [&str; 2] =
    ["So11111111111111111111111111111111111111112", "9pan9bMn5HatX4EJdBwg9VgCa7Uz5HL8N1m5D3NdXejP"];

/// Decodes the bytes; what is accepted must equal the recorded change of balances.
///
/// # Panics
/// When it does not.
pub fn check(input: &[u8]) {
    let Ok(transaction) = Transaction::decode(input) else { return };
    let balances = serde_json::from_slice(input).ok().and_then(|json| Balances::read(&json));
    let mut seen = BTreeSet::new();
    for line in transaction.view_all() {
        assert_eq!(line, transaction.view(&line.wallet).expect("its own wallet is a key"));
        transaction.discover(&line.wallet).expect("its own wallet is a key");
        if let Some(balances) = &balances {
            balances.compare(&line);
        }
        assert!(seen.insert(line.wallet), "a wallet has one line");
    }
    // Who has no line has no change.
    let Some(balances) = &balances else { return };
    for wallet in balances.wallets().difference(&seen) {
        balances.compare(&transaction.view(wallet).expect("its owner is a key"));
    }
}

/// The balances of a recording whose rows name every owner.
struct Balances {
    /// Address, lamports before and after.
    accounts: Vec<(String, i128, i128)>,
    /// Token rows before and after, by account.
    before: BTreeMap<usize, Row>,
    after: BTreeMap<usize, Row>,
}

struct Row {
    mint: String,
    owner: String,
    amount: i128,
}

impl Balances {
    /// `None` where the recording leaves something to be found out.
    fn read(json: &Value) -> Option<Self> {
        let message = &json["transaction"]["message"];
        let (mut keys, mut is_merged) = (Vec::new(), false);
        for key in message["accountKeys"].as_array()? {
            is_merged |= key.is_object();
            keys.push(key.as_str().or_else(|| key["pubkey"].as_str())?.to_owned());
        }
        if !is_merged {
            for list in ["writable", "readonly"] {
                let loaded = json["meta"]["loadedAddresses"][list].as_array();
                for key in loaded.into_iter().flatten() {
                    keys.push(key.as_str()?.to_owned());
                }
            }
        }
        let lamports = |name: &str| json["meta"][name].as_array();
        let (pre, post) = (lamports("preBalances")?, lamports("postBalances")?);
        let accounts = keys.into_iter().zip(pre.iter().zip(post)).map(|(key, (pre, post))| {
            Some((key, i128::from(pre.as_u64()?), i128::from(post.as_u64()?)))
        });
        let balances = Self {
            accounts: accounts.collect::<Option<_>>()?,
            before: rows(&json["meta"]["preTokenBalances"])?,
            after: rows(&json["meta"]["postTokenBalances"])?,
        };
        // An account that lived all the time and has one row only lacks the other one.
        let is_whole = balances.accounts.iter().enumerate().all(|(index, (_, pre, post))| {
            let both = balances.before.contains_key(&index) == balances.after.contains_key(&index);
            both || *pre == 0 || *post == 0
        });
        is_whole.then_some(balances)
    }

    fn wallets(&self) -> BTreeSet<Address> {
        let rows = self.before.values().chain(self.after.values());
        rows.map(|row| Address::from_chain_data(&row.owner)).collect()
    }

    fn compare(&self, line: &WalletTransaction) {
        let mut net = lines::check(line);
        let mut sum = Flow::default();
        let native = line.net.iter().filter(|change| change.asset.is_native());
        for raw in native.map(|change| change.raw).chain([line.tips, line.rent]) {
            sum.add(raw);
        }
        for raw in line.fee.iter().map(|fee| fee.raw).chain(line.unexplained.iter().map(|u| u.raw))
        {
            sum.add(raw);
        }
        net.remove("native");
        assert_eq!(net, self.tokens(line.wallet.as_str()), "tokens of {}", line.wallet);
        // An account that no row names may be the wallet's by its address.
        if !line.notes.iter().any(|note| note.code == "account_derived") {
            let mut change = Flow::default();
            change.add(RawDelta::from(self.lamports(line.wallet.as_str())));
            assert_eq!(sum.net(), change.net(), "lamports of {}", line.wallet);
        }
    }

    fn tokens(&self, wallet: &str) -> BTreeMap<String, (bool, alloy_primitives::U256)> {
        let mut flows: BTreeMap<&str, Flow> = BTreeMap::new();
        for (rows, sign) in [(&self.before, -1), (&self.after, 1)] {
            let own = rows.values().filter(|row| row.owner == wallet);
            for row in own.filter(|row| !WRAPPED.contains(&row.mint.as_str())) {
                flows.entry(&row.mint).or_default().add(RawDelta::from(sign * row.amount));
            }
        }
        let net = flows.into_iter().filter_map(|(mint, flow)| Some((mint.to_owned(), flow.net()?)));
        net.collect()
    }

    fn lamports(&self, wallet: &str) -> i128 {
        let owned = |rows: &BTreeMap<usize, Row>, index: usize| {
            rows.get(&index).is_some_and(|row| row.owner == wallet)
        };
        let accounts = self.accounts.iter().enumerate();
        accounts
            .map(|(index, (key, pre, post))| {
                let (had, has) = (owned(&self.before, index), owned(&self.after, index));
                let is_own = key == wallet;
                let before = if is_own || had { *pre } else { 0 };
                let after = if is_own || has { *post } else { 0 };
                after - before
            })
            .sum()
    }
}

fn rows(list: &Value) -> Option<BTreeMap<usize, Row>> {
    let row = |row: &Value| {
        let text = |member: &Value| member.as_str().map(str::to_owned);
        let owner = text(&row["owner"]).filter(|owner| !owner.is_empty())?;
        let amount = row["uiTokenAmount"]["amount"].as_str()?.parse().ok()?;
        let index = usize::try_from(row["accountIndex"].as_u64()?).ok()?;
        Some((index, Row { mint: text(&row["mint"])?, owner, amount }))
    };
    list.as_array()?.iter().map(row).collect()
}
