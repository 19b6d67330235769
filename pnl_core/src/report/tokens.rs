//! One row per asset that ever moved.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{ReportError, ReportInput};
use crate::amount::{AmountError, RawAmount, RawDelta, Usd, UsdPrice};
use crate::asset::AssetId;
use crate::engine::{OpenLot, WindowTotals};
use crate::ledger::AssetFacts;

/// What became of one asset. Holdings are those at the pin, gains those of the window; both are of
/// the wallet alone, without its pool of rent deposits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TokenRow {
    /// The asset.
    pub asset: AssetId,
    /// Its decimals; `None` = unknown.
    pub decimals: Option<u8>,
    /// Sum of all its movements, base units: the balance at the pin when the history is complete.
    pub raw: RawDelta,
    /// Cost of the open lots of known basis.
    pub basis_usd: Usd,
    /// Gain of disposals in the window, fees paid in the asset included.
    pub realized_gain_usd: Usd,
    /// Market value less basis of the holding of known basis; `None` when that cannot be said: it
    /// has no price, or everything held is of unknown basis.
    pub unrealized_gain_usd: Option<Usd>,
    /// Base units held with unknown basis.
    pub unknown_raw: RawAmount,
    /// Base units disposed of in the window beyond the known history.
    pub unmatched_raw: RawAmount,
    /// Whether some of it came in unsigned and unpriced.
    pub unsolicited: bool,
    /// What the wallet's rent deposits hold; only of the native coin.
    #[serde(flatten)]
    pub rent: Option<RentHolding>,
}

/// The pool of rent deposits: neither cost nor income, and still the wallet's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RentHolding {
    /// Base units deposited and not yet refunded.
    pub rent_raw: RawAmount,
    /// Cost of those of known basis.
    pub rent_basis_usd: Usd,
    /// Market value less basis of those of known basis; `None` as in the row. Part of the wallet's
    /// unrealized gain.
    pub rent_unrealized_gain_usd: Option<Usd>,
}

/// Lots of one asset in one place, summed.
#[derive(Debug, Clone, Copy, Default)]
struct Holding {
    known: RawAmount,
    basis: Usd,
    unknown: RawAmount,
}

impl Holding {
    fn add(&mut self, lot: &OpenLot<'_>) -> Result<(), AmountError> {
        match lot.basis {
            Some(basis) => {
                self.known = self.known.checked_add(lot.quantity)?;
                self.basis = self.basis.checked_add(basis)?;
            }
            None => self.unknown = self.unknown.checked_add(lot.quantity)?,
        }
        Ok(())
    }

    fn unrealized(
        &self,
        price: Option<&UsdPrice>,
        decimals: Option<u8>,
    ) -> Result<Option<Usd>, AmountError> {
        if self.known.is_zero() {
            return Ok(self.unknown.is_zero().then_some(Usd::ZERO));
        }
        let (Some(price), Some(decimals)) = (price, decimals) else { return Ok(None) };
        price.value_of(self.known, decimals)?.checked_sub(self.basis).map(Some)
    }
}

/// The rows in the order of assets.
pub(super) fn rows(
    input: &ReportInput<'_>,
    window: &WindowTotals,
) -> Result<Vec<TokenRow>, ReportError> {
    let history = input.history;
    let mut held: BTreeMap<&AssetId, Holding> = BTreeMap::new();
    let mut rent = Holding::default();
    for lot in input.outcome.lots() {
        if input.is_of_wallet(lot.wallet) {
            held.entry(lot.asset).or_default().add(&lot)?;
        } else {
            rent.add(&lot)?;
        }
    }
    let unmatched = input.unmatched(&input.window)?;
    let row = |(asset, facts): (&AssetId, &AssetFacts)| -> Result<TokenRow, ReportError> {
        let holding = held.get(asset).copied().unwrap_or_default();
        let price = history.prices.get(asset);
        let flows = window.by_asset.get(asset);
        let rent = match asset.is_native() {
            true => Some(RentHolding {
                rent_raw: history.facts.rent_pool,
                rent_basis_usd: rent.basis,
                rent_unrealized_gain_usd: rent.unrealized(price, facts.decimals)?,
            }),
            false => None,
        };
        Ok(TokenRow {
            asset: asset.clone(),
            decimals: facts.decimals,
            raw: facts.raw,
            basis_usd: holding.basis,
            realized_gain_usd: flows.map_or(Usd::ZERO, |flows| flows.realized_gain),
            unrealized_gain_usd: holding.unrealized(price, facts.decimals)?,
            unknown_raw: holding.unknown,
            unmatched_raw: unmatched.get(asset).copied().unwrap_or_default(),
            unsolicited: facts.unsolicited,
            rent,
        })
    };
    history.facts.assets.iter().map(row).collect()
}
