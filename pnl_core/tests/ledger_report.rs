//! One history from lines to its report, with every figure worked by hand.

#![allow(clippy::unwrap_used, reason = "a failure of a helper is a failure of the test")]

mod ledger_support;

use std::collections::BTreeMap;

use ledger_support::accounts::{Accounts, accounts};
use ledger_support::*;
use pnl_core::bounds::Known;
use pnl_core::ledger::{AssetFacts, PriceRequest, PriceTable};
use pnl_core::movement::{TxKind, TxStatus};
use pnl_core::report::{
    self, Comparison, History, ReportError, ReportInput, Truncation, WalletPnl, WalletReport,
};
use pnl_core::{AssetId, Engine, Method, Pin, RawAmount, WalletTransaction, Window};
use serde_json::{Value, json};

const HOUR: i64 = 3_600;
const PIN: Pin = Pin { block: 900, block_time: NOON + 9 * HOUR };

/// SOL costs 100 for two hours, then 110, then 120, and 130 at the pin.
fn prices() -> PriceTable {
    let mut table = PriceTable::new();
    let by_hour = ["100", "100", "110", "120", "120", "120", "120", "120"];
    let times = (0..).map(|hour| NOON + hour * HOUR).zip(by_hour);
    for (at, price) in times.chain([(PIN.block_time, "130")]) {
        let request = PriceRequest { asset: AssetId::native(), at };
        table.insert(request, price.parse().unwrap(), "csv", at);
    }
    table
}

/// Hour by hour:
/// 0. 10 SOL arrive: basis 10 * 100 = 1000.
/// 1. 1 SOL -> 500 X, V = 100. SOL: 100 - basis 100 = 0. The fee of 5,000 lamports is worth 0.0005;
///    SOL is a quote asset, so it joins the cost of X: 100.0005. Its own basis is 0.0005: gain 0.
/// 2. 200 X -> 0.5 SOL, V = 0.5 * 110 = 55. The fee, 0.00055, comes off the proceeds of X: 54.99945.
///    Basis 100.0005 * 200 / 500 = 40.0002, gain 14.99925. The lamports of the fee: 0.00055 - 0.0005
///    = 0.00005.
/// 3. A failed transaction: expense 0.0006; its lamports gain 0.0006 - 0.0005 = 0.0001.
/// 4. 2,000,000 lamports of rent: basis 0.002 * 100 = 0.2 goes to the pool.
/// 5. 7 Z arrive, unsigned and unpriced.
/// 6. 1 USDC is claimed: income 1.
/// 7. 400 X -> 0.9 SOL, V = 108, while 300 X are held. Matched: 108 * 300 / 400 = 81, basis
///    100.0005 * 300 / 500 = 60.0003, gain 20.9997. Unmatched: 100 X for 27.
fn lines() -> Vec<WalletTransaction> {
    let lines = [
        line("a").kind(TxKind::TransferIn).unsigned().sol(10 * SOL),
        line("b").kind(TxKind::Swap).sol(-SOL).net("X", 500, 0).fee(5_000),
        line("c").kind(TxKind::Swap).sol(SOL / 2).net("X", -200, 0).fee(5_000),
        line("d").kind(TxKind::FeeOnly).fee(5_000).with(|tx| tx.status = TxStatus::Failed),
        line("e").rent(-2_000_000),
        line("f").kind(TxKind::Spam).unsigned().net("Z", 7, 0),
        line("g").kind(TxKind::Claim).net(USDC, 1_000_000, 6),
        line("h").kind(TxKind::Swap).sol(SOL / 10 * 9).net("X", -400, 0),
    ];
    let times = (0..).map(|hour| NOON + hour * HOUR);
    lines.into_iter().zip(times).map(|(line, time)| line.at(time)).collect()
}

/// What the chain says: as the movements do, but 0 X where they sum to 500 - 200 - 400 = -100.
fn balances() -> BTreeMap<AssetId, RawAmount> {
    let raw = [("native", 10_397_985_000u64), ("X", 0), ("Z", 7), (USDC, 1_000_000)];
    raw.into_iter().map(|(asset, raw)| (AssetId::new(asset), RawAmount::from(raw))).collect()
}

fn example() -> Accounts {
    accounts(&lines(), &prices(), PIN, Some(balances()))
}

fn report(accounts: &Accounts, window: Window, transactions: u64) -> WalletReport {
    let (history, outcome) = (&accounts.history, &accounts.outcome);
    report::build(ReportInput { history, outcome, window, transactions }).unwrap()
}

#[test]
fn a_history_has_the_result_that_was_worked_by_hand() {
    let accounts = example();
    let report = report(&accounts, Window::ALL, 8);
    let mut result = serde_json::to_value(&report).unwrap();
    let metrics = result["metrics"].take();
    // X alone is a token: two trades, 14.99925 + 20.9997; fees are kept apart: 0.00005 + 0.0001.
    assert_eq!(metrics["trades"], 2);
    assert_eq!(metrics["realized_pnl"], "35.99895");
    assert_eq!(metrics["fee_leg_gain"], "0.00015");

    // SOL: 8.997985 of the first lot (899.7985), 0.5 at 55 and 0.9 at 108: basis 1062.7985, worth
    // 10.397985 * 130 = 1351.73805. The pool: 0.002 * 130 - 0.2 = 0.06. USDC: 1 - 1 = 0.
    // The last sale took 100 X more than there were.
    let residuals = json!([{
        "asset": "X", "residual_raw": "100", "more_transactions": 0, "attributed_raw": "100",
        "rest_raw": "0",
        "transactions": [{"tx_id": "h", "block": 1, "why": "uncovered", "raw": "100"}],
    }]);
    let expected = json!({
        "method": "fifo",
        "options": {
            "scope": "wallet", "fee_policy": "attach", "swap_fee_side": "auto",
            "quote_assets": ["native", USDC, USDT], "cash_assets": [], "oversold": "exclude",
            "transfer_in": "market", "transfer_out": "basis", "unpriced": "unknown",
            "hifo_key": "unit_cost", "same_ts": "sequence",
        },
        "window": {"from": null, "to": null},
        // 14.99925 + 0.00005 + 0.0001 + 20.9997
        "realized_gain_usd": "35.9991",
        "income_usd": "1",
        "fee_expense_usd": "0.0006",
        // 35.9991 + 1 - 0.0006
        "net_realized_usd": "36.9985",
        // 288.93955 + 0.06 + 0
        "unrealized_gain_usd": "288.99955",
        "total_pnl_usd": "325.99805",
        // 0.0005 + 0.00055 + 0.0006
        "fees_usd": "0.00165",
        "unknown_proceeds_usd": "0",
        "unmatched_proceeds_usd": "27",
        "trades": 2,
        "transactions": 8,
        "metrics": null,
        "tokens": [
            {
                "asset": "native", "decimals": 9, "raw": "10397985000", "basis_usd": "1062.7985",
                "realized_gain_usd": "0.00015", "unrealized_gain_usd": "288.93955",
                "unknown_raw": "0", "unmatched_raw": "0", "unsolicited": false,
                "rent_raw": "2000000", "rent_basis_usd": "0.2", "rent_unrealized_gain_usd": "0.06",
            },
            {
                "asset": USDC, "decimals": 6, "raw": "1000000", "basis_usd": "1",
                "realized_gain_usd": "0", "unrealized_gain_usd": "0",
                "unknown_raw": "0", "unmatched_raw": "0", "unsolicited": false,
            },
            {
                "asset": "X", "decimals": 0, "raw": "-100", "basis_usd": "0",
                "realized_gain_usd": "35.99895", "unrealized_gain_usd": "0",
                "unknown_raw": "0", "unmatched_raw": "100", "unsolicited": false,
            },
            {
                "asset": "Z", "decimals": 0, "raw": "7", "basis_usd": "0",
                "realized_gain_usd": "0", "unrealized_gain_usd": null,
                "unknown_raw": "7", "unmatched_raw": "0", "unsolicited": true,
            },
        ],
        "unpriced_assets": [],
        // More X was sold than was seen coming: none of the 600 X is sure of its lot, whose basis was 100.0005.
        // They cost at least nothing, 35.9991 + 100.0005 + 27, and at most 55 / 200 each, the highest price of
        // X, with the fees of before: less 165, 0.0005 and 0.00055.
        "bounds": {"known": "35.9991", "min": "-2.00145", "min_assumed": true, "max": "162.9996"},
        // Of the SOL and the X twice and the three fees the balance contradicts both of X.
        "coverage_score": {"disposals": 6, "priced": 6, "matched": 5, "known": 4, "priced_share": "1",
            "matched_share": "0.833333333333333333", "score": "0.666666666666666667"},
        "conservation": {
            "ok": false,
            // 1000 + 100.0005 + 55 + 1 + 108
            "cost_in_usd": "1264.0005",
            // 100 + 0.0005 + 40.0002 + 0.0005 + 0.0005 + 60.0003
            "basis_disposed_usd": "200.002",
            "basis_unpriced_usd": "0",
            "basis_transferred_usd": "0",
            "basis_fee_ignored_usd": "0",
            // 1062.7985 + 0.2 + 1
            "basis_remaining_usd": "1063.9985",
            "residual_usd": "0",
            "assets": [
                {
                    "asset": "native", "in_raw": "11400000000", "out_raw": "1000000000",
                    "fee_raw": "15000", "rent_raw": "2000000", "balance_raw": "10397985000",
                    "residual_raw": "0",
                },
                {
                    "asset": USDC, "in_raw": "1000000", "out_raw": "0", "fee_raw": "0",
                    "rent_raw": "0", "balance_raw": "1000000", "residual_raw": "0",
                },
                {
                    "asset": "X", "in_raw": "500", "out_raw": "600", "fee_raw": "0",
                    "rent_raw": "0", "balance_raw": "0", "residual_raw": "100",
                },
                {
                    "asset": "Z", "in_raw": "7", "out_raw": "0", "fee_raw": "0", "rent_raw": "0",
                    "balance_raw": "7", "residual_raw": "0",
                },
            ],
            "residuals": residuals,
        },
        "unexplained_raw": [{"asset": "X", "raw": "100"}],
        "pinned": {"block": 900, "block_time": "2024-03-14T21:00:00Z"},
        // What the balance contradicts is never shown as complete.
        "coverage": {"complete": false, "sources": ["recording"], "missing": [], "truncated": null},
        "warnings": [
            {
                "code": "unexplained_balance", "count": 1,
                "detail": "assets whose balance is not the sum of their movements",
            },
            {
                "code": "unknown_basis", "count": 1,
                "detail": "assets held with unknown basis, not part of the unrealized gain",
            },
            {
                "code": "unmatched_sales", "count": 1,
                "detail": "disposals of more than the known history holds; that part has no gain",
            },
        ],
        "engine_version": pnl_core::hash::ENGINE_VERSION,
        "parser_version": "test",
        "price_set_hash": accounts.history.price_set_hash,
        "input_hash": accounts.history.input_hash,
    });
    assert_eq!(result, expected);
    assert_eq!(accounts.outcome.totals.realized_gain, report.realized_gain_usd);
}

#[test]
fn the_members_come_in_the_order_of_the_contract() {
    let text = serde_json::to_string(&report(&example(), Window::ALL, 8)).unwrap();
    let members = [
        "method",
        "options",
        "window",
        "realized_gain_usd",
        "income_usd",
        "fee_expense_usd",
        "net_realized_usd",
        "unrealized_gain_usd",
        "total_pnl_usd",
        "fees_usd",
        "unknown_proceeds_usd",
        "unmatched_proceeds_usd",
        "trades",
        "transactions",
        "metrics",
        "tokens",
        "unpriced_assets",
        "unexplained_raw",
        "bounds",
        "coverage_score",
        "conservation",
        "pinned",
        "coverage",
        "warnings",
        "engine_version",
        "parser_version",
        "price_set_hash",
        "input_hash",
    ];
    // Each member where the one before it ends; `trades` is also a metric, behind.
    let mut from = 0;
    for member in members {
        let at = text[from..].find(&format!("\"{member}\":"));
        from += at.unwrap_or_else(|| panic!("{member} is missing or out of order in {text}"));
    }
}

#[test]
fn a_window_reports_what_happened_in_it_from_lots_that_begin_with_the_history() {
    // The hours 2 and 3, half-open: the first sale of X and the failed transaction.
    let window = Window { from: Some(NOON + 2 * HOUR), to: Some(NOON + 4 * HOUR) };
    let report = report(&example(), window, 2);
    // 14.99925 + 0.00005 + 0.0001 - 0.0006.
    assert_eq!(report.realized_gain_usd.to_string(), "14.9994");
    assert_eq!(report.net_realized_usd.to_string(), "14.9988");
    assert_eq!(report.income_usd.to_string(), "0");
    assert_eq!(report.fees_usd.to_string(), "0.00115");
    assert_eq!(report.unmatched_proceeds_usd.to_string(), "0");
    assert_eq!((report.trades, report.transactions), (1, 2));
    // Holdings are those of the pin.
    assert_eq!(report.unrealized_gain_usd.to_string(), "288.99955");
    let x = report.tokens.iter().find(|row| row.asset.as_str() == "X").unwrap();
    assert_eq!(x.realized_gain_usd.to_string(), "14.99925");
    assert_eq!((x.raw.to_string(), x.unmatched_raw), ("-100".to_owned(), RawAmount::ZERO));
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(
        json["window"],
        json!({"from": "2024-03-14T14:00:00Z", "to": "2024-03-14T16:00:00Z"})
    );
    let codes: Vec<_> = report.warnings.iter().map(|warning| warning.code.as_str()).collect();
    assert_eq!(codes, ["unexplained_balance", "unknown_basis"]);
}

#[test]
fn an_address_without_history_is_zeros_and_complete() {
    let accounts = accounts(&[], &prices(), PIN, Some(BTreeMap::new()));
    let report = report(&accounts, Window::ALL, 0);
    assert!(report.total_pnl_usd.is_zero() && report.tokens.is_empty());
    assert_eq!((report.trades, report.transactions), (0, 0));
    assert!(report.coverage.complete && report.warnings.is_empty());
    assert_eq!(report.unexplained_raw, Some(vec![]));
}

#[test]
fn an_unknown_balance_is_null_and_said_but_contradicts_nothing() {
    let accounts = accounts(&lines()[..2], &prices(), PIN, None);
    let report = report(&accounts, Window::ALL, 2);
    assert_eq!(report.unexplained_raw, None);
    assert!(report.coverage.complete);
    // X has no price at the pin.
    let codes: Vec<_> = report.warnings.iter().map(|warning| warning.code.as_str()).collect();
    assert_eq!(codes, ["newer_activity", "unpriced_holdings"]);
    assert_eq!(report.unpriced_assets, [AssetId::new("X")]);
    let x = report.tokens.iter().find(|row| row.asset.as_str() == "X").unwrap();
    assert_eq!((x.basis_usd.to_string(), x.unrealized_gain_usd), ("100.0005".to_owned(), None));
    // Only SOL: 8.999995 * 130 - 899.9995 = 269.99985.
    assert_eq!(report.unrealized_gain_usd.to_string(), "269.99985");
}

#[test]
fn without_a_native_price_at_the_pin_nothing_is_unrealized_and_native_is_named() {
    let pin = Pin { block: 1, block_time: NOON + 100 * HOUR };
    let accounts = accounts(&lines()[..1], &prices(), pin, None);
    let report = report(&accounts, Window::ALL, 1);
    assert_eq!(report.unpriced_assets, [AssetId::native()]);
    assert_eq!(report.unrealized_gain_usd.to_string(), "0");
    assert_eq!(report.tokens[0].unrealized_gain_usd, None);
}

#[test]
fn a_gain_is_certain_only_where_the_history_of_its_asset_is_whole() {
    let seen = |change: &dyn Fn(&mut History)| {
        // SOL comes in and is paid for X.
        let mut accounts = accounts(&lines()[..2], &prices(), PIN, None);
        let facts = &accounts.history.facts.assets;
        let held = |(asset, facts): (&AssetId, &AssetFacts)| (asset.clone(), facts.held);
        accounts.history.balances = Some(facts.iter().map(held).collect());
        change(&mut accounts.history);
        let report = report(&accounts, Window::ALL, 2);
        let bounds = report.bounds.unwrap();
        let is_certain = bounds.min == Some(bounds.known) && bounds.max == Some(bounds.known);
        assert_eq!(bounds.min_assumed, !is_certain);
        (is_certain, report.coverage_score)
    };
    let is_certain = |change: &dyn Fn(&mut History)| seen(change).0;
    let score = |change: &dyn Fn(&mut History)| {
        let Known { disposals, known, .. } = seen(change).1;
        (known, disposals)
    };
    let off = |history: &mut History, asset: &AssetId| {
        history.balances.as_mut().unwrap().insert(asset.clone(), RawAmount::from(1u64));
    };
    let truncated = Truncation { reason: "max_transactions".to_owned(), oldest_block: Some(5) };
    assert!(is_certain(&|_| ()), "balances and movements agree");
    assert!(is_certain(&|history| history.balances = None), "nothing is known to be missing");
    assert!(is_certain(&|history| off(history, &AssetId::new("X"))), "nothing of X was sold");
    assert!(!is_certain(&|history| off(history, &AssetId::native())));
    assert!(!is_certain(&|history| history.coverage.truncated = Some(truncated.clone())));
    assert!(!is_certain(&|history| {
        history.balances = None;
        history.coverage.missing = vec!["token account 1".to_owned()];
    }));
    // What is paid in SOL, and the fee, is known. Of a history that was cut as well, where the balances say that
    // nothing was held before; nothing is where they are not known.
    assert_eq!(score(&|_| ()), (2, 2));
    assert_eq!(score(&|history| off(history, &AssetId::native())), (0, 2));
    let cut = |history: &mut History| history.coverage.truncated = Some(truncated.clone());
    assert_eq!(score(&cut), (2, 2));
    assert_eq!(score(&|history| (cut(history), history.balances = None).1), (0, 2));
    // Where balances are not known nothing speaks against what was seen.
    assert_eq!(score(&|history| history.balances = None), (2, 2));
    // Nor where those of another moment say that all is there; what they say is missing, is.
    let elsewhere = |history: &mut History, differing: &[AssetId]| {
        history.balances = None;
        let differing = differing.iter().cloned().collect();
        history.compared_elsewhere = Comparison { is_made: true, differing };
    };
    assert!(is_certain(&|history| elsewhere(history, &[])));
    assert!(is_certain(&|history| elsewhere(history, &[AssetId::new("X")])));
    assert!(!is_certain(&|history| elsewhere(history, &[AssetId::native()])));
    assert_eq!(score(&|history| elsewhere(history, &[AssetId::native()])), (0, 2));
    assert_eq!(score(&|history| (cut(history), elsewhere(history, &[])).1), (2, 2));
}

#[test]
fn what_balances_contradict_is_told_by_transaction_with_what_none_explains() {
    let excluded = AssetId::new("Lie");
    let mut ledger = builder().excluding([excluded.clone()].into());
    let mut lines: Vec<_> =
        (0..30).map(|number| line(&format!("lie{number}")).unsigned().net("Lie", 2, 0)).collect();
    lines.push(line("u").net("Y", 5, 0).unexplained("Y", 3));
    // Of Y nothing is uncovered: what was not attributed may be what leaves.
    lines.push(line("v").net("Y", -7, 0));
    lines.push(line("gap").sol(SOL).with(|tx| tx.complete.native = false));
    lines.push(line("huge").with(|tx| tx.too_large = vec![AssetId::new("Huge")]));
    for line in &lines {
        ledger.push(line, &FixedBook::sol_at_100()).unwrap();
    }
    let mut example = accounts(&[], &FixedBook::sol_at_100(), PIN, None);
    example.history.facts = ledger.facts().clone();
    let held = [("native", 2 * SOL as u64), ("Lie", 61), ("Rebased", 4), ("Huge", 7)];
    let held = held.map(|(asset, raw)| (AssetId::new(asset), RawAmount::from(raw)));
    example.history.balances = Some(held.into_iter().collect());
    let rows = report(&example, Window::ALL, 0).conservation.residuals.unwrap();
    let row = |asset: &str| {
        let row = rows.iter().find(|row| row.asset.as_str() == asset).unwrap();
        let shown = |tx: &pnl_core::ledger::DoubtfulTransaction| {
            let raw = tx.raw.map_or("?".to_owned(), |raw| raw.to_string());
            format!("{} {:?} {raw}", tx.tx_id, tx.why)
        };
        let sums = [Some(row.residual_raw), row.attributed_raw, row.rest_raw]
            .map(|raw| raw.map_or("?".to_owned(), |raw| raw.to_string()));
        (row.transactions.iter().map(shown).collect::<Vec<_>>(), row.more_transactions, sums)
    };
    let (first, more, sums) = row("Lie");
    assert_eq!((first.len(), first[0].as_str(), more), (20, "lie0 Excluded 2", 10));
    assert_eq!(sums, ["61", "60", "1"]);
    assert_eq!(
        row("native"),
        (
            vec!["gap NativeIncomplete ?".into()],
            0,
            ["1000000000", "0", "1000000000"].map(str::to_owned)
        )
    );
    assert_eq!(row("Y"), (vec!["u Unattributed 3".into()], 0, ["2", "3", "-1"].map(str::to_owned)));
    let huge = (vec!["huge TooLarge ?".into()], 0, ["7", "?", "?"].map(str::to_owned));
    assert_eq!(row("Huge"), huge);
    assert_eq!(row("Rebased"), (vec![], 0, ["4", "0", "4"].map(str::to_owned)));

    // A ledger of a version that noted none says nothing, and neither does one without balances.
    example.history.facts.doubts = None;
    assert_eq!(report(&example, Window::ALL, 0).conservation.residuals, None);
}

#[test]
fn what_balances_of_another_moment_have_shown_is_not_forgotten() {
    let mut accounts = accounts(&lines()[..2], &prices(), PIN, None);
    accounts.history.is_past = true;
    let differing = [AssetId::new("X")].into_iter().collect();
    accounts.history.compared_elsewhere = Comparison { is_made: true, differing };
    let report = report(&accounts, Window::ALL, 2);
    assert!(!report.coverage.complete && !report.conservation.ok);
    let codes: Vec<_> = report.warnings.iter().map(|warning| &*warning.code).collect();
    assert!(
        codes.contains(&"past_balances") && codes.contains(&"unexplained_balance"),
        "{codes:?}"
    );
    assert_eq!(report.unexplained_raw, None);
}

#[test]
fn gaps_of_the_history_are_warnings_and_take_its_completeness() {
    let codes = |change: &dyn Fn(&mut Accounts)| {
        let mut accounts = accounts(&[], &prices(), PIN, Some(BTreeMap::new()));
        change(&mut accounts);
        let report = report(&accounts, Window::ALL, 0);
        assert!(!report.coverage.complete);
        let code = |warning: &report::Warning| format!("{} {}", warning.code, warning.count);
        report.warnings.iter().map(code).collect::<Vec<_>>()
    };
    let cut = Truncation { reason: "max_transactions".to_owned(), oldest_block: Some(5) };
    let truncated =
        |accounts: &mut Accounts| accounts.history.coverage.truncated = Some(cut.clone());
    assert_eq!(codes(&truncated), ["truncated 1"]);
    let missing = |accounts: &mut Accounts| {
        accounts.history.coverage.missing = vec!["token account 1".to_owned(), "2".to_owned()];
    };
    assert_eq!(codes(&missing), ["incomplete_history 2"]);
    let unread = |accounts: &mut Accounts| {
        accounts.history.facts.incomplete_native = 3;
        accounts.history.facts.incomplete_fee = 1;
    };
    assert_eq!(codes(&unread), ["incomplete_native 3", "incomplete_fee 1"]);
}

#[test]
fn oddities_are_named_with_asset_and_amount() {
    let lines = [
        line("a").kind(TxKind::Stake).sol(3 * SOL),
        line("b").kind(TxKind::Stake).sol(SOL).unexplained("Y", 3),
        line("c").kind(TxKind::TransferOut).net("Y", -5, 0),
        line("d").net("Y", -5, 0).net("V", 1, 0),
        line("e").net("U", 5, 0),
        line("f").sol(SOL).net("U", -5, 0).with(|tx| {
            tx.notes = ["order_uncertain", "order_uncertain", "odd"]
                .map(|code| pnl_core::movement::Note { code: code.into(), detail: "x".into() })
                .into();
        }),
    ];
    let accounts = accounts(&lines, &FixedBook::sol_at_100(), PIN, None);
    let report = report(&accounts, Window::ALL, 6);
    let said: Vec<String> = report
        .warnings
        .iter()
        .map(|warning| format!("{} {}: {}", warning.code, warning.count, warning.detail))
        .collect();
    assert_eq!(
        said,
        [
            "newer_activity 1: the balance at the pin is not known: the wallet moved since, no endpoint keeps it, or one of a group has no history",
            "unexplained_movements 1: transactions with a movement that could not be attributed",
            "unknown_basis 1: assets held with unknown basis, not part of the unrealized gain",
            // d sells 5 Y that were never seen, for an unknown value.
            "unmatched_sales 1: disposals of more than the known history holds; that part has no gain",
            // f sells U, received without a price.
            "unknown_basis_sales 1: disposals of lots with unknown basis; that part has no gain",
            "unpriced_sales 1: disposals without a price; their gain is unknown",
            // c sends 5 Y that were never seen.
            "unmatched_transfers 1: assets of which more was transferred away than the known history \
             holds",
            "basis_reset 2: 4000000000 base units of native came back from where they were kept at \
             their market value",
            "odd 1: transactions with this note of the parser",
            "order_uncertain 1: transactions whose place among others of their block is not known",
        ]
    );
}

#[test]
fn lots_and_disposals_are_given_on_request_for_the_wallet_alone() {
    let accounts = example();
    let (history, outcome) = (&accounts.history, &accounts.outcome);
    let input = ReportInput { history, outcome, window: Window::ALL, transactions: 8 };
    let bare = serde_json::to_value(WalletPnl::build(input).unwrap()).unwrap();
    assert_eq!(bare["wallet"], WALLET);
    assert_eq!(bare["chain"], "solana");
    assert_eq!(bare["realized_gain_usd"], "35.9991");

    let lots: Vec<_> = input.lots().map(|lot| serde_json::to_value(lot).unwrap()).collect();
    assert!(lots.iter().all(|lot| lot["wallet"] == WALLET));
    assert_eq!(
        lots[0],
        json!({
            "lot": "a:0", "asset": "native", "wallet": WALLET, "qty": "8997985000", "decimals": 9,
            "basis": "899.7985", "acquired_ts": NOON,
        })
    );
    // SOL out, two fees of swaps, two sales of X, the fee of the failed transaction.
    let disposals: Vec<_> =
        input.disposals().map(|disposal| serde_json::to_value(disposal).unwrap()).collect();
    assert_eq!(disposals.len(), 6);
    assert_eq!(
        disposals[5],
        json!({
            "event": "h:0", "leg": "out", "asset": "X", "wallet": WALLET, "ts": NOON + 7 * HOUR,
            "qty": "400", "proceeds": "108", "basis": "60.0003", "gain": "20.9997",
            "matched_qty": "300", "unknown_qty": "0", "unmatched_qty": "100",
            "unknown_proceeds": "0", "unmatched_proceeds": "27",
            "matches": [{
                "lot": "b:0", "qty": "300", "acquired_ts": NOON + HOUR, "hold_s": 6 * HOUR,
                "basis": "60.0003", "proceeds": "81", "gain": "20.9997",
            }],
        })
    );
}

#[test]
fn the_stored_form_of_a_history_gives_the_same_report() {
    let mut accounts = example();
    let before = serde_json::to_string(&report(&accounts, Window::ALL, 8)).unwrap();
    let stored = serde_json::to_string(&accounts.history).unwrap();
    accounts.history = serde_json::from_str(&stored).unwrap();
    let after = serde_json::to_string(&report(&accounts, Window::ALL, 8)).unwrap();
    assert_eq!(before, after);
    assert!(serde_json::from_str::<Value>(&after).is_ok());
}

#[test]
fn an_outcome_without_prices_is_no_report() {
    let accounts = example();
    let outcome =
        Engine::new(Method::Fifo, accounts.options.clone()).unwrap().finish(None).unwrap();
    let history = &accounts.history;
    let input = ReportInput { history, outcome: &outcome, window: Window::ALL, transactions: 8 };
    assert_eq!(report::build(input), Err(ReportError::Unvalued));
}
