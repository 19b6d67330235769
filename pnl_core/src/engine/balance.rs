//! The end of a history: totals, holdings and the proof that the books balance.

use std::collections::BTreeMap;

use super::books::AssetEntry;
use super::error::EngineError;
use super::outcome::{AssetTotals, Conservation, Flows, Totals, add};
use crate::amount::{AmountError, RawAmount, RawDelta, Usd, UsdPrice};
use crate::asset::AssetId;
use crate::holding::Held;

/// What the engine has at the end of a history, besides records and lots.
pub(super) struct Closing {
    pub(super) assets: Vec<AssetEntry>,
    /// What is held, by asset index.
    pub(super) holdings: Vec<Held>,
    /// Whether the proceeds of what no lot covers are a gain.
    pub(super) unmatched_gains: bool,
    /// Fees known in US dollars only, which belong to no asset.
    pub(super) dollar_fees: Flows,
    pub(super) transferred: Usd,
    pub(super) fee_ignored: Usd,
    pub(super) in_transit: Usd,
}

/// The sums of a history.
pub(super) struct Closed {
    pub(super) totals: Totals,
    pub(super) by_asset: BTreeMap<AssetId, AssetTotals>,
    pub(super) conservation: Conservation,
    pub(super) assets: Vec<AssetEntry>,
    pub(super) holdings: Vec<Held>,
}

impl Closing {
    /// The same with these assets and what is held of each.
    pub(super) fn with(
        self,
        mut assets: Vec<AssetEntry>,
        holdings: Vec<Held>,
    ) -> Result<Self, AmountError> {
        for asset in &mut assets {
            asset.flows = asset.flows(self.unmatched_gains)?;
        }
        Ok(Self { assets, holdings, ..self })
    }

    pub(super) fn close(
        self,
        prices: Option<&BTreeMap<AssetId, UsdPrice>>,
    ) -> Result<Closed, EngineError> {
        let mut flows = self.dollar_fees.clone();
        for asset in &self.assets {
            flows.add_flows(&asset.flows)?;
        }
        let conservation = self.conservation(&flows)?;
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
            self.value_holdings(prices, &mut totals, &mut by_asset)?;
        }
        let Self { assets, holdings, .. } = self;
        Ok(Closed { totals, by_asset, conservation, assets, holdings })
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
        prices: &BTreeMap<AssetId, UsdPrice>,
        totals: &mut Totals,
        by_asset: &mut BTreeMap<AssetId, AssetTotals>,
    ) -> Result<(), EngineError> {
        let mut unrealized = Usd::ZERO;
        let mut unpriced = Vec::new();
        let held = self.assets.iter().zip(&self.holdings).filter(|(_, held)| !held.known.is_zero());
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
    fn conservation(&self, flows: &Flows) -> Result<Conservation, EngineError> {
        let mut cost_in = Usd::ZERO;
        let mut basis_remaining = Usd::ZERO;
        let mut qty_residual = BTreeMap::new();
        for (asset, holding) in self.assets.iter().zip(&self.holdings) {
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
