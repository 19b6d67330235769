//! Gains of what was held for a short and for a long time.

use serde::Serialize;

use crate::amount::{AmountError, Usd};
use crate::engine::{LotMatch, Outcome, Window};
use crate::time::{DAY_SECONDS, civil, day_of};

/// How long something has to be held for its gain to be a long-term one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Boundary {
    /// Longer than so many seconds.
    Seconds(i64),
    /// Sold on a later UTC day than the one of the acquisition's date so many months after; where that
    /// month has no such day, than its last one. Twelve is the year of the United States' tax law (IRS,
    /// topic 409: "more than one year", counted from the day after the acquisition).
    Months(u16),
}

impl Default for Boundary {
    fn default() -> Self {
        Self::Months(12)
    }
}

impl Boundary {
    /// Whether what was acquired and sold at these times (unix seconds) was held for long.
    ///
    /// ```
    /// use pnl_core::metrics::Boundary;
    ///
    /// let leap_day = 1_709_210_096; // 2024-02-29 12:34:56
    /// let year = Boundary::Months(12);
    /// assert!(!year.is_long(leap_day, 1_740_787_199)); // 2025-02-28 23:59:59
    /// assert!(year.is_long(leap_day, 1_740_787_200)); // 2025-03-01 00:00:00
    /// assert!(!Boundary::Seconds(60).is_long(0, 60));
    /// assert!(Boundary::Seconds(60).is_long(0, 61));
    /// ```
    pub fn is_long(self, acquired: i64, sold: i64) -> bool {
        match self {
            Self::Seconds(limit) => sold.saturating_sub(acquired) > limit,
            Self::Months(months) => {
                let (year, month, day) = civil(acquired.div_euclid(DAY_SECONDS));
                let due = month + i64::from(months);
                let last = day_of(year, due + 1, 1) - 1;
                let due = last.min(day_of(year, due, day));
                sold.div_euclid(DAY_SECONDS) > due
            }
        }
    }
}

/// What pieces of lots come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct TermSums {
    /// How many pieces.
    pub pieces: u64,
    /// Their share of the proceeds.
    pub proceeds: Usd,
    /// Their basis.
    pub basis: Usd,
    /// Proceeds less basis.
    pub gain: Usd,
}

impl TermSums {
    fn add(&mut self, proceeds: Usd, basis: Usd, gain: Usd) -> Result<(), AmountError> {
        self.pieces += 1;
        self.proceeds = self.proceeds.checked_add(proceeds)?;
        self.basis = self.basis.checked_add(basis)?;
        self.gain = self.gain.checked_add(gain)?;
        Ok(())
    }
}

/// The realized gain by holding time: `short + long + uncovered_gain` is the realized gain of the window
/// ([`Outcome::window`]). By average cost the times are those of the oldest lots, the costs the pool's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct HoldingTerms {
    /// Where the line is.
    pub boundary: Boundary,
    /// Held up to the boundary.
    pub short: TermSums,
    /// Held for longer.
    pub long: TermSums,
    /// Proceeds of what no lot covers, where they count as gain (`oversold = zero_basis`): of no
    /// holding time.
    pub uncovered_gain: Usd,
}

impl HoldingTerms {
    /// The disposals in `window`, fees and quote assets with them, by the holding time of each lot.
    ///
    /// # Errors
    /// [`AmountError::Overflow`] when a sum of dollars does not fit.
    pub fn of(outcome: &Outcome, window: &Window, boundary: Boundary) -> Result<Self, AmountError> {
        let mut terms = Self { boundary, ..Self::default() };
        let window = *window;
        for disposal in outcome.records.disposals_where(move |ts, _| window.contains(ts)) {
            let Some(gain) = disposal.gain else { continue };
            for LotMatch { acquired_ts, proceeds, basis, gain, .. } in disposal.matches.iter() {
                let (Some(proceeds), Some(basis), Some(gain)) = (proceeds, basis, gain) else {
                    continue;
                };
                let is_long = boundary.is_long(acquired_ts, disposal.ts);
                let term = if is_long { &mut terms.long } else { &mut terms.short };
                term.add(proceeds, basis, gain)?;
            }
            let matched = disposal.matched_proceeds.checked_sub(disposal.basis)?;
            terms.uncovered_gain = terms.uncovered_gain.checked_add(gain.checked_sub(matched)?)?;
        }
        Ok(terms)
    }
}
