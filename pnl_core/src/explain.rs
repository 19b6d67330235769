//! From a total down to the lots: a tree whose sums close exactly at each level.
//!
//! The realized gain is a sum over tokens, each a sum over disposals, each a sum over the pieces of lots
//! that it consumed. Shares of money are rounded towards zero at 1e-36 USD and the last share takes the
//! rest, so there is no remainder at any level: `left_over` says so, and is zero.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::amount::{AmountError, Usd};
use crate::asset::AssetId;
use crate::engine::{Disposal, DisposalLeg, Outcome};

/// The realized gain of a history by token.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation<'a> {
    /// Realized gain of everything.
    pub realized_gain: Usd,
    /// Realized gain less the sum over the tokens: zero.
    pub left_over: Usd,
    /// By asset.
    pub tokens: BTreeMap<&'a AssetId, TokenExplanation<'a>>,
}

/// The realized gain of one token by disposal.
#[derive(Debug, Clone, Serialize)]
pub struct TokenExplanation<'a> {
    /// Realized gain of the token.
    pub realized_gain: Usd,
    /// Realized gain less the sum over the disposals: zero.
    pub left_over: Usd,
    /// In the order of the history.
    pub disposals: Vec<DisposalExplanation<'a>>,
}

/// The gain of one disposal by matched lot.
#[derive(Debug, Clone, Serialize)]
pub struct DisposalExplanation<'a> {
    /// The disposal with its matches.
    #[serde(flatten)]
    pub disposal: Disposal<'a>,
    /// Proceeds of what no lot covers, where they count as gain (`oversold = zero_basis`).
    pub uncovered_gain: Usd,
    /// Gain less the sum over matches and `uncovered_gain`: zero.
    pub left_over: Usd,
}

/// Explains all of an outcome that has its records.
///
/// # Errors
/// [`AmountError::Overflow`].
pub fn explain(outcome: &Outcome) -> Result<Explanation<'_>, AmountError> {
    let mut tokens: BTreeMap<&AssetId, TokenExplanation<'_>> = BTreeMap::new();
    for disposal in outcome.disposals() {
        let gain = disposal.gain.unwrap_or_default();
        let token = tokens.entry(disposal.asset).or_insert_with(|| TokenExplanation {
            realized_gain: outcome
                .by_asset
                .get(disposal.asset)
                .map_or(Usd::ZERO, |row| row.realized_gain),
            left_over: outcome
                .by_asset
                .get(disposal.asset)
                .map_or(Usd::ZERO, |row| row.realized_gain),
            disposals: Vec::new(),
        });
        token.left_over = token.left_over.checked_sub(gain)?;
        token.disposals.push(of_disposal(disposal)?);
    }
    let realized_gain = outcome.totals.realized_gain;
    let left_over = tokens
        .values()
        .try_fold(realized_gain, |left, token| left.checked_sub(token.realized_gain))?;
    Ok(Explanation { realized_gain, left_over, tokens })
}

/// Explains the disposal of one leg of an event; `None` when there is none. Of several fees of one event
/// in one asset it is the first.
///
/// # Errors
/// [`AmountError::Overflow`].
pub fn find<'a>(
    outcome: &'a Outcome,
    event: &str,
    leg: DisposalLeg,
) -> Result<Option<DisposalExplanation<'a>>, AmountError> {
    let mut disposals = outcome.disposals();
    disposals
        .find(|disposal| disposal.event == event && disposal.leg == leg)
        .map(of_disposal)
        .transpose()
}

fn of_disposal(disposal: Disposal<'_>) -> Result<DisposalExplanation<'_>, AmountError> {
    let Some(gain) = disposal.gain else {
        return Ok(DisposalExplanation {
            disposal,
            uncovered_gain: Usd::ZERO,
            left_over: Usd::ZERO,
        });
    };
    let matched = disposal.matched_proceeds.checked_sub(disposal.basis)?;
    let uncovered_gain = gain.checked_sub(matched)?;
    let of_matches = disposal
        .matches
        .iter()
        .filter_map(|piece| piece.gain)
        .try_fold(Usd::ZERO, Usd::checked_add)?;
    let left_over = gain.checked_sub(of_matches)?.checked_sub(uncovered_gain)?;
    Ok(DisposalExplanation { disposal, uncovered_gain, left_over })
}

impl fmt::Display for DisposalExplanation<'_> {
    /// A line for the disposal and one per lot.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Disposal { event, asset, quantity, proceeds, basis, gain, .. } = &self.disposal;
        let known =
            |figure: Option<Usd>| figure.map_or("unknown".to_owned(), |usd| usd.to_string());
        writeln!(
            f,
            "{event}: {quantity} {asset} for {}, basis {basis}, gain {}",
            known(*proceeds),
            known(*gain)
        )?;
        for piece in self.disposal.matches.iter() {
            writeln!(
                f,
                "  {} of lot {}, held {} s: proceeds {} - basis {} = {}",
                piece.quantity,
                piece.lot,
                piece.hold_s,
                known(piece.proceeds),
                known(piece.basis),
                known(piece.gain)
            )?;
        }
        if !self.disposal.unmatched.is_zero() {
            let proceeds = self.disposal.unmatched_proceeds;
            writeln!(f, "  {} beyond any lot: proceeds {proceeds}", self.disposal.unmatched)?;
        }
        Ok(())
    }
}
