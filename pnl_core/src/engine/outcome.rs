//! The outcome of a history: records, open lots, and the totals that are sums over them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::books::AssetEntry;
use super::error::EngineError;
use super::options::Options;
use super::records::{Activity, Disposal, FeeRecord, Income, OpenLot};
use crate::amount::{AmountError, RawAmount, RawDelta, Usd, UsdPrice};
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
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Flows {
    /// Gain of disposals with known proceeds.
    pub realized_gain: Usd,
    /// Value of what was earned.
    pub income: Usd,
    /// Value of fees that no trade carries.
    pub fee_expense: Usd,
    /// Value of all fees, those of trades included.
    pub fees_usd: Usd,
    /// Known proceeds of disposals, after attached fees.
    pub proceeds: Usd,
    /// Of the proceeds: the share of quantities with known basis.
    pub matched_proceeds: Usd,
    /// Of the proceeds: the share of quantities with unknown basis.
    pub unknown_proceeds: Usd,
    /// Of the proceeds: the share of quantities that no lot covers.
    pub unmatched_proceeds: Usd,
    /// Basis of disposals with known proceeds.
    pub basis_disposed: Usd,
    /// Basis of disposals with unknown proceeds: their gain is unknown.
    pub basis_unpriced: Usd,
}

impl Flows {
    /// Realized gain plus income less fee expense.
    ///
    /// # Errors
    /// [`AmountError::Overflow`].
    pub fn net_realized(&self) -> Result<Usd, AmountError> {
        self.realized_gain.checked_add(self.income)?.checked_sub(self.fee_expense)
    }

    fn add_disposal(&mut self, disposal: &Disposal) -> Result<(), AmountError> {
        let (Some(proceeds), Some(gain)) = (disposal.proceeds, disposal.gain) else {
            return add(&mut self.basis_unpriced, disposal.basis);
        };
        add(&mut self.basis_disposed, disposal.basis)?;
        add(&mut self.proceeds, proceeds)?;
        add(&mut self.realized_gain, gain)?;
        add(&mut self.matched_proceeds, disposal.matched_proceeds)?;
        add(&mut self.unknown_proceeds, disposal.unknown_proceeds)?;
        add(&mut self.unmatched_proceeds, disposal.unmatched_proceeds)
    }

    fn add_fee(&mut self, fee: &FeeRecord) -> Result<(), AmountError> {
        let value = fee.value.unwrap_or(Usd::ZERO);
        add(&mut self.fees_usd, value)?;
        if fee.expense { add(&mut self.fee_expense, value) } else { Ok(()) }
    }

    fn add_flows(&mut self, other: &Self) -> Result<(), AmountError> {
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

fn add(sum: &mut Usd, value: Usd) -> Result<(), AmountError> {
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
/// not balance is never given out ([`EngineError::Unbalanced`]).
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The method used.
    pub method: Method,
    /// The options used.
    pub options: Options,
    /// Every disposal, in the order of the history.
    pub disposals: Vec<Disposal>,
    /// Every income, in the order of the history.
    pub incomes: Vec<Income>,
    /// Every fee, in the order of the history.
    pub fees: Vec<FeeRecord>,
    /// What is left, by wallet, asset and order of consumption.
    pub lots: Vec<OpenLot>,
    /// Sums over the full history.
    pub totals: Totals,
    /// The same by asset: those with a known cost, a disposal, an income or a fee expense.
    pub by_asset: BTreeMap<AssetId, AssetTotals>,
    /// The proof that the books balance.
    pub conservation: Conservation,
    pub(crate) assets: Vec<AssetEntry>,
    pub(crate) activity: Vec<Activity>,
}

impl Outcome {
    /// The flows of a window. Lots are always those of the full history: a window only selects
    /// disposals, incomes and fees by their own time.
    ///
    /// # Errors
    /// [`AmountError::Overflow`] when a sum does not fit.
    pub fn window(&self, window: &Window) -> Result<WindowTotals, AmountError> {
        let (flows, by_index) = sum_flows(
            self.assets.len(),
            self.disposals.iter().filter(|record| window.contains(record.ts)),
            self.incomes.iter().filter(|record| window.contains(record.ts)),
            self.fees.iter().filter(|record| window.contains(record.ts)),
        )?;
        let rows = self.assets.iter().zip(by_index);
        let by_asset = rows.filter_map(|(asset, flows)| Some((asset.id.clone(), flows?))).collect();
        Ok(WindowTotals { flows, by_asset })
    }
}

/// Sums records, in all and by asset index (`None` for an asset without a record).
fn sum_flows<'a>(
    assets: usize,
    disposals: impl Iterator<Item = &'a Disposal>,
    incomes: impl Iterator<Item = &'a Income>,
    fees: impl Iterator<Item = &'a FeeRecord>,
) -> Result<(Flows, Vec<Option<Flows>>), AmountError> {
    let mut total = Flows::default();
    let mut by_asset: Vec<Option<Flows>> = vec![None; assets];
    for disposal in disposals {
        let row = by_asset[disposal.asset_index].get_or_insert_default();
        row.add_disposal(disposal)?;
    }
    for income in incomes {
        let row = by_asset[income.asset_index].get_or_insert_default();
        add(&mut row.income, income.value)?;
    }
    for fee in fees {
        match fee.asset_index {
            Some(asset) => by_asset[asset].get_or_insert_default().add_fee(fee)?,
            None => total.add_fee(fee)?,
        }
    }
    for flows in by_asset.iter().flatten() {
        total.add_flows(flows)?;
    }
    Ok((total, by_asset))
}

/// The engine's records at the end of a history.
pub(super) struct Records {
    pub(super) method: Method,
    pub(super) options: Options,
    pub(super) assets: Vec<AssetEntry>,
    pub(super) lots: Vec<OpenLot>,
    pub(super) disposals: Vec<Disposal>,
    pub(super) incomes: Vec<Income>,
    pub(super) fees: Vec<FeeRecord>,
    pub(super) activity: Vec<Activity>,
    pub(super) transferred: Usd,
    pub(super) fee_ignored: Usd,
    pub(super) in_transit: Usd,
}

/// What is held of one asset, all wallets.
#[derive(Debug, Clone, Copy, Default)]
struct Holding {
    /// Base units in open lots.
    quantity: RawAmount,
    /// Of them: with known basis.
    known: RawAmount,
    /// Basis of the known ones.
    basis: Usd,
}

impl Records {
    pub(super) fn into_outcome(
        self,
        prices: Option<&BTreeMap<AssetId, UsdPrice>>,
    ) -> Result<Outcome, EngineError> {
        let (flows, by_index) = sum_flows(
            self.assets.len(),
            self.disposals.iter(),
            self.incomes.iter(),
            self.fees.iter(),
        )?;
        let holdings = self.holdings()?;
        let conservation = self.conservation(&flows, &holdings)?;
        let mut by_asset = self.by_asset(&by_index);
        let mut totals = Totals {
            realized_gain: flows.realized_gain,
            income: flows.income,
            fee_expense: flows.fee_expense,
            fees_usd: flows.fees_usd,
            proceeds: flows.proceeds,
            matched_proceeds: flows.matched_proceeds,
            unknown_proceeds: flows.unknown_proceeds,
            unmatched_proceeds: flows.unmatched_proceeds,
            cost_in: conservation.cost_in,
            basis_disposed: flows.basis_disposed,
            remaining_basis: conservation.basis_remaining,
            net_realized: flows.net_realized()?,
            unrealized_gain: None,
            unpriced_holdings: None,
        };
        if let Some(prices) = prices {
            self.value_holdings(&holdings, prices, &mut totals, &mut by_asset)?;
        }
        Ok(Outcome {
            method: self.method,
            options: self.options,
            disposals: self.disposals,
            incomes: self.incomes,
            fees: self.fees,
            lots: self.lots,
            totals,
            by_asset,
            conservation,
            assets: self.assets,
            activity: self.activity,
        })
    }

    /// Holdings by asset index.
    fn holdings(&self) -> Result<Vec<Holding>, AmountError> {
        let mut holdings = vec![Holding::default(); self.assets.len()];
        for lot in &self.lots {
            let holding = &mut holdings[lot.asset_index];
            holding.quantity = holding.quantity.checked_add(lot.quantity)?;
            if let Some(basis) = lot.basis {
                holding.known = holding.known.checked_add(lot.quantity)?;
                holding.basis = holding.basis.checked_add(basis)?;
            }
        }
        Ok(holdings)
    }

    fn by_asset(&self, by_index: &[Option<Flows>]) -> BTreeMap<AssetId, AssetTotals> {
        let mut touched: Vec<bool> = self.assets.iter().map(|asset| asset.priced).collect();
        self.disposals.iter().for_each(|record| touched[record.asset_index] = true);
        self.incomes.iter().for_each(|record| touched[record.asset_index] = true);
        for fee in self.fees.iter().filter(|fee| fee.expense) {
            fee.asset_index.into_iter().for_each(|asset| touched[asset] = true);
        }
        let mut rows = BTreeMap::new();
        for (index, asset) in self.assets.iter().enumerate().filter(|(index, _)| touched[*index]) {
            let flows = by_index[index].clone().unwrap_or_default();
            let row = AssetTotals {
                cost_in: asset.cost_in,
                basis_disposed: flows.basis_disposed,
                matched_proceeds: flows.matched_proceeds,
                realized_gain: flows.realized_gain,
                fee_expense: flows.fee_expense,
                income: flows.income,
                proceeds: flows.proceeds,
                market_value: None,
                unrealized_gain: None,
            };
            rows.insert(asset.id.clone(), row);
        }
        rows
    }

    /// Adds the unrealized figures. A holding without a price is listed, never valued at zero.
    fn value_holdings(
        &self,
        holdings: &[Holding],
        prices: &BTreeMap<AssetId, UsdPrice>,
        totals: &mut Totals,
        by_asset: &mut BTreeMap<AssetId, AssetTotals>,
    ) -> Result<(), EngineError> {
        let mut unrealized = Usd::ZERO;
        let mut unpriced = Vec::new();
        let held = self.assets.iter().zip(holdings).filter(|(_, held)| !held.known.is_zero());
        for (asset, holding) in held {
            let Some(price) = prices.get(&asset.id) else {
                unpriced.push(asset.id.clone());
                continue;
            };
            let market_value = price.value_of(holding.known, asset.decimals)?;
            let gain = market_value.checked_sub(holding.basis)?;
            unrealized = unrealized.checked_add(gain)?;
            if let Some(row) = by_asset.get_mut(&asset.id) {
                row.market_value = Some(market_value);
                row.unrealized_gain = Some(gain);
            }
        }
        unpriced.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        totals.unrealized_gain = Some(unrealized);
        totals.unpriced_holdings = Some(unpriced);
        Ok(())
    }

    /// Balances the books.
    fn conservation(
        &self,
        flows: &Flows,
        holdings: &[Holding],
    ) -> Result<Conservation, EngineError> {
        let mut cost_in = Usd::ZERO;
        let mut basis_remaining = Usd::ZERO;
        let mut qty_residual = BTreeMap::new();
        for (asset, holding) in self.assets.iter().zip(holdings) {
            add(&mut cost_in, asset.cost_in)?;
            add(&mut basis_remaining, holding.basis)?;
            if asset.moved {
                let spent = asset.raw_out.checked_add(holding.quantity)?;
                qty_residual.insert(asset.id.clone(), difference(asset.raw_in, spent)?);
            }
        }
        let mut residual = cost_in;
        for gone in [
            flows.basis_disposed,
            flows.basis_unpriced,
            self.transferred,
            self.fee_ignored,
            self.in_transit,
            basis_remaining,
        ] {
            residual = residual.checked_sub(gone)?;
        }
        let proceeds_residual = flows
            .proceeds
            .checked_sub(flows.matched_proceeds)?
            .checked_sub(flows.unknown_proceeds)?
            .checked_sub(flows.unmatched_proceeds)?;
        if !residual.is_zero() {
            return Err(EngineError::Unbalanced(format!("{residual} USD of cost")));
        }
        if !proceeds_residual.is_zero() {
            return Err(EngineError::Unbalanced(format!("{proceeds_residual} USD of proceeds")));
        }
        if let Some((asset, units)) = qty_residual.iter().find(|(_, units)| !units.is_zero()) {
            return Err(EngineError::Unbalanced(format!("{units} base units of {asset}")));
        }
        Ok(Conservation {
            cost_in,
            basis_disposed: flows.basis_disposed,
            basis_unpriced: flows.basis_unpriced,
            basis_transferred: self.transferred,
            basis_fee_ignored: self.fee_ignored,
            basis_in_transit: self.in_transit,
            basis_remaining,
            residual,
            proceeds_residual,
            qty_residual,
            ok: true,
        })
    }
}

/// `a - b`.
fn difference(a: RawAmount, b: RawAmount) -> Result<RawDelta, AmountError> {
    if a >= b {
        a.checked_sub(b)?.into_delta()
    } else {
        b.checked_sub(a)?.into_delta()?.checked_neg()
    }
}
