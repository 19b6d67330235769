//! The result of a wallet in parts: its tokens, and what it covers.

use std::collections::BTreeMap;
use std::sync::Arc;

use pnl_core::bounds::{Bounds, Known};
use pnl_core::report::{self, Audit, Coverage, TokenRow, UnexplainedRaw, WalletReport, Warning};
use pnl_core::{AssetId, Pin, Usd, UsdPrice, WalletRef};
use serde::Serialize;

use super::{LedgerPlace, Reader, View, Wallets, WalletsError};

/// A page of tokens.
#[derive(Debug)]
pub struct TokenPage {
    /// Up to which block the ledger goes.
    pub pin: Pin,
    /// In the order of assets.
    pub rows: Vec<TokenView>,
    /// The next token in the order of assets; `None` at the end.
    pub next: Option<LedgerPlace>,
}

/// A token of a wallet with its price.
#[derive(Debug, Serialize)]
pub struct TokenView {
    /// What became of it.
    #[serde(flatten)]
    pub row: TokenRow,
    /// US dollars per whole unit at the pin; `None` = unknown.
    pub price_usd: Option<UsdPrice>,
    /// Value of the balance at that price; `None` also where the movements are no balance.
    pub market_value_usd: Option<Usd>,
}

/// What a result covers, and how far it can be trusted.
#[derive(Debug, Serialize)]
pub struct CoverageReport {
    /// Up to which block the ledger goes.
    #[serde(skip)]
    pub pin: Pin,
    /// What was read, and what was not.
    pub coverage: Coverage,
    /// How much of the disposals is known whole.
    pub coverage_score: Known,
    /// What the realized gain can be.
    pub bounds: Option<Bounds>,
    /// Proceeds of quantities of unknown basis.
    pub unknown_proceeds_usd: Usd,
    /// Proceeds of quantities beyond the known history.
    pub unmatched_proceeds_usd: Usd,
    /// Holdings of known basis without a price.
    pub unpriced_assets: Vec<AssetId>,
    /// Balance less movements.
    pub unexplained_raw: Option<Vec<UnexplainedRaw>>,
    /// Where every dollar of cost and every base unit went.
    pub conservation: Audit,
    /// What a reader must know.
    pub warnings: Vec<Warning>,
}

impl Wallets {
    /// A page of at most `limit` tokens; `None` when no ledger of the wallet is stored.
    ///
    /// # Errors
    /// [`WalletsError::CursorExpired`] when the ledger was replaced since; others.
    pub async fn tokens(
        &self,
        wallet: &WalletRef,
        view: View,
        after: Option<LedgerPlace>,
        limit: usize,
    ) -> Result<Option<TokenPage>, WalletsError> {
        let Some(reader) = self.open(wallet).await? else { return Ok(None) };
        let begin = usize::try_from(reader.number(after)?).unwrap_or(usize::MAX);
        let reader = Arc::new(reader);
        let (report, prices) = self.report(&reader, view).await?;
        let end = begin.saturating_add(limit);
        let next = (end < report.tokens.len()).then(|| reader.place(end as u64));
        let view = |row: TokenRow| {
            let price_usd = prices.get(&row.asset).copied();
            let balance = (!row.raw.is_negative()).then(|| row.raw.magnitude());
            let value = price_usd.zip(row.decimals).zip(balance);
            let market_value_usd =
                value.and_then(|((price, decimals), raw)| price.value_of(raw, decimals).ok());
            TokenView { row, price_usd, market_value_usd }
        };
        let rows = report.tokens.into_iter().skip(begin).take(limit).map(view).collect();
        Ok(Some(TokenPage { pin: report.pinned, rows, next }))
    }

    /// What the wallet's result covers; `None` when no ledger of it is stored.
    ///
    /// # Errors
    /// [`WalletsError`].
    pub async fn coverage(
        &self,
        wallet: &WalletRef,
        view: View,
    ) -> Result<Option<CoverageReport>, WalletsError> {
        let Some(reader) = self.open(wallet).await? else { return Ok(None) };
        let (report, _) = self.report(&Arc::new(reader), view).await?;
        Ok(Some(CoverageReport {
            pin: report.pinned,
            coverage: report.coverage,
            coverage_score: report.coverage_score,
            bounds: report.bounds,
            unknown_proceeds_usd: report.unknown_proceeds_usd,
            unmatched_proceeds_usd: report.unmatched_proceeds_usd,
            unpriced_assets: report.unpriced_assets,
            unexplained_raw: report.unexplained_raw,
            conservation: report.conservation,
            warnings: report.warnings,
        }))
    }

    /// The result and the prices at its end.
    async fn report(
        &self,
        reader: &Arc<Reader>,
        view: View,
    ) -> Result<(WalletReport, BTreeMap<AssetId, UsdPrice>), WalletsError> {
        let ended = self.ended(reader, view).await?;
        self.compute(move || Ok((report::build(ended.input())?, ended.history.prices))).await
    }
}
