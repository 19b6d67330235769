//! Bounds of the realized gain where the history does not say what something cost, and how much of it
//! the history does say.
//!
//! A disposal of lots of unknown basis, or of more than was ever seen coming, has proceeds without a
//! gain. What it gained lies between two figures: at most all of these proceeds, when the quantity
//! cost nothing; at least the proceeds less the highest known price up to then for each unit, less the
//! fees that were paid with the acquisition. Where no price is known there is no lower bound, and where
//! the proceeds are unknown no upper one: it was sold for at least nothing less the fees of the sale. A
//! fee without a price is at most its quantity at the highest price.
//!
//! A bound holds whenever nothing was acquired at a price above the highest known one. HIFO and average
//! cost look at costs: once something of unknown basis has come in, any disposal of the asset can have
//! cost anything between nothing and the highest price for its whole quantity with all fees of before.
//!
//! Fees are read from the records of the same outcome. Where records were taken from the engine before
//! the end ([`crate::Engine::take_records`]), the fees of earlier acquisitions are not among them.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::amount::{AmountError, RawAmount, Usd, UsdPrice};
use crate::asset::AssetId;
use crate::engine::{Disposal, DisposalLeg, Outcome, Window};
use crate::method::Method;
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
        Ok(Self {
            known: self.known.checked_add(other.known)?,
            min: plus(self.min, other.min)?,
            max: plus(self.max, other.max)?,
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

/// The bounds of one disposal of an outcome.
///
/// # Errors
/// [`AmountError::Overflow`].
pub fn of_disposal(
    outcome: &Outcome,
    disposal: &Disposal<'_>,
    prices: &impl HighestPrice,
) -> Result<Bounds, AmountError> {
    Reader::new(outcome, prices).disposal(disposal)
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
    let mut reader = Reader::new(outcome, prices);
    outcome
        .records
        .disposals_where(move |ts, _| window.contains(ts))
        .try_fold(Bounds::ZERO, |sum, disposal| sum.plus(reader.disposal(&disposal)?))
}

/// Reads disposals in their order. What an acquisition paid in fees is counted once, however many
/// disposals consume its lot.
struct Reader<'a, P> {
    outcome: &'a Outcome,
    prices: &'a P,
    /// Events whose fees are counted as a cost of what they acquired.
    counted: BTreeSet<u32>,
    /// Up to here all are.
    counted_before: u32,
}

impl<'a, P: HighestPrice> Reader<'a, P> {
    fn new(outcome: &'a Outcome, prices: &'a P) -> Self {
        Self { outcome, prices, counted: BTreeSet::new(), counted_before: 0 }
    }

    fn disposal(&mut self, disposal: &Disposal<'_>) -> Result<Bounds, AmountError> {
        let covered = disposal.unknown.checked_add(disposal.unmatched)?;
        // By these methods a cost that is not known changes which lots leave, or what all of them cost.
        let by_cost = matches!(self.outcome.method, Method::Hifo | Method::Average);
        let asset = &self.outcome.assets[disposal.asset_index];
        let any_cost = by_cost && asset.unknown_from.is_some_and(|from| from <= disposal.ts);
        let (open, least_cost) =
            if any_cost { (disposal.quantity, Usd::ZERO) } else { (covered, disposal.basis) };

        let on_cost =
            if any_cost { self.fees_before(disposal)? } else { self.fees_of_lots(disposal)? };
        let own = match disposal.leg {
            DisposalLeg::Fee => Fees::NONE,
            DisposalLeg::Main | DisposalLeg::Out => {
                self.fees(disposal.event_number, disposal.ts)?
            }
        };
        let known_cost = if any_cost { Usd::ZERO } else { disposal.basis };
        let most_cost = plus(self.highest(disposal, open)?, on_cost)?;
        let most_cost = plus(most_cost, Some(known_cost))?;
        let Some(proceeds) = disposal.proceeds else {
            // Sold for at least nothing, of which its fees come off.
            let min = plus(most_cost, own.most)?.map(Usd::checked_neg).transpose()?;
            return Ok(Bounds { known: Usd::ZERO, min, max: None });
        };
        let most_cost = plus(most_cost, own.unpriced()?)?;
        let min = most_cost.map(|cost| proceeds.checked_sub(cost)).transpose()?;
        let known = disposal.matched_proceeds.checked_sub(disposal.basis)?;
        Ok(Bounds { known, min, max: Some(proceeds.checked_sub(least_cost)?) })
    }

    /// The most that `quantity` of what was disposed of can have cost, without fees.
    fn highest(
        &self,
        disposal: &Disposal<'_>,
        quantity: RawAmount,
    ) -> Result<Option<Usd>, AmountError> {
        if quantity.is_zero() {
            return Ok(Some(Usd::ZERO));
        }
        let highest = self.prices.highest(disposal.asset, disposal.ts);
        highest.map(|(price, decimals)| price.value_of(quantity, decimals)).transpose()
    }

    /// The fees that made the consumed lots dearer than their known basis.
    fn fees_of_lots(&mut self, disposal: &Disposal<'_>) -> Result<Option<Usd>, AmountError> {
        let mut sum = Some(Usd::ZERO);
        for (event, known) in disposal.matches.origins() {
            if event < self.counted_before || !self.counted.insert(event) {
                continue;
            }
            let fees = self.fees(event, disposal.ts)?;
            sum = plus(sum, if known { fees.unpriced()? } else { fees.most })?;
        }
        Ok(sum)
    }

    /// All fees that any lot of before can have carried.
    fn fees_before(&mut self, disposal: &Disposal<'_>) -> Result<Option<Usd>, AmountError> {
        let mut sum = Some(Usd::ZERO);
        let from = std::mem::replace(&mut self.counted_before, disposal.event_number);
        for event in self.outcome.records.events_with_fees(from..disposal.event_number) {
            if !self.counted.remove(&event) {
                sum = plus(sum, self.fees(event, disposal.ts)?.most)?;
            }
        }
        Ok(sum)
    }

    /// The fees of an event that join a cost or come off proceeds.
    fn fees(&self, event: u32, until: i64) -> Result<Fees, AmountError> {
        let paid = self.outcome.attached_fees(event)?;
        let mut most = (!paid.unmeasured).then_some(paid.known);
        for (asset, quantity) in paid.unpriced {
            let highest = self.prices.highest(&self.outcome.assets[asset].id, until);
            let fee = highest.map(|(price, decimals)| price.value_of(quantity, decimals));
            most = plus(most, fee.transpose()?)?;
        }
        Ok(Fees { known: paid.known, most })
    }
}

/// What fees come to.
#[derive(Clone, Copy)]
struct Fees {
    known: Usd,
    /// With those that have no price, at the highest one known.
    most: Option<Usd>,
}

impl Fees {
    const NONE: Self = Self { known: Usd::ZERO, most: Some(Usd::ZERO) };

    /// The most that those without a price can be.
    fn unpriced(self) -> Result<Option<Usd>, AmountError> {
        self.most.map(|most| most.checked_sub(self.known)).transpose()
    }
}

/// The sum; `None` when one of them has no bound.
fn plus(a: Option<Usd>, b: Option<Usd>) -> Result<Option<Usd>, AmountError> {
    a.zip(b).map(|(a, b)| a.checked_add(b)).transpose()
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
