//! From lines to a report, as the service does it.

use std::collections::BTreeMap;

use pnl_core::engine::{Engine, Options, Outcome};
use pnl_core::event::Event;
use pnl_core::ledger::LedgerEvent;
use pnl_core::report::{Coverage, History};
use pnl_core::{AssetId, Chain, Method, Pin, PriceBook, RawAmount, WalletTransaction};

use super::{builder, rules, wallet};

/// A history that was booked and computed.
pub struct Accounts {
    pub history: History,
    pub events: Vec<LedgerEvent>,
    pub accounting: Vec<Event>,
    pub options: Options,
    pub outcome: Outcome,
}

/// Books and computes `lines` at `pin`; the chain says the wallet holds `balances`.
pub fn accounts(
    lines: &[WalletTransaction],
    book: &dyn PriceBook,
    pin: Pin,
    balances: Option<BTreeMap<AssetId, RawAmount>>,
) -> Accounts {
    let mut ledger = builder();
    let events: Vec<LedgerEvent> = lines
        .iter()
        .flat_map(|line| ledger.push(line, book).expect("the line of a test is sound"))
        .collect();
    let accounting: Vec<Event> = events
        .iter()
        .zip(0..)
        .filter_map(|(event, seq)| event.to_event(seq).expect("the builder made it"))
        .collect();
    let history = History {
        wallet: wallet(),
        chain: Chain::Solana,
        pin,
        prices: ledger.pin_prices(&pin, book),
        facts: ledger.facts().clone(),
        balances,
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
        input_hash: ledger.input_hash("test", &pin),
    };
    let options = Options::with_quote_assets(rules().quote_assets());
    let mut engine = Engine::new(Method::Fifo, options.clone()).expect("FIFO is offered");
    for event in &accounting {
        engine.apply(event).expect("the ledger is sound");
    }
    let outcome = engine.finish(Some(&history.prices)).expect("the books balance");
    Accounts { history, events, accounting, options, outcome }
}
