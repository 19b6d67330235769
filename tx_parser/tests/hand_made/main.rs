//! Small transactions made by hand, each in both encodings. One rule per test.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod builder;
mod errors;
mod instructions;
mod labels;
mod owners;
mod rates;
mod rent;
mod tips;

use std::collections::BTreeMap;

use pnl_core::WalletTransaction;

/// Net changes by asset.
fn net(line: &WalletTransaction) -> BTreeMap<String, i128> {
    let number = |text: String| text.parse().unwrap();
    line.net.iter().map(|c| (c.asset.as_str().to_owned(), number(c.raw.to_string()))).collect()
}

/// The change of the native coin without fee, tips and rent.
fn native(line: &WalletTransaction) -> i128 {
    net(line).get("native").copied().unwrap_or(0)
}

fn rent(line: &WalletTransaction) -> i128 {
    line.rent.to_string().parse().unwrap()
}

fn tips(line: &WalletTransaction) -> i128 {
    line.tips.to_string().parse().unwrap()
}

fn note_codes(line: &WalletTransaction) -> Vec<&str> {
    line.notes.iter().map(|note| note.code.as_str()).collect()
}
