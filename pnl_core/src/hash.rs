//! Fingerprints of what a result was computed from.
//!
//! A part of a stored ledger is known by its events alone; [`EventHasher`] is for those.
//!
//! Two results with the same input hash rest on the same chain data read by the same rules; with
//! the same price-set hash also on the same prices. Both are SHA-256, written in lower-case hex,
//! over JSON lines: a form in which no two different inputs have the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Serialize;
use sha2::digest::common::hazmat::{SerializableState, SerializedState};
use sha2::{Digest, Sha256};

use crate::amount::UsdPrice;
use crate::asset::AssetId;
use crate::chain::{Address, Pin};
use crate::ledger::{LedgerEvent, LedgerRules};
use crate::movement::WalletTransaction;
use crate::price::PriceQuote;

/// Version of the rules of accounting and of results. It changes whenever the same ledger could give another result.
pub const ENGINE_VERSION: &str = "4";

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

    /// Adds that the movements of these assets are left out.
    pub fn add_excluded(&mut self, assets: &BTreeSet<AssetId>) {
        add_line(&mut self.0, &("excluded", assets));
    }

    /// Adds a transaction: its line names the raw transaction and holds all it did to the wallet.
    pub fn add(&mut self, tx: &WalletTransaction) {
        add_line(&mut self.0, tx);
    }

    /// Where the hash stands, in hex: what [`Self::resume`] goes on from.
    pub fn state(&self) -> String {
        save(&self.0)
    }

    /// Goes on where [`Self::state`] was taken; `None` when it was not.
    pub fn resume(state: &str) -> Option<Self> {
        restore(state).map(Self)
    }

    /// The hash with everything added so far.
    pub fn finish(&self, parser_version: &str, pin: &Pin) -> String {
        let mut hasher = self.0.clone();
        add_line(&mut hasher, &(parser_version, ENGINE_VERSION, pin));
        hex(&hasher.finalize())
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

    /// Where the hash stands, in hex: what [`Self::resume`] goes on from.
    pub fn state(&self) -> String {
        save(&self.0)
    }

    /// Goes on where [`Self::state`] was taken; `None` when it was not.
    pub fn resume(state: &str) -> Option<Self> {
        restore(state).map(Self)
    }

    /// The hash of the prices so far.
    pub fn finish(&self) -> String {
        hex(&self.0.clone().finalize())
    }
}

impl Default for PriceSetHasher {
    fn default() -> Self {
        Self::new()
    }
}

/// Hashes a history by its events: what is computed from events, and not from transactions, is known by
/// them. Equal parts of two ledgers have equal hashes.
#[derive(Debug, Clone, Default)]
pub struct EventHasher {
    movements: Sha256,
    prices: Sha256,
}

impl EventHasher {
    /// Adds the next event.
    pub fn add(&mut self, event: &LedgerEvent) {
        let LedgerEvent { id, ts, wallet, kind, legs, pool_raw, link, excluded, .. } = event;
        let moved: Vec<_> =
            legs.iter().map(|leg| (leg.side, &leg.asset, leg.raw, leg.decimals)).collect();
        let line = (id, ts, wallet, kind, moved, pool_raw, link, excluded);
        add_line(&mut self.movements, &line);
        for leg in legs.iter().filter(|leg| leg.value.is_some()) {
            let line = (&leg.asset, leg.price_time, leg.value, &leg.price_source);
            add_line(&mut self.prices, &line);
        }
    }

    /// The hashes of the movements and of the values with everything added so far; the second with the
    /// prices at the end.
    pub fn finish(
        mut self,
        parser_version: &str,
        pin: &Pin,
        prices: &BTreeMap<AssetId, UsdPrice>,
    ) -> (String, String) {
        add_line(&mut self.movements, &(parser_version, ENGINE_VERSION, pin));
        add_line(&mut self.prices, &prices);
        (hex(&self.movements.finalize()), hex(&self.prices.finalize()))
    }
}

/// The hash of values, as of the lines of a history.
pub(crate) fn of_values(values: &impl Serialize) -> String {
    let mut hasher = Sha256::new();
    add_line(&mut hasher, values);
    hex(&hasher.finalize())
}

/// The SHA-256 of a text, in hex.
pub(crate) fn of_text(text: &str) -> String {
    hex(&Sha256::digest(text))
}

fn add_line(hasher: &mut Sha256, value: &impl Serialize) {
    let line = serde_json::to_vec(value).expect("plain values with text keys always serialize");
    hasher.update(line);
    hasher.update(b"\n");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}

fn save(hasher: &Sha256) -> String {
    hex(&hasher.serialize())
}

fn restore(text: &str) -> Option<Sha256> {
    let mut state = SerializedState::<Sha256>::default();
    if !text.is_ascii() || text.len() != state.len() * 2 {
        return None;
    }
    for (place, byte) in state.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[place * 2..place * 2 + 2], 16).ok()?;
    }
    Sha256::deserialize(&state).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_goes_on_where_it_stood() {
        let asset = AssetId::native();
        let quote = |price: &str| PriceQuote {
            price: price.parse().unwrap(),
            price_time: 7,
            rank: crate::price::PriceRank::NativeHour,
            source: "csv".into(),
        };
        let mut whole = PriceSetHasher::new();
        for step in 0..40 {
            let mut resumed = PriceSetHasher::resume(&whole.state()).unwrap();
            assert_eq!(resumed.finish(), whole.finish());
            for hasher in [&mut whole, &mut resumed] {
                hasher.add(&asset, &quote(&format!("{step}.5")));
            }
            assert_eq!(resumed.finish(), whole.finish(), "step {step}");
        }
        assert!(PriceSetHasher::resume("").is_none());
        assert!(PriceSetHasher::resume(&"zz".repeat(whole.state().len() / 2)).is_none());
    }
}
