//! Fingerprints of what a result was computed from.
//!
//! Two results with the same input hash rest on the same chain data read by the same rules; with
//! the same price-set hash also on the same prices. Both are SHA-256, written in lower-case hex,
//! over JSON lines: a form in which no two different inputs have the same bytes.

use std::fmt::Write as _;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::asset::AssetId;
use crate::chain::{Address, Pin};
use crate::ledger::LedgerRules;
use crate::movement::WalletTransaction;
use crate::price::PriceQuote;

/// The version of the accounting rules, part of every result.
pub const ENGINE_VERSION: &str = env!("CARGO_PKG_VERSION");

/// Hashes a wallet's history: wallet, rules and every line in order, then versions and pin.
#[derive(Debug, Clone)]
pub struct InputHasher(Sha256);

impl InputHasher {
    /// Begins with the wallet and the rules of its ledger.
    pub fn new(wallet: &Address, rules: &LedgerRules) -> Self {
        let mut hasher = Sha256::new();
        add_line(&mut hasher, &(wallet, rules));
        Self(hasher)
    }

    /// Adds a transaction: its line names the raw transaction and holds all it did to the wallet.
    pub fn add(&mut self, tx: &WalletTransaction) {
        add_line(&mut self.0, tx);
    }

    /// The hash with everything added so far.
    pub fn finish(&self, parser_version: &str, pin: &Pin) -> String {
        let mut hasher = self.0.clone();
        add_line(&mut hasher, &(parser_version, ENGINE_VERSION, pin));
        hex(hasher)
    }
}

/// Hashes every price used, in the order of use: asset, time it was made, price and source.
#[derive(Debug, Clone)]
pub struct PriceSetHasher(Sha256);

impl PriceSetHasher {
    /// No price yet.
    pub fn new() -> Self {
        Self(Sha256::new())
    }

    /// Adds a used price.
    pub fn add(&mut self, asset: &AssetId, quote: &PriceQuote) {
        add_line(&mut self.0, &(asset, quote.price_time, quote.price, &quote.source));
    }

    /// The hash of the prices so far.
    pub fn finish(&self) -> String {
        hex(self.0.clone())
    }
}

impl Default for PriceSetHasher {
    fn default() -> Self {
        Self::new()
    }
}

fn add_line(hasher: &mut Sha256, value: &impl Serialize) {
    let line = serde_json::to_vec(value).expect("plain values with text keys always serialize");
    hasher.update(line);
    hasher.update(b"\n");
}

fn hex(hasher: Sha256) -> String {
    hasher.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}
