//! Wallets of one owner as one history.

#![allow(clippy::unwrap_used, reason = "a failure of a helper is a failure of the test")]

mod ledger_support;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use ledger_support::groups::*;
use ledger_support::random::history;
use ledger_support::*;
use pnl_core::engine::{Options, Scope};
use pnl_core::group::GroupBuilder;
use pnl_core::ledger::{LedgerBuilder, LedgerEvent, LedgerKind};
use pnl_core::movement::Order;
use pnl_core::report::History;
use pnl_core::{Address, AssetId, Engine, Method, RawDelta, Usd, WalletTransaction, Window};
use proptest::prelude::*;

#[test]
fn what_one_wallet_sends_to_another_keeps_its_date_and_its_cost() {
    let cheap = FixedBook::sol_at_100().and("X", "1");
    let dear = FixedBook::sol_at_100().and("X", "3");
    // A receives 10 X at 1 dollar each; when it sends 4 of them they are worth 3 each.
    let mut ledger = LedgerBuilder::new(Address::from_chain_data("A"), rules(), Window::ALL);
    let of_a = |line: WalletTransaction| WalletTransaction {
        wallet: Address::from_chain_data("A"),
        ..line
    };
    let mut events = ledger.push(&of_a(tx(1).net("X", 10, 0)), &cheap).unwrap();
    events.extend(ledger.push(&of_a(tx(2).net("X", -4, 0).fee(5_000)), &dear).unwrap());
    let a = Booked {
        events,
        ..booked_wallet("A", &[tx(1).net("X", 10, 0), tx(2).net("X", -4, 0)], &dear)
    };
    let sold = tx(3).net("X", -4, 0).net(USDC, 20_000_000, 6).through_an_exchange();
    let b = booked_wallet("B", &[tx(2).net("X", 4, 0).unsigned(), sold], &dear);
    let alone = grouped(std::slice::from_ref(&b));
    assert_eq!(alone.report.report.realized_gain_usd, "8".parse().unwrap(), "at market: 20 - 12");

    let Grouped { events, outcome, report, .. } = grouped(&[b, a]);
    let ids: Vec<&str> = events.iter().map(|event| &*event.id).collect();
    assert_eq!(ids, ["t1:0", "t2:0", "t2:1", "t2:2", "t3:0"]);
    assert_eq!(
        shorts(&events[1..4]),
        [
            "transfer_out: out X -4 = 12 linked",
            "fee: fee native -5000 = 0.0005",
            "transfer_in: in X 4 = 12 linked"
        ]
    );
    let sale = outcome.disposals().find(|disposal| disposal.event == "t3:0").unwrap();
    assert_eq!(sale.gain, Some("16".parse().unwrap()), "20 - 4 * 1");
    let lot = sale.matches.iter().next().unwrap();
    assert_eq!((lot.lot, lot.acquired_ts), ("t1:0", NOON + 60));
    assert_eq!(report.moves, 1);
    let row = |name: &str| report.members.iter().find(|row| row.wallet.as_str() == name).unwrap();
    assert_eq!(row("B").realized_gain_usd, "16".parse().unwrap());
    assert_eq!(row("A").fees_usd, "0.0005".parse().unwrap());
    assert_eq!(row("A").basis_usd, Some("6".parse().unwrap()), "six that cost 1 each");
}

/// A wallet of an example: its transactions by block, each with the price of X.
fn booked_example(name: &str, transactions: &serde_json::Value) -> Booked {
    let wallet = Address::from_chain_data(name);
    let mut ledger = LedgerBuilder::new(wallet.clone(), rules(), Window::ALL);
    let mut events = Vec::new();
    let mut book = book();
    for transaction in transactions.as_array().unwrap() {
        book = book.and("X", transaction["price"].as_str().unwrap());
        let mut line = tx(transaction["block"].as_u64().unwrap());
        for (asset, quantity) in transaction["net"].as_object().unwrap() {
            let quantity = quantity.as_i64().unwrap();
            line = match asset.as_str() {
                "USDC" => line.net(USDC, quantity * 1_000_000, 6).through_an_exchange(),
                asset => line.net(asset, quantity, 0),
            };
        }
        let line = WalletTransaction { wallet: wallet.clone(), ..line };
        events.extend(ledger.push(&line, &book).unwrap());
    }
    let history =
        History { facts: ledger.facts().clone(), ..booked_wallet(name, &[], &book).history };
    let prices = ledger.pin_prices(&PIN, &book);
    Booked { history: History { prices, ..history }, events }
}

#[test]
fn every_example_of_groups_computes_what_it_says() {
    let page = include_str!("../../docs/accounting.md");
    let blocks: Vec<_> = page.split("```json group\n").skip(1).collect();
    assert!(!blocks.is_empty(), "the page has lost its examples");
    for block in blocks {
        let text = block.split("```").next().unwrap();
        let mut example: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(text).unwrap();
        let expected = example.remove("expect").unwrap();
        let wallets: Vec<Booked> =
            example.iter().map(|(name, lines)| booked_example(name, lines)).collect();
        let Grouped { outcome, report, .. } = grouped(&wallets);
        let gains = report.members.iter().map(|row| {
            (row.wallet.to_string(), serde_json::Value::from(row.realized_gain_usd.to_string()))
        });
        let lots = outcome.lots().filter(|lot| lot.asset.as_str() == "X").map(|lot| {
            serde_json::json!([lot.wallet, lot.lot, lot.quantity.to_string(), lot.basis])
        });
        let found = serde_json::json!({
            "moves": report.moves,
            "realized_gain": report.report.realized_gain_usd,
            "fee_expense": report.report.fee_expense_usd,
            "gains": gains.collect::<serde_json::Map<_, _>>(),
            "lots": lots.collect::<Vec<_>>(),
        });
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn what_is_missing_from_one_wallet_is_missing_from_the_group() {
    let wallet = |name: &str, number, balance: Option<u64>| {
        let mut wallet = booked_wallet(name, &[tx(number).net("X", 10, 0)], &book());
        wallet.history.balances =
            balance.map(|raw| [(AssetId::new("X"), raw.into())].into_iter().collect());
        wallet
    };
    let report = |wallets: &[Booked]| grouped(wallets).report.report;
    let agreeing = report(&[wallet("A", 1, Some(10)), wallet("B", 2, Some(10))]);
    assert!(agreeing.coverage.complete && agreeing.conservation.ok);
    // Five too many of one, five too few of the other: together they agree.
    let opposite = report(&[wallet("A", 1, Some(15)), wallet("B", 2, Some(5))]);
    assert_eq!(opposite.unexplained_raw, Some(vec![]));
    // Of the other one it is not known.
    let unknown = report(&[wallet("A", 1, Some(15)), wallet("B", 2, None)]);
    assert_eq!(unknown.unexplained_raw, None);
    for report in [opposite, unknown] {
        assert!(!report.coverage.complete && !report.conservation.ok);
        let warns = |warning: &pnl_core::report::Warning| warning.code == "unexplained_balance";
        assert!(report.warnings.iter().any(warns));
    }
}

#[test]
fn what_does_not_arrive_is_a_fee_and_what_comes_on_top_comes_from_elsewhere() {
    let sends =
        |raw| booked_wallet("A", &[tx(1).net("X", 100, 0), tx(2).net("X", raw, 0)], &book());
    let receives = |raw| booked_wallet("B", &[tx(2).net("X", raw, 0)], &book());
    let Grouped { events, report, .. } = grouped(&[sends(-10), receives(9)]);
    assert_eq!(
        shorts(&events[1..]),
        [
            "transfer_out: out X -9 = 18 linked",
            "fee: out X -1 = 2",
            "transfer_in: in X 9 = 18 linked"
        ]
    );
    let short = report.report.warnings.iter().find(|warning| warning.code == "move_shortfall");
    assert_eq!(short.unwrap().count, 1);
    let Grouped { events, report, .. } = grouped(&[sends(-10), receives(12)]);
    assert_eq!(
        shorts(&events[1..]),
        [
            "transfer_out: out X -10 = 20 linked",
            "transfer_in: in X 10 = 20 linked",
            "transfer_in: in X 2 = 4"
        ]
    );
    assert!(report.report.warnings.iter().all(|warning| warning.code != "move_shortfall"));
}

#[test]
fn equal_quantities_belong_together_and_strangers_get_no_move() {
    let first = |raw| [tx(1).net("X", 100, 0), tx(2).net("X", raw, 0)];
    let a = booked_wallet("A", &first(-7), &book());
    let b = booked_wallet("B", &first(-5), &book());
    let c = booked_wallet("C", &[tx(2).net("X", 5, 0)], &book());
    let Grouped { events, report, .. } = grouped(&[a, b, c]);
    // A sent to somebody else.
    assert_eq!(
        shorts(&events[2..]),
        [
            "transfer_out: out X -5 = 10 linked",
            "transfer_out: out X -7 = 14",
            "transfer_in: in X 5 = 10 linked"
        ]
    );
    assert_eq!((&*events[2].wallet, report.moves), ("B", 1));
}

#[test]
fn swaps_and_deposits_are_no_moves() {
    let swap = tx(1).net("X", -5, 0).sol(SOL).through_an_exchange();
    let a = booked_wallet("A", &[swap], &book());
    let b = booked_wallet("B", &[tx(1).net("X", 5, 0).rent(-2_039_280)], &book());
    let c = booked_wallet("C", &[tx(1).rent(-2_039_280)], &book());
    let Grouped { events, report, group, .. } = grouped(&[c, b, a]);
    assert_eq!(report.moves, 0);
    let links: HashSet<&str> = events.iter().filter_map(|event| event.link.as_deref()).collect();
    assert_eq!(links, HashSet::from(["t1:rent:B", "t1:rent:C"]));
    assert_eq!(group.history.facts.rent_pool, 4_078_560u64.into());
    let native = report.report.tokens.iter().find(|row| row.asset.is_native()).unwrap();
    assert_eq!(native.rent.as_ref().unwrap().rent_raw, 4_078_560u64.into());
}

#[test]
fn decimals_that_one_wallet_does_not_know_are_those_of_another() {
    let a = booked_wallet("A", &[tx(1).net_without_decimals("Q", 5)], &book());
    let b = booked_wallet("B", &[tx(2).net("Q", 7, 3)], &book());
    let Grouped { report, .. } = grouped(&[a, b]);
    let row = report.report.tokens.iter().find(|row| row.asset.as_str() == "Q").unwrap();
    assert_eq!((row.decimals, row.raw), (Some(3), RawDelta::from(12i64)));
}

#[test]
fn a_wallet_that_is_missing_makes_the_group_incomplete_by_name() {
    let a = booked_wallet("A", &[tx(1).net("X", 5, 0)], &book());
    let mut builder = GroupBuilder::new(vec![a.history.clone()], Window::ALL);
    builder.push(vec![(0, a.events)]).unwrap();
    let missing = ["wallet B: provider-error".to_owned()];
    let group = builder.finish(&group_name(), PIN, &missing).unwrap();
    assert!(!group.history.coverage.complete);
    assert_eq!(group.history.coverage.missing, missing);
    // What came from the missing one looks like a deposit: no balance bears it out.
    assert_eq!(group.history.balances, None);
    assert!(!group.history.compared_elsewhere.is_made);
}

/// Transactions of one block come in the order of every ledger, also where places are ranks of the ledger.
#[test]
fn ledgers_of_one_block_are_merged_at_the_transactions_they_share() {
    let at = |id: &str, index| {
        line(id).net("X", 1, 0).with(|tx| tx.order = Order { block: 1, index: Some(index) })
    };
    let merged = |a: &[(&str, u32)], b: &[(&str, u32)]| -> Vec<String> {
        let lines = |rows: &[(&str, u32)]| -> Vec<WalletTransaction> {
            rows.iter().map(|(id, index)| at(id, *index)).collect()
        };
        let wallets =
            [booked_wallet("A", &lines(a), &book()), booked_wallet("B", &lines(b), &book())];
        let mut ids: Vec<String> =
            grouped(&wallets).events.iter().map(|event| event.tx_id.to_string()).collect();
        ids.dedup();
        ids
    };
    // By places where nothing is shared, by the shared one where something is.
    assert_eq!(merged(&[("z", 0), ("m", 4)], &[("k", 2)]), ["z", "k", "m"]);
    assert_eq!(merged(&[("z", 0), ("s", 1)], &[("s", 0), ("a", 1)]), ["z", "s", "a"]);
    assert_eq!(merged(&[("s", 0), ("y", 1)], &[("x", 0), ("s", 1)]), ["x", "s", "y"]);
    // Ledgers that contradict each other still give each transaction once.
    assert_eq!(merged(&[("p", 0), ("q", 1)], &[("q", 0), ("p", 1)]), ["p", "q"]);
}

fn sum<'a>(values: impl Iterator<Item = &'a Usd>) -> Usd {
    values.fold(Usd::ZERO, |sum, value| sum.checked_add(*value).unwrap())
}

fn movements<'a>(events: impl Iterator<Item = &'a LedgerEvent>) -> BTreeMap<AssetId, RawDelta> {
    let mut sums: BTreeMap<AssetId, RawDelta> = BTreeMap::new();
    for leg in events.flat_map(|event| &event.legs) {
        let sum = sums.entry(leg.asset.clone()).or_default();
        *sum = sum.checked_add(leg.raw).unwrap();
    }
    sums
}

/// Three random wallets with the same transactions, each seeing something else in them.
fn wallets() -> impl Strategy<Value = Vec<Booked>> {
    let three = [history(10), history(10), history(10)];
    three.prop_map(|histories| {
        let book = book();
        let named = |(name, lines): (&str, Vec<WalletTransaction>)| {
            let lines: Vec<_> = lines
                .into_iter()
                .zip(1..)
                .map(|(line, number)| {
                    let place = tx(number);
                    let (tx_id, block, order) = (place.tx_id, place.block, place.order);
                    WalletTransaction { tx_id, block, order, block_time: place.block_time, ..line }
                })
                .collect();
            booked_wallet(name, &lines, &book)
        };
        ["A", "B", "C"].into_iter().zip(histories).map(named).collect()
    })
}

proptest! {
    #[test]
    fn a_group_loses_nothing_and_the_order_of_its_wallets_does_not_matter(
        mut wallets in wallets(),
        method in proptest::sample::select(&[Method::Fifo, Method::Lifo, Method::Hifo, Method::Average][..]),
    ) {
        let Grouped { events, group, outcome, report } = grouped_by(&wallets, method, |options| options);
        prop_assert!(outcome.conservation.ok);
        prop_assert_eq!(
            movements(events.iter()),
            movements(wallets.iter().flat_map(|wallet| &wallet.events))
        );
        let ids: BTreeSet<&str> = events.iter().map(|event| &*event.id).collect();
        prop_assert_eq!(ids.len(), events.len(), "every event has its id");
        let linked = events.iter().filter(|event| {
            event.link.as_ref().is_some_and(|link| link.contains(":move:"))
        });
        prop_assert_eq!(linked.clone().count() as u64, report.moves * 2);
        prop_assert!(linked.clone().all(|event| event.kind != LedgerKind::Swap));
        // The parts of the wallets are the whole.
        let whole = &report.report;
        for (of_rows, of_group) in [
            (sum(report.members.iter().map(|row| &row.realized_gain_usd)), whole.realized_gain_usd),
            (sum(report.members.iter().map(|row| &row.income_usd)), whole.income_usd),
            (sum(report.members.iter().map(|row| &row.fee_expense_usd)), whole.fee_expense_usd),
            (sum(report.members.iter().map(|row| &row.fees_usd)), whole.fees_usd),
            (
                sum(report.members.iter().filter_map(|row| row.unrealized_gain_usd.as_ref())),
                whole.unrealized_gain_usd,
            ),
            (
                sum(report.members.iter().filter_map(|row| row.basis_usd.as_ref())),
                outcome.conservation.basis_remaining,
            ),
        ] {
            prop_assert_eq!(of_rows, of_group);
        }
        // What the facts say is held is what the lots hold.
        for (asset, facts) in &group.history.facts.assets {
            let mut held = pnl_core::RawAmount::ZERO;
            let of_wallets = |lot: &pnl_core::engine::OpenLot<'_>| !lot.wallet.ends_with("#rent");
            for lot in outcome.lots().filter(|lot| lot.asset == asset).filter(of_wallets) {
                held = held.checked_add(lot.quantity).unwrap();
            }
            prop_assert_eq!(held, facts.held, "{}", asset);
        }
        let text = serde_json::to_string(&report).unwrap();
        for _ in 0..2 {
            wallets.rotate_left(1);
            let again = grouped_by(&wallets, method, |options| options);
            prop_assert_eq!(&again.events, &events);
            prop_assert_eq!(serde_json::to_string(&again.report).unwrap(), text.clone());
        }
        let pooled = grouped_by(&wallets, method, |mut options| {
            options.scope = Scope::Global;
            options
        });
        prop_assert!(pooled.report.members.iter().all(|row| row.basis_usd.is_none()));
        let gains = sum(pooled.report.members.iter().map(|row| &row.realized_gain_usd));
        prop_assert_eq!(gains, pooled.report.report.realized_gain_usd);
    }

    #[test]
    fn a_group_of_one_has_the_result_of_its_wallet(lines in history(10)) {
        let a = booked_wallet("A", &lines, &book());
        let mut engine = Engine::new(
            Method::Fifo,
            Options::with_quote_assets(rules().quote_assets()),
        ).unwrap();
        for (event, seq) in a.events.iter().zip(0..) {
            if let Some(event) = event.to_event(seq).unwrap() {
                engine.apply(&event).unwrap();
            }
        }
        let outcome = engine.finish(Some(&a.history.prices)).unwrap();
        let input = pnl_core::report::ReportInput {
            history: &a.history,
            outcome: &outcome,
            window: Window::ALL,
            transactions: a.history.facts.transactions,
        };
        let mut alone = serde_json::to_value(pnl_core::report::build(input).unwrap()).unwrap();
        let report = grouped(std::slice::from_ref(&a)).report.report;
        let mut report = serde_json::to_value(report).unwrap();
        for result in [&mut alone, &mut report] {
            let result = result.as_object_mut().unwrap();
            result.remove("input_hash");
            result.remove("price_set_hash");
        }
        prop_assert_eq!(alone, report);
    }
}
