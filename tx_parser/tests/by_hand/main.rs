//! Real transactions, split by hand. Every test states what the recording says (lamports before and
//! after, instructions) and how that divides; nothing is taken from the parser's own answer.
//!
//! Numbers are lamports or base units of the token. 2,039,280 is the deposit of an SPL token account.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod accounts;
#[path = "../common/mod.rs"]
mod common;
mod trades;
mod venues;

use std::collections::BTreeMap;
use std::fs;

use common::{address, all_net, integer};
use pnl_core::{TxKind, WalletTransaction};
use tx_parser::solana;

const USDC: &str = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v";
const HELP: &str = "HeLp6NuQkmYB4pYWo2zYs22mESHXPQYzXbB8n4V98jwC";
const TOKEN_ACCOUNT: i128 = 2_039_280;

/// The line of a wallet, `None` without recordings. `path` is below the folder of recordings.
fn line(path: &str, wallet: &str) -> Option<WalletTransaction> {
    let file = common::recorded()?.join(format!("{path}.json"));
    let bytes = fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    Some(solana::parse(&bytes, &address(wallet)).unwrap())
}

fn mainnet(signature: &str, wallet: &str) -> Option<WalletTransaction> {
    line(&format!("transactions/{signature}"), wallet)
}

fn devnet(signature: &str, wallet: &str) -> Option<WalletTransaction> {
    line(&format!("devnet_seed7/transactions/{signature}"), wallet)
}

/// What a person found.
struct Split<'a> {
    kind: TxKind,
    venue: Option<&'a str>,
    net: &'a [(&'a str, i128)],
    fee: Option<i128>,
    tips: i128,
    rent: i128,
}

/// Nothing but a label.
const NOTHING: Split<'_> =
    Split { kind: TxKind::None, venue: None, net: &[], fee: None, tips: 0, rent: 0 };

fn assert_split(line: &WalletTransaction, want: &Split<'_>) {
    let net: BTreeMap<String, i128> =
        want.net.iter().map(|(asset, raw)| ((*asset).to_owned(), *raw)).collect();
    assert_eq!(all_net(line), net, "net");
    assert_eq!(line.fee.as_ref().map(|fee| integer(fee.raw)), want.fee, "fee");
    assert_eq!(integer(line.tips), want.tips, "tips");
    assert_eq!(integer(line.rent), want.rent, "rent");
    assert_eq!(line.kind, want.kind);
    assert_eq!(line.venue.as_deref(), want.venue);
    assert!(line.unexplained.is_empty());
}
