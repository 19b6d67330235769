//! From a total down to the lots: a tree whose sums close exactly at each level.
//!
//! The realized gain is a sum over tokens, each a sum over disposals, each a sum over the pieces of lots
//! that it consumed. Shares of money are rounded towards zero at 1e-36 USD and the last share takes the
//! rest, so there is no remainder at any level: `left_over` says so, and is zero.
//!
//! Where that rest went is told by [`MadeLot`]: what a piece of a lot has beyond its own share of what the lot cost.
//!
//! ```
//! use pnl_core::AssetId;
//! use pnl_core::document::Document;
//! use pnl_core::explain::{MadeLot, explain};
//!
//! // Three for a dollar, sold one by one.
//! let history = Document::read(
//!     r#"{"method": "fifo", "events": [
//!         {"id": "a", "ts": 1, "kind": "acquire", "asset": "T", "qty": 3, "decimals": 0, "value": "1"},
//!         {"id": "s", "ts": 2, "kind": "dispose", "asset": "T", "qty": 1, "decimals": 0, "value": "2"},
//!         {"id": "t", "ts": 3, "kind": "dispose", "asset": "T", "qty": 2, "decimals": 0, "value": "2"}]}"#,
//! )?;
//! let outcome = history.run()?;
//! let tree = explain(&outcome)?;
//! assert!(tree.left_over.is_zero() && tree.realized_gain == "3".parse()?);
//!
//! let made = MadeLot::of(&history.events[0], &AssetId::new("T"), &history.options)?.expect("its cost is known");
//! let mut rests = Vec::new();
//! for disposal in outcome.disposals() {
//!     for piece in disposal.matches.iter() {
//!         rests.push(made.remainder(piece.quantity, piece.basis.expect("likewise"))?.to_string());
//!     }
//! }
//! // 1/3 is rounded down; the last piece takes 2/3, rounded down, and what was left.
//! assert_eq!(rests, ["0", "0.000000000000000000000000000000000001"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::amount::{AmountError, RawAmount, Usd};
use crate::asset::AssetId;
use crate::engine::{
    Disposal, DisposalLeg, Engine, EngineError, FeePolicy, HifoKey, Options, Outcome, Oversold,
};
use crate::event::{Event, EventKind};
use crate::method::Method;

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

/// A lot as an event made it, before anything was taken from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MadeLot {
    /// Base units.
    pub quantity: RawAmount,
    /// What it cost, with the fees that joined it.
    pub cost: Usd,
}

impl MadeLot {
    /// The lot of `asset` that `event` made under `options`; `None` when it made none, or one of unknown basis.
    ///
    /// # Errors
    /// [`EngineError`] when the event is none that an engine takes.
    pub fn of(
        event: &Event,
        asset: &AssetId,
        options: &Options,
    ) -> Result<Option<Self>, EngineError> {
        // What arrives by a link brings its lots along, or is of unknown basis.
        if matches!(event.kind, EventKind::TransferIn { link: Some(_), .. }) {
            return Ok(None);
        }
        // What an event makes depends on nothing before it. What it takes is not there, and does not matter.
        let options = Options {
            oversold: Oversold::default(),
            hifo_key: HifoKey::default(),
            lots: BTreeMap::new(),
            ..options.clone()
        };
        let mut event = event.clone();
        // Such fees join no cost, and would take from the lot without a record.
        if options.fee_policy == FeePolicy::Ignore {
            event.fees.clear();
        }
        let mut engine = Engine::new(Method::Fifo, options)?;
        engine.apply(&event)?;
        let outcome = engine.finish(None)?;
        let held = outcome.lots().filter(|lot| lot.asset == asset && *lot.lot == *event.id);
        let held = held.map(|lot| (lot.quantity, lot.basis));
        // Fees that were paid with what came in.
        let paid = outcome.disposals().filter(|disposal| disposal.asset == asset);
        let paid = paid.flat_map(|disposal| disposal.matches.iter());
        let paid = paid.filter(|piece| *piece.lot == *event.id);
        let mut made = None;
        for (quantity, basis) in held.chain(paid.map(|piece| (piece.quantity, piece.basis))) {
            let Some(basis) = basis else { return Ok(None) };
            let Self { quantity: before, cost } = made.unwrap_or_default();
            made = Some(Self {
                quantity: before.checked_add(quantity)?,
                cost: cost.checked_add(basis)?,
            });
        }
        Ok(made)
    }

    /// What a piece of the lot with this basis has beyond its share of the cost, rounded down at 1e-36 USD:
    /// what shares of pieces before it left. Over all pieces this sums to what rounding leaves of the lot. Of
    /// pieces that were moved between own wallets it can be as many units less than nothing as they were moved.
    ///
    /// # Errors
    /// [`AmountError::Overflow`].
    pub fn remainder(&self, quantity: RawAmount, basis: Usd) -> Result<Usd, AmountError> {
        if self.quantity.is_zero() {
            return Ok(Usd::ZERO);
        }
        basis.checked_sub(self.cost.share(quantity, self.quantity)?)
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;

    /// The lot of T that the event makes, as `quantity: cost`.
    fn made(options: &str, event: &str) -> Option<String> {
        let text = format!(r#"{{"method": "fifo", "options": {options}, "events": [{event}]}}"#);
        let document = Document::read(&text).unwrap();
        let made = MadeLot::of(&document.events[0], &AssetId::new("T"), &document.options);
        made.unwrap().map(|lot| format!("{}: {}", lot.quantity, lot.cost))
    }

    #[test]
    fn a_lot_costs_what_was_paid_for_it_whatever_was_taken_from_it() {
        let bought = r#"{"id": "a", "ts": 1, "kind": "acquire", "asset": "T", "qty": 10, "decimals": 0,
            "value": "100", "fee": {"usd": "2"}}"#;
        assert_eq!(made("{}", bought).unwrap(), "10: 102");
        assert_eq!(made(r#"{"fee_policy": "separate"}"#, bought).unwrap(), "10: 100");
        // Another asset, in exchange for one that is not there; the fee is paid with what comes in.
        let swapped = r#"{"id": "a", "ts": 1, "kind": "swap", "value": "100",
            "out": {"asset": "S", "qty": 5, "decimals": 0}, "in": {"asset": "T", "qty": 10, "decimals": 0},
            "fee": {"asset": "T", "qty": 1, "decimals": 0, "value": "10"}}"#;
        assert_eq!(made(r#"{"quote_assets": ["S"]}"#, swapped).unwrap(), "10: 110");
        assert_eq!(made(r#"{"oversold": "error"}"#, swapped).unwrap(), "10: 100");
        let ignored = r#"{"fee_policy": "ignore"}"#;
        assert_eq!(made(ignored, swapped).unwrap(), "10: 100");
        let given = r#"{"id": "a", "ts": 1, "kind": "transfer_in", "asset": "T", "qty": 10, "decimals": 0}"#;
        assert_eq!(made("{}", given), None, "nobody knows its cost");
        assert_eq!(made(r#"{"transfer_in": "zero"}"#, given).unwrap(), "10: 0");
        let moved = given.replace("}", r#", "link": "m"}"#);
        assert_eq!(made("{}", &moved), None, "it makes none");
        let sold = r#"{"id": "a", "ts": 1, "kind": "dispose", "asset": "T", "qty": 10, "decimals": 0, "value": "1"}"#;
        assert_eq!(made("{}", sold), None, "no lot is made");
    }
}
