//! Wallets with ledgers of lines written by hand, and groups of them.

#![allow(clippy::unwrap_used, reason = "a failure of a helper is a failure of the test")]

use std::collections::BTreeMap;

use pnl_core::engine::Options;
use pnl_core::group::{GroupBuilder, GroupHistory, GroupReport};
use pnl_core::ledger::{LedgerBuilder, LedgerEvent};
use pnl_core::movement::Order;
use pnl_core::report::{Coverage, History};
use pnl_core::{
    Address, Chain, Engine, Method, Outcome, Pin, PriceBook, WalletRef, WalletTransaction, Window,
};

use super::{FixedBook, LineExt, NOON, line, rules};

pub const PIN: Pin = Pin { block: 1_000, block_time: NOON + 1_000_000 };

pub fn group_name() -> WalletRef {
    WalletRef { chain: Chain::Solana, address: Address::from_chain_data("group:1") }
}

/// A wallet with its ledger.
#[derive(Debug, Clone)]
pub struct Booked {
    pub history: History,
    pub events: Vec<LedgerEvent>,
}

pub fn booked_wallet(name: &str, lines: &[WalletTransaction], book: &dyn PriceBook) -> Booked {
    let wallet = Address::from_chain_data(name);
    let mut ledger = LedgerBuilder::new(wallet.clone(), rules(), Window::ALL);
    let mut events = Vec::new();
    for line in lines {
        let line = WalletTransaction { wallet: wallet.clone(), ..line.clone() };
        events.extend(ledger.push(&line, book).unwrap());
    }
    let history = History {
        wallet,
        chain: Chain::Solana,
        pin: PIN,
        prices: ledger.pin_prices(&PIN, book),
        facts: ledger.facts().clone(),
        balances: None,
        is_past: false,
        compared_elsewhere: Default::default(),
        coverage: Coverage {
            complete: true,
            sources: vec!["recording".to_owned()],
            missing: vec![],
            truncated: None,
        },
        parser_version: "test".to_owned(),
        price_set_hash: ledger.price_set_hash(),
        input_hash: ledger.input_hash("test", &PIN),
    };
    Booked { history, events }
}

/// A line of a transaction in block `number`.
pub fn tx(number: u64) -> WalletTransaction {
    line(&format!("t{number}")).with(|tx| {
        tx.block = number;
        tx.block_time = Some(NOON + number as i64 * 60);
        tx.order = Order { block: number, index: Some(0) };
    })
}

pub struct Grouped {
    pub events: Vec<LedgerEvent>,
    pub group: GroupHistory,
    pub outcome: Outcome,
    pub report: GroupReport,
}

pub fn grouped(wallets: &[Booked]) -> Grouped {
    grouped_by(wallets, Method::Fifo, |options| options)
}

pub fn grouped_by(
    wallets: &[Booked],
    method: Method,
    options: impl FnOnce(Options) -> Options,
) -> Grouped {
    let histories = wallets.iter().map(|wallet| wallet.history.clone()).collect();
    let mut builder = GroupBuilder::new(histories, Window::ALL);
    let order: Vec<Address> = builder.wallets().cloned().collect();
    let mut blocks: BTreeMap<u64, Vec<(usize, Vec<LedgerEvent>)>> = BTreeMap::new();
    for wallet in wallets {
        let number = order.iter().position(|one| *one == wallet.history.wallet).unwrap();
        for event in &wallet.events {
            let block = blocks.entry(event.block).or_default();
            match block.last_mut() {
                Some((last, events)) if *last == number => events.push(event.clone()),
                _ => block.push((number, vec![event.clone()])),
            }
        }
    }
    let events: Vec<LedgerEvent> =
        blocks.into_values().flat_map(|block| builder.push(block).unwrap()).collect();
    let group = builder.finish(&group_name(), PIN, &[]).unwrap();
    let options = options(Options::with_quote_assets(rules().quote_assets()));
    let mut engine = Engine::new(method, options).unwrap();
    for (event, seq) in events.iter().zip(0..) {
        if let Some(event) = event.to_event(seq).unwrap() {
            engine.apply(&event).unwrap();
        }
    }
    let outcome = engine.finish(Some(&group.history.prices)).unwrap();
    let report = group.report(&outcome, Window::ALL).unwrap();
    Grouped { events, group, outcome, report }
}

pub fn book() -> FixedBook {
    FixedBook::sol_at_100().and("X", "2")
}
