//! Where the recorded transactions lie, and how a line is read in tests.

#![allow(dead_code, reason = "every test binary uses its own part")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use pnl_core::{Address, RawDelta, WalletTransaction};
use serde_json::Value;

/// The folder with recorded transactions of a family of chains, or a loud skip.
///
/// # Panics
/// When it is not there although the environment says that this is a CI run.
pub fn recorded_of(family: &str) -> Option<PathBuf> {
    let Some(root) = std::env::var_os("TEST_FIXTURES_DIR") else {
        assert!(std::env::var_os("CI").is_none(), "CI needs TEST_FIXTURES_DIR");
        eprintln!("SKIPPED: TEST_FIXTURES_DIR is not set");
        return None;
    };
    Some(PathBuf::from(root).join(family))
}

/// The folder with recorded Solana transactions.
///
/// # Panics
/// As [`recorded_of`].
pub fn recorded() -> Option<PathBuf> {
    recorded_of("solana")
}

/// An address as the recordings write it.
pub fn address(text: &str) -> Address {
    Address::from_chain_data(text)
}

/// The net change of an asset, zero when it is not listed.
pub fn net(line: &WalletTransaction, asset: &str) -> i128 {
    let found = line.net.iter().find(|change| change.asset.as_str() == asset);
    found.map_or(0, |change| integer(change.raw))
}

/// All net changes.
pub fn all_net(line: &WalletTransaction) -> BTreeMap<String, i128> {
    line.net.iter().map(|c| (c.asset.as_str().to_owned(), integer(c.raw))).collect()
}

/// The fee, zero when the wallet did not pay it.
pub fn fee(line: &WalletTransaction) -> i128 {
    line.fee.as_ref().map_or(0, |fee| integer(fee.raw))
}

/// The change of the native coin: what the members of the line sum to.
pub fn native_change(line: &WalletTransaction) -> i128 {
    net(line, "native") + fee(line) + integer(line.tips) + integer(line.rent)
}

/// A delta as a number.
pub fn integer(delta: RawDelta) -> i128 {
    delta.to_string().parse().expect("lamports and tokens of one transaction fit")
}

/// Differences are collected, so that one run shows all of them.
#[derive(Default)]
pub struct Differences(Vec<String>);

impl Differences {
    /// Keeps the difference, if there is one.
    pub fn check<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, got: T, want: T) {
        if got != want {
            self.0.push(format!("{what}: got {got:?}, recorded {want:?}"));
        }
    }

    /// # Panics
    /// When there was any.
    pub fn assert_none(self, checked: usize) {
        let first: Vec<_> = self.0.iter().take(20).collect();
        assert!(self.0.is_empty(), "{} differences in {checked}: {first:#?}", self.0.len());
    }
}

/// All places of a value, as JSON pointers.
pub fn places(value: &Value) -> Vec<String> {
    fn walk(value: &Value, at: &str, all: &mut Vec<String>) {
        all.push(at.to_owned());
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    walk(member, &format!("{at}/{name}"), all);
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    walk(item, &format!("{at}/{index}"), all);
                }
            }
            _ => {}
        }
    }
    let mut all = Vec::new();
    walk(value, "", &mut all);
    all
}
