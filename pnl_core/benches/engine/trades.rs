//! Random purchases and sales, as compact rows and as events.

use alloy_primitives::{I256, U256};
use pnl_core::event::{Event, EventKind, EventLeg};
use pnl_core::{AssetId, Engine, Method, Options, RawAmount, Usd};

use crate::clock::Stopwatch;

/// One trade, 48 bytes: what the bare loop reads.
#[derive(Debug, Clone, Copy)]
pub struct Trade {
    /// US dollars in units of 1e-18.
    pub value: i128,
    pub ts: i64,
    pub quantity: u64,
    pub asset: u32,
    pub buys: bool,
}

/// A sequence of random numbers (xorshift), so that every run has the same trades.
pub struct Trades(u64);

impl Trades {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    /// Purchases and sales of assets of 9 decimals at 1 to 4,000 dollars with four places, never more
    /// sold than held, 52 of 100 purchases.
    pub fn take(mut self, events: usize, assets: usize) -> Vec<Trade> {
        let mut held = vec![0u64; assets];
        let mut ts = 1_600_000_000;
        let mut next = || {
            ts += 1 + self.below(3_600) as i64;
            let asset = self.below(assets as u64) as u32;
            let held = &mut held[asset as usize];
            let size = 10u64.pow(6 + self.below(6) as u32);
            let quantity = 1 + self.below(size);
            let buys = *held == 0 || self.below(100) < 52;
            let quantity = if buys { quantity } else { quantity.min(*held) };
            if buys {
                *held += quantity
            } else {
                *held -= quantity
            }
            let price = 10_000 + self.below(40_000_000);
            // Places: 4 of the price and 9 of the quantity, of 18.
            let value = i128::from(price) * i128::from(quantity) * 100_000;
            Trade { value, ts, quantity, asset, buys }
        };
        (0..events).map(|_| next()).collect()
    }
}

/// Names like those of a chain.
pub fn assets(count: usize) -> Vec<AssetId> {
    let name = |number| format!("{number:0>8}PqRsTuVwXyZ2345678Abcdefghijkmnop");
    (0..count).map(|number| AssetId::new(&name(number))).collect()
}

/// The trades as events, the first of them number `first`.
pub fn events(trades: &[Trade], first: usize, names: &[AssetId]) -> Vec<Event> {
    let wallet = "wallet".into();
    let event = |(place, trade): (usize, &Trade)| Event {
        id: format!("e{}", first + place).into(),
        ts: trade.ts,
        seq: 0,
        wallet: std::sync::Arc::clone(&wallet),
        kind: kind(trade, &names[trade.asset as usize]),
        fees: Vec::new(),
    };
    trades.iter().enumerate().map(event).collect()
}

fn kind(trade: &Trade, asset: &AssetId) -> EventKind {
    let units = U256::from(trade.value.unsigned_abs()) * U256::from(10u64.pow(18));
    let leg = EventLeg {
        asset: asset.clone(),
        quantity: RawAmount::from(trade.quantity),
        decimals: 9,
        value: Some(Usd::from_units(I256::from_raw(units))),
        residue: None,
    };
    if trade.buys { EventKind::Acquire(leg) } else { EventKind::Dispose(leg) }
}

/// Nanoseconds per sale by HIFO among so many open lots, each sale a whole lot bought anew after it.
pub fn hifo_sales(open: usize, sales: usize) -> f64 {
    let names = assets(1);
    let mut random = Trades::new(4);
    let mut trade = |ts: usize, buys| Trade {
        value: i128::from(random.below(u64::MAX)) << 20,
        ts: ts as i64,
        quantity: 1_000_000,
        asset: 0,
        buys,
    };
    let mut engine =
        Engine::new(Method::Hifo, Options::default()).expect("every method is offered");
    let bought: Vec<_> = (0..open).map(|ts| trade(ts, true)).collect();
    for event in events(&bought, 0, &names) {
        engine.apply(&event).expect("a purchase is sound");
    }
    let traded: Vec<_> = (0..2 * sales).map(|ts| trade(open + ts, ts % 2 == 1)).collect();
    let traded = events(&traded, open, &names);
    let started = Stopwatch::start();
    for event in &traded {
        engine.apply(event).expect("every lot is large enough");
    }
    started.elapsed().as_nanos() as f64 / sales as f64
}
