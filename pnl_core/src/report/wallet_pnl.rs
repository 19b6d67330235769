//! The result of a wallet as its own resource, with lots and disposals on request.

use serde::Serialize;

use super::{ReportError, ReportInput, WalletReport, build};
use crate::chain::{Address, Chain};
use crate::engine::{Disposal, OpenLot};

/// A wallet's result with what identifies it and, on request, the records behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WalletPnl {
    /// The wallet.
    pub wallet: Address,
    /// Its chain.
    pub chain: Chain,
    /// The result.
    #[serde(flatten)]
    pub report: WalletReport,
    /// Open lots of the wallet alone, in the order they would be consumed. Absent unless asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lots: Option<Vec<OpenLot>>,
    /// Disposals in the window, oldest first. Absent unless asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disposals: Option<Vec<Disposal>>,
}

impl WalletPnl {
    /// Builds the result with the parts asked for.
    ///
    /// # Errors
    /// See [`ReportError`].
    pub fn build(
        input: ReportInput<'_>,
        with_lots: bool,
        with_disposals: bool,
    ) -> Result<Self, ReportError> {
        let lots = input.outcome.lots.iter().filter(|lot| input.is_of_wallet(&lot.wallet));
        let disposals = input.outcome.disposals.iter();
        let disposals = disposals.filter(|disposal| {
            input.window.contains(disposal.ts) && input.is_of_wallet(&disposal.wallet)
        });
        Ok(Self {
            wallet: input.history.wallet.clone(),
            chain: input.history.chain,
            report: build(input)?,
            lots: with_lots.then(|| lots.cloned().collect()),
            disposals: with_disposals.then(|| disposals.cloned().collect()),
        })
    }
}
