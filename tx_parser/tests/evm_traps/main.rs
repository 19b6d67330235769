//! Each way in which a parser of EVM transactions goes wrong, by the name it has in `docs/evm.md`:
//! with a recorded transaction where there is one, from a simulated chain, else made by hand.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod fees;
mod input;
mod maker;
mod native;
mod tokens;
mod trades;

use std::fs;

use common::{address, all_net, integer};
use pnl_core::{Chain, WalletTransaction};
use tx_parser::evm::{self, Network};

/// The line of a recorded transaction, `None` without recordings.
fn recorded(chain: Chain, hash: &str, wallet: &str) -> Option<WalletTransaction> {
    let path = common::recorded_of("evm")?.join(format!("{chain}/transactions/{hash}.json"));
    let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Some(evm::parse(&bytes, &Network::of(chain).unwrap(), &address(wallet)).unwrap())
}

/// The wrapped coin of the simulated chain.
const DEVNET_WETH: &str = "0x5fbdb2315678afecb367f032d93f642f64180aa3";

/// The line of a transaction of the simulated chain, `None` without recordings.
fn devnet(hash: &str, wallet: &str) -> Option<WalletTransaction> {
    let path = common::recorded_of("evm")?.join(format!("devnet_seed7/transactions/{hash}.json"));
    let network = Network::of(Chain::Ethereum).unwrap();
    let network = network.with_wrapped_native(&address(DEVNET_WETH)).unwrap();
    Some(evm::parse(&fs::read(path).unwrap(), &network, &address(wallet)).unwrap())
}

/// The changes as pairs, in the order of the line.
fn net(line: &WalletTransaction) -> Vec<(String, i128)> {
    line.net.iter().map(|c| (c.asset.to_string(), integer(c.raw))).collect()
}

/// The changes that a person found.
fn changes(list: &[(&str, i128)]) -> Vec<(String, i128)> {
    let list: Vec<_> = list.iter().map(|(asset, raw)| (maker::asset(asset), *raw)).collect();
    list
}

fn codes(line: &WalletTransaction) -> Vec<&str> {
    line.notes.iter().map(|note| note.code.as_str()).collect()
}

/// All lines of default wallets together change nothing but what was made or destroyed.
fn sum(lines: &[WalletTransaction], asset: &str) -> i128 {
    lines.iter().map(|line| all_net(line).get(asset).copied().unwrap_or_default()).sum()
}
