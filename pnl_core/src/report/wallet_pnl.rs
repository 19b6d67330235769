//! The result of a wallet as its own resource.

use serde::Serialize;

use super::{ReportError, ReportInput, WalletReport, build};
use crate::chain::{Address, Chain};
use crate::engine::{Disposal, OpenLot};

/// A wallet's result with what identifies it. The records behind it can be many: they come from
/// [`ReportInput::lots`] and [`ReportInput::disposals`], one by one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WalletPnl {
    /// The wallet.
    pub wallet: Address,
    /// Its chain.
    pub chain: Chain,
    /// The result.
    #[serde(flatten)]
    pub report: WalletReport,
}

impl WalletPnl {
    /// Builds the result.
    ///
    /// # Errors
    /// See [`ReportError`].
    pub fn build(input: ReportInput<'_>) -> Result<Self, ReportError> {
        Ok(Self {
            wallet: input.history.wallet.clone(),
            chain: input.history.chain,
            report: build(input)?,
        })
    }
}

impl<'a> ReportInput<'a> {
    /// Open lots of the wallet alone, in the order they would be consumed.
    pub fn lots(self) -> impl Iterator<Item = OpenLot<'a>> {
        self.outcome.lots_where(move |wallet| self.is_of_wallet(wallet))
    }

    /// Disposals of the wallet alone in the window, oldest first.
    pub fn disposals(self) -> impl Iterator<Item = Disposal<'a>> {
        self.outcome.records.disposals_where(move |ts, wallet| {
            self.window.contains(ts) && self.is_of_wallet(wallet)
        })
    }
}
