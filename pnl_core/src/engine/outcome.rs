//! The outcome of a history: records, open lots, and the totals that are sums over them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::books::AssetEntry;
use super::open_lots::{ClosedBook, OpenLot, OpenLots};
use super::options::Options;
use super::records::{Disposal, FeeRecord, Income};
use super::rows::Records;
use crate::amount::{AmountError, RawAmount, RawDelta, Usd};
use crate::asset::AssetId;
use crate::method::Method;

/// A half-open span of time, `from <= ts < to`, in unix seconds. An absent end is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Window {
    /// First second inside.
    pub from: Option<i64>,
    /// First second behind.
    pub to: Option<i64>,
}

impl Window {
    /// The full history.
    pub const ALL: Self = Self { from: None, to: None };

    /// Whether `ts` is inside.
    pub fn contains(&self, ts: i64) -> bool {
        self.from.is_none_or(|from| from <= ts) && self.to.is_none_or(|to| ts < to)
    }
}

/// Sums over the records of some span of time.
///
/// What a disposal adds to stands together: the engine touches it at nearly every one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[repr(C)]
pub struct Flows {
    /// Known proceeds of disposals, after attached fees.
    pub proceeds: Usd,
    /// Of the proceeds: the share of quantities with known basis.
    pub matched_proceeds: Usd,
    /// Basis of disposals with known proceeds.
    pub basis_disposed: Usd,
    /// Of the proceeds: the share of quantities with unknown basis.
    pub unknown_proceeds: Usd,
    /// Of the proceeds: the share of quantities that no lot covers.
    pub unmatched_proceeds: Usd,
    /// Basis of disposals with unknown proceeds: their gain is unknown.
    pub basis_unpriced: Usd,
    /// Gain of disposals with known proceeds.
    pub realized_gain: Usd,
    /// Value of what was earned.
    pub income: Usd,
    /// Value of fees that no trade carries.
    pub fee_expense: Usd,
    /// Value of all fees, those of trades included.
    pub fees_usd: Usd,
}

impl Flows {
    /// Realized gain plus income less fee expense.
    ///
    /// # Errors
    /// [`AmountError::Overflow`].
    pub fn net_realized(&self) -> Result<Usd, AmountError> {
        self.realized_gain.checked_add(self.income)?.checked_sub(self.fee_expense)
    }

    /// Adds a disposal. `unmatched_gains`: whether the proceeds of what no lot covers are a gain.
    pub(super) fn add_disposal(
        &mut self,
        proceeds: Option<&Usd>,
        sums: &Sums,
        unmatched_gains: bool,
    ) -> Result<(), AmountError> {
        self.count_disposal(proceeds, sums)?;
        if proceeds.is_some() {
            let mut gain = sums.matched_proceeds.checked_sub(sums.basis)?;
            if unmatched_gains {
                add(&mut gain, sums.unmatched_proceeds)?;
            }
            add(&mut self.realized_gain, gain)?;
        }
        Ok(())
    }

    /// The same without the realized gain, which follows from the other sums ([`Self::with_gain`]).
    #[inline(always)]
    pub(super) fn count_disposal(
        &mut self,
        proceeds: Option<&Usd>,
        sums: &Sums,
    ) -> Result<(), AmountError> {
        let Some(proceeds) = proceeds else { return add(&mut self.basis_unpriced, sums.basis) };
        add(&mut self.basis_disposed, sums.basis)?;
        add(&mut self.proceeds, *proceeds)?;
        add(&mut self.matched_proceeds, sums.matched_proceeds)?;
        // Of most disposals all is known and covered.
        if !sums.unknown_proceeds.is_zero() {
            add(&mut self.unknown_proceeds, sums.unknown_proceeds)?;
        }
        if !sums.unmatched_proceeds.is_zero() {
            add(&mut self.unmatched_proceeds, sums.unmatched_proceeds)?;
        }
        Ok(())
    }

    /// The sums of counted disposals with their realized gain.
    pub(super) fn with_gain(&self, unmatched_gains: bool) -> Result<Self, AmountError> {
        let mut flows = self.clone();
        flows.realized_gain = self.matched_proceeds.checked_sub(self.basis_disposed)?;
        if unmatched_gains {
            add(&mut flows.realized_gain, self.unmatched_proceeds)?;
        }
        Ok(flows)
    }

    pub(super) fn add_fee(&mut self, value: Usd, expense: bool) -> Result<(), AmountError> {
        add(&mut self.fees_usd, value)?;
        if expense { add(&mut self.fee_expense, value) } else { Ok(()) }
    }

    /// What came since `before`, which are sums over an earlier part of the same history.
    ///
    /// # Errors
    /// [`AmountError::Overflow`].
    pub fn less(&self, before: &Self) -> Result<Self, AmountError> {
        Ok(Self {
            realized_gain: self.realized_gain.checked_sub(before.realized_gain)?,
            income: self.income.checked_sub(before.income)?,
            fee_expense: self.fee_expense.checked_sub(before.fee_expense)?,
            fees_usd: self.fees_usd.checked_sub(before.fees_usd)?,
            proceeds: self.proceeds.checked_sub(before.proceeds)?,
            matched_proceeds: self.matched_proceeds.checked_sub(before.matched_proceeds)?,
            unknown_proceeds: self.unknown_proceeds.checked_sub(before.unknown_proceeds)?,
            unmatched_proceeds: self.unmatched_proceeds.checked_sub(before.unmatched_proceeds)?,
            basis_disposed: self.basis_disposed.checked_sub(before.basis_disposed)?,
            basis_unpriced: self.basis_unpriced.checked_sub(before.basis_unpriced)?,
        })
    }

    pub(super) fn add_flows(&mut self, other: &Self) -> Result<(), AmountError> {
        add(&mut self.realized_gain, other.realized_gain)?;
        add(&mut self.income, other.income)?;
        add(&mut self.fee_expense, other.fee_expense)?;
        add(&mut self.fees_usd, other.fees_usd)?;
        add(&mut self.proceeds, other.proceeds)?;
        add(&mut self.matched_proceeds, other.matched_proceeds)?;
        add(&mut self.unknown_proceeds, other.unknown_proceeds)?;
        add(&mut self.unmatched_proceeds, other.unmatched_proceeds)?;
        add(&mut self.basis_disposed, other.basis_disposed)?;
        add(&mut self.basis_unpriced, other.basis_unpriced)
    }
}

/// A record as it counts in [`Flows`].
pub(crate) enum Flow<'a> {
    /// A disposal, and whether the proceeds of what no lot covers are a gain.
    Disposal(&'a Disposal<'a>, bool),
    Income(Usd),
    Fee {
        value: Usd,
        expense: bool,
    },
}

impl Flow<'_> {
    pub(crate) fn add_to(&self, flows: &mut Flows) -> Result<(), AmountError> {
        match self {
            Self::Disposal(disposal, unmatched_gains) => {
                flows.add_disposal(disposal.proceeds.as_ref(), &disposal.sums(), *unmatched_gains)
            }
            Self::Income(value) => add(&mut flows.income, *value),
            Self::Fee { value, expense } => flows.add_fee(*value, *expense),
        }
    }
}

/// What the matches of a disposal sum up to.
#[derive(Debug, Default)]
pub(super) struct Sums {
    /// Basis of the matches of known basis.
    pub(super) basis: Usd,
    /// Their share of the proceeds.
    pub(super) matched_proceeds: Usd,
    /// The share of those of unknown basis.
    pub(super) unknown_proceeds: Usd,
    /// The share of what no lot covers.
    pub(super) unmatched_proceeds: Usd,
    /// How much that is, in base units.
    pub(super) unmatched: RawAmount,
}

#[inline(always)]
pub(super) fn add(sum: &mut Usd, value: Usd) -> Result<(), AmountError> {
    *sum = sum.checked_add(value)?;
    Ok(())
}

/// The flows of a window, in all and by asset.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WindowTotals {
    /// Over all assets, and fees known in US dollars only.
    pub flows: Flows,
    /// By asset: those with a disposal, an income or a fee in the window.
    pub by_asset: BTreeMap<AssetId, Flows>,
}

/// The totals of a history. Serialized, they have the names of an accounting document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields taken from `Flows` are described there")]
pub struct Totals {
    pub realized_gain: Usd,
    pub income: Usd,
    pub fee_expense: Usd,
    pub fees_usd: Usd,
    pub proceeds: Usd,
    pub matched_proceeds: Usd,
    pub unknown_proceeds: Usd,
    pub unmatched_proceeds: Usd,
    /// Cost of everything that came in at a known basis.
    pub cost_in: Usd,
    pub basis_disposed: Usd,
    /// Cost of the open lots of known basis.
    pub remaining_basis: Usd,
    /// Realized gain plus income less fee expense.
    pub net_realized: Usd,
    /// Market value less basis of the known-basis holdings that have a price; absent when the
    /// history was closed without prices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unrealized_gain: Option<Usd>,
    /// Known-basis holdings without a price, by id; absent like `unrealized_gain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unpriced_holdings: Option<Vec<AssetId>>,
}

/// The totals of one asset. Serialized, they have the names of an accounting document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields taken from `Flows` are described there")]
pub struct AssetTotals {
    /// Cost of what came in at a known basis.
    pub cost_in: Usd,
    pub basis_disposed: Usd,
    pub matched_proceeds: Usd,
    pub realized_gain: Usd,
    pub fee_expense: Usd,
    pub income: Usd,
    pub proceeds: Usd,
    /// Market value of the known-basis holding, when it has a price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub market_value: Option<Usd>,
    /// Market value less basis, when there is a price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unrealized_gain: Option<Usd>,
}

/// Where every dollar of cost and every base unit went. All residuals are zero: an outcome that does
/// not balance is never given out ([`super::EngineError::Unbalanced`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conservation {
    /// Cost of everything that came in at a known basis.
    pub cost_in: Usd,
    /// Of it: disposed of for known proceeds.
    pub basis_disposed: Usd,
    /// Of it: disposed of for unknown proceeds.
    pub basis_unpriced: Usd,
    /// Of it: left by transfers out.
    pub basis_transferred: Usd,
    /// Of it: left as fees under `fee_policy = ignore`.
    pub basis_fee_ignored: Usd,
    /// Of it: on its way between own wallets.
    pub basis_in_transit: Usd,
    /// Of it: in open lots.
    pub basis_remaining: Usd,
    /// `cost_in` less all the above.
    pub residual: Usd,
    /// Proceeds less their matched, unknown and unmatched shares.
    pub proceeds_residual: Usd,
    /// By asset: base units in, less out, less those in open lots.
    pub qty_residual: BTreeMap<AssetId, RawDelta>,
    /// Whether every residual is zero.
    pub ok: bool,
}

/// What the engine has to say about a history.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The method used.
    pub method: Method,
    /// The options used.
    pub options: Options,
    pub(crate) records: Box<Records>,
    /// Sums over the full history.
    pub totals: Totals,
    /// The same by asset: those with a known cost, a disposal, an income or a fee expense.
    pub by_asset: BTreeMap<AssetId, AssetTotals>,
    /// The proof that the books balance.
    pub conservation: Conservation,
    pub(crate) assets: Vec<AssetEntry>,
    /// What is left, by wallet and asset.
    pub(super) books: Vec<ClosedBook>,
}

impl Outcome {
    /// What is left, by wallet, asset and order of consumption.
    pub fn lots(&self) -> impl Iterator<Item = OpenLot<'_>> + Clone {
        self.lots_where(|_| true)
    }

    /// The same of the wallets that are `wanted`; where lots are pooled over all wallets, the name is empty.
    pub fn lots_where<'a>(
        &'a self,
        wanted: impl Fn(&str) -> bool + Clone + 'a,
    ) -> impl Iterator<Item = OpenLot<'a>> + Clone {
        let Self { records, assets, books, .. } = self;
        let books = books.iter().filter(move |book| wanted(book.wallet_in(records)));
        let rows = books.flat_map(|book| book.lots.iter().map(move |lot| (book, lot)));
        OpenLots { records, assets, rows }
    }

    /// How many lots are left.
    pub fn lot_count(&self) -> usize {
        self.books.iter().map(|book| book.lots.len()).sum()
    }

    /// By asset index: whether anything of it is left.
    pub(crate) fn held(&self) -> Vec<bool> {
        let mut held = vec![false; self.assets.len()];
        for book in self.books.iter().filter(|book| !book.lots.is_empty()) {
            held[book.asset] = true;
        }
        held
    }

    /// What happened: everything, or what was not taken from the engine before
    /// ([`super::Engine::take_records`]).
    pub fn records(&self) -> &Records {
        &self.records
    }

    /// The same alone, for its memory to be used again ([`super::Engine::reuse`]).
    pub fn into_records(self) -> Records {
        *self.records
    }

    /// The flows of a window. Lots are always those of the full history: a window only selects
    /// disposals, incomes and fees by their own time.
    ///
    /// # Errors
    /// [`AmountError::Overflow`] when a sum does not fit.
    pub fn window(&self, window: &Window) -> Result<WindowTotals, AmountError> {
        Ok(self.windows(&[*window])?.remove(0))
    }

    /// The flows of many windows, in one pass over the records.
    ///
    /// # Errors
    /// [`AmountError::Overflow`] when a sum does not fit.
    pub fn windows(&self, windows: &[Window]) -> Result<Vec<WindowTotals>, AmountError> {
        let assets = self.assets.len();
        let mut sums = vec![
            WindowSums { other: Flows::default(), by_asset: vec![None; assets] };
            windows.len()
        ];
        let any = |ts: i64| windows.iter().any(|window| window.contains(ts));
        self.for_each_flow(any, |ts, asset, flow| {
            let inside = windows.iter().zip(&mut sums).filter(|(window, _)| window.contains(ts));
            inside.map(|(_, sums)| sums.of(asset)).try_for_each(|flows| flow.add_to(flows))
        })?;
        sums.into_iter().map(|sums| sums.total(&self.assets)).collect()
    }

    /// The flows of a window by somebody each event is of: `owner` of its number, of `count` in all. What is
    /// nobody's counts for none.
    pub(crate) fn window_by(
        &self,
        window: &Window,
        count: usize,
        owner: impl Fn(u32) -> Option<usize>,
    ) -> Result<Vec<Flows>, AmountError> {
        let mut sums = vec![Flows::default(); count];
        let mut add =
            |event: u32, flow: Flow<'_>| match owner(event).and_then(|one| sums.get_mut(one)) {
                Some(flows) => flow.add_to(flows),
                None => Ok(()),
            };
        let unmatched_gains = self.records.unmatched_gains;
        let span = *window;
        for disposal in self.records.disposals_where(move |ts, _| span.contains(ts)) {
            add(disposal.event_number, Flow::Disposal(&disposal, unmatched_gains))?;
        }
        for income in self.incomes().filter(|income| window.contains(income.ts)) {
            add(income.event_number, Flow::Income(income.value))?;
        }
        for fee in self.fees().filter(|fee| window.contains(fee.ts)) {
            let flow = Flow::Fee { value: fee.value.unwrap_or(Usd::ZERO), expense: fee.expense };
            add(fee.event_number, flow)?;
        }
        Ok(sums)
    }

    /// Hands over every flow at a time as `wanted`, with its time and the index of its asset: disposals,
    /// then incomes, then fees, each in the order of the history.
    pub(crate) fn for_each_flow(
        &self,
        wanted: impl Fn(i64) -> bool,
        mut each: impl FnMut(i64, Option<usize>, Flow<'_>) -> Result<(), AmountError>,
    ) -> Result<(), AmountError> {
        let unmatched_gains = self.records.unmatched_gains;
        for disposal in self.records.disposals_where(|ts, _| wanted(ts)) {
            let flow = Flow::Disposal(&disposal, unmatched_gains);
            each(disposal.ts, Some(disposal.asset_index), flow)?;
        }
        for income in self.incomes().filter(|income| wanted(income.ts)) {
            each(income.ts, Some(income.asset_index), Flow::Income(income.value))?;
        }
        for fee in self.fees().filter(|fee| wanted(fee.ts)) {
            let flow = Flow::Fee { value: fee.value.unwrap_or(Usd::ZERO), expense: fee.expense };
            each(fee.ts, fee.asset_index, flow)?;
        }
        Ok(())
    }

    /// Every disposal, in the order of the history.
    pub fn disposals(&self) -> impl ExactSizeIterator<Item = Disposal<'_>> {
        self.records.disposals()
    }

    /// Every income, in the order of the history.
    pub fn incomes(&self) -> impl Iterator<Item = Income<'_>> {
        self.records.incomes()
    }

    /// Every fee, in the order of the history.
    pub fn fees(&self) -> impl Iterator<Item = FeeRecord<'_>> {
        self.records.fees()
    }
}

impl PartialEq for Outcome {
    fn eq(&self, other: &Self) -> bool {
        let Self { method, options, records, totals, by_asset, conservation, assets, books: _ } =
            self;
        (method, options, records, totals, by_asset, conservation, assets)
            == (
                &other.method,
                &other.options,
                &other.records,
                &other.totals,
                &other.by_asset,
                &other.conservation,
                &other.assets,
            )
            && self.lots().eq(other.lots())
    }
}

impl Eq for Outcome {}

/// The sums of a window while they grow.
#[derive(Debug, Clone)]
struct WindowSums {
    /// Of no asset: fees known in US dollars only.
    other: Flows,
    /// By asset index; `None` for an asset without a record.
    by_asset: Vec<Option<Flows>>,
}

impl WindowSums {
    fn of(&mut self, asset: Option<usize>) -> &mut Flows {
        match asset {
            Some(asset) => self.by_asset[asset].get_or_insert_default(),
            None => &mut self.other,
        }
    }

    fn total(self, assets: &[AssetEntry]) -> Result<WindowTotals, AmountError> {
        let mut flows = self.other;
        for row in self.by_asset.iter().flatten() {
            flows.add_flows(row)?;
        }
        let rows = assets.iter().zip(self.by_asset);
        let by_asset = rows.filter_map(|(asset, flows)| Some((asset.id.clone(), flows?))).collect();
        Ok(WindowTotals { flows, by_asset })
    }
}
