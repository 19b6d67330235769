//! Trades: the disposals that metrics count, and whether one was won.

use std::cmp::Ordering;

use alloy_primitives::U256;
use num_bigint::BigInt;

use crate::amount::{AmountError, Usd};
use crate::engine::{Disposal, DisposalLeg, Outcome, Window};
use crate::ratio::Ratio;

/// Whether a gain is one, a loss, or nothing.
///
/// Shares of money are rounded at 1e-36 USD, so that a sale at exactly its cost can be off by some of
/// these units, at most `rounded`. A gain no larger than that, below 1e-30 USD and less than the 10^18th part
/// of the money that moved is such a rest: nothing was won or lost. Any other gain has its sign.
fn decided_sign(TokenResult { gain, basis, proceeds, rounded }: &TokenResult) -> Ordering {
    /// 1e-30 USD.
    const NO_REST: u64 = 1_000_000;
    const PART: u64 = 1_000_000_000_000_000_000;
    let size = gain.units().unsigned_abs();
    // Of two numbers of 255 bits.
    let moved = basis.units().unsigned_abs() + proceeds.units().unsigned_abs();
    let largest_rest = (*rounded).min(NO_REST - 1);
    if size <= U256::from(largest_rest) && size * U256::from(PART) < moved {
        return Ordering::Equal;
    }
    gain.cmp(&Usd::ZERO)
}

/// By how many units of 1e-36 USD the gain of a disposal can differ from exact arithmetic, at most.
///
/// Each time that something is taken from a lot, one unit at most is lost or found in its cost: whoever takes
/// from it next can be off by as many as there were before. At most so often that was: by every disposal up to this
/// one, and by what else the events up to its own can have taken. A cost, a value and the shares of the proceeds
/// are rounded once. What comes later decides nothing.
fn rounded(disposal: &Disposal<'_>) -> u64 {
    /// An event takes for a transfer, or for some fees that count for nothing.
    const OF_AN_EVENT: u64 = 4;
    const ROUNDED_ONCE: u64 = 4;
    let events = u64::from(disposal.event_number) + 1;
    let disposals = disposal.number as u64 + 1;
    let takings = disposals + OF_AN_EVENT * events + ROUNDED_ONCE;
    // What no lot covers has a share of the proceeds, too.
    (disposal.matches.len() as u64 + 2).saturating_mul(takings)
}

/// A disposal that counts as a trade.
pub(super) struct Trade {
    /// Index of its asset.
    pub(super) asset: usize,
    /// Unix seconds.
    pub(super) ts: i64,
    pub(super) gain: Usd,
    pub(super) basis: Usd,
    /// Value received for the whole quantity.
    pub(super) proceeds: Usd,
    /// By how many units of 1e-36 USD the gain can differ from exact arithmetic, at most.
    rounded: u64,
    /// Holding time, seconds.
    pub(super) hold: Option<Ratio>,
}

impl Trade {
    /// Whether it was won, lost or neither.
    pub(super) fn sign(&self) -> Ordering {
        self.result().sign()
    }

    pub(super) fn result(&self) -> TokenResult {
        let Self { gain, basis, proceeds, rounded, .. } = *self;
        TokenResult { gain, basis, proceeds, rounded }
    }
}

/// The trades of a span of time, in the order of the history.
pub(super) struct Trades {
    pub(super) trades: Vec<Trade>,
    /// Gain of disposals that paid fees.
    pub(super) fee_leg_gain: Usd,
}

impl Trades {
    pub(super) fn of(outcome: &Outcome, window: &Window) -> Result<Self, AmountError> {
        let mut found = Self { trades: Vec::new(), fee_leg_gain: Usd::ZERO };
        let span = *window;
        for disposal in outcome.records.disposals_where(move |ts, _| span.contains(ts)) {
            let (Some(gain), Some(proceeds)) = (disposal.gain, disposal.proceeds) else { continue };
            if disposal.leg == DisposalLeg::Fee {
                found.fee_leg_gain = found.fee_leg_gain.checked_add(gain)?;
            } else if is_token(outcome, disposal.asset_index) && !disposal.matched.is_zero() {
                found.trades.push(Trade {
                    asset: disposal.asset_index,
                    ts: disposal.ts,
                    gain,
                    basis: disposal.basis,
                    proceeds,
                    rounded: rounded(&disposal),
                    hold: hold(&disposal),
                });
            }
        }
        Ok(found)
    }
}

/// Whether an asset is neither a quote asset nor cash.
pub(super) fn is_token(outcome: &Outcome, asset: usize) -> bool {
    !outcome.assets[asset].is_quote && !outcome.assets[asset].is_cash
}

/// Holding time of a trade: the mean over its matches of known basis, weighted by quantity.
fn hold(disposal: &Disposal<'_>) -> Option<Ratio> {
    let known = disposal.matches.iter().filter(|piece| piece.basis.is_some());
    let weighted = known.map(|piece| BigInt::from(piece.quantity) * piece.hold_s).sum::<BigInt>();
    Ratio::new(weighted, disposal.matched)
}

/// What one token's trades come to, or those of all tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct TokenResult {
    pub(super) gain: Usd,
    pub(super) basis: Usd,
    pub(super) proceeds: Usd,
    /// By how many units of 1e-36 USD the gain can differ from exact arithmetic, at most.
    rounded: u64,
}

impl TokenResult {
    pub(super) fn add(&mut self, other: &Self) -> Result<(), AmountError> {
        self.gain = self.gain.checked_add(other.gain)?;
        self.basis = self.basis.checked_add(other.basis)?;
        self.proceeds = self.proceeds.checked_add(other.proceeds)?;
        self.rounded = self.rounded.saturating_add(other.rounded);
        Ok(())
    }

    /// Whether it gained, lost, or neither.
    pub(super) fn sign(&self) -> Ordering {
        decided_sign(self)
    }

    /// Gain per basis, percent; `None` where the basis is zero.
    pub(super) fn roi_pct(&self) -> Option<Ratio> {
        Ratio::of_dollars(self.gain, self.basis).map(Ratio::percent)
    }
}

/// Results by asset index; `None` for an asset without a trade.
pub(super) fn token_results(
    trades: &[Trade],
    assets: usize,
) -> Result<Vec<Option<TokenResult>>, AmountError> {
    let mut tokens: Vec<Option<TokenResult>> = vec![None; assets];
    for trade in trades {
        tokens[trade.asset].get_or_insert_default().add(&trade.result())?;
    }
    Ok(tokens)
}

/// What depends on the order of trades.
#[derive(Default)]
pub(super) struct Run {
    pub(super) wins: u64,
    pub(super) losses: u64,
    pub(super) gains: Usd,
    pub(super) lost: Usd,
    pub(super) win_streak: u64,
    pub(super) loss_streak: u64,
    pub(super) drawdown: Usd,
}

impl Run {
    pub(super) fn of(trades: &[Trade]) -> Result<Self, AmountError> {
        let mut run = Self::default();
        let (mut wins_now, mut losses_now) = (0, 0);
        let (mut sum, mut peak) = (Usd::ZERO, Usd::ZERO);
        for trade in trades {
            match trade.sign() {
                Ordering::Greater => {
                    run.wins += 1;
                    run.gains = run.gains.checked_add(trade.gain)?;
                    (wins_now, losses_now) = (wins_now + 1, 0);
                }
                Ordering::Less => {
                    run.losses += 1;
                    run.lost = run.lost.checked_add(trade.gain)?;
                    (wins_now, losses_now) = (0, losses_now + 1);
                }
                Ordering::Equal => {}
            }
            run.win_streak = run.win_streak.max(wins_now);
            run.loss_streak = run.loss_streak.max(losses_now);
            sum = sum.checked_add(trade.gain)?;
            peak = peak.max(sum);
            run.drawdown = run.drawdown.max(peak.checked_sub(sum)?);
        }
        Ok(run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rest_of_rounding_decides_nothing_and_dust_does() {
        let sign_within = |rounded: u64, gain: &str, basis: &str, proceeds: &str| {
            let [gain, basis, proceeds] = [gain, basis, proceeds].map(|text| text.parse().unwrap());
            decided_sign(&TokenResult { gain, basis, proceeds, rounded })
        };
        let sign =
            |gain: &str, basis: &str, proceeds: &str| sign_within(u64::MAX, gain, basis, proceeds);
        let unit = format!("0.{}1", "0".repeat(35));
        assert_eq!(sign(&format!("-{unit}"), "1", "0.9"), Ordering::Equal);
        assert_eq!(sign(&unit, "0", "0.5"), Ordering::Equal);
        // Nothing cost or brought more than this.
        assert_eq!(sign(&unit, "0", &unit), Ordering::Greater);
        assert_eq!(sign(&format!("-{unit}"), &unit, "0"), Ordering::Less);
        // 1e-30 is no rest of rounding, whatever moved.
        assert_eq!(sign("0.000000000000000000000000000001", "1000000", "1"), Ordering::Greater);
        // Nor is what so few roundings cannot have made.
        let some = format!("0.{}9", "0".repeat(34));
        assert_eq!(sign_within(90, &some, "1", "1"), Ordering::Equal);
        assert_eq!(sign_within(89, &some, "1", "1"), Ordering::Greater);
        assert_eq!(sign("-3", "4", "1"), Ordering::Less);
        assert_eq!(sign("0", "4", "4"), Ordering::Equal);
    }
}
