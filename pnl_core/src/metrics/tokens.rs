//! What each token brought.

use serde::Serialize;

use super::trades::{TokenResult, Trades, is_token};
use crate::amount::{AmountError, Usd};
use crate::asset::AssetId;
use crate::engine::{Outcome, Window};
use crate::ratio::{Figure, Ratio};

/// The trades and activity of one token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TokenMetrics {
    /// The token.
    pub asset: AssetId,
    /// Swaps and purchases in which it came in.
    pub buys: u64,
    /// Swaps and sales in which it left.
    pub sells: u64,
    /// Value of the buys, before fees; those without a value count nothing.
    pub bought: Usd,
    /// Value of the sells, likewise.
    pub sold: Usd,
    /// Number of trades: sells with a known gain.
    pub trades: u64,
    /// Trades with a gain.
    pub winning_trades: u64,
    /// Trades with a loss.
    pub losing_trades: u64,
    /// Sum of trade gains.
    pub realized_pnl: Usd,
    /// Basis of what the trades sold.
    pub basis: Usd,
    /// What the trades brought.
    pub proceeds: Usd,
    /// Gain per basis, percent; undefined at a basis of zero.
    pub roi_pct: Option<Figure>,
    /// Mean holding time of a trade, seconds.
    pub avg_hold_s: Option<Figure>,
    /// First swap, purchase or sale in the window, unix seconds.
    pub first_ts: Option<i64>,
    /// The last one.
    pub last_ts: Option<i64>,
    /// Whether nothing of it is left at the end of the history.
    pub closed: bool,
}

impl TokenMetrics {
    /// The tokens that were traded in `window`, in the order in which the history met them. Their gains
    /// sum to [`super::Metrics::realized_pnl`].
    ///
    /// # Errors
    /// [`AmountError::Overflow`] when a sum of dollars does not fit.
    pub fn of(outcome: &Outcome, window: &Window) -> Result<Vec<Self>, AmountError> {
        let mut rows: Vec<Option<Row>> = vec![None; outcome.assets.len()];
        for trade in Trades::of(outcome, window)?.trades {
            let row = rows[trade.asset].get_or_insert_default();
            row.trades += 1;
            row.winning_trades += u64::from(trade.sign().is_gt());
            row.losing_trades += u64::from(trade.sign().is_lt());
            row.result.add(&trade.result())?;
            row.holds.extend(trade.hold);
        }
        for event in outcome.records.activity().filter(|event| window.contains(event.ts)) {
            let value = event.value.unwrap_or(Usd::ZERO);
            let (bought, sold) = if event.bought {
                (Some(event.first), None)
            } else {
                (event.second, Some(event.first))
            };
            if let Some(asset) = bought.filter(|asset| is_token(outcome, *asset)) {
                rows[asset].get_or_insert_default().bought.add(value, event.ts)?;
            }
            if let Some(asset) = sold.filter(|asset| is_token(outcome, *asset)) {
                rows[asset].get_or_insert_default().sold.add(value, event.ts)?;
            }
        }
        let all = outcome.assets.iter().zip(rows).zip(outcome.held());
        Ok(all.filter_map(|((asset, row), held)| Some(row?.close(&asset.id, !held))).collect())
    }
}

/// Buys or sells of one token.
#[derive(Debug, Clone, Default)]
struct Side {
    count: u64,
    value: Usd,
    first: Option<i64>,
    last: Option<i64>,
}

impl Side {
    fn add(&mut self, value: Usd, ts: i64) -> Result<(), AmountError> {
        self.count += 1;
        self.value = self.value.checked_add(value)?;
        self.first.get_or_insert(ts);
        self.last = Some(ts);
        Ok(())
    }
}

/// A row while it grows.
#[derive(Debug, Clone, Default)]
struct Row {
    bought: Side,
    sold: Side,
    trades: u64,
    winning_trades: u64,
    losing_trades: u64,
    result: TokenResult,
    holds: Vec<Ratio>,
}

impl Row {
    fn close(self, asset: &AssetId, closed: bool) -> TokenMetrics {
        let Self { bought, sold, trades, winning_trades, losing_trades, result, holds } = self;
        TokenMetrics {
            asset: asset.clone(),
            buys: bought.count,
            sells: sold.count,
            bought: bought.value,
            sold: sold.value,
            trades,
            winning_trades,
            losing_trades,
            realized_pnl: result.gain,
            basis: result.basis,
            proceeds: result.proceeds,
            roi_pct: result.roi_pct().map(|roi| roi.figure()),
            avg_hold_s: Ratio::mean(&holds, holds.len()),
            first_ts: bought.first.into_iter().chain(sold.first).min(),
            last_ts: bought.last.into_iter().chain(sold.last).max(),
            closed,
        }
    }
}
