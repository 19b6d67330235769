//! Wallets of one owner as one history.

#![allow(clippy::unwrap_used, reason = "a failure of a helper is a failure of the test")]

mod ledger_support;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use ledger_support::random::history;
use ledger_support::*;
use pnl_core::engine::{Options, Scope};
use pnl_core::group::{GroupBuilder, GroupHistory, GroupReport};
use pnl_core::ledger::{LedgerBuilder, LedgerEvent, LedgerKind};
use pnl_core::movement::Order;
use pnl_core::report::{Coverage, History};
use pnl_core::{
    Address, AssetId, Chain, Engine, Method, Outcome, Pin, PriceBook, RawAmount, RawDelta, Usd,
    WalletRef, WalletTransaction, Window,
};
use proptest::prelude::*;

const PIN: Pin = Pin { block: 1_000, block_time: NOON + 1_000_000 };

fn group_name() -> WalletRef {
    WalletRef { chain: Chain::Solana, address: Address::from_chain_data("group:1") }
}

/// A wallet with its ledger.
#[derive(Debug, Clone)]
struct Booked {
    history: History,
    events: Vec<LedgerEvent>,
}

fn booked_wallet(name: &str, lines: &[WalletTransaction], book: &dyn PriceBook) -> Booked {
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
fn tx(number: u64) -> WalletTransaction {
    line(&format!("t{number}")).with(|tx| {
        tx.block = number;
        tx.block_time = Some(NOON + number as i64 * 60);
        tx.order = Order { block: number, index: Some(0) };
    })
}

struct Grouped {
    events: Vec<LedgerEvent>,
    group: GroupHistory,
    outcome: Outcome,
    report: GroupReport,
}

fn grouped(wallets: &[Booked]) -> Grouped {
    grouped_by(wallets, Method::Fifo, |options| options)
}

fn grouped_by(
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

fn book() -> FixedBook {
    FixedBook::sol_at_100().and("X", "2")
}

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

/// 2^256 - 1.
fn most() -> RawDelta {
    "115792089237316195423570985008687907853269984665640564039457584007913129639935"
        .parse()
        .unwrap()
}

fn of_huge(tx: WalletTransaction, asset: &str, raw: RawDelta) -> WalletTransaction {
    tx.net(asset, 1, 0).with(|tx| tx.net.last_mut().unwrap().raw = raw)
}

fn huge(tx: WalletTransaction, raw: RawDelta) -> WalletTransaction {
    of_huge(tx, "Huge", raw)
}

#[test]
fn a_token_that_is_too_much_for_the_group_alone_is_set_aside_and_the_rest_is_exact() {
    let most = most();
    // A sends 4 X to B and pays with another one for as much as B was given: together more than fits.
    let of_a = [
        tx(1).net("X", 10, 0),
        tx(3).net("X", -4, 0).fee(5_000),
        huge(tx(4).net("X", -1, 0).fee(5_000), most).through_an_exchange(),
    ];
    let of_b = [
        huge(tx(2), most).unsigned(),
        tx(3).net("X", 4, 0).unsigned(),
        tx(5).net("X", -4, 0).net(USDC, 20_000_000, 6).through_an_exchange(),
    ];
    let [mut a, mut b] =
        [("A", &of_a[..]), ("B", &of_b)].map(|(name, lines)| booked_wallet(name, lines, &book()));
    assert!(a.events.iter().any(|event| event.kind == LedgerKind::Swap));
    for options in [|options| options, |options| Options { scope: Scope::Global, ..options }] {
        let Grouped { events, group, report, .. } =
            grouped_by(&[a.clone(), b.clone()], Method::Fifo, options);
        let paid = &events[events.len() - 4..events.len() - 1];
        assert_eq!(
            shorts(paid),
            [
                "transfer_out: out X -1 = 2".to_owned(),
                format!("transfer_in: in Huge {most} = ?"),
                "fee: fee native -5000 = 0.0005".to_owned(),
            ]
        );
        let huge = AssetId::new("Huge");
        let is_huge = |event: &LedgerEvent| event.legs.iter().any(|leg| leg.asset == huge);
        assert!(events.iter().all(|event| event.excluded == is_huge(event)));
        assert!(!group.history.facts.assets.contains_key(&huge));
        let doubts = &group.history.facts.doubts.as_ref().unwrap()[&huge];
        assert_eq!((doubts.transactions.len(), doubts.raw), (2, None));
        assert_eq!(report.moves, 1);
        assert_eq!(report.report.realized_gain_usd, "12".parse().unwrap(), "20 - 4 * 2");
    }

    // What contracts claim can be too much as well: then it is no balance, and not complete.
    let claimed = |huge: RawDelta| {
        Some(BTreeMap::from([
            (AssetId::new("Huge"), huge.magnitude()),
            (AssetId::native(), RawAmount::ZERO),
        ]))
    };
    (a.history.balances, b.history.balances) = (claimed(most), claimed(most));
    let Grouped { group, report, .. } = grouped(&[a, b]);
    let balances = group.history.balances.unwrap();
    assert_eq!(balances.into_keys().collect::<Vec<_>>(), [AssetId::native()]);
    assert!(group.history.compared_elsewhere.differing.contains(&AssetId::new("Huge")));
    assert!(!report.report.coverage.complete && !report.report.conservation.ok);
}

#[test]
fn a_token_that_the_group_claims_beside_all_that_left_is_set_aside() {
    // 2^254, so many times.
    let quarters = |count: u32| {
        let one = "28948022309329048855892746252171976963317496166410141009864396001978282409984";
        let one: RawAmount = one.parse().unwrap();
        (1..count).fold(one, |sum, _| sum.checked_add(one).unwrap())
    };
    let of_a = [huge(tx(1), quarters(2).into_delta().opposite()).unsigned()];
    let of_b = [huge(tx(2), RawDelta::from(1_i64)).unsigned(), tx(3).net("X", 1, 0)];
    let [mut a, mut b] =
        [("A", &of_a[..]), ("B", &of_b)].map(|(name, lines)| booked_wallet(name, lines, &book()));
    let claims = |raw: RawAmount| Some(BTreeMap::from([(AssetId::new("Huge"), raw)]));
    (a.history.balances, b.history.balances) = (claims(RawAmount::ZERO), claims(quarters(3)));
    let Grouped { events, group, report, .. } = grouped(&[a, b]);
    assert_eq!(events.iter().map(|event| event.excluded).collect::<Vec<_>>(), [true, true, false]);
    assert!(!group.history.facts.assets.contains_key(&AssetId::new("Huge")));
    assert_eq!(group.history.balances, claims(quarters(3)));
    assert!(!report.report.conservation.ok);
}

#[test]
fn exchanges_for_what_is_set_aside_keep_nothing_of_their_values() {
    let dear = FixedBook::sol_at_100().and("X", "50").and("Huge", "1000000000");
    let small = RawDelta::from(1_000_000_i64);
    let through = |tx: WalletTransaction| tx.through_an_exchange().fee(5_000);
    let of_a = [
        // X came with something dear, so that next to nothing of the price was for X.
        through(huge(tx(1).net(USDC, -100_000_000, 6).net("X", 1, 0), small)),
        // Beside two that are left out.
        through(of_huge(huge(tx(2).sol(-SOL), small), "Huge2", small)),
        // What is unpriced was worth what was given for it.
        through(huge(tx(3), RawDelta::from(-1_i64)).net("Y", 5, 0)),
        through(tx(4).sol(-SOL).net("X", 2, 0)),
    ];
    let give = |tx| of_huge(huge(tx, most()), "Huge2", most()).unsigned();
    let [a, b] = [("A", &of_a[..]), ("B", &[give(tx(5))])]
        .map(|(name, lines)| booked_wallet(name, lines, &dear));
    let kinds = |events: &[LedgerEvent]| events.iter().map(|event| event.kind).collect::<Vec<_>>();
    use LedgerKind::{Acquire, Dispose, Swap};
    assert_eq!(
        kinds(&a.events),
        [Dispose, Acquire, Acquire, Dispose, Acquire, Acquire, Swap, Swap]
    );
    let events = grouped(&[a, b]).events;
    let kept: Vec<LedgerEvent> = events.into_iter().filter(|event| !event.excluded).collect();
    assert_eq!(
        shorts(&kept),
        [
            "transfer_out: out USDC -100000000 = 100",
            "transfer_in: in X 1 = ?",
            "fee: fee native -5000 = 0.0005",
            "transfer_out: out native -1000000000 = 100",
            "fee: fee native -5000 = 0.0005",
            "transfer_in: in Y 5 = ?",
            "fee: fee native -5000 = 0.0005",
            "swap: out native -1000000000 = 100, in X 2 = 100, fee native -5000 = 0.0005",
        ]
    );
}

#[test]
fn what_wallets_doubt_of_a_token_is_kept_when_it_is_set_aside() {
    let huge_asset = AssetId::new("Huge");
    let wallet = Address::from_chain_data("A");
    let mut ledger = LedgerBuilder::new(wallet.clone(), rules(), Window::ALL)
        .excluding([huge_asset.clone()].into());
    let mut a = booked_wallet("A", &[], &book());
    for line in [
        tx(1).with(|tx| tx.too_large = vec![huge_asset.clone()]),
        huge(tx(2), RawDelta::from(3_i64)),
    ] {
        let line = WalletTransaction { wallet: wallet.clone(), ..line };
        a.events.extend(ledger.push(&line, &book()).unwrap());
    }
    a.history.facts = ledger.facts().clone();
    let give = |number| [huge(tx(number), most()).unsigned()];
    let [b, c] =
        [("B", give(3)), ("C", give(4))].map(|(name, lines)| booked_wallet(name, &lines, &book()));
    let Grouped { group, .. } = grouped(&[a, b, c]);
    let doubts = &group.history.facts.doubts.as_ref().unwrap()[&huge_asset];
    let told: Vec<_> =
        doubts.transactions.iter().map(|one| format!("{} {:?}", one.tx_id, one.why)).collect();
    assert_eq!(told, ["t1 TooLarge", "t2 Excluded", "t3 Excluded", "t4 Excluded"]);
    assert_eq!((doubts.more, doubts.raw), (0, None));
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
