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
//! Of an asset whose history may have a beginning or a part that was not seen, no match is certain: lots
//! of before would have been consumed in place of those that are known, by any method. Each of its
//! disposals can have cost anything between nothing and the highest price for its whole quantity with all
//! fees of before, the matched part too. The same holds by HIFO and average cost, which look at costs,
//! once something of unknown basis has come in. An asset of which more was sold than was seen coming has
//! such a history, whatever else is known of it.
//!
//! The upper bound needs no more than that nothing cost less than nothing. The lower one, where it rests
//! on a highest price ([`Bounds::min_assumed`]), is an assumption: that nothing was acquired, with the
//! fees of acquisitions that were not seen, above the highest price known up to the disposal. Nobody can
//! tell from a history that begins later what was paid before.
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
    /// The gain that is booked: on quantities of known basis and proceeds, and on what was never seen
    /// coming where the option `oversold` counts that as gain.
    pub known: Usd,
    /// At least.
    pub min: Option<Usd>,
    /// Whether `min` holds only if nothing was acquired above the highest price known up to its disposal.
    pub min_assumed: bool,
    /// At most.
    pub max: Option<Usd>,
}

impl Bounds {
    /// Of nothing.
    const ZERO: Self =
        Self { known: Usd::ZERO, min: Some(Usd::ZERO), min_assumed: false, max: Some(Usd::ZERO) };

    fn plus(self, other: Self) -> Result<Self, AmountError> {
        let min = plus(self.min, other.min)?;
        Ok(Self {
            known: self.known.checked_add(other.known)?,
            min,
            min_assumed: min.is_some() && (self.min_assumed || other.min_assumed),
            max: plus(self.max, other.max)?,
        })
    }
}

/// What is known of assets beside the records of an outcome.
pub trait Knowledge {
    /// The highest price per whole unit that is known of an asset up to a time (unix seconds), and the
    /// asset's decimals; `None` where none is known.
    fn highest(&self, asset: &AssetId, until: i64) -> Option<(UsdPrice, u8)>;

    /// Whether every movement of the asset is known to be in the history, from its beginning.
    fn is_whole(&self, asset: &AssetId) -> bool;
}

/// The bounds of one disposal of an outcome.
///
/// # Errors
/// [`AmountError::Overflow`].
pub fn of_disposal(
    outcome: &Outcome,
    disposal: &Disposal<'_>,
    knowledge: &impl Knowledge,
) -> Result<Bounds, AmountError> {
    Reader::new(outcome, knowledge).disposal(disposal)
}

/// The bounds of all disposals in a window.
///
/// # Errors
/// [`AmountError::Overflow`].
pub fn of(
    outcome: &Outcome,
    window: &Window,
    knowledge: &impl Knowledge,
) -> Result<Bounds, AmountError> {
    let window = *window;
    let mut reader = Reader::new(outcome, knowledge);
    outcome
        .records
        .disposals_where(move |ts, _| window.contains(ts))
        .try_fold(Bounds::ZERO, |sum, disposal| sum.plus(reader.disposal(&disposal)?))
}

/// Reads disposals in their order. What an acquisition paid in fees is counted once, however many
/// disposals consume its lot.
struct Reader<'a, K> {
    outcome: &'a Outcome,
    knowledge: &'a K,
    /// By index of the asset: whether any of its lots can be another than the one that was matched.
    open: Vec<bool>,
    /// Events whose fees are counted as a cost of what they acquired.
    counted: BTreeSet<u32>,
    /// Up to here all are.
    counted_before: u32,
}

impl<'a, K: Knowledge> Reader<'a, K> {
    fn new(outcome: &'a Outcome, knowledge: &'a K) -> Self {
        let open = open(outcome, |asset| !knowledge.is_whole(asset));
        Self { outcome, knowledge, open, counted: BTreeSet::new(), counted_before: 0 }
    }

    fn disposal(&mut self, disposal: &Disposal<'_>) -> Result<Bounds, AmountError> {
        let covered = disposal.unknown.checked_add(disposal.unmatched)?;
        // By these methods a cost that is not known changes which lots leave, or what all of them cost.
        let by_cost = matches!(self.outcome.method, Method::Hifo | Method::Average);
        let asset = &self.outcome.assets[disposal.asset_index];
        let any_cost = self.open[disposal.asset_index]
            || by_cost && asset.unknown_from.is_some_and(|from| from <= disposal.ts);
        let (open, known_cost) =
            if any_cost { (disposal.quantity, Usd::ZERO) } else { (covered, disposal.basis) };

        let on_cost =
            if any_cost { self.fees_before(disposal)? } else { self.fees_of_lots(disposal)? };
        let own = match disposal.leg {
            DisposalLeg::Fee => Fees::NONE,
            DisposalLeg::Main | DisposalLeg::Out => {
                self.fees(disposal.event_number, disposal.ts)?
            }
        };
        let estimate = plus(self.highest(disposal, open)?, on_cost)?;
        let estimate = plus(estimate, own.unpriced()?)?;
        let most_cost = plus(estimate, Some(known_cost))?;
        let (least_proceeds, max) = match disposal.proceeds {
            // Sold for at least nothing, of which its fees come off.
            None => (own.known.checked_neg()?, None),
            Some(proceeds) => (proceeds, Some(proceeds.checked_sub(known_cost)?)),
        };
        let min = most_cost.map(|cost| least_proceeds.checked_sub(cost)).transpose()?;
        Ok(Bounds {
            known: disposal.gain.unwrap_or(Usd::ZERO),
            min,
            min_assumed: min.is_some() && (!open.is_zero() || estimate != Some(Usd::ZERO)),
            max,
        })
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
        let highest = self.knowledge.highest(disposal.asset, disposal.ts);
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
            let highest = self.knowledge.highest(&self.outcome.assets[asset].id, until);
            let fee = highest.map(|(price, decimals)| price.value_of(quantity, decimals));
            most = plus(most, fee.transpose()?)?;
        }
        Ok(Fees { known: paid.known, most })
    }
}

/// By index of the asset: whether movements of it are missing, as `lacks_some` says or because more was disposed of
/// than was seen coming.
fn open(outcome: &Outcome, lacks_some: impl Fn(&AssetId) -> bool) -> Vec<bool> {
    let mut open: Vec<bool> = outcome.assets.iter().map(|asset| lacks_some(&asset.id)).collect();
    for disposal in outcome.disposals() {
        open[disposal.asset_index] |= !disposal.unmatched.is_zero();
    }
    open
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
    /// Of them: with known proceeds.
    pub priced: u64,
    /// Of them: all of the quantity of known basis.
    pub matched: u64,
    /// Of them: priced, matched, and of an asset of which nothing is
    /// known to be missing: none of an asset whose balance is not the sum of its movements or of which more left
    /// than was seen coming, none of a history that was cut and whose balances are not known.
    pub known: u64,
    /// The share of the priced ones; `None` without a disposal.
    pub priced_share: Option<Figure>,
    /// The share of the matched ones; `None` without a disposal.
    pub matched_share: Option<Figure>,
    /// The share of the known ones; `None` without a disposal.
    pub score: Option<Figure>,
}

/// Counts disposals. `lacks_some` says of which assets movements are known to be missing; of what is disposed of beyond
/// what was seen coming they are in any case.
pub fn known(outcome: &Outcome, window: &Window, lacks_some: impl Fn(&AssetId) -> bool) -> Known {
    let window = *window;
    let open = open(outcome, lacks_some);
    let (mut disposals, mut priced, mut matched, mut known) = (0u64, 0u64, 0u64, 0u64);
    for disposal in outcome.records.disposals_where(move |ts, _| window.contains(ts)) {
        disposals += 1;
        let is_priced = disposal.proceeds.is_some();
        let is_matched = disposal.matched == disposal.quantity;
        priced += u64::from(is_priced);
        matched += u64::from(is_matched);
        known += u64::from(is_priced && is_matched && !open[disposal.asset_index]);
    }
    let share = |part| Ratio::new(part, disposals).map(|share| share.figure());
    let (priced_share, matched_share, score) = (share(priced), share(matched), share(known));
    Known { disposals, priced, matched, known, priced_share, matched_share, score }
}
