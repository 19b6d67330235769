//! Two wallets of one owner as one history: from what transactions did to them, over their ledgers, to a result
//! in which what one sent to the other is a move.
//!
//! `cargo run -p pnl_core --example group`

use std::io::{self, Write};

use pnl_core::group::GroupBuilder;
use pnl_core::ledger::{LedgerBuilder, LedgerEvent, LedgerRules, PriceRequest, PriceTable};
use pnl_core::movement::{Completeness, NetChange, Order, TxKind, TxStatus, WalletTransaction};
use pnl_core::report::{Comparison, Coverage, History};
use pnl_core::{
    Address, AssetId, Chain, Engine, Method, Options, Pin, RawDelta, TxId, WalletRef, Window,
};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// What a transaction in `block` did to a wallet: so much of T, and of a stablecoin.
fn transaction(wallet: &str, block: u64, tokens: i64, dollars: i64) -> WalletTransaction {
    let change = |asset: &str, raw: i64| NetChange {
        asset: AssetId::new(asset),
        raw: RawDelta::from(raw),
        decimals: Some(0),
    };
    WalletTransaction {
        chain: Chain::Solana,
        tx_id: TxId::new(&format!("tx{block}")),
        wallet: Address::from_chain_data(wallet),
        block,
        block_time: Some(time(block)),
        order: Order { block, index: Some(0) },
        status: TxStatus::Ok,
        kind: TxKind::Other,
        venue: None,
        net: [change("T", tokens), change("DOLLAR", dollars)]
            .into_iter()
            .filter(|change| !change.raw.is_zero())
            .collect(),
        fee: None,
        tips: RawDelta::ZERO,
        rent: RawDelta::ZERO,
        service_fees: vec![],
        unexplained: vec![],
        too_large: vec![],
        complete: Completeness { native: true, fee: true },
        notes: vec![],
        signed: true,
        exchange: dollars != 0,
    }
}

/// A block every hour.
fn time(block: u64) -> i64 {
    1_700_000_000 + 3_600 * i64::try_from(block).unwrap_or(0)
}

/// The ledger of a wallet: its events, and what a result needs beside them.
fn ledger(
    wallet: &str,
    lines: &[WalletTransaction],
    prices: &PriceTable,
    rules: &LedgerRules,
    pin: Pin,
) -> Outcome<(History, Vec<LedgerEvent>)> {
    let wallet = Address::from_chain_data(wallet);
    let mut ledger = LedgerBuilder::new(wallet.clone(), rules.clone(), Window::ALL);
    let mut events = Vec::new();
    for line in lines {
        events.extend(ledger.push(line, prices)?);
    }
    let history = History {
        wallet,
        chain: rules.chain,
        pin,
        prices: ledger.pin_prices(&pin, prices),
        facts: ledger.facts().clone(),
        balances: None,
        is_past: false,
        compared_elsewhere: Comparison::default(),
        coverage: Coverage { complete: true, sources: vec![], missing: vec![], truncated: None },
        parser_version: "by hand".to_owned(),
        price_set_hash: ledger.price_set_hash(),
        input_hash: ledger.input_hash("by hand", &pin),
    };
    Ok((history, events))
}

fn main() -> Outcome<()> {
    let rules = LedgerRules {
        chain: Chain::Solana,
        stablecoins: [AssetId::new("DOLLAR")].into_iter().collect(),
    };
    let pin = Pin { block: 9, block_time: time(9) };
    let mut prices = PriceTable::new();
    for (block, price) in [(1, "1"), (2, "3"), (3, "5"), (9, "5")] {
        let request = PriceRequest { asset: AssetId::new("T"), at: time(block) };
        prices.insert(request, price.parse()?, "by hand", time(block));
    }
    // A buys ten and sends six of them, of which four arrive at B; B sells them.
    let of_a = [transaction("A", 1, 10, -10), transaction("A", 2, -6, 0)];
    let of_b = [transaction("B", 2, 4, 0), transaction("B", 3, -4, 20)];
    let (a, events_of_a) = ledger("A", &of_a, &prices, &rules, pin)?;
    let (b, events_of_b) = ledger("B", &of_b, &prices, &rules, pin)?;

    // Block by block, each with the wallets that have events in it; they are numbered by their addresses.
    let mut group = GroupBuilder::new(vec![a, b], Window::ALL);
    let mut merged = Vec::new();
    for block in 1..=pin.block {
        let in_block = |events: &[LedgerEvent]| {
            events.iter().filter(|event| event.block == block).cloned().collect::<Vec<_>>()
        };
        let parts = [(0, in_block(&events_of_a)), (1, in_block(&events_of_b))];
        merged.extend(group.push(parts.into_iter().filter(|(_, of)| !of.is_empty()).collect())?);
    }
    let name = WalletRef { chain: Chain::Solana, address: Address::from_chain_data("us") };
    let group = group.finish(&name, pin, &[])?;

    let options = Options::with_quote_assets(rules.quote_assets());
    let mut engine = Engine::new(Method::Fifo, options)?;
    for (event, seq) in merged.iter().zip(0..) {
        if let Some(event) = event.to_event(seq)? {
            engine.apply(&event)?;
        }
    }
    let outcome = engine.finish(Some(&group.history.prices))?;
    let report = group.report(&outcome, Window::ALL)?;
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{} move; realized {} USD, fees {} USD",
        report.moves, report.report.realized_gain_usd, report.report.fee_expense_usd
    )?;
    for member in &report.members {
        writeln!(out, "{}: {} USD", member.wallet, member.realized_gain_usd)?;
    }
    Ok(())
}
