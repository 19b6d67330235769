//! Bounds contain the truth, whatever of a history is hidden.
#![allow(clippy::unwrap_used, reason = "a failure of a helper is a failure of the test")]

mod random_history;

use pnl_core::bounds::{self, Bounds, Knowledge};
use pnl_core::document::Document;
use pnl_core::engine::{Engine, Options, Oversold};
use pnl_core::event::{Event, EventFee, EventKind, EventLeg};
use pnl_core::{AssetId, Method, Outcome, RawAmount, Usd, UsdPrice, Window};
use proptest::prelude::*;
use proptest::sample::select;
use random_history::cents;

/// What is known of assets; all of them are whole, or none.
struct Seen<F> {
    highest: F,
    is_whole: bool,
}

impl<F: Fn(&AssetId, i64) -> Option<(UsdPrice, u8)>> Knowledge for Seen<F> {
    fn highest(&self, asset: &AssetId, until: i64) -> Option<(UsdPrice, u8)> {
        (self.highest)(asset, until)
    }

    fn is_whole(&self, _: &AssetId) -> bool {
        self.is_whole
    }
}

fn outcome(method: Method, events: &[Event]) -> Outcome {
    let mut engine = Engine::new(method, Options::default()).unwrap();
    events.iter().for_each(|event| engine.apply(event).unwrap());
    engine.finish(None).unwrap()
}

fn contains(bounds: Bounds, gain: Usd) -> bool {
    bounds.min.is_none_or(|min| min <= gain) && bounds.max.is_none_or(|max| gain <= max)
}

fn price(cents: u64) -> UsdPrice {
    format!("{}.{:02}", cents / 100, cents % 100).parse().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Purchases and sales lose their value, fees their price. Whatever they were, the gain lies between
    /// the bounds, by every method, as long as no price was above the highest one known.
    #[test]
    fn bounds_contain_the_truth_whatever_is_hidden(
        rows in prop::collection::vec(
            (trade(), 0u64..3000, any::<(bool, bool)>(), any::<(bool, bool)>()), 0..40,
        ),
        method in select(Method::ALL.to_vec()),
    ) {
        let mut events = vec![fee_money()];
        let mut held = 0;
        for (number, ((buys, quantity, price), fee, _, in_dollars)) in rows.iter().enumerate() {
            let quantity = if *buys { *quantity } else { held.min(*quantity) };
            held = if *buys { held + quantity } else { held - quantity };
            let mut event = random_history::trade(number + 1, (*buys, quantity, *price));
            event.fees = if in_dollars.0 { vec![EventFee::Usd(cents(*fee))] } else { vec![fee_leg(*fee, 1)] };
            events.push(event);
            if in_dollars.1 {
                events.last_mut().unwrap().fees.push(fee_leg(*fee, 3));
            }
        }
        let mut hidden = events.clone();
        for (event, row) in hidden.iter_mut().skip(1).zip(&rows) {
            if let EventKind::Acquire(leg) | EventKind::Dispose(leg) = &mut event.kind && row.2.0 {
                leg.value = None;
            }
            for fee in &mut event.fees {
                if let EventFee::Asset(leg) = fee && row.2.1 {
                    leg.value = None;
                }
            }
        }
        let highest = |asset: &AssetId, until: i64| {
            let before = rows.iter().take(until as usize).filter(|row| row.0.0);
            let cents = match asset.as_str() {
                "G" => 3,
                _ => before.map(|row| row.0.2).max()?,
            };
            Some((price(cents), 0))
        };
        let seen = Seen { highest, is_whole: true };
        let [known, truth] = [&hidden, &events].map(|events| outcome(method, events));
        prop_assert!(truth.totals.unmatched_proceeds.is_zero());
        let all = bounds::of(&known, &Window::ALL, &seen).unwrap();
        prop_assert_eq!(all.known, known.totals.realized_gain);
        prop_assert!(contains(all, truth.totals.realized_gain), "{:?}: {}", all, truth.totals.realized_gain);
        let mut sum = Usd::ZERO;
        for (known_disposal, true_disposal) in known.disposals().zip(truth.disposals()) {
            let alone = bounds::of_disposal(&known, &known_disposal, &seen).unwrap();
            let gain = true_disposal.gain.unwrap();
            prop_assert!(contains(alone, gain), "{:?}: {} of {}", alone, gain, true_disposal.event);
            sum = sum.checked_add(alone.known).unwrap();
        }
        prop_assert_eq!(sum, all.known);
        let known_share = bounds::known(&known, &Window::ALL, |_| false);
        let whole = known.disposals().filter(|row| row.matched == row.quantity && row.proceeds.is_some()).count();
        prop_assert_eq!((known_share.disposals, known_share.known), (known.disposals().len() as u64, whole as u64));
    }

    /// A complete history loses its beginning, and some of what is left its value. What the same disposals
    /// gained in truth is at most the upper bound, and at least the lower one wherever nothing that is hidden
    /// cost more than the highest price known at the disposal. Where nothing was held at the cut, the
    /// balance shows that the rest is whole, and it can be taken for that.
    #[test]
    fn bounds_contain_the_truth_of_a_history_that_began_before(
        rows in prop::collection::vec((trade(), 0u64..300, prop::bool::weighted(0.2)), 1..40),
        cut in any::<prop::sample::Index>(), peak in 0u64..2500, method in select(Method::ALL.to_vec()),
        trusts_balance in any::<bool>(),
    ) {
        let cut = cut.index(rows.len());
        let (mut events, mut hidden) = (Vec::new(), Vec::new());
        // What is to be read: units that cost as much with their fees, from which time on; and what is known.
        let (mut costs, mut prices) = (Vec::new(), Vec::new());
        let (mut held, mut held_at_cut) = (0, 0);
        for (number, ((buys, quantity, cents_each), fee, hides)) in rows.iter().enumerate() {
            if number == cut {
                held_at_cut = held;
            }
            // The first that is seen is often dearer than all others.
            let (buys, cents_each) = if number == cut { (true, peak) } else { (*buys, *cents_each) };
            let quantity = if buys { *quantity } else { held.min(*quantity) };
            held = if buys { held + quantity } else { held - quantity };
            let mut event = random_history::trade(number, (buys, quantity, cents_each));
            event.fees = vec![EventFee::Usd(cents(*fee))];
            events.push(event.clone());
            let hides = *hides && number != cut;
            if number >= cut {
                if let EventKind::Acquire(leg) | EventKind::Dispose(leg) = &mut event.kind && hides {
                    leg.value = None;
                }
                hidden.push(event);
                if !hides {
                    prices.push((number as i64, cents_each));
                }
            }
            if buys && number < cut {
                costs.push((number as i64, (quantity * cents_each + fee).div_ceil(quantity)));
            } else if buys && hides {
                costs.push((number as i64, cents_each));
            }
        }
        let peak_until = |until: i64| prices.iter().filter(|(ts, _)| *ts <= until).map(|(_, cents)| *cents).max();
        let highest = |_: &AssetId, until: i64| Some((price(peak_until(until)?), 0));
        let seen = Seen { highest, is_whole: trusts_balance && held_at_cut == 0 };
        let [known, truth] = [&hidden, &events].map(|events| outcome(method, events));

        let (mut gains, mut all_hold) = (Usd::ZERO, true);
        for disposal in known.disposals() {
            let of_truth = truth.disposals().find(|row| row.event == disposal.event).unwrap();
            let gain = of_truth.gain.unwrap();
            gains = gains.checked_add(gain).unwrap();
            let holds = peak_until(disposal.ts)
                .is_none_or(|peak| costs.iter().all(|(ts, cost)| *ts > disposal.ts || *cost <= peak));
            all_hold &= holds;
            let alone = bounds::of_disposal(&known, &disposal, &seen).unwrap();
            prop_assert!(alone.max.is_none_or(|max| gain <= max), "{:?}: {}", alone, gain);
            prop_assert!(!holds || contains(alone, gain), "{:?}: {} of {}", alone, gain, disposal.event);
            prop_assert!(alone.min_assumed || alone.min.is_none_or(|min| min <= gain), "{:?}: {}", alone, gain);
        }
        let all = bounds::of(&known, &Window::ALL, &seen).unwrap();
        prop_assert!(all.max.is_none_or(|max| gains <= max), "{:?}: {}", all, gains);
        prop_assert!(!all_hold || contains(all, gains), "{:?}: {}", all, gains);
    }
}

/// Of a history that lost its first purchase, FIFO matches the second one: a gain without any doubt in its
/// rows, and not the true one.
#[test]
fn no_match_is_certain_where_the_beginning_was_not_seen() {
    let known = Document::read(
        r#"{"method":"fifo","events":[
        {"id":"b","ts":2,"kind":"acquire","asset":"T","qty":10,"decimals":0,"value":"300"},
        {"id":"s","ts":3,"kind":"dispose","asset":"T","qty":10,"decimals":0,"value":"200"}]}"#,
    );
    let known = known.unwrap().run().unwrap();
    let highest = |_: &AssetId, _: i64| Some((price(3000), 0));
    let bounds = |is_whole| {
        let bounds = bounds::of(&known, &Window::ALL, &Seen { highest, is_whole }).unwrap();
        serde_json::to_value(bounds).unwrap()
    };
    let certain =
        serde_json::json!({"known": "-100", "min": "-100", "min_assumed": false, "max": "-100"});
    assert_eq!(bounds(true), certain);
    // Bought before for 100, it gained 100: what was sold is the lot that is not seen.
    assert_eq!(bounds(false)["max"], "200");
    let unpriced = Seen { highest: |_: &AssetId, _: i64| None, is_whole: false };
    let bounds = bounds::of(&known, &Window::ALL, &unpriced).unwrap();
    assert_eq!((bounds.min, bounds.min_assumed), (None, false), "no price, no lower bound");
}

/// What was sold beyond any lot tells by itself that the history is not whole, also of sales before; and
/// what the option books as a gain is part of the known one.
#[test]
fn what_was_sold_beyond_any_lot_leaves_no_match_certain() {
    let document = r#"{"method":"fifo","options":{"oversold":"zero_basis"},"events":[
        {"id":"b","ts":1,"kind":"acquire","asset":"T","qty":10,"decimals":0,"value":"300"},
        {"id":"s","ts":2,"kind":"dispose","asset":"T","qty":10,"decimals":0,"value":"310"},
        {"id":"t","ts":3,"kind":"dispose","asset":"T","qty":10,"decimals":0,"value":"100"}]}"#;
    let document = Document::read(document).unwrap();
    assert_eq!(document.options.oversold, Oversold::ZeroBasis);
    let known = document.run().unwrap();
    let seen = Seen { highest: |_: &AssetId, _: i64| Some((price(3100), 0)), is_whole: true };
    let bounds = bounds::of(&known, &Window::ALL, &seen).unwrap();
    assert_eq!(bounds.known, known.totals.realized_gain);
    let figures =
        serde_json::json!({"known": "110", "min": "-210", "min_assumed": true, "max": "410"});
    assert_eq!(serde_json::to_value(bounds).unwrap(), figures);
}

fn trade() -> impl Strategy<Value = (bool, u64, u64)> {
    (any::<bool>(), 1u64..60, 0u64..1000)
}

/// A cent per unit of what fees are paid in, more than all of them.
fn fee_money() -> Event {
    let mut event = random_history::trade(0, (true, 1_000_000, 1));
    let EventKind::Acquire(leg) = &mut event.kind else { unreachable!("a purchase was made") };
    leg.asset = AssetId::new("G");
    event
}

/// A fee of so many units at so many cents.
fn fee_leg(quantity: u64, price: u64) -> EventFee {
    EventFee::Asset(EventLeg {
        asset: AssetId::new("G"),
        quantity: RawAmount::from(quantity),
        decimals: 0,
        value: Some(cents(quantity * price)),
        residue: None,
    })
}
