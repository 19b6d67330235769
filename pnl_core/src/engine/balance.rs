//! The end of a history: totals, holdings and the proof that the books balance.

use std::collections::BTreeMap;

use super::books::AssetEntry;
use super::error::EngineError;
use super::options::Options;
use super::outcome::{AssetTotals, Conservation, Flows, Outcome, Totals, add};
use super::records::OpenLot;
use super::rows::Records;
use crate::amount::{AmountError, RawAmount, RawDelta, Usd, UsdPrice};
use crate::asset::AssetId;
use crate::method::Method;

/// What the engine has at the end of a history.
pub(super) struct Closing {
    pub(super) method: Method,
    pub(super) options: Options,
    pub(super) assets: Vec<AssetEntry>,
    pub(super) lots: Vec<OpenLot>,
    pub(super) records: Box<Records>,
    /// Fees known in US dollars only, which belong to no asset.
    pub(super) dollar_fees: Flows,
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

impl Closing {
    pub(super) fn into_outcome(
        self,
        prices: Option<&BTreeMap<AssetId, UsdPrice>>,
    ) -> Result<Outcome, EngineError> {
        let mut flows = self.dollar_fees.clone();
        for asset in &self.assets {
            flows.add_flows(&asset.flows)?;
        }
        let holdings = self.holdings()?;
        let conservation = self.conservation(&flows, &holdings)?;
        let mut by_asset = self.by_asset();
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
            records: self.records,
            lots: self.lots,
            totals,
            by_asset,
            conservation,
            assets: self.assets,
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

    fn by_asset(&self) -> BTreeMap<AssetId, AssetTotals> {
        let touched = self.assets.iter().filter(|asset| asset.priced || asset.flowed);
        let row = |asset: &AssetEntry| AssetTotals {
            cost_in: asset.cost_in,
            basis_disposed: asset.flows.basis_disposed,
            matched_proceeds: asset.flows.matched_proceeds,
            realized_gain: asset.flows.realized_gain,
            fee_expense: asset.flows.fee_expense,
            income: asset.flows.income,
            proceeds: asset.flows.proceeds,
            market_value: None,
            unrealized_gain: None,
        };
        touched.map(|asset| (asset.id.clone(), row(asset))).collect()
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
        Ok(a.checked_sub(b)?.into_delta())
    } else {
        Ok(b.checked_sub(a)?.into_delta().opposite())
    }
}
