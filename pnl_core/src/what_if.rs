//! All methods side by side, in one read of a history.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::amount::{AmountError, Usd, UsdPrice};
use crate::asset::AssetId;
use crate::engine::{EngineError, MethodSums, Options, SumsOnly};
use crate::event::Event;
use crate::method::Method;

/// The methods that need nothing but their name, compared always. [`Method::Specific`] stands behind them
/// where [`Options::lots`] chooses lots.
pub const METHODS: [Method; 4] = [Method::Fifo, Method::Lifo, Method::Hifo, Method::Average];

/// Reads a history once for several methods.
///
/// ```
/// # use pnl_core::document::Document;
/// # use pnl_core::what_if::WhatIf;
/// # use pnl_core::{Options, Usd};
/// let history = r#"{"method": "fifo", "events": [
///     {"id": "a", "ts": 1, "kind": "acquire", "asset": "T", "qty": 1, "decimals": 0, "value": "100"},
///     {"id": "b", "ts": 2, "kind": "acquire", "asset": "T", "qty": 1, "decimals": 0, "value": "300"},
///     {"id": "s", "ts": 3, "kind": "dispose", "asset": "T", "qty": 1, "decimals": 0, "value": "250"}]}"#;
/// let mut what_if = WhatIf::new(&Options::default())?;
/// for event in &Document::read(history)?.events {
///     what_if.apply(event)?;
/// }
/// let rows = what_if.finish(None)?.rows()?;
/// let gains: Vec<_> = rows.iter().map(|row| row.realized_gain.to_string()).collect();
/// assert_eq!(gains, ["150", "-50", "-50", "50"]); // fifo, lifo, hifo, average
/// // LIFO has realized 200 less, because 200 less of cost is left.
/// assert_eq!(rows[1].gain_difference, "-200".parse::<Usd>()?);
/// assert_eq!(rows[1].remaining_difference, "-200".parse::<Usd>()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct WhatIf {
    by_name: SumsOnly,
    by_choice: Option<SumsOnly>,
}

impl WhatIf {
    /// Engines of all of [`METHODS`], and of specific identification where the options choose lots: events must
    /// then come with their ids.
    ///
    /// # Errors
    /// [`EngineError::Option`] when the options contradict a method.
    pub fn new(options: &Options) -> Result<Self, EngineError> {
        let [first, others @ ..] = METHODS;
        let lots = BTreeMap::new();
        let by_name = SumsOnly::new(first, &others, &Options { lots, ..options.clone() })?;
        let is_chosen = !options.lots.is_empty();
        let by_choice = is_chosen.then(|| SumsOnly::new(Method::Specific, &[], options));
        Ok(Self { by_name, by_choice: by_choice.transpose()? })
    }

    /// Reads the next event.
    ///
    /// # Errors
    /// As [`crate::Engine::apply`], but perhaps some events later.
    #[inline]
    pub fn apply(&mut self, event: &Event) -> Result<(), EngineError> {
        self.by_name.apply(event)?;
        match &mut self.by_choice {
            Some(sums) => sums.apply(event),
            None => Ok(()),
        }
    }

    /// Ends the history, with prices at its end or without.
    ///
    /// # Errors
    /// As [`crate::Engine::finish`].
    pub fn finish(
        mut self,
        prices: Option<&BTreeMap<AssetId, UsdPrice>>,
    ) -> Result<Comparison, EngineError> {
        self.so_far(prices)
    }

    /// Compares the events up to here; more of them may follow.
    ///
    /// # Errors
    /// As [`crate::Engine::finish`].
    pub fn so_far(
        &mut self,
        prices: Option<&BTreeMap<AssetId, UsdPrice>>,
    ) -> Result<Comparison, EngineError> {
        let mut sums = self.by_name.so_far(prices)?;
        if let Some(by_choice) = &mut self.by_choice {
            sums.extend(by_choice.so_far(prices)?);
        }
        Ok(Comparison(sums))
    }
}

/// The sums of one history by several methods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison(pub Vec<MethodSums>);

/// One method beside the first one.
///
/// Methods differ in which cost leaves first. Where all proceeds are matched the same way, the
/// difference of the gains is the difference of the cost that is still held; `other_difference` is
/// what is not explained by it, and `other` says by what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MethodRow {
    /// The method.
    pub method: Method,
    /// Gain of all disposals.
    pub realized_gain: Usd,
    /// Realized gain, income less fee expense.
    pub net_realized: Usd,
    /// Gain of what is held, where prices were given.
    pub unrealized_gain: Option<Usd>,
    /// Cost of what is held.
    pub remaining_basis: Usd,
    /// Realized gain less that of the first method.
    pub gain_difference: Usd,
    /// Of the difference: the cost still held, less that of the first method.
    pub remaining_difference: Usd,
    /// Of the difference: everything else.
    pub other_difference: Usd,
    /// What that is: its members sum to it.
    pub other: OtherDifference,
}

/// Why the gains of two methods differ by something else than the cost that is still held. Each is a sum by
/// one method less that of the first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct OtherDifference {
    /// Proceeds that lots of known basis were matched with: the first method matched the same proceeds with
    /// lots of unknown basis, or the other way round.
    pub unknown_basis: Usd,
    /// Gain of what no lot covers, where the option `oversold` counts it as one.
    pub uncovered: Usd,
    /// Cost that left by disposals without known proceeds.
    pub unpriced: Usd,
    /// Cost that left with transfers.
    pub transferred: Usd,
    /// Cost that left as fees, where the option `fee_policy` ignores them.
    pub fees_ignored: Usd,
    /// Cost under way between own wallets at the end.
    pub in_transit: Usd,
}

/// One asset by one method, beside the first one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AssetRow {
    /// The method.
    pub method: Method,
    /// Gain of its disposals.
    pub realized_gain: Usd,
    /// Cost of what is held of it.
    pub remaining_basis: Usd,
    /// Realized gain less that of the first method.
    pub gain_difference: Usd,
    /// Of the difference: the cost still held.
    pub remaining_difference: Usd,
    /// Of the difference: everything else.
    pub other_difference: Usd,
    /// What that is: its members sum to it.
    pub other: OtherOfAsset,
}

/// [`OtherDifference`] of one asset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct OtherOfAsset {
    /// See [`OtherDifference::unknown_basis`].
    pub unknown_basis: Usd,
    /// See [`OtherDifference::uncovered`].
    pub uncovered: Usd,
    /// See [`OtherDifference::unpriced`].
    pub unpriced: Usd,
    /// Cost that left with transfers, as ignored fees, or is under way.
    pub left: Usd,
}

impl Comparison {
    /// A row per method, in the order of [`METHODS`], that of chosen lots behind them.
    ///
    /// # Errors
    /// [`AmountError::Overflow`].
    pub fn rows(&self) -> Result<Vec<MethodRow>, AmountError> {
        let Some(first) = self.0.first() else { return Ok(vec![]) };
        let row = |sums: &MethodSums| {
            let (totals, before) = (&sums.totals, &first.totals);
            let gain_difference = totals.realized_gain.checked_sub(before.realized_gain)?;
            let remaining_difference =
                totals.remaining_basis.checked_sub(before.remaining_basis)?;
            Ok(MethodRow {
                method: sums.method,
                realized_gain: totals.realized_gain,
                net_realized: totals.net_realized,
                unrealized_gain: totals.unrealized_gain,
                remaining_basis: totals.remaining_basis,
                gain_difference,
                remaining_difference,
                other_difference: gain_difference.checked_sub(remaining_difference)?,
                other: OtherDifference::of(sums, first)?,
            })
        };
        self.0.iter().map(row).collect()
    }

    /// The assets of which the gain or the cost that is held depends on the method, with a row per method.
    /// The differences of all of them sum to those of [`Self::rows`].
    ///
    /// # Errors
    /// [`AmountError::Overflow`].
    pub fn assets(&self) -> Result<Vec<(AssetId, Vec<AssetRow>)>, AmountError> {
        self.differing(|asset| self.asset(asset))
    }

    /// The rows of one asset, whether or not they differ.
    ///
    /// # Errors
    /// [`AmountError::Overflow`].
    pub fn asset(&self, asset: &AssetId) -> Result<Vec<AssetRow>, AmountError> {
        let Some(first) = self.0.first() else { return Ok(vec![]) };
        let first = AssetSums::of(first, asset)?;
        let row = |sums: &MethodSums| AssetSums::of(sums, asset)?.beside(&first, sums.method);
        self.0.iter().map(row).collect()
    }

    /// [`Self::rows`] of what happened behind `earlier`, an earlier end of the same history: gains and
    /// differences are those since then, also [`MethodRow::remaining_difference`]; what is held is that of now.
    ///
    /// # Errors
    /// [`AmountError::Overflow`].
    pub fn rows_since(&self, earlier: &Self) -> Result<Vec<MethodRow>, AmountError> {
        let (rows, before) = (self.rows()?, earlier.rows()?);
        rows.into_iter().zip(&before).map(|(row, before)| row.since(before)).collect()
    }

    /// [`Self::assets`] likewise.
    ///
    /// # Errors
    /// [`AmountError::Overflow`].
    pub fn assets_since(
        &self,
        earlier: &Self,
    ) -> Result<Vec<(AssetId, Vec<AssetRow>)>, AmountError> {
        self.differing(|asset| self.asset_since(earlier, asset))
    }

    /// [`Self::asset`] likewise.
    ///
    /// # Errors
    /// [`AmountError::Overflow`].
    pub fn asset_since(
        &self,
        earlier: &Self,
        asset: &AssetId,
    ) -> Result<Vec<AssetRow>, AmountError> {
        let (rows, before) = (self.asset(asset)?, earlier.asset(asset)?);
        rows.into_iter().zip(&before).map(|(row, before)| row.since(before)).collect()
    }

    /// The assets of which the rows differ.
    fn differing(
        &self,
        rows: impl Fn(&AssetId) -> Result<Vec<AssetRow>, AmountError>,
    ) -> Result<Vec<(AssetId, Vec<AssetRow>)>, AmountError> {
        let assets: BTreeSet<_> = self.0.iter().flat_map(|sums| sums.by_asset.keys()).collect();
        let mut differing = Vec::new();
        for asset in assets {
            let rows = rows(asset)?;
            if rows.iter().any(AssetRow::differs) {
                differing.push((asset.clone(), rows));
            }
        }
        Ok(differing)
    }
}

impl MethodRow {
    fn since(self, before: &Self) -> Result<Self, AmountError> {
        let other =
            |get: fn(&OtherDifference) -> Usd| get(&self.other).checked_sub(get(&before.other));
        Ok(Self {
            realized_gain: self.realized_gain.checked_sub(before.realized_gain)?,
            net_realized: self.net_realized.checked_sub(before.net_realized)?,
            gain_difference: self.gain_difference.checked_sub(before.gain_difference)?,
            remaining_difference: self
                .remaining_difference
                .checked_sub(before.remaining_difference)?,
            other_difference: self.other_difference.checked_sub(before.other_difference)?,
            other: OtherDifference {
                unknown_basis: other(|other| other.unknown_basis)?,
                uncovered: other(|other| other.uncovered)?,
                unpriced: other(|other| other.unpriced)?,
                transferred: other(|other| other.transferred)?,
                fees_ignored: other(|other| other.fees_ignored)?,
                in_transit: other(|other| other.in_transit)?,
            },
            ..self
        })
    }
}

impl AssetRow {
    fn since(self, before: &Self) -> Result<Self, AmountError> {
        let other =
            |get: fn(&OtherOfAsset) -> Usd| get(&self.other).checked_sub(get(&before.other));
        Ok(Self {
            realized_gain: self.realized_gain.checked_sub(before.realized_gain)?,
            gain_difference: self.gain_difference.checked_sub(before.gain_difference)?,
            remaining_difference: self
                .remaining_difference
                .checked_sub(before.remaining_difference)?,
            other_difference: self.other_difference.checked_sub(before.other_difference)?,
            other: OtherOfAsset {
                unknown_basis: other(|other| other.unknown_basis)?,
                uncovered: other(|other| other.uncovered)?,
                unpriced: other(|other| other.unpriced)?,
                left: other(|other| other.left)?,
            },
            ..self
        })
    }

    fn differs(&self) -> bool {
        let Self { gain_difference, remaining_difference, other, .. } = self;
        // What it is made of can differ where the sum does not, by the rounding of shares.
        !gain_difference.is_zero()
            || !remaining_difference.is_zero()
            || *other != OtherOfAsset::default()
    }
}

impl OtherDifference {
    /// What came in is the same by every method. It has left by disposals with a gain, or it is held, or it
    /// is one of these; and a gain is what was matched less what it cost.
    fn of(sums: &MethodSums, first: &MethodSums) -> Result<Self, AmountError> {
        let less = |get: fn(&MethodSums) -> Usd| get(sums).checked_sub(get(first));
        Ok(Self {
            unknown_basis: less(|sums| sums.totals.matched_proceeds)?,
            uncovered: uncovered(sums)?.checked_sub(uncovered(first)?)?,
            unpriced: less(|sums| sums.conservation.basis_unpriced)?,
            transferred: less(|sums| sums.conservation.basis_transferred)?,
            fees_ignored: less(|sums| sums.conservation.basis_fee_ignored)?,
            in_transit: less(|sums| sums.conservation.basis_in_transit)?,
        })
    }
}

/// The gain of what no lot covers.
fn uncovered(sums: &MethodSums) -> Result<Usd, AmountError> {
    let totals = &sums.totals;
    let covered = totals.matched_proceeds.checked_sub(totals.basis_disposed)?;
    totals.realized_gain.checked_sub(covered)
}

/// An asset by one method.
struct AssetSums {
    realized_gain: Usd,
    remaining_basis: Usd,
    matched: Usd,
    uncovered: Usd,
    unpriced: Usd,
    left: Usd,
}

impl AssetSums {
    fn of(sums: &MethodSums, asset: &AssetId) -> Result<Self, AmountError> {
        let of = |costs: &BTreeMap<AssetId, Usd>| costs.get(asset).copied().unwrap_or_default();
        let (remaining_basis, unpriced) = (of(&sums.remaining_basis), of(&sums.basis_unpriced));
        let zero = Usd::ZERO;
        let (cost_in, disposed, matched, realized_gain) =
            sums.by_asset.get(asset).map_or((zero, zero, zero, zero), |row| {
                (row.cost_in, row.basis_disposed, row.matched_proceeds, row.realized_gain)
            });
        Ok(Self {
            realized_gain,
            remaining_basis,
            matched,
            uncovered: realized_gain.checked_sub(matched.checked_sub(disposed)?)?,
            unpriced,
            left: cost_in
                .checked_sub(disposed)?
                .checked_sub(unpriced)?
                .checked_sub(remaining_basis)?,
        })
    }

    fn beside(&self, first: &Self, method: Method) -> Result<AssetRow, AmountError> {
        let less = |get: fn(&Self) -> Usd| get(self).checked_sub(get(first));
        let gain_difference = less(|sums| sums.realized_gain)?;
        let remaining_difference = less(|sums| sums.remaining_basis)?;
        Ok(AssetRow {
            method,
            realized_gain: self.realized_gain,
            remaining_basis: self.remaining_basis,
            gain_difference,
            remaining_difference,
            other_difference: gain_difference.checked_sub(remaining_difference)?,
            other: OtherOfAsset {
                unknown_basis: less(|sums| sums.matched)?,
                uncovered: less(|sums| sums.uncovered)?,
                unpriced: less(|sums| sums.unpriced)?,
                left: less(|sums| sums.left)?,
            },
        })
    }
}
