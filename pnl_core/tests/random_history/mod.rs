//! Random histories: of every kind of event, and of plain trades at whole cents.
#![allow(dead_code, reason = "no test needs all of it")]

use std::sync::Arc;

use alloy_primitives::{I256, U256};
use pnl_core::event::{Event, EventFee, EventKind, EventLeg};
use pnl_core::{AssetId, RawAmount, Usd};
use proptest::prelude::*;
use proptest::sample::select;

/// One random happening; turned into an event with an id and a time by [`history`].
#[derive(Debug, Clone)]
pub struct Step {
    wait: i64,
    wallet: &'static str,
    what: What,
    fee: Option<EventFee>,
}

#[derive(Debug, Clone)]
enum What {
    Acquire(EventLeg),
    Dispose(EventLeg),
    Income(EventLeg),
    Swap(EventLeg, EventLeg),
    Receive(EventLeg),
    Send(EventLeg),
    /// A linked transfer out; the transfer in follows directly or never.
    Move(EventLeg, bool),
    Fee(EventLeg),
}

pub fn dollars(units: impl Into<U256>) -> Usd {
    Usd::from_units(I256::try_from(units.into()).unwrap())
}

pub fn leg() -> impl Strategy<Value = EventLeg> {
    let quantity = prop_oneof![0u64..20, Just(0), 1u64..u64::MAX];
    let value = prop_oneof![
        Just(None),
        any::<u128>().prop_map(|units| Some(dollars(U256::from(units)))),
        (0u64..100).prop_map(|cents| Some(dollars(U256::from(cents)))),
    ];
    (select(vec!["A", "B", "S"]), quantity, value).prop_map(|(asset, quantity, value)| EventLeg {
        asset: AssetId::new(asset),
        quantity: RawAmount::from(quantity),
        decimals: 9,
        value,
        residue: None,
    })
}

pub fn step() -> impl Strategy<Value = Step> {
    let what = prop_oneof![
        3 => leg().prop_map(What::Acquire),
        3 => leg().prop_map(What::Dispose),
        1 => leg().prop_map(What::Income),
        3 => (leg(), leg()).prop_map(|(out, into)| What::Swap(out, into)),
        1 => leg().prop_map(What::Receive),
        1 => leg().prop_map(What::Send),
        2 => (leg(), any::<bool>()).prop_map(|(leg, arrives)| What::Move(leg, arrives)),
        1 => leg().prop_map(What::Fee),
    ];
    let fee = prop_oneof![
        2 => Just(None),
        1 => leg().prop_map(|leg| Some(EventFee::Asset(leg))),
        1 => any::<u128>().prop_map(|units| Some(EventFee::Usd(dollars(U256::from(units))))),
    ];
    (0i64..3, select(vec!["v", "w"]), what, fee).prop_map(|(wait, wallet, what, fee)| Step {
        wait,
        wallet,
        what,
        fee,
    })
}

pub fn history(steps: Vec<Step>) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    let mut ts = 0;
    for (number, Step { wait, wallet, what, fee }) in steps.into_iter().enumerate() {
        ts += wait;
        let link: Arc<str> = format!("link{number}").into();
        let mut arrival = None;
        let kind = match what {
            What::Acquire(leg) => EventKind::Acquire(leg),
            What::Dispose(leg) => EventKind::Dispose(leg),
            What::Income(leg) => EventKind::Income(leg),
            What::Swap(out, into) => EventKind::Swap { out, into, fee_side: None },
            What::Receive(leg) => EventKind::TransferIn { leg, link: None },
            What::Send(leg) => EventKind::TransferOut { leg, link: None },
            What::Fee(leg) => EventKind::Fee(leg),
            What::Move(leg, arrives) => {
                arrival = arrives.then(|| leg.clone());
                EventKind::TransferOut { leg, link: Some(Arc::clone(&link)) }
            }
        };
        let event = |id: String, wallet: &str, kind, fees| Event {
            id: id.into(),
            ts,
            seq: number as u64,
            wallet: wallet.into(),
            kind,
            fees,
        };
        events.push(event(format!("e{number}"), wallet, kind, fee.into_iter().collect()));
        if let Some(leg) = arrival {
            let to = if wallet == "v" { "w" } else { "v" };
            let kind = EventKind::TransferIn { leg, link: Some(link) };
            events.push(event(format!("a{number}"), to, kind, vec![]));
        }
    }
    events
}

/// A purchase or sale of `T` at a price of whole cents per unit.
pub fn trade(number: usize, (comes_in, quantity, price): (bool, u64, u64)) -> Event {
    let leg = EventLeg {
        asset: AssetId::new("T"),
        quantity: RawAmount::from(quantity),
        decimals: 0,
        value: Some(cents(quantity * price)),
        residue: None,
    };
    Event {
        id: format!("e{number}").into(),
        ts: number as i64,
        seq: 0,
        wallet: "w".into(),
        kind: if comes_in { EventKind::Acquire(leg) } else { EventKind::Dispose(leg) },
        fees: vec![],
    }
}

pub fn priced(trades: &[(bool, u64, u64)]) -> Vec<Event> {
    trades.iter().enumerate().map(|(number, parts)| trade(number, *parts)).collect()
}

pub fn cents(amount: u64) -> Usd {
    let cent: Usd = "0.01".parse().unwrap();
    dollars(cent.units().unsigned_abs() * U256::from(amount))
}
