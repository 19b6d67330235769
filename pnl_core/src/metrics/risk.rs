//! A ratio of daily profit and its spread.

use std::collections::BTreeMap;

use num_bigint::BigInt;

use super::trades::Trades;
use crate::amount::{AmountError, Usd};
use crate::engine::{Outcome, Window};
use crate::ratio::{Figure, units};
use crate::time::DAY_SECONDS;

/// Days that a year counts as: tokens trade on every one.
const YEAR_DAYS: u32 = 365;

/// Mean of the daily realized profit per its sample standard deviation, times the root of 365.
///
/// It is like Sharpe's ratio, but of dollars of profit, not of returns: it says how steady a result is, and
/// nothing about the money that it took. A day's profit is the sum of its trades' gains; every UTC day of
/// the window counts, also those without a trade. Where the window is open its days begin with the first
/// event of the history and end with the last one. `None` under two days, and where every day is alike.
/// The root is taken of an exact quotient and rounded half-even at 18 places.
///
/// # Errors
/// [`AmountError::Overflow`] when a sum of dollars does not fit.
pub fn sharpe_like(outcome: &Outcome, window: &Window) -> Result<Option<Figure>, AmountError> {
    let Some((first, last)) = outcome.records.span() else { return Ok(None) };
    let first = window.from.unwrap_or(first).div_euclid(DAY_SECONDS);
    let last = window.to.map_or(last, |to| to.saturating_sub(1)).div_euclid(DAY_SECONDS);
    let days = BigInt::from(last) - first + 1;
    if days < BigInt::from(2) {
        return Ok(None);
    }
    let mut by_day: BTreeMap<i64, Usd> = BTreeMap::new();
    for trade in Trades::of(outcome, window)?.trades {
        let day = by_day.entry(trade.ts.div_euclid(DAY_SECONDS)).or_default();
        *day = day.checked_add(trade.gain)?;
    }
    let gains = by_day.into_values().map(units);
    let (sum, squares) = gains.fold((BigInt::ZERO, BigInt::ZERO), |(sum, squares), gain| {
        let square = &gain * &gain;
        (sum + gain, squares + square)
    });
    // With n days: (sum / n)^2 * 365 / ((squares - sum^2 / n) / (n - 1)).
    let square = &sum * &sum;
    let numerator = &square * (&days - 1) * YEAR_DAYS;
    let denominator = &days * (&days * squares - square);
    Ok(Figure::of_root(sum.sign(), &numerator, &denominator))
}
