//! Trading metrics of a history.
//!
//! A *trade* is one disposal of a token with a known gain and matched quantity; fee legs are none. A
//! *token* is an asset that is neither a quote asset nor cash: what others are paid with is no
//! position. Sums are exact; every ratio is rounded once, half-even at 18 places ([`crate::ratio`]).
//! docs/accounting.md has the definitions side by side with those of others.

use std::collections::BTreeSet;

use num_bigint::BigInt;
use serde::{Deserialize, Serialize};

use crate::amount::{AmountError, Usd};
use crate::engine::{Disposal, DisposalLeg, Outcome, Window};
use crate::ratio::{Figure, Ratio};

/// Seconds of a UTC day.
const DAY_SECONDS: i64 = 86_400;

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

/// Gain and basis of one token's trades.
#[derive(Debug, Clone, Copy, Default)]
struct TokenResult {
    gain: Usd,
    basis: Usd,
}

/// A disposal that counts as a trade.
struct Trade {
    asset: usize,
    gain: Usd,
    basis: Usd,
    hold: Option<Ratio>,
}

impl Metrics {
    /// The metrics of the trades and activity inside `window`. Lots are those of the full history: a
    /// purchase before the window gives a sale inside it its basis, and a token is closed when
    /// nothing of it is left at the end of the history.
    ///
    /// # Errors
    /// [`AmountError::Overflow`] when a sum of dollars does not fit.
    pub fn of(outcome: &Outcome, window: &Window) -> Result<Self, AmountError> {
        let is_token =
            |asset: usize| !outcome.assets[asset].is_quote && !outcome.assets[asset].is_cash;
        let mut trades = Vec::new();
        let mut fee_leg_gain = Usd::ZERO;
        let span = *window;
        for disposal in outcome.records.disposals_where(move |ts, _| span.contains(ts)) {
            let Some(gain) = disposal.gain else { continue };
            if disposal.leg == DisposalLeg::Fee {
                fee_leg_gain = fee_leg_gain.checked_add(gain)?;
            } else if is_token(disposal.asset_index) && !disposal.matched.is_zero() {
                trades.push(Trade {
                    asset: disposal.asset_index,
                    gain,
                    basis: disposal.basis,
                    hold: hold(&disposal),
                });
            }
        }

        let run = Run::of(&trades)?;
        let tokens = token_results(&trades, outcome.assets.len())?;
        let results = tokens.iter().flatten();
        let mut total = TokenResult::default();
        let mut best = Usd::ZERO;
        for token in results.clone() {
            total.gain = total.gain.checked_add(token.gain)?;
            total.basis = total.basis.checked_add(token.basis)?;
            best = best.max(token.gain);
        }

        let mut left = vec![false; outcome.assets.len()];
        outcome.lots.iter().for_each(|lot| left[lot.asset_index] = true);
        let closed = tokens.iter().zip(left).filter_map(|(token, left)| token.filter(|_| !left));
        let closed: Vec<_> = closed.collect();
        let closed_wins = closed.iter().filter(|token| token.gain.is_positive()).count();
        let closed_losses = closed.iter().filter(|token| token.gain.is_negative()).count();

        let mut returns: Vec<_> = results
            .filter_map(|token| Ratio::of_dollars(token.gain, token.basis).map(Ratio::percent))
            .collect();
        let decided_returns = returns.iter().filter(|roi| roi.sign().is_ne()).count();
        let mut holds: Vec<_> = trades.iter_mut().filter_map(|trade| trade.hold.take()).collect();
        let activity = Activity::of(outcome, window, is_token)?;

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
            roi_pct: figure(Ratio::of_dollars(total.gain, total.basis).map(Ratio::percent)),
            avg_roi_pct: Ratio::mean(&returns, returns.len()),
            // p * mean(winners) + (1 - p) * mean(losers) is the sum of all returns per decided one:
            // p is winners per decided token, and a return of zero adds nothing.
            expectancy_pct: Ratio::mean(&returns, decided_returns),
            median_roi_pct: Ratio::median(&mut returns),
            skill_pnl_ratio: skill(total.gain, best)?,
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

fn skill(total: Usd, best: Usd) -> Result<Figure, AmountError> {
    if !total.is_positive() {
        return Ok(Figure::zero());
    }
    Ok(figure(Ratio::of_dollars(total.checked_sub(best)?, total)).unwrap_or_default())
}

/// Results by asset index; `None` for an asset without a trade.
fn token_results(trades: &[Trade], assets: usize) -> Result<Vec<Option<TokenResult>>, AmountError> {
    let mut tokens = vec![None; assets];
    for trade in trades {
        let token: &mut TokenResult = tokens[trade.asset].get_or_insert_default();
        token.gain = token.gain.checked_add(trade.gain)?;
        token.basis = token.basis.checked_add(trade.basis)?;
    }
    Ok(tokens)
}

/// Holding time of a trade: the mean over its matches of known basis, weighted by quantity.
fn hold(disposal: &Disposal<'_>) -> Option<Ratio> {
    let known = disposal.matches.iter().filter(|piece| piece.basis.is_some());
    let weighted = known.map(|piece| BigInt::from(piece.quantity) * piece.hold_s).sum::<BigInt>();
    Ratio::new(weighted, disposal.matched)
}

/// What depends on the order of trades.
#[derive(Default)]
struct Run {
    wins: u64,
    losses: u64,
    gains: Usd,
    lost: Usd,
    win_streak: u64,
    loss_streak: u64,
    drawdown: Usd,
}

impl Run {
    fn of(trades: &[Trade]) -> Result<Self, AmountError> {
        let mut run = Self::default();
        let (mut wins_now, mut losses_now) = (0, 0);
        let (mut sum, mut peak) = (Usd::ZERO, Usd::ZERO);
        for Trade { gain, .. } in trades {
            if gain.is_positive() {
                run.wins += 1;
                run.gains = run.gains.checked_add(*gain)?;
                (wins_now, losses_now) = (wins_now + 1, 0);
            } else if gain.is_negative() {
                run.losses += 1;
                run.lost = run.lost.checked_add(*gain)?;
                (wins_now, losses_now) = (0, losses_now + 1);
            }
            run.win_streak = run.win_streak.max(wins_now);
            run.loss_streak = run.loss_streak.max(losses_now);
            sum = sum.checked_add(*gain)?;
            peak = peak.max(sum);
            run.drawdown = run.drawdown.max(peak.checked_sub(sum)?);
        }
        Ok(run)
    }
}

/// What is counted from the events themselves.
struct Activity {
    volume: Usd,
    days: BTreeSet<i64>,
    tokens: BTreeSet<usize>,
}

impl Activity {
    fn of(
        outcome: &Outcome,
        window: &Window,
        is_token: impl Fn(usize) -> bool,
    ) -> Result<Self, AmountError> {
        let mut sum = Self { volume: Usd::ZERO, days: BTreeSet::new(), tokens: BTreeSet::new() };
        for event in outcome.records.activity().filter(|event| window.contains(event.ts)) {
            sum.volume = sum.volume.checked_add(event.value.unwrap_or(Usd::ZERO))?;
            sum.days.insert(event.ts.div_euclid(DAY_SECONDS));
            let assets = [Some(event.first), event.second];
            sum.tokens.extend(assets.into_iter().flatten().filter(|asset| is_token(*asset)));
        }
        Ok(sum)
    }
}
