//! What the engine writes down while it reads a history: one record per thing that happened.
//!
//! Every total is a sum over these records, so a total and its records always agree, in full and
//! in any window of time. They are kept in compact rows (module `rows`); what is here are the views
//! that they are read through. Serialized, the members have the names of an accounting document.

use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::outcome::Sums;
use super::rows::{DisposalRow, MatchRow, NONE, Records};
use crate::amount::{RawAmount, Usd};
use crate::asset::AssetId;

/// Which part of an event a disposal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DisposalLeg {
    /// The event's own asset.
    Main,
    /// What left in a swap.
    Out,
    /// A fee paid in an asset.
    Fee,
}

/// One asset leaving against a value, matched with lots.
#[derive(Debug, Clone, Serialize)]
pub struct Disposal<'a> {
    /// The event.
    pub event: &'a str,
    /// The part of the event.
    pub leg: DisposalLeg,
    /// What left.
    pub asset: &'a AssetId,
    /// From where.
    pub wallet: &'a Arc<str>,
    /// Unix seconds.
    pub ts: i64,
    /// Base units that left: `matched + unknown + unmatched`.
    #[serde(rename = "qty")]
    pub quantity: RawAmount,
    /// Value received after attached fees; `None` = unpriced.
    pub proceeds: Option<Usd>,
    /// Basis of the matched quantity.
    pub basis: Usd,
    /// Gain on the matched quantity; `None` when the proceeds are unknown.
    pub gain: Option<Usd>,
    /// Base units covered by lots of known basis.
    #[serde(rename = "matched_qty")]
    pub matched: RawAmount,
    /// Base units covered by lots of unknown basis.
    #[serde(rename = "unknown_qty")]
    pub unknown: RawAmount,
    /// Base units that no lot covers.
    #[serde(rename = "unmatched_qty")]
    pub unmatched: RawAmount,
    /// The matched quantity's share of the proceeds.
    #[serde(skip)]
    pub matched_proceeds: Usd,
    /// The unknown quantity's share of the proceeds.
    pub unknown_proceeds: Usd,
    /// The unmatched quantity's share of the proceeds.
    pub unmatched_proceeds: Usd,
    /// The lots consumed, in order.
    pub matches: Matches<'a>,
    /// Index of the asset in [`super::Outcome::assets`].
    #[serde(skip)]
    pub(crate) asset_index: usize,
    /// Number of the event.
    #[serde(skip)]
    pub(crate) event_number: u32,
    /// Its place among the disposals of these records, from 0.
    #[serde(skip)]
    pub(crate) number: usize,
}

impl Disposal<'_> {
    pub(super) fn sums(&self) -> Sums {
        Sums {
            basis: self.basis,
            matched_proceeds: self.matched_proceeds,
            unknown_proceeds: self.unknown_proceeds,
            unmatched_proceeds: self.unmatched_proceeds,
            unmatched: self.unmatched,
        }
    }
}

/// The lots that a disposal consumed.
#[derive(Debug, Clone, Copy)]
pub struct Matches<'a> {
    records: &'a Records,
    rows: &'a [MatchRow],
    ts: i64,
    priced: bool,
}

impl<'a> Matches<'a> {
    /// How many.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether no lot was held.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// By match: the number of the event that made the lot, and whether its basis is known.
    pub(crate) fn origins(&self) -> impl Iterator<Item = (u32, bool)> + use<'a> {
        self.rows.iter().map(|row| (row.lot, row.known))
    }

    /// One by one, in the order of consumption.
    pub fn iter(&self) -> impl Iterator<Item = LotMatch<'a>> + use<'a> {
        let Self { records, rows, ts, priced } = *self;
        rows.iter().map(move |row| {
            let origin = records.origins.get(row.lot);
            let basis = row.known.then(|| row.basis(&records.wide));
            let proceeds = priced.then(|| row.proceeds(&records.wide));
            let gain = proceeds.zip(basis).map(|(proceeds, basis)| proceeds.wrapping_sub(basis));
            LotMatch {
                lot: origin.id,
                quantity: row.quantity(&records.wide),
                acquired_ts: origin.ts,
                hold_s: ts - origin.ts,
                basis,
                proceeds,
                gain,
            }
        })
    }
}

impl Serialize for Matches<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

/// A piece of a lot that a disposal consumed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LotMatch<'a> {
    /// The lot: the id of the event that made it.
    pub lot: &'a str,
    /// Base units.
    #[serde(rename = "qty")]
    pub quantity: RawAmount,
    /// Unix seconds of the acquisition.
    pub acquired_ts: i64,
    /// Seconds from acquisition to disposal.
    pub hold_s: i64,
    /// Cost of the piece; `None` = unknown basis.
    pub basis: Option<Usd>,
    /// The piece's share of the proceeds; `None` = unpriced.
    pub proceeds: Option<Usd>,
    /// Proceeds less basis, where both are known.
    pub gain: Option<Usd>,
}

/// Something earned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Income<'a> {
    /// The event.
    pub event: &'a str,
    /// Unix seconds.
    pub ts: i64,
    /// What was earned.
    pub asset: &'a AssetId,
    /// Its value at receipt.
    pub value: Usd,
    /// Index of the asset in [`super::Outcome::assets`].
    #[serde(skip)]
    pub(crate) asset_index: usize,
    /// Number of the event.
    #[serde(skip)]
    pub(crate) event_number: u32,
}

/// A fee paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FeeRecord<'a> {
    /// The event.
    pub event: &'a str,
    /// Unix seconds.
    pub ts: i64,
    /// What it was paid in; `None` = known in US dollars only.
    pub asset: Option<&'a AssetId>,
    /// Its value; `None` = unpriced.
    pub value: Option<Usd>,
    /// Whether it is an expense of its own, rather than part of a trade's cost or proceeds.
    pub expense: bool,
    /// Index of the asset in [`super::Outcome::assets`].
    #[serde(skip)]
    pub(crate) asset_index: Option<usize>,
    /// Number of the event.
    #[serde(skip)]
    pub(crate) event_number: u32,
}

/// A purchase, sale or swap: what volume and activity are counted from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Activity {
    /// Unix seconds.
    pub(crate) ts: i64,
    /// Value of one side, before fees; `None` = unpriced.
    pub(crate) value: Option<Usd>,
    /// The asset, or the one that left in a swap: index in [`super::Outcome::assets`].
    pub(crate) first: usize,
    /// The asset that came in, in a swap.
    pub(crate) second: Option<usize>,
    /// Whether `first` came in: a purchase.
    pub(crate) bought: bool,
}

impl Records {
    /// Times of the first and the last event, unix seconds; `None` without an event.
    pub fn span(&self) -> Option<(i64, i64)> {
        let last = self.origins.len().checked_sub(1)?;
        Some((self.origins.get(0).ts, self.origins.get(last as u32).ts))
    }

    /// How many disposals there are.
    pub fn disposal_count(&self) -> usize {
        self.disposals.len()
    }

    /// Every disposal, in the order of the history.
    pub fn disposals(&self) -> Disposals<'_, std::ops::Range<usize>> {
        Disposals { records: self, rows: 0..self.disposals.len() }
    }

    /// The disposals of which time and wallet are as `wanted` says.
    pub fn disposals_where<'a>(
        &'a self,
        wanted: impl Fn(i64, &Arc<str>) -> bool + 'a,
    ) -> Disposals<'a, impl Iterator<Item = usize> + 'a> {
        let wanted = move |row: &usize| {
            let row = &self.disposals[*row];
            wanted(self.origins.get(row.event).ts, &self.wallets[row.wallet as usize])
        };
        Disposals { records: self, rows: (0..self.disposals.len()).filter(wanted) }
    }

    /// The disposal in row `number`.
    fn disposal(&self, number: usize) -> Disposal<'_> {
        let row: &DisposalRow = &self.disposals[number];
        let end =
            self.disposals.get(number + 1).map_or(self.matches.len(), |next| next.matches as usize);
        let matches = &self.matches[row.matches as usize..end];
        let origin = self.origins.get(row.event);
        // Parts of a quantity and of an amount that fit: nothing here can be out of range.
        let (mut matched, mut unknown) = (RawAmount::ZERO, RawAmount::ZERO);
        let (mut basis, mut matched_proceeds, mut unknown_proceeds) =
            (Usd::ZERO, Usd::ZERO, Usd::ZERO);
        let wide = &self.wide;
        let (quantity, proceeds) = (row.quantity(wide), row.proceeds(wide));
        for piece in matches {
            if piece.known {
                matched = matched.wrapping_add(piece.quantity(wide));
                basis = basis.wrapping_add(piece.basis(wide));
                matched_proceeds = matched_proceeds.wrapping_add(piece.proceeds(wide));
            } else {
                unknown = unknown.wrapping_add(piece.quantity(wide));
                unknown_proceeds = unknown_proceeds.wrapping_add(piece.proceeds(wide));
            }
        }
        let unmatched = quantity.wrapping_sub(matched).wrapping_sub(unknown);
        let unmatched_proceeds = if unmatched.is_zero() {
            Usd::ZERO
        } else {
            proceeds.wrapping_sub(matched_proceeds).wrapping_sub(unknown_proceeds)
        };
        let counted = if self.unmatched_gains { unmatched_proceeds } else { Usd::ZERO };
        let gain = matched_proceeds.wrapping_sub(basis).wrapping_add(counted);
        Disposal {
            event: origin.id,
            leg: row.leg,
            asset: &self.assets[row.asset as usize],
            wallet: &self.wallets[row.wallet as usize],
            ts: origin.ts,
            quantity,
            proceeds: row.priced.then_some(proceeds),
            basis,
            gain: row.priced.then_some(gain),
            matched,
            unknown,
            unmatched,
            matched_proceeds,
            unknown_proceeds,
            unmatched_proceeds,
            matches: Matches { records: self, rows: matches, ts: origin.ts, priced: row.priced },
            asset_index: row.asset as usize,
            event_number: row.event,
            number,
        }
    }

    /// Every income, in the order of the history.
    pub fn incomes(&self) -> impl Iterator<Item = Income<'_>> {
        self.incomes.iter().map(|row| {
            let origin = self.origins.get(row.event);
            let asset_index = row.asset as usize;
            let asset = &self.assets[asset_index];
            Income {
                event: origin.id,
                ts: origin.ts,
                asset,
                value: row.value,
                asset_index,
                event_number: row.event,
            }
        })
    }

    /// Every fee, in the order of the history.
    pub fn fees(&self) -> impl Iterator<Item = FeeRecord<'_>> {
        self.fees.iter().map(|row| {
            let origin = self.origins.get(row.event);
            let asset_index = (row.asset != NONE).then_some(row.asset as usize);
            FeeRecord {
                event: origin.id,
                ts: origin.ts,
                asset: asset_index.map(|index| &self.assets[index]),
                value: row.priced.then_some(row.value),
                expense: row.expense,
                asset_index,
                event_number: row.event,
            }
        })
    }

    /// Every purchase, sale and swap, in the order of the history.
    pub(crate) fn activity(&self) -> impl Iterator<Item = Activity> {
        self.activity.iter().map(|row| Activity {
            ts: self.origins.get(row.event).ts,
            value: row.priced.then(|| row.value(&self.wide)),
            first: row.first as usize,
            second: (row.second != NONE).then_some(row.second as usize),
            bought: row.bought,
        })
    }
}

/// Disposals one by one. Skipping is cheap: only what is given out is put together.
#[derive(Debug, Clone)]
pub struct Disposals<'a, I> {
    records: &'a Records,
    rows: I,
}

impl<'a, I: Iterator<Item = usize>> Iterator for Disposals<'a, I> {
    type Item = Disposal<'a>;

    fn next(&mut self) -> Option<Disposal<'a>> {
        self.rows.next().map(|row| self.records.disposal(row))
    }

    fn nth(&mut self, skipped: usize) -> Option<Disposal<'a>> {
        self.rows.nth(skipped).map(|row| self.records.disposal(row))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.rows.size_hint()
    }
}

impl<I: ExactSizeIterator<Item = usize>> ExactSizeIterator for Disposals<'_, I> {}
