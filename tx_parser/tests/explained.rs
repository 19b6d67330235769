//! The gain of every recorded wallet, explained down to the lots: nothing is left over at any level.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use pnl_core::engine::Oversold;
use pnl_core::ledger::{LedgerBuilder, LedgerRules};
use pnl_core::what_if::METHODS;
use pnl_core::{
    Address, AssetId, Chain, Engine, Options, PriceBook, PriceQuote, PriceRank, WalletTransaction,
    Window, explain,
};
use serde_json::Value;
use tx_parser::evm::Network;
use tx_parser::{evm, solana};

/// Dollars that are worth one, by chain.
const DOLLARS: [(Chain, &str); 4] = [
    (Chain::Solana, "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"),
    (Chain::Ethereum, "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48"),
    (Chain::Base, "0x833589fcd6edb6e08f4c7c32d4f71b54bda02913"),
    (Chain::BinanceSmartChain, "0x55d398326f99059ff775485246999027b3197955"),
];

/// The coin by the hour, and every other asset at something that has no end in binary or decimal shares.
/// What prices are does not matter here, but that most movements have one.
struct Prices;

impl PriceBook for Prices {
    fn quote(&self, asset: &AssetId, at: i64) -> Option<PriceQuote> {
        let hour = at.div_euclid(3_600);
        let price = if asset.is_native() {
            format!("{}.37", 20 + hour.rem_euclid(180))
        } else {
            // One of eight has none.
            let length = asset.as_str().bytes().map(i64::from).sum::<i64>();
            (length % 8 != 0).then(|| format!("0.0000{}7", 1 + (length + hour).rem_euclid(97)))?
        };
        let price = price.parse().unwrap();
        let rank = PriceRank::Provider;
        Some(PriceQuote { price, rank, source: "test".to_owned(), price_time: at })
    }
}

type Histories = BTreeMap<Address, Vec<WalletTransaction>>;

/// Every line of every wallet of the transactions in a folder.
fn read(folder: &Path, lines: impl Fn(&[u8]) -> Vec<WalletTransaction>) -> Histories {
    let mut histories = Histories::new();
    for file in fs::read_dir(folder).unwrap() {
        for line in lines(&fs::read(file.unwrap().path()).unwrap()) {
            histories.entry(line.wallet.clone()).or_default().push(line);
        }
    }
    for history in histories.values_mut() {
        history.sort_by_key(|line| (line.order, line.tx_id.to_string()));
    }
    histories
}

/// Explains every wallet by every method; gives the numbers of wallets and of disposals.
fn explained(chain: Chain, histories: Histories) -> (usize, usize) {
    let dollar = DOLLARS.iter().find(|(of, _)| *of == chain).map(|(_, id)| AssetId::new(id));
    let rules = LedgerRules { chain, stablecoins: dollar.into_iter().collect() };
    let (wallets, mut disposals) = (histories.len(), 0);
    for (wallet, history) in histories {
        let mut ledger = LedgerBuilder::new(wallet.clone(), rules.clone(), Window::ALL);
        let lines = history.iter().flat_map(|line| ledger.push(line, &Prices).unwrap());
        let events: Vec<_> =
            (0..).zip(lines).filter_map(|(seq, event)| event.to_event(seq).unwrap()).collect();
        for (method, oversold) in
            METHODS.into_iter().zip([Oversold::Exclude, Oversold::ZeroBasis].into_iter().cycle())
        {
            let options = Options { oversold, ..Options::with_quote_assets(rules.quote_assets()) };
            let mut engine = Engine::new(method, options).unwrap();
            engine.apply_all(&events).unwrap();
            let outcome = engine.finish(None).unwrap();
            let explanation = explain::explain(&outcome).unwrap();
            assert!(explanation.left_over.is_zero(), "{chain} {wallet} {method}");
            for (asset, token) in &explanation.tokens {
                let what = format!("{chain} {wallet} {method} {asset}");
                assert!(token.left_over.is_zero(), "{what}: {}", token.left_over);
                for row in &token.disposals {
                    let event = row.disposal.event;
                    assert!(row.left_over.is_zero(), "{what} {event}: {}", row.left_over);
                }
                disposals += token.disposals.len();
            }
            assert!(outcome.conservation.ok, "{chain} {wallet} {method}");
        }
    }
    (wallets, disposals)
}

/// The owners of token accounts that a Solana transaction names.
fn owners(bytes: &[u8]) -> BTreeSet<Address> {
    let raw: Value = serde_json::from_slice(bytes).unwrap();
    let lists = ["preTokenBalances", "postTokenBalances"].map(|list| &raw["meta"][list]);
    let rows = lists.into_iter().filter_map(Value::as_array).flatten();
    rows.filter_map(|row| row["owner"].as_str()).map(common::address).collect()
}

#[test]
fn every_disposal_of_every_recorded_wallet_closes_to_nothing() {
    let Some(root) = common::recorded() else { return };
    let lines = |bytes: &[u8]| {
        let transaction = solana::Transaction::decode(bytes).unwrap();
        let mut lines = transaction.view_all();
        for owner in owners(bytes) {
            if lines.iter().all(|line| line.wallet != owner) {
                lines.push(transaction.view(&owner).unwrap());
            }
        }
        lines
    };
    for (folder, at_least) in [("transactions", 984), ("devnet_seed7/transactions", 6)] {
        let (wallets, disposals) = explained(Chain::Solana, read(&root.join(folder), lines));
        eprintln!("{folder}: {wallets} wallets, {disposals} disposals by four methods");
        assert!(wallets >= at_least && disposals > 1_000, "{wallets}, {disposals}");
    }
}

#[test]
fn every_disposal_of_every_recorded_evm_wallet_closes_to_nothing() {
    let Some(root) = common::recorded_of("evm") else { return };
    for chain in [Chain::Ethereum, Chain::Base, Chain::BinanceSmartChain] {
        let network = Network::of(chain).unwrap();
        let lines = |bytes: &[u8]| evm::Transaction::decode(bytes, &network).unwrap().view_all();
        let folder = root.join(format!("{chain}/transactions"));
        let (wallets, disposals) = explained(chain, read(&folder, lines));
        eprintln!("{chain}: {wallets} wallets, {disposals} disposals by four methods");
        assert!(wallets >= 10 && disposals > 10, "{wallets}, {disposals}");
    }
}
