//! What holds for the accounts of any history: ledger, engine, report and exported document.

#![allow(clippy::unwrap_used, reason = "a failure of a helper is a failure of the test")]

mod ledger_support;

use std::collections::BTreeMap;

use ledger_support::accounts::{Accounts, accounts};
use ledger_support::random::history;
use ledger_support::*;
use pnl_core::document::{Document, EventJson, ExportHead};
use pnl_core::ledger::{LedgerEvent, rent_pool};
use pnl_core::report::{self, ReportInput, WalletReport};
use pnl_core::{AssetId, Method, Pin, RawAmount, RawDelta, Usd, WalletTransaction, Window};
use proptest::prelude::*;

fn computed(lines: &[WalletTransaction]) -> Accounts {
    let pin = Pin { block: 1_000, block_time: NOON + 1_000_000 };
    accounts(lines, &MovingBook, pin, None)
}

fn report(accounts: &Accounts, window: Window) -> WalletReport {
    let (history, outcome) = (&accounts.history, &accounts.outcome);
    let transactions = history.facts.transactions;
    report::build(ReportInput { history, outcome, window, transactions }).unwrap()
}

fn sum(values: impl Iterator<Item = Usd>) -> Usd {
    values.fold(Usd::ZERO, |sum, value| sum.checked_add(value).unwrap())
}

/// The document as the service streams it.
fn exported(accounts: &Accounts) -> String {
    let history = &accounts.history;
    let head = ExportHead {
        method: Method::Fifo,
        options: &accounts.options,
        prices: &history.prices,
        wallet: &history.wallet,
        chain: history.chain,
        pinned: history.pin,
        input_hash: &history.input_hash,
    };
    let events = accounts.accounting.iter().map(EventJson::from);
    let events: Vec<_> = events.map(|event| serde_json::to_string(&event).unwrap()).collect();
    let closing = ExportHead::<Pin>::closing::<LedgerEvent>(&[]).unwrap();
    format!("{}{}{closing}", head.opening().unwrap(), events.join(","))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn lots_hold_what_the_movements_left_and_the_pool_what_was_deposited(lines in history(30)) {
        let accounts = computed(&lines);
        let pool = rent_pool(&accounts.history.wallet);
        let mut held: BTreeMap<&AssetId, RawAmount> = BTreeMap::new();
        let mut deposited = RawAmount::ZERO;
        for lot in accounts.outcome.lots() {
            let sum = if *lot.wallet == *pool { &mut deposited }
                else { held.entry(lot.asset).or_default() };
            *sum = sum.checked_add(lot.quantity).unwrap();
        }
        prop_assert_eq!(deposited, accounts.history.facts.rent_pool);
        for (asset, facts) in &accounts.history.facts.assets {
            prop_assert_eq!(held.remove(asset).unwrap_or_default(), facts.held);
        }
        prop_assert!(held.is_empty());
    }

    #[test]
    fn rows_sum_to_the_whole(lines in history(30)) {
        let accounts = computed(&lines);
        let report = report(&accounts, Window::ALL);
        let totals = &accounts.outcome.totals;
        prop_assert_eq!(report.realized_gain_usd, totals.realized_gain);
        prop_assert_eq!(report.net_realized_usd, totals.net_realized);
        prop_assert_eq!(Some(report.unrealized_gain_usd), totals.unrealized_gain);
        let rows = || report.tokens.iter();
        prop_assert_eq!(sum(rows().map(|row| row.realized_gain_usd)), report.realized_gain_usd);
        let rent = || rows().filter_map(|row| row.rent.as_ref());
        // The pool's basis may be unknown as a whole: then its part of the gain is none.
        let unrealized = sum(rows()
            .filter_map(|row| row.unrealized_gain_usd)
            .chain(rent().filter_map(|rent| rent.rent_unrealized_gain_usd)));
        prop_assert_eq!(unrealized, report.unrealized_gain_usd);
        let basis = sum(rows()
            .map(|row| row.basis_usd)
            .chain(rent().map(|rent| rent.rent_basis_usd)));
        prop_assert_eq!(basis, totals.remaining_basis);
        for asset in &report.unpriced_assets {
            prop_assert!(!accounts.history.prices.contains_key(asset));
        }
    }

    #[test]
    fn the_raw_of_a_row_is_the_sum_of_its_movements(lines in history(30)) {
        let report = report(&computed(&lines), Window::ALL);
        let mut moved: BTreeMap<AssetId, RawDelta> = BTreeMap::new();
        let mut add = |asset: &AssetId, raw: RawDelta| {
            let sum = moved.entry(asset.clone()).or_default();
            *sum = sum.checked_add(raw).unwrap();
        };
        let native = AssetId::native();
        for line in &lines {
            line.net.iter().for_each(|change| add(&change.asset, change.raw));
            line.fee.iter().for_each(|fee| add(&native, fee.raw));
            add(&native, line.tips);
            add(&native, line.rent);
        }
        moved.retain(|_, raw| !raw.is_zero());
        let rows = report.tokens.iter().map(|row| (row.asset.clone(), row.raw));
        let rows: BTreeMap<_, _> = rows.filter(|(_, raw)| !raw.is_zero()).collect();
        prop_assert_eq!(rows, moved);
    }

    #[test]
    fn windows_that_meet_sum_to_the_whole(lines in history(30), cut in 0i64..200_000) {
        let accounts = computed(&lines);
        let cut = Some(NOON + cut);
        let whole = report(&accounts, Window::ALL);
        let before = report(&accounts, Window { from: None, to: cut });
        let after = report(&accounts, Window { from: cut, to: None });
        let flows = |report: &WalletReport| [
            report.realized_gain_usd,
            report.income_usd,
            report.fee_expense_usd,
            report.fees_usd,
            report.unknown_proceeds_usd,
            report.unmatched_proceeds_usd,
        ];
        let parts = flows(&before).into_iter().zip(flows(&after));
        let sums: Vec<Usd> = parts.map(|(a, b)| a.checked_add(b).unwrap()).collect();
        prop_assert_eq!(sums, flows(&whole));
        prop_assert_eq!(before.trades + after.trades, whole.trades);
        prop_assert_eq!(before.unrealized_gain_usd, whole.unrealized_gain_usd);
    }

    #[test]
    fn equal_inputs_give_equal_bytes(lines in history(12)) {
        let bytes = || {
            let accounts = computed(&lines);
            (serde_json::to_string(&report(&accounts, Window::ALL)).unwrap(), exported(&accounts))
        };
        prop_assert_eq!(bytes(), bytes());
    }

    #[test]
    fn the_exported_document_computes_to_the_same_outcome(lines in history(30)) {
        let accounts = computed(&lines);
        let document = Document::read(&exported(&accounts)).unwrap();
        prop_assert_eq!(&document.events, &accounts.accounting);
        prop_assert_eq!(document.run().unwrap(), accounts.outcome);
    }
}
