//! Where the recorded transactions lie, and how a line is read in tests.

#![allow(dead_code, reason = "every test binary uses its own part")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use pnl_core::{Address, RawDelta, WalletTransaction};

/// The folder with recorded Solana transactions, or a loud skip.
///
/// # Panics
/// When it is not there although the environment says that this is a CI run.
pub fn recorded() -> Option<PathBuf> {
    let Some(root) = std::env::var_os("TEST_FIXTURES_DIR") else {
        assert!(std::env::var_os("CI").is_none(), "CI needs TEST_FIXTURES_DIR");
        eprintln!("SKIPPED: TEST_FIXTURES_DIR is not set");
        return None;
    };
    Some(PathBuf::from(root).join("solana"))
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
