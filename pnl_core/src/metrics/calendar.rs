//! What each day, week or month brought.

use std::collections::BTreeMap;

use serde::Serialize;

use super::trades::{TokenResult, Trades};
use crate::amount::{AmountError, Usd};
use crate::engine::{Flows, Outcome, Window};
use crate::period::Period;

/// What happened in one period.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct CalendarRow {
    /// First second of the period.
    pub from: i64,
    /// First second behind it. Records outside of the window are not counted, also where it cuts the
    /// period.
    pub to: i64,
    /// Number of trades.
    pub trades: u64,
    /// Trades with a gain.
    pub winning_trades: u64,
    /// Trades with a loss.
    pub losing_trades: u64,
    /// Sum of trade gains.
    pub realized_pnl: Usd,
    /// Value of one side of every swap, purchase and sale.
    pub volume: Usd,
    /// Everything realized: fee legs, quote assets, income and fees with it.
    pub flows: Flows,
    /// The period's trades together.
    #[serde(skip)]
    result: TokenResult,
}

/// The periods of a window in which something was traded, earned or paid, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Calendar {
    /// The unit.
    pub period: Period,
    /// Periods whose trades gained together.
    pub winning_periods: u64,
    /// Periods whose trades lost together.
    pub losing_periods: u64,
    /// One per period in which something happened.
    pub rows: Vec<CalendarRow>,
}

impl Calendar {
    /// The calendar of the records in `window`. Its rows sum to the flows of the window
    /// ([`Outcome::window`]), and the gains of trades to [`super::Metrics::realized_pnl`].
    ///
    /// # Errors
    /// [`AmountError::Overflow`] when a sum of dollars does not fit.
    pub fn of(outcome: &Outcome, window: &Window, period: Period) -> Result<Self, AmountError> {
        let mut rows = Rows { period, by_start: BTreeMap::new() };
        for trade in Trades::of(outcome, window)?.trades {
            let row = rows.at(trade.ts);
            row.trades += 1;
            row.winning_trades += u64::from(trade.sign().is_gt());
            row.losing_trades += u64::from(trade.sign().is_lt());
            row.result.add(&trade.result())?;
        }
        for event in outcome.records.activity().filter(|event| window.contains(event.ts)) {
            let row = rows.at(event.ts);
            row.volume = row.volume.checked_add(event.value.unwrap_or(Usd::ZERO))?;
        }
        outcome.for_each_flow(
            |ts| window.contains(ts),
            |ts, _, flow| flow.add_to(&mut rows.at(ts).flows),
        )?;
        let mut rows: Vec<_> = rows.by_start.into_values().collect();
        rows.iter_mut().for_each(|row| row.realized_pnl = row.result.gain);
        let count = |decided: fn(std::cmp::Ordering) -> bool| {
            rows.iter().filter(|row| decided(row.result.sign())).count() as u64
        };
        let (winning_periods, losing_periods) =
            (count(std::cmp::Ordering::is_gt), count(std::cmp::Ordering::is_lt));
        Ok(Self { period, winning_periods, losing_periods, rows })
    }
}

struct Rows {
    period: Period,
    by_start: BTreeMap<i64, CalendarRow>,
}

impl Rows {
    fn at(&mut self, ts: i64) -> &mut CalendarRow {
        let from = self.period.start(ts);
        let row = || CalendarRow { from, to: self.period.end(ts), ..CalendarRow::default() };
        self.by_start.entry(from).or_insert_with(row)
    }
}
