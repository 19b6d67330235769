//! How returns are spread.

use std::cmp::Ordering;

use serde::Serialize;

use super::trades::{TokenResult, Trades, token_results};
use crate::amount::{AmountError, Usd};
use crate::engine::{Outcome, Window};
use crate::ratio::Ratio;

/// Edges of buckets as others show them, percent: lost more than half, lost, up to three times the
/// money, up to six times, more.
pub const RETURN_EDGES: [i64; 4] = [-50, 0, 200, 500];

/// The tokens or trades of which the return lies between two edges.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Bucket {
    /// Returns from here on, percent; `None` = no matter how low.
    pub from_pct: Option<i64>,
    /// Returns below this, percent; `None` = no matter how high.
    pub to_pct: Option<i64>,
    /// How many.
    pub count: u64,
    /// Of them: of which nothing is left at the end of the history.
    pub closed: u64,
    /// Sum of their gains.
    pub gain: Usd,
    /// Sum of their basis.
    pub basis: Usd,
}

/// Returns in buckets. What was never sold has no return and is in none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Distribution {
    /// From the lowest return to the highest. A return at an edge is in the bucket that begins there.
    pub buckets: Vec<Bucket>,
    /// How many were sold at a basis of zero, which has no return.
    pub without_return: u64,
}

impl Distribution {
    /// The tokens by the return on what was sold of each in `window`, between `edges` (percent).
    ///
    /// # Errors
    /// [`AmountError::Overflow`] when a sum of dollars does not fit.
    pub fn of_tokens(
        outcome: &Outcome,
        window: &Window,
        edges: &[i64],
    ) -> Result<Self, AmountError> {
        let trades = Trades::of(outcome, window)?.trades;
        let tokens = token_results(&trades, outcome.assets.len())?;
        let results = tokens.into_iter().zip(outcome.held());
        Self::of(results.filter_map(|(token, held)| Some((token?, !held))), edges)
    }

    /// The trades in `window` by their own return. A trade counts as closed when nothing of its token is
    /// left.
    ///
    /// # Errors
    /// [`AmountError::Overflow`] when a sum of dollars does not fit.
    pub fn of_trades(
        outcome: &Outcome,
        window: &Window,
        edges: &[i64],
    ) -> Result<Self, AmountError> {
        let held = outcome.held();
        let trades = Trades::of(outcome, window)?.trades;
        Self::of(trades.iter().map(|trade| (trade.result(), !held[trade.asset])), edges)
    }

    fn of(
        results: impl Iterator<Item = (TokenResult, bool)>,
        edges: &[i64],
    ) -> Result<Self, AmountError> {
        let mut edges = edges.to_vec();
        edges.sort_unstable();
        edges.dedup();
        let ends = edges.iter().copied().map(Some);
        let starts = [None].into_iter().chain(ends.clone());
        let bucket = |(from_pct, to_pct)| Bucket { from_pct, to_pct, ..Bucket::default() };
        let mut buckets: Vec<_> = starts.zip(ends.chain([None])).map(bucket).collect();
        let edges: Vec<_> = edges.iter().map(|edge| Ratio::of_integer(*edge)).collect();
        let mut without_return = 0;
        for (result, closed) in results {
            let Some(roi) = result.roi_pct() else {
                without_return += 1;
                continue;
            };
            // A rest of rounding is no return.
            let roi = if result.sign() == Ordering::Equal { Ratio::of_integer(0) } else { roi };
            let bucket = &mut buckets[edges.partition_point(|edge| *edge <= roi)];
            bucket.count += 1;
            bucket.closed += u64::from(closed);
            bucket.gain = bucket.gain.checked_add(result.gain)?;
            bucket.basis = bucket.basis.checked_add(result.basis)?;
        }
        Ok(Self { buckets, without_return })
    }
}
