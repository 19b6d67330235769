//! Bounds of the realized gain where the history does not say what something cost, and how much of it
//! the history does say.
//!
//! A disposal of lots of unknown basis, or of more than was ever seen coming, has proceeds without a
//! gain. What it gained lies between two figures: at most all of these proceeds, when the quantity
//! cost nothing; at least the proceeds less the highest known price up to then for each unit. Where no
//! price is known there is no lower bound, and where the proceeds are unknown no upper one. A bound
//! holds whenever no unit cost more than the highest known price; where the proceeds are unknown, the
//! lower one is that before an attached fee, which would come off them.

use serde::Serialize;

use crate::amount::{AmountError, Usd, UsdPrice};
use crate::asset::AssetId;
use crate::engine::{Disposal, Outcome, Window};
use crate::ratio::{Figure, Ratio};

/// Bounds of a realized gain. `None` = not bounded on that side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Bounds {
    /// The known part: the gain on quantities of known basis and proceeds.
    pub known: Usd,
    /// At least.
    pub min: Option<Usd>,
    /// At most.
    pub max: Option<Usd>,
}

impl Bounds {
    /// Of nothing.
    const ZERO: Self = Self { known: Usd::ZERO, min: Some(Usd::ZERO), max: Some(Usd::ZERO) };

    fn plus(self, other: Self) -> Result<Self, AmountError> {
        let sum =
            |a: Option<Usd>, b: Option<Usd>| a.zip(b).map(|(a, b)| a.checked_add(b)).transpose();
        Ok(Self {
            known: self.known.checked_add(other.known)?,
            min: sum(self.min, other.min)?,
            max: sum(self.max, other.max)?,
        })
    }
}

/// The highest price per whole unit that is known of an asset up to a time (unix seconds), and the
/// asset's decimals; `None` where none is known.
pub trait HighestPrice {
    /// Looks it up.
    fn highest(&self, asset: &AssetId, until: i64) -> Option<(UsdPrice, u8)>;
}

impl<F: Fn(&AssetId, i64) -> Option<(UsdPrice, u8)>> HighestPrice for F {
    fn highest(&self, asset: &AssetId, until: i64) -> Option<(UsdPrice, u8)> {
        self(asset, until)
    }
}

/// The bounds of one disposal.
///
/// # Errors
/// [`AmountError::Overflow`].
pub fn of_disposal(
    disposal: &Disposal<'_>,
    prices: &impl HighestPrice,
) -> Result<Bounds, AmountError> {
    let open = disposal.unknown.checked_add(disposal.unmatched)?;
    // The most that the open quantity can have cost.
    let most = if open.is_zero() {
        Some(Usd::ZERO)
    } else {
        let highest = prices.highest(disposal.asset, disposal.ts);
        highest.map(|(price, decimals)| price.value_of(open, decimals)).transpose()?
    };
    let Some(proceeds) = disposal.proceeds else {
        // Sold for at least nothing.
        let cost = most.map(|most| most.checked_add(disposal.basis)).transpose()?;
        let min = cost.map(Usd::checked_neg).transpose()?;
        return Ok(Bounds { known: Usd::ZERO, min, max: None });
    };
    let max = proceeds.checked_sub(disposal.basis)?;
    let min = most.map(|most| max.checked_sub(most)).transpose()?;
    let known = disposal.matched_proceeds.checked_sub(disposal.basis)?;
    Ok(Bounds { known, min, max: Some(max) })
}

/// The bounds of all disposals in a window.
///
/// # Errors
/// [`AmountError::Overflow`].
pub fn of(
    outcome: &Outcome,
    window: &Window,
    prices: &impl HighestPrice,
) -> Result<Bounds, AmountError> {
    let window = *window;
    outcome
        .records
        .disposals_where(move |ts, _| window.contains(ts))
        .try_fold(Bounds::ZERO, |sum, disposal| sum.plus(of_disposal(&disposal, prices)?))
}

/// How much of the disposals in a window is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Known {
    /// Disposal legs.
    pub disposals: u64,
    /// Of them: with known proceeds, all of the quantity of known basis, and of an asset that balances
    /// explain.
    pub known: u64,
    /// The share of these; `None` without a disposal.
    pub score: Option<Figure>,
}

/// Counts disposals. `unexplained` says of which assets the balances differ from the movements.
pub fn known(outcome: &Outcome, window: &Window, unexplained: impl Fn(&AssetId) -> bool) -> Known {
    let window = *window;
    let (mut disposals, mut known) = (0u64, 0u64);
    for disposal in outcome.records.disposals_where(move |ts, _| window.contains(ts)) {
        disposals += 1;
        let whole = disposal.matched == disposal.quantity && disposal.proceeds.is_some();
        known += u64::from(whole && !unexplained(disposal.asset));
    }
    Known { disposals, known, score: Ratio::new(known, disposals).map(|share| share.figure()) }
}
