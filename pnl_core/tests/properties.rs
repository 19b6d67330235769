//! What must hold for every history, whatever it is.
#![allow(clippy::unwrap_used, reason = "a failure of a helper is a failure of the test")]

mod random_history;

use std::collections::BTreeMap;

use alloy_primitives::{I256, U256};
use pnl_core::document::{Document, answer};
use pnl_core::engine::{Engine, EngineError, Options, Outcome};
use pnl_core::event::{Event, EventFee, EventKind, EventLeg};
use pnl_core::{AssetId, Method, RawAmount, Usd};
use proptest::prelude::*;
use proptest::sample::select;
use random_history::{cents, dollars, history, leg, priced, step, trade};

fn run(events: &[Event], options: &Options) -> Result<Outcome, EngineError> {
    run_by(Method::Fifo, events, options)
}

fn run_by(method: Method, events: &[Event], options: &Options) -> Result<Outcome, EngineError> {
    let mut engine = Engine::new(method, options.clone())?;
    for event in events {
        engine.apply(event)?;
    }
    engine.finish(None)
}

fn sum(amounts: impl IntoIterator<Item = Usd>) -> Usd {
    amounts.into_iter().fold(Usd::ZERO, |sum, amount| sum.checked_add(amount).unwrap())
}

fn total(quantities: impl IntoIterator<Item = RawAmount>) -> RawAmount {
    quantities.into_iter().fold(RawAmount::ZERO, |sum, quantity| sum.checked_add(quantity).unwrap())
}

/// Recounts an outcome from its records alone.
fn recount(outcome: &Outcome) -> Result<(), TestCaseError> {
    for disposal in outcome.disposals() {
        let parts = [disposal.matched, disposal.unknown, disposal.unmatched];
        prop_assert_eq!(total(parts), disposal.quantity);
        let pieces = || disposal.matches.iter();
        let (known, unknown): (Vec<_>, Vec<_>) = pieces().partition(|piece| piece.basis.is_some());
        prop_assert_eq!(total(known.iter().map(|piece| piece.quantity)), disposal.matched);
        prop_assert_eq!(total(unknown.iter().map(|piece| piece.quantity)), disposal.unknown);
        prop_assert_eq!(sum(pieces().filter_map(|piece| piece.basis)), disposal.basis);
        if let Some(proceeds) = disposal.proceeds {
            let shares = sum(pieces().map(|piece| piece.proceeds.unwrap()));
            prop_assert_eq!(sum([shares, disposal.unmatched_proceeds]), proceeds);
            let gains = sum(pieces().filter_map(|piece| piece.gain));
            prop_assert_eq!(disposal.gain, Some(gains));
        } else {
            prop_assert_eq!(disposal.gain, None);
        }
        prop_assert!(pieces().all(|piece| piece.hold_s >= 0 && !piece.quantity.is_zero()));
    }
    let conservation = &outcome.conservation;
    let places = [
        sum(outcome.disposals().map(|disposal| disposal.basis)),
        sum(outcome.lots().filter_map(|lot| lot.basis)),
        conservation.basis_transferred,
        conservation.basis_in_transit,
    ];
    prop_assert_eq!(sum(places), conservation.cost_in);
    prop_assert!(conservation.ok && conservation.residual.is_zero());
    prop_assert_eq!(
        sum(outcome.disposals().filter_map(|disposal| disposal.gain)),
        outcome.totals.realized_gain
    );
    Ok(())
}

/// Cost and base units of what came in, counted from the events: what an outcome has to account for.
fn came_in(events: &[Event]) -> (Usd, BTreeMap<AssetId, RawAmount>) {
    let mut cost = Usd::ZERO;
    let mut quantities = BTreeMap::<AssetId, RawAmount>::new();
    for event in events {
        let (leg, value, carries_fee) = match &event.kind {
            EventKind::Acquire(leg) | EventKind::Income(leg) => (leg, leg.value, true),
            EventKind::TransferIn { leg, link: None } => (leg, leg.value, false),
            EventKind::Swap { out, into, .. } => {
                // The quote asset of these histories is S.
                let buys = out.asset.as_str() == "S" && into.asset.as_str() != "S";
                (into, into.value.or(out.value), buys)
            }
            _ => continue,
        };
        let fees = event.fees.iter().filter_map(|fee| match fee {
            EventFee::Asset(leg) => leg.value,
            EventFee::Usd(value) => Some(*value),
        });
        let fee = if carries_fee { sum(fees) } else { Usd::ZERO };
        if leg.quantity.is_zero() {
            continue;
        }
        cost = sum([cost, value.map_or(Usd::ZERO, |value| sum([value, fee]))]);
        let held = quantities.entry(leg.asset.clone()).or_default();
        *held = total([*held, leg.quantity]);
    }
    (cost, quantities)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_books_balance_after_every_prefix(
        steps in prop::collection::vec(step(), 0..24),
        method in select(Method::ALL.to_vec()),
    ) {
        let events = history(steps);
        let options = Options::with_quote_assets([AssetId::new("S")]);
        for end in 0..=events.len() {
            let outcome = run_by(method, &events[..end], &options).unwrap();
            recount(&outcome)?;
            let (cost, quantities) = came_in(&events[..end]);
            prop_assert_eq!(outcome.conservation.cost_in, cost);
            // What is held is at most what came in, per asset.
            for (asset, came) in quantities {
                let held = outcome.lots().filter(|lot| *lot.asset == asset);
                // A move of more than was held brings its missing part as a lot of its own.
                let known = held.filter(|lot| !lot.lot.starts_with('a')).map(|lot| lot.quantity);
                prop_assert!(total(known) <= came);
            }
        }
    }

    #[test]
    fn a_replay_gives_the_same_bytes(steps in prop::collection::vec(step(), 0..40)) {
        let document = Document {
            name: None,
            method: Method::Fifo,
            options: Options::with_quote_assets([AssetId::new("S")]),
            prices: Some(BTreeMap::from([(AssetId::new("A"), pnl_core::UsdPrice::par())])),
            events: history(steps),
        };
        let text = serde_json::to_string(&document).unwrap();
        let first = answer(&text);
        prop_assert!(!first.contains("\"error\""), "{}", first);
        for _ in 0..3 {
            prop_assert_eq!(&answer(&text), &first);
        }
        // The document and the events it was made of give the same outcome.
        let read = Document::read(&text).unwrap();
        prop_assert_eq!(read.run(), document.run());
    }

    /// Two halves at the unit price of the whole are the whole. Prices are whole cents here, so
    /// that no share has to be rounded.
    #[test]
    fn splitting_an_acquisition_in_two_changes_no_total(
        trades in prop::collection::vec((any::<bool>(), 2u64..1000, 1u64..100_000), 1..30),
        which in any::<prop::sample::Index>(),
        cut in 1u64..1000,
    ) {
        let mut events = priced(&trades);
        let whole = run(&events, &Options::default()).unwrap();
        let buys: Vec<_> = (0..trades.len()).filter(|index| trades[*index].0).collect();
        prop_assume!(!buys.is_empty());
        let index = *which.get(&buys);
        let (_, quantity, price) = trades[index];
        let first = 1 + cut % (quantity - 1);
        let at = |id: &str, quantity: u64| {
            Event { id: id.into(), ..trade(index, (true, quantity, price)) }
        };
        events.splice(index..=index, [at("first", first), at("second", quantity - first)]);
        let split = run(&events, &Options::default()).unwrap();
        prop_assert_eq!(&split.totals, &whole.totals);
        prop_assert_eq!(&split.by_asset, &whole.by_asset);
        prop_assert_eq!(split.lots().filter_map(|lot| lot.basis).fold(Usd::ZERO, |a, b| {
            a.checked_add(b).unwrap()
        }), whole.totals.remaining_basis);
    }

    /// Assets that never meet in an event do not know of each other.
    #[test]
    fn independent_assets_may_be_in_any_order(
        steps in prop::collection::vec((leg(), any::<bool>()), 0..40),
        method in select(Method::ALL.to_vec()),
    ) {
        let events: Vec<_> = steps.into_iter().enumerate().map(|(number, (leg, comes_in))| Event {
            id: format!("e{number}").into(),
            ts: 0,
            seq: number as u64,
            wallet: "w".into(),
            kind: if comes_in { EventKind::Acquire(leg) } else { EventKind::Dispose(leg) },
            fees: vec![],
        }).collect();
        let mut by_asset = events.clone();
        by_asset.sort_by_key(|event| match &event.kind {
            EventKind::Acquire(leg) | EventKind::Dispose(leg) => leg.asset.clone(),
            _ => unreachable!("only these two are made"),
        });
        let [mixed, sorted] = [events, by_asset]
            .map(|events| run_by(method, &events, &Options::default()).unwrap());
        prop_assert_eq!(&mixed.totals, &sorted.totals);
        prop_assert_eq!(&mixed.by_asset, &sorted.by_asset);
        let lots = |outcome: &Outcome| serde_json::to_string(&outcome.lots().collect::<Vec<_>>()).unwrap();
        prop_assert_eq!(lots(&mixed), lots(&sorted));
    }

    /// A slow reference: a row of single units, each with its own price.
    #[test]
    fn a_row_of_single_units_gives_the_same_basis(
        trades in prop::collection::vec((any::<bool>(), 0u64..60, 0u64..1000), 0..40),
        method in select(vec![Method::Fifo, Method::Lifo, Method::Hifo, Method::Specific]),
    ) {
        let outcome = run_by(method, &priced(&trades), &Options::default()).unwrap();
        let mut row: Vec<u64> = Vec::new();
        let mut disposals = outcome.disposals();
        for (comes_in, quantity, price) in trades {
            if comes_in {
                row.extend((0..quantity).map(|_| price));
                match method {
                    // The next unit to leave stands first.
                    Method::Lifo => row.rotate_right(quantity as usize),
                    Method::Hifo => row.sort_by_key(|price| std::cmp::Reverse(*price)),
                    _ => {}
                }
            } else if quantity > 0 {
                let disposal = disposals.next().unwrap();
                let covered = quantity.min(row.len() as u64);
                let basis: u64 = row.drain(..covered as usize).sum();
                prop_assert_eq!(disposal.basis, cents(basis));
                prop_assert_eq!(disposal.unmatched, RawAmount::from(quantity - covered));
                let proceeds = cents(price * covered);
                prop_assert_eq!(disposal.gain, Some(proceeds.checked_sub(cents(basis)).unwrap()));
            }
        }
        prop_assert_eq!(outcome.totals.remaining_basis, cents(row.iter().sum()));
    }

    /// When nothing is left, every method has given out the same cost: they differ in when, not in
    /// what.
    #[test]
    fn all_methods_agree_once_everything_is_sold(
        trades in prop::collection::vec((any::<bool>(), 0u64..60, 0u64..1000), 0..40),
    ) {
        let mut trades = trades;
        trades.push((false, 60 * 40, 500));
        let gain = |method| {
            let outcome = run_by(method, &priced(&trades), &Options::default()).unwrap();
            assert_eq!(outcome.lot_count(), 0);
            (outcome.totals.realized_gain, outcome.totals.basis_disposed)
        };
        for method in Method::ALL {
            prop_assert_eq!(gain(method), gain(Method::Fifo), "{}", method);
        }
    }

    /// Smaller base units are the same holdings: all quantities times ten change no dollar.
    #[test]
    fn finer_base_units_change_no_dollar(
        trades in prop::collection::vec((any::<bool>(), 0u64..60, any::<u128>()), 0..40),
        method in select(Method::ALL.to_vec()),
    ) {
        let finer = |factor: u64| {
            let events: Vec<_> = trades.iter().enumerate().map(|(number, (comes_in, quantity, units))| {
                let mut event = trade(number, (*comes_in, quantity * factor, 0));
                let (EventKind::Acquire(leg) | EventKind::Dispose(leg)) = &mut event.kind else {
                    unreachable!("a trade is one of these")
                };
                leg.value = Some(dollars(U256::from(*units)));
                event
            }).collect();
            run_by(method, &events, &Options::default()).unwrap()
        };
        let (coarse, fine) = (finer(1), finer(10));
        prop_assert_eq!(&coarse.totals, &fine.totals);
        prop_assert_eq!(&coarse.by_asset, &fine.by_asset);
        for (coarse, fine) in coarse.lots().zip(fine.lots()) {
            prop_assert_eq!((&coarse.lot, coarse.basis), (&fine.lot, fine.basis));
            prop_assert_eq!(total([coarse.quantity; 10]), fine.quantity);
        }
    }

    /// Money in another unit is the same money: all prices times a thousand, all dollars too.
    #[test]
    fn dearer_by_a_factor_is_a_gain_by_the_factor(
        trades in prop::collection::vec((any::<bool>(), 0u64..60, 0u64..1000), 0..40),
        method in select(vec![Method::Fifo, Method::Lifo, Method::Hifo, Method::Specific]),
    ) {
        let at = |factor: u64| {
            let trades: Vec<_> = trades.iter().map(|(a, b, price)| (*a, *b, price * factor)).collect();
            run_by(method, &priced(&trades), &Options::default()).unwrap().totals
        };
        let (once, times) = (at(1), at(1000));
        for (once, times) in [
            (once.realized_gain, times.realized_gain),
            (once.remaining_basis, times.remaining_basis),
            (once.unmatched_proceeds, times.unmatched_proceeds),
        ] {
            prop_assert_eq!(sum([once; 1000]), times);
        }
    }

    /// Figures of any size either balance or are refused; nothing wraps, nothing panics.
    #[test]
    fn figures_at_the_edge_balance_or_are_refused(
        trades in prop::collection::vec((any::<bool>(), edge(), edge(), any::<i64>()), 0..12),
        method in select(Method::ALL.to_vec()),
    ) {
        let mut events: Vec<_> = trades.into_iter().enumerate().map(|(number, (comes_in, quantity, value, ts))| {
            let value = I256::try_from(value).ok().map(Usd::from_units);
            let leg = EventLeg { asset: AssetId::new("T"), quantity: quantity.into(), decimals: 255, value, residue: None };
            Event {
                id: format!("e{number}").into(),
                ts,
                seq: 0,
                wallet: "w".into(),
                kind: if comes_in { EventKind::Acquire(leg) } else { EventKind::Dispose(leg) },
                fees: vec![],
            }
        }).collect();
        events.sort_by_key(|event| event.ts);
        match run_by(method, &events, &Options::default()) {
            Ok(outcome) => recount(&outcome)?,
            Err(error) => prop_assert_eq!(error.code(), "amount-out-of-range"),
        }
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in ".{0,80}", kind in ".{0,8}", figure in ".{0,8}") {
        answer(&text);
        for member in ["qty", "price", "value", "ts", "seq", "decimals", "fee", "link", "wallet"] {
            let mut event = serde_json::json!({"id": "e", "ts": 0, "kind": "acquire", "asset": "T",
                                               "qty": "1", "decimals": 0});
            event[member] = figure.clone().into();
            let answered = answer(&serde_json::json!({"method": "fifo", "events": [event]}).to_string());
            prop_assert!(serde_json::from_str::<serde_json::Value>(&answered).is_ok());
        }
        answer(&serde_json::json!({"method": kind, "events": []}).to_string());
    }
}

/// Small numbers and numbers close to the largest.
fn edge() -> impl Strategy<Value = U256> {
    (select(vec![U256::ZERO, U256::MAX, U256::MAX >> 1usize, U256::from(u128::MAX)]), any::<u8>())
        .prop_map(
            |(base, away)| {
                if base.is_zero() { U256::from(away) } else { base - U256::from(away) }
            },
        )
}
