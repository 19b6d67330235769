//! Trading metrics of a history.
//!
//! A *trade* is one disposal of a token with a known gain and matched quantity; fee legs are none. A
//! *token* is an asset that is neither a quote asset nor cash: what others are paid with is no
//! position. Sums are exact; every ratio is rounded once, half-even at 18 places ([`crate::ratio`]).
//! docs/accounting.md has the definitions side by side with those of others.
//!
//! [`Metrics`] are the figures of a span of time. Beside them:
//! - [`TokenMetrics`]: token by token; [`Calendar`]: day by day, week by week, month by month;
//! - [`Distribution`]: how many tokens or trades had which return;
//! - [`HoldingTerms`]: gains by holding time; [`sharpe_like`]: how steady the days were;
//! - [`EquityReader`]: what was earned and held at any moments of a history; [`Drawdown`]: its largest
//!   fall.
//!
//! All of them take a [`Window`]: records are counted by their own time, lots are those of the full
//! history.
//!
//! ```
//! # use pnl_core::document::Document;
//! # use pnl_core::metrics::{Calendar, HoldingTerms, Boundary, Metrics, TokenMetrics};
//! # use pnl_core::{Period, Window};
//! let history = r#"{"method": "fifo", "events": [
//!     {"id": "a", "ts": 0, "kind": "acquire", "asset": "T", "qty": 2, "decimals": 0, "value": "100"},
//!     {"id": "s", "ts": 86400, "kind": "dispose", "asset": "T", "qty": 1, "decimals": 0, "value": "80"},
//!     {"id": "t", "ts": 172800, "kind": "dispose", "asset": "T", "qty": 1, "decimals": 0, "value": "40"}]}"#;
//! let outcome = Document::read(history)?.run()?;
//! let metrics = Metrics::of(&outcome, &Window::ALL)?;
//! assert_eq!(metrics.realized_pnl.to_string(), "20"); // 80 - 50 + 40 - 50
//! assert_eq!(metrics.profit_factor.unwrap().to_string(), "3");
//! let days = Calendar::of(&outcome, &Window::ALL, Period::Day)?.rows;
//! let gains: Vec<_> = days.iter().map(|day| day.realized_pnl.to_string()).collect();
//! assert_eq!(gains, ["0", "30", "-10"]);
//! let token = &TokenMetrics::of(&outcome, &Window::ALL)?[0];
//! assert_eq!((token.buys, token.sells, token.closed), (1, 2, true));
//! let terms = HoldingTerms::of(&outcome, &Window::ALL, Boundary::Seconds(86_400))?;
//! assert_eq!(terms.short.gain.to_string(), "30"); // held for one day, not longer
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod calendar;
mod distribution;
mod equity;
mod holding;
mod risk;
mod tokens;
mod trades;

pub use calendar::{Calendar, CalendarRow};
pub use distribution::{Bucket, Distribution, RETURN_EDGES};
pub use equity::{Drawdown, EquityPoint, EquityReader, PriceAt};
pub use holding::{Boundary, HoldingTerms, TermSums};
pub use risk::sharpe_like;
pub use tokens::TokenMetrics;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::amount::{AmountError, Usd};
use crate::engine::{Outcome, Window};
use crate::ratio::{Figure, Ratio};
use crate::time::DAY_SECONDS;
use trades::{Run, TokenResult, Trades, is_token, token_results};

/// The metrics. `None` where one is undefined: never zero, never a placeholder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metrics {
    /// Sum of trade gains, US dollars.
    pub realized_pnl: Figure,
    /// Gain of disposals that paid fees, US dollars; kept apart.
    pub fee_leg_gain: Figure,
    /// Number of trades.
    pub trades: u64,
    /// Trades with a gain above zero.
    pub winning_trades: u64,
    /// Trades with a gain below zero.
    pub losing_trades: u64,
    /// Winning trades per decided trade; a gain of zero decides nothing.
    pub trade_win_rate: Option<Figure>,
    /// Tokens with a trade and nothing left.
    pub closed_tokens: u64,
    /// Closed tokens that gained, per closed token that gained or lost.
    pub token_win_rate: Option<Figure>,
    /// Sum of gains per sum of losses; undefined without a loss.
    pub profit_factor: Option<Figure>,
    /// Realized gain per basis of what was sold, percent.
    pub roi_pct: Option<Figure>,
    /// Mean of the tokens' returns, percent.
    pub avg_roi_pct: Option<Figure>,
    /// Median of the tokens' returns, percent.
    pub median_roi_pct: Option<Figure>,
    /// Expected return of a token that gained or lost, percent.
    pub expectancy_pct: Option<Figure>,
    /// Share of a positive result that is not the best token's; 0 when the result is not positive.
    /// Far below zero when one token carries everything.
    pub skill_pnl_ratio: Figure,
    /// Mean holding time of a trade, seconds.
    pub avg_hold_s: Option<Figure>,
    /// Median holding time of a trade, seconds.
    pub median_hold_s: Option<Figure>,
    /// Largest fall of the running sum of trade gains below its peak, US dollars. The curve starts
    /// at zero.
    pub max_drawdown_usd: Figure,
    /// Longest run of winning trades; trades without a decision neither break nor prolong it.
    pub win_streak: u64,
    /// Longest run of losing trades.
    pub loss_streak: u64,
    /// Value of one side of every swap, purchase and sale, US dollars; no transfers.
    pub volume_usd: Figure,
    /// UTC days with a swap, purchase or sale.
    pub active_days: u64,
    /// Tokens in swaps, purchases and sales.
    pub unique_tokens: u64,
}

impl Metrics {
    /// The metrics of the trades and activity inside `window`. Lots are those of the full history: a
    /// purchase before the window gives a sale inside it its basis, and a token is closed when
    /// nothing of it is left at the end of the history.
    ///
    /// # Errors
    /// [`AmountError::Overflow`] when a sum of dollars does not fit.
    pub fn of(outcome: &Outcome, window: &Window) -> Result<Self, AmountError> {
        let Trades { mut trades, fee_leg_gain } = Trades::of(outcome, window)?;
        let run = Run::of(&trades)?;
        let tokens = token_results(&trades, outcome.assets.len())?;
        let results = tokens.iter().flatten();
        let mut total = TokenResult::default();
        let mut best = Usd::ZERO;
        for token in results.clone() {
            total.add(token)?;
            best = best.max(token.gain);
        }

        let held = outcome.held();
        let closed = tokens.iter().zip(held).filter_map(|(token, held)| token.filter(|_| !held));
        let closed: Vec<_> = closed.map(|token| token.sign()).collect();
        let closed_wins = closed.iter().filter(|sign| sign.is_gt()).count();
        let closed_losses = closed.iter().filter(|sign| sign.is_lt()).count();

        let mut returns: Vec<_> = results.clone().filter_map(TokenResult::roi_pct).collect();
        let decided = results.filter(|token| !token.basis.is_zero() && token.sign().is_ne());
        let decided_returns = decided.count();
        let mut holds: Vec<_> = trades.iter_mut().filter_map(|trade| trade.hold.take()).collect();
        let activity = Activity::of(outcome, window)?;

        Ok(Self {
            realized_pnl: Figure::of_dollars(total.gain),
            fee_leg_gain: Figure::of_dollars(fee_leg_gain),
            trades: trades.len() as u64,
            winning_trades: run.wins,
            losing_trades: run.losses,
            trade_win_rate: rate(run.wins, run.losses),
            closed_tokens: closed.len() as u64,
            token_win_rate: rate(closed_wins as u64, closed_losses as u64),
            profit_factor: figure(Ratio::of_dollars(run.gains, run.lost.checked_neg()?)),
            roi_pct: figure(total.roi_pct()),
            avg_roi_pct: Ratio::mean(&returns, returns.len()),
            // p * mean(winners) + (1 - p) * mean(losers) is the sum of all returns per decided one:
            // p is winners per decided token, and a return of zero adds nothing.
            expectancy_pct: Ratio::mean(&returns, decided_returns),
            median_roi_pct: Ratio::median(&mut returns),
            skill_pnl_ratio: skill(total, best)?,
            avg_hold_s: Ratio::mean(&holds, holds.len()),
            median_hold_s: Ratio::median(&mut holds),
            max_drawdown_usd: Figure::of_dollars(run.drawdown),
            win_streak: run.win_streak,
            loss_streak: run.loss_streak,
            volume_usd: Figure::of_dollars(activity.volume),
            active_days: activity.days.len() as u64,
            unique_tokens: activity.tokens.len() as u64,
        })
    }
}

fn figure(ratio: Option<Ratio>) -> Option<Figure> {
    ratio.map(|ratio| ratio.figure())
}

fn rate(wins: u64, losses: u64) -> Option<Figure> {
    figure(Ratio::new(wins, u128::from(wins) + u128::from(losses)))
}

fn skill(total: TokenResult, best: Usd) -> Result<Figure, AmountError> {
    if !total.sign().is_gt() {
        return Ok(Figure::zero());
    }
    Ok(figure(Ratio::of_dollars(total.gain.checked_sub(best)?, total.gain)).unwrap_or_default())
}

/// What is counted from the events themselves.
struct Activity {
    volume: Usd,
    days: BTreeSet<i64>,
    tokens: BTreeSet<usize>,
}

impl Activity {
    fn of(outcome: &Outcome, window: &Window) -> Result<Self, AmountError> {
        let mut sum = Self { volume: Usd::ZERO, days: BTreeSet::new(), tokens: BTreeSet::new() };
        for event in outcome.records.activity().filter(|event| window.contains(event.ts)) {
            sum.volume = sum.volume.checked_add(event.value.unwrap_or(Usd::ZERO))?;
            sum.days.insert(event.ts.div_euclid(DAY_SECONDS));
            let assets = [Some(event.first), event.second];
            sum.tokens
                .extend(assets.into_iter().flatten().filter(|asset| is_token(outcome, *asset)));
        }
        Ok(sum)
    }
}
