//! What an engine knows in the middle of a history, without closing its books.

use super::outcome::Flows;
use super::{Engine, EngineError};
use crate::amount::{RawAmount, Usd};
use crate::asset::AssetId;

/// What is held of one asset at a known basis, all wallets together. Lots under way are not held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holding<'a> {
    /// The asset.
    pub asset: &'a AssetId,
    /// Its decimals.
    pub decimals: u8,
    /// Base units.
    pub quantity: RawAmount,
    /// What they cost.
    pub basis: Usd,
}

impl Engine {
    /// Sums over everything that was recorded since the beginning of the history.
    ///
    /// # Errors
    /// The error of an event that was refused; [`EngineError::Totals`] when a sum does not fit.
    pub fn flows(&self) -> Result<Flows, EngineError> {
        self.refused()?;
        let mut flows = (*self.dollar_fees).clone();
        for asset in self.books.assets() {
            flows.add_flows(&asset.flows(self.records.unmatched_gains)?)?;
        }
        Ok(flows)
    }

    /// What is held at a known basis, in the order in which the history met the assets. Costs about as
    /// much as there are open lots.
    ///
    /// # Errors
    /// As [`Self::flows`].
    pub fn holdings(&self) -> Result<Vec<Holding<'_>>, EngineError> {
        self.refused()?;
        let held = self.books.holdings()?;
        let all = self.books.assets().iter().zip(held);
        let rows = all.filter(|(_, held)| !held.known.is_zero());
        Ok(rows
            .map(|(asset, held)| Holding {
                asset: &asset.id,
                decimals: asset.decimals,
                quantity: held.known,
                basis: held.basis,
            })
            .collect())
    }

    pub(super) fn refused(&self) -> Result<(), EngineError> {
        self.failed.clone().map_or(Ok(()), Err)
    }
}
