//! The least that any FIFO does: read a trade, move lots. No names, no records, no exact split.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Stopwatch;
use crate::trades::Trade;

/// A lot, 48 bytes.
struct Lot {
    cost: i128,
    ts: i64,
    quantity: u64,
    original: u64,
}

/// Time of one pass over the trades.
pub fn run(trades: &[Trade], assets: usize) -> Duration {
    let mut books: Vec<VecDeque<Lot>> = Vec::with_capacity(assets);
    books.resize_with(assets, VecDeque::new);
    let mut gain = 0i128;
    let mut held_s = 0i64;
    let started = Stopwatch::start();
    for trade in trades {
        let book = &mut books[trade.asset as usize];
        if trade.buys {
            let Trade { value, ts, quantity, .. } = *trade;
            book.push_back(Lot { cost: value, ts, quantity, original: quantity });
            continue;
        }
        let mut left = trade.quantity;
        gain += trade.value;
        while left > 0 {
            let Some(lot) = book.front_mut() else { break };
            let taken = left.min(lot.quantity);
            // The share of the cost by a quotient of 24 bits: close, not exact.
            let share = (lot.cost * i128::from((taken << 24) / lot.quantity)) >> 24;
            gain -= share;
            lot.cost -= share;
            held_s += trade.ts - lot.ts;
            lot.quantity -= taken;
            left -= taken;
            if lot.quantity == 0 {
                held_s += lot.original as i64 & 1;
                book.pop_front();
            }
        }
    }
    let spent = started.elapsed();
    std::hint::black_box((gain, held_s));
    spent
}
