//! What is read together is what an engine reads event by event: sums, records and errors.
#![allow(clippy::unwrap_used, reason = "a failure of a helper is a failure of the test")]

mod random_history;

use std::collections::BTreeMap;

use pnl_core::document::Document;
use pnl_core::engine::{
    Engine, EngineError, FeePolicy, HifoKey, MethodSums, Oversold, Scope, SumsOnly, SwapFeeSide,
    TransferInBasis, TransferOutAs, Unpriced,
};
use pnl_core::event::{Event, EventKind};
use pnl_core::what_if::{AssetRow, Comparison, METHODS, OtherDifference, OtherOfAsset, WhatIf};
use pnl_core::{AssetId, Method, Options, Usd, UsdPrice};
use proptest::prelude::*;
use proptest::sample::select;
use random_history::{history, priced, step};

fn prices() -> BTreeMap<AssetId, UsdPrice> {
    [("A", "1.5"), ("S", "70")].map(|(id, price)| (AssetId::new(id), price.parse().unwrap())).into()
}

/// What an engine sums up event by event.
fn one_by_one(
    method: Method,
    options: &Options,
    events: &[Event],
) -> Result<MethodSums, EngineError> {
    let mut engine = Engine::new(method, options.clone())?;
    events.iter().try_for_each(|event| engine.apply(event))?;
    let outcome = engine.finish(Some(&prices()))?;
    let mut remaining_basis = BTreeMap::<_, Usd>::new();
    for (lot, basis) in outcome.lots().filter_map(|lot| Some((lot, lot.basis?))) {
        let sum = remaining_basis.entry(lot.asset.clone()).or_default();
        *sum = sum.checked_add(basis)?;
    }
    let mut basis_unpriced = BTreeMap::<_, Usd>::new();
    for disposal in outcome.disposals() {
        if disposal.proceeds.is_none() && !disposal.basis.is_zero() {
            let sum = basis_unpriced.entry(disposal.asset.clone()).or_default();
            *sum = sum.checked_add(disposal.basis)?;
        }
    }
    let (totals, by_asset) = (outcome.totals, outcome.by_asset);
    let conservation = outcome.conservation;
    Ok(MethodSums { method, totals, by_asset, remaining_basis, basis_unpriced, conservation })
}

fn sum(figures: impl IntoIterator<Item = Usd>) -> Usd {
    figures.into_iter().fold(Usd::ZERO, |sum, figure| sum.checked_add(figure).unwrap())
}

/// Differences are explained to the last unit, of all assets together and of each.
fn closes(comparison: &Comparison) {
    let (rows, assets) = (comparison.rows().unwrap(), comparison.assets().unwrap());
    for (n, row) in rows.iter().enumerate() {
        let OtherDifference {
            unknown_basis,
            uncovered,
            unpriced,
            transferred,
            fees_ignored,
            in_transit,
        } = row.other;
        let left = sum([transferred, fees_ignored, in_transit]);
        assert_eq!(sum([unknown_basis, uncovered, unpriced, left]), row.other_difference);
        assert_eq!(sum([row.remaining_difference, row.other_difference]), row.gain_difference);
        let of_assets =
            |get: fn(&AssetRow) -> Usd| sum(assets.iter().map(|(_, rows)| get(&rows[n])));
        assert_eq!(of_assets(|row| row.gain_difference), row.gain_difference);
        assert_eq!(of_assets(|row| row.remaining_difference), row.remaining_difference);
        assert_eq!(of_assets(|row| row.other_difference), row.other_difference);
        assert_eq!(of_assets(|row| row.other.unknown_basis), unknown_basis);
        assert_eq!(of_assets(|row| row.other.uncovered), uncovered);
        assert_eq!(of_assets(|row| row.other.unpriced), unpriced);
        assert_eq!(of_assets(|row| row.other.left), left);
        for AssetRow { other, other_difference, .. } in assets.iter().map(|(_, rows)| &rows[n]) {
            let OtherOfAsset { unknown_basis, uncovered, unpriced, left } = *other;
            assert_eq!(sum([unknown_basis, uncovered, unpriced, left]), *other_difference);
        }
    }
}

fn together(
    methods: &[Method],
    options: &Options,
    events: &[Event],
) -> Result<Vec<MethodSums>, EngineError> {
    let mut sums = SumsOnly::new(methods[0], &methods[1..], options)?;
    events.iter().try_for_each(|event| sums.apply(event))?;
    sums.finish(Some(&prices()))
}

/// The same with sums asked for on the way, behind so many events.
fn with_a_stop(options: &Options, events: &[Event], stop: usize) -> [Vec<MethodSums>; 2] {
    let mut sums = SumsOnly::new(METHODS[0], &METHODS[1..], options).unwrap();
    let (before, behind) = events.split_at(stop);
    before.iter().for_each(|event| sums.apply(event).unwrap());
    let so_far = sums.so_far(Some(&prices())).unwrap();
    behind.iter().for_each(|event| sums.apply(event).unwrap());
    [so_far, sums.finish(Some(&prices())).unwrap()]
}

fn options() -> impl Strategy<Value = Options> {
    let names = |ids: &[&str]| ids.iter().map(|id| AssetId::new(id)).collect::<Vec<_>>();
    let cash = prop_oneof![3 => Just(names(&[])), 1 => Just(names(&["S"]))];
    let oversold =
        select(vec![Oversold::Exclude, Oversold::Exclude, Oversold::ZeroBasis, Oversold::Error]);
    let values = (
        select(vec![Unpriced::Unknown, Unpriced::Zero]),
        select(vec![HifoKey::UnitCost, HifoKey::Spot]),
        select(vec![SwapFeeSide::Auto, SwapFeeSide::In, SwapFeeSide::Out]),
    );
    let policies = (
        select(vec![FeePolicy::Attach, FeePolicy::Separate, FeePolicy::Ignore]),
        select(vec![TransferInBasis::Market, TransferInBasis::Zero, TransferInBasis::Income]),
        select(vec![TransferOutAs::Basis, TransferOutAs::Dispose]),
        select(vec![Scope::Wallet, Scope::Global]),
    );
    (cash, oversold, values, policies).prop_map(move |(cash, oversold, values, policies)| {
        let (unpriced, hifo_key, swap_fee_side) = values;
        let (fee_policy, transfer_in, transfer_out, scope) = policies;
        Options {
            scope,
            fee_policy,
            swap_fee_side,
            quote_assets: names(&["S"]),
            cash_assets: cash,
            oversold,
            transfer_in,
            transfer_out,
            unpriced,
            hifo_key,
            ..Options::default()
        }
    })
}

/// A history that is perhaps not sound from some event on.
fn events() -> impl Strategy<Value = Vec<Event>> {
    let fault = prop_oneof![3 => Just(None), 1 => (0usize..60, any::<bool>()).prop_map(Some)];
    (prop::collection::vec(step(), 0..60), fault).prop_map(|(steps, fault)| {
        let mut events = history(steps);
        if let Some((number, goes_back)) = fault
            && let Some(event) = events.get_mut(number)
        {
            match &mut event.kind {
                _ if goes_back => event.ts -= 2,
                EventKind::Dispose(leg) | EventKind::Swap { into: leg, .. } => leg.decimals = 8,
                _ => {}
            }
        }
        events
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn sums_and_errors_of_one_method_are_those_of_its_engine(
        options in options(), events in events(), method in select(METHODS.to_vec()),
    ) {
        let alone = one_by_one(method, &options, &events).map(|sums| vec![sums]);
        prop_assert_eq!(together(&[method], &options, &events), alone);
    }

    #[test]
    fn sums_of_many_methods_are_those_of_each(options in options(), events in events()) {
        let alone: Result<Vec<_>, _> =
            METHODS.into_iter().map(|method| one_by_one(method, &options, &events)).collect();
        match (together(&METHODS, &options, &events), alone) {
            (Ok(together), Ok(alone)) => {
                prop_assert_eq!(&together, &alone);
                let stop = events.len() / 2;
                let [so_far, all] = with_a_stop(&options, &events, stop);
                prop_assert_eq!(Ok(so_far), self::together(&METHODS, &options, &events[..stop]));
                prop_assert_eq!(&all, &together);
                closes(&Comparison(together));
            }
            (together, alone) => prop_assert_eq!(together.is_err(), alone.is_err()),
        }
    }
}

#[test]
fn every_other_difference_has_its_name() {
    // By FIFO the sale takes lot a (100), by LIFO the lots behind it.
    let buy = |id: &str, ts: u8, value: &str| {
        format!(
            r#"{{"id":"{id}","ts":{ts},"kind":"acquire","asset":"T","qty":1,"decimals":0{value}}}"#
        )
    };
    let leaves = |kind: &str, rest: &str| {
        format!(r#"{{"id":"s","ts":8,"kind":"{kind}","asset":"T","qty":1,"decimals":0{rest}}}"#)
    };
    let (cheap, dear, unknown) = (r#","value":"100""#, r#","value":"300""#, "");
    let other = |options: &str, second: &str, last: &str| {
        let events = [buy("a", 1, cheap), buy("b", 2, second), last.to_owned()].join(",");
        let document = format!(r#"{{"method":"fifo","options":{options},"events":[{events}]}}"#);
        let document = Document::read(&document).unwrap();
        let mut what_if = WhatIf::new(&document.options).unwrap();
        document.events.iter().for_each(|event| what_if.apply(event).unwrap());
        let comparison = what_if.finish(None).unwrap();
        closes(&comparison);
        let lifo = &comparison.rows().unwrap()[1];
        let asset = comparison.assets().unwrap()[0].1[1].other;
        (lifo.gain_difference.to_string(), lifo.other, asset)
    };
    let usd = |text: &str| text.parse::<Usd>().unwrap();
    let none = OtherDifference::default();
    // Sold for 250: by LIFO it has no gain, where by FIFO it has 150.
    let sale = leaves("dispose", r#","value":"250""#);
    let (gain, sums, asset) = other("{}", unknown, &sale);
    assert_eq!(gain, "-150");
    assert_eq!(sums, OtherDifference { unknown_basis: usd("-250"), ..none });
    assert_eq!(asset.unknown_basis, usd("-250"));
    let (_, sums, asset) = other("{}", dear, &leaves("dispose", ""));
    assert_eq!(
        (sums, asset.unpriced),
        (OtherDifference { unpriced: usd("200"), ..none }, usd("200"))
    );
    let (_, sums, asset) = other("{}", dear, &leaves("transfer_out", ""));
    let transferred = OtherDifference { transferred: usd("200"), ..none };
    assert_eq!((sums, asset.left), (transferred, usd("200")));
    let (_, sums, asset) = other("{}", dear, &leaves("transfer_out", r#","link":"x""#));
    let in_transit = OtherDifference { in_transit: usd("200"), ..none };
    assert_eq!((sums, asset.left), (in_transit, usd("200")));
    let ignore = r#"{"fee_policy":"ignore"}"#;
    let (_, sums, asset) = other(ignore, dear, &leaves("fee", r#","value":"1""#));
    let ignored = OtherDifference { fees_ignored: usd("200"), ..none };
    assert_eq!((sums, asset.left), (ignored, usd("200")));
}

#[test]
fn lots_that_are_chosen_stand_behind_the_methods_that_need_none() {
    let history = r#"{"method":"specific","options":{"lots":{"s":[{"lot":"b","raw":1}]}},"events":[
        {"id":"a","ts":1,"kind":"acquire","asset":"T","qty":2,"decimals":0,"value":"100"},
        {"id":"b","ts":2,"kind":"acquire","asset":"T","qty":1,"decimals":0,"value":"300"},
        {"id":"c","ts":3,"kind":"acquire","asset":"T","qty":1,"decimals":0,"value":"90"},
        {"id":"s","ts":4,"kind":"dispose","asset":"T","qty":2,"decimals":0,"value":"500"}]}"#;
    let document = Document::read(history).unwrap();
    let compare = |events: &[Event]| {
        let mut what_if = WhatIf::new(&document.options).unwrap();
        events.iter().for_each(|event| what_if.apply(event).unwrap());
        what_if.finish(None)
    };
    let comparison = compare(&document.events).unwrap();
    closes(&comparison);
    let rows = comparison.rows().unwrap();
    let gains: Vec<_> =
        rows.iter().map(|row| format!("{} {}", row.method, row.realized_gain)).collect();
    // 300 and one of the oldest lot, 50.
    assert_eq!(gains, ["fifo 400", "lifo 110", "hifo 110", "average 255", "specific 150"]);
    // What is chosen for an event that does not come is an error, whatever continues from where.
    let error = compare(&document.events[..3]).unwrap_err();
    assert_eq!(error.code(), "unknown-choice");
    assert!(error.to_string().contains("there is no event s by which"), "{error}");
    let mut engine = Engine::new(Method::Specific, document.options.clone()).unwrap();
    for event in &document.events {
        assert_eq!(engine.clone().finish(None).unwrap_err().code(), "unknown-choice");
        engine = Engine::resume(&engine.state().unwrap()).unwrap();
        engine.apply(event).unwrap();
    }
    assert_eq!(engine.finish(None).unwrap().totals.realized_gain, rows[4].realized_gain);
}

/// More than is queued at a time, with assets that come up again and again.
fn long_history() -> Vec<Event> {
    let mut held = [0u64; 7];
    let trades = (0..30_000u64).map(|number| {
        let held = &mut held[(number * number % 7) as usize];
        let buys = *held < 5 || number % 3 == 0;
        let quantity = if buys { 1 + number % 9 } else { 1 + number % *held };
        *held = if buys { *held + quantity } else { *held - quantity };
        (buys, quantity, 90 + number % 20)
    });
    let mut events = priced(&trades.collect::<Vec<_>>());
    for (number, event) in (0u64..).zip(&mut events) {
        if let EventKind::Acquire(leg) | EventKind::Dispose(leg) = &mut event.kind {
            leg.asset = AssetId::new(&format!("T{}", number * number % 7));
        }
    }
    events
}

#[test]
fn a_long_history_is_read_in_many_pieces() {
    let options = Options::default();
    let mut events = long_history();
    let alone: Vec<_> = METHODS.map(|method| one_by_one(method, &options, &events).unwrap()).into();
    assert_eq!(together(&METHODS, &options, &events).unwrap(), alone);

    // The first of two sales of too much is the error, whatever asset it is of.
    let strict = Options { oversold: Oversold::Error, ..options };
    for number in [20_011, 20_010] {
        if let EventKind::Acquire(leg) | EventKind::Dispose(leg) = &mut events[number].kind {
            leg.quantity = u64::MAX.into();
            events[number].kind = EventKind::Dispose(leg.clone());
        }
    }
    let error = together(&METHODS, &strict, &events).unwrap_err();
    assert_eq!(Some(&error), one_by_one(Method::Fifo, &strict, &events).as_ref().err());
    assert!(error.to_string().contains("e20010"), "{error}");
}

#[test]
fn many_assets_read_together_are_read_one_by_one() {
    let mut events = long_history();
    for (number, event) in events.iter_mut().enumerate() {
        if let EventKind::Acquire(leg) | EventKind::Dispose(leg) = &mut event.kind {
            leg.asset = AssetId::new(&format!("T{}", number % 500));
        }
    }
    for method in Method::ALL {
        let mut alone = Engine::new(method, Options::default()).unwrap();
        let mut together = alone.clone();
        events.iter().for_each(|event| alone.apply(event).unwrap());
        together.apply_all(&events).unwrap();
        assert_eq!(together.finish(None).unwrap(), alone.finish(None).unwrap());
    }
    let mut engine = Engine::new(Method::Fifo, Options::default()).unwrap();
    let error = engine.apply_all(&[events[1].clone(), events[0].clone()]).unwrap_err();
    assert_eq!(error.code(), "events-out-of-order");
}

#[test]
fn an_error_is_repeated() {
    let events = long_history();
    let mut sums = SumsOnly::new(Method::Fifo, &[Method::Hifo], &Options::default()).unwrap();
    sums.apply(&events[5]).unwrap();
    let error = sums.apply(&events[4]).unwrap_err();
    assert_eq!(error.code(), "events-out-of-order");
    assert_eq!(sums.apply(&events[6]), Err(error.clone()));
    assert_eq!(sums.finish(None), Err(error));
}
