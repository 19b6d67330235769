//! Days, weeks and months in UTC.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::time::{DAY_SECONDS, civil, day_of};

/// A unit of the calendar, in UTC.
///
/// ```
/// use pnl_core::Period;
///
/// // 2024-03-14, a Thursday.
/// let noon = 1_710_417_600;
/// assert_eq!(Period::Day.start(noon), 1_710_374_400);
/// assert_eq!(Period::Week.start(noon), 1_710_115_200); // Monday, 2024-03-11
/// assert_eq!(Period::Month.start(noon), 1_709_251_200); // 2024-03-01
/// assert_eq!(Period::Month.end(noon), 1_711_929_600); // 2024-04-01
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// From midnight to midnight.
    Day,
    /// From Monday to Sunday (ISO 8601).
    Week,
    /// A month of the Gregorian calendar.
    Month,
}

impl Period {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Day, Self::Week, Self::Month];

    /// The name in a request.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// The first second of the period that `ts` is in.
    pub fn start(self, ts: i64) -> i64 {
        let day = ts.div_euclid(DAY_SECONDS);
        first_second(match self {
            Self::Day => day,
            // Day 0 was a Thursday, the fourth of its week.
            Self::Week => day - (day + 3).rem_euclid(7),
            Self::Month => day - (civil(day).2 - 1),
        })
    }

    /// The first second behind the period that `ts` is in.
    pub fn end(self, ts: i64) -> i64 {
        let day = ts.div_euclid(DAY_SECONDS);
        first_second(match self {
            Self::Day => day + 1,
            Self::Week => day - (day + 3).rem_euclid(7) + 7,
            Self::Month => {
                let (year, month, _) = civil(day);
                day_of(year, month + 1, 1)
            }
        })
    }

    /// The ends of the periods from the one that `from` is in to the one that `last` is in: where an
    /// equity curve has its points. `None` when they are more than `limit`.
    pub fn ends(self, from: i64, last: i64, limit: usize) -> Option<Vec<i64>> {
        let mut ends = Vec::new();
        let mut next = from;
        while next <= last {
            if ends.len() == limit {
                return None;
            }
            let end = self.end(next);
            ends.push(end);
            next = end;
        }
        Some(ends)
    }
}

/// At the edges of 64 bits the last second there is.
fn first_second(day: i64) -> i64 {
    day.saturating_mul(DAY_SECONDS)
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no period.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown period {0:?}; known are day, week, month")]
pub struct UnknownPeriod(pub String);

impl FromStr for Period {
    type Err = UnknownPeriod;

    fn from_str(text: &str) -> Result<Self, UnknownPeriod> {
        let known = Self::ALL.into_iter().find(|period| period.as_str() == text);
        known.ok_or_else(|| UnknownPeriod(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::rfc3339;

    #[test]
    fn periods_follow_each_other_without_a_gap() {
        for period in Period::ALL {
            let mut ts = -3 * 366 * DAY_SECONDS;
            for _ in 0..2_000 {
                let (start, end) = (period.start(ts), period.end(ts));
                assert!(start <= ts && ts < end, "{period} of {}", rfc3339(ts));
                assert_eq!((period.start(start), period.start(end - 1)), (start, start));
                assert_eq!(period.start(end), end);
                ts += 7 * 3_600 + 11;
            }
            assert_eq!(period.as_str().parse(), Ok(period));
            // Seconds that no calendar has do not panic.
            let _ = [i64::MIN, i64::MAX].map(|edge| (period.start(edge), period.end(edge)));
        }
        assert!("year".parse::<Period>().is_err());
    }

    #[test]
    fn weeks_begin_on_monday_and_months_on_their_first() {
        let text = |seconds| rfc3339(seconds)[..10].to_owned();
        let leap_day = 1_709_164_800;
        assert_eq!(text(leap_day), "2024-02-29");
        assert_eq!(text(Period::Week.start(leap_day)), "2024-02-26");
        assert_eq!(text(Period::Month.start(leap_day)), "2024-02-01");
        let new_year = 1_703_980_800;
        assert_eq!(text(new_year), "2023-12-31");
        assert_eq!(text(Period::Month.end(new_year)), "2024-01-01");
        let ends = Period::Month.ends(new_year, leap_day, 3).unwrap();
        assert_eq!(
            ends.into_iter().map(text).collect::<Vec<_>>(),
            ["2024-01-01", "2024-02-01", "2024-03-01"]
        );
        assert_eq!(Period::Day.ends(0, 10 * DAY_SECONDS, 10), None);
    }
}
