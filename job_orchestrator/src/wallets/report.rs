//! The result of a wallet in parts: its tokens, and what it covers.

use std::collections::BTreeMap;
use std::sync::Arc;

use pnl_core::bounds::{Bounds, Known};
use pnl_core::metrics::TokenMetrics;
use pnl_core::ratio::Figure;
use pnl_core::report::{self, Audit, Coverage, TokenRow, UnexplainedRaw, Warning};
use pnl_core::{AssetId, Pin, Usd, UsdPrice, WalletRef};
use serde::Serialize;

use super::{LedgerPlace, View, Wallets, WalletsError};

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
    /// How it was traded in the window.
    #[serde(flatten)]
    pub trading: TokenTrading,
}

/// How a token was traded in the window; of one that was not, zeros and `None`.
#[derive(Debug, Default, Serialize)]
pub struct TokenTrading {
    /// Swaps and purchases in which it came in.
    pub buys: u64,
    /// Swaps and sales in which it left.
    pub sells: u64,
    /// Value of the buys, before fees; those without a value count nothing.
    pub bought_usd: Usd,
    /// Value of the sells, likewise.
    pub sold_usd: Usd,
    /// Trades: sells with a known gain.
    pub trades: u64,
    /// Trades with a gain.
    pub winning_trades: u64,
    /// Trades with a loss.
    pub losing_trades: u64,
    /// Gain of the trades.
    pub realized_pnl: Usd,
    /// Basis of what the trades sold.
    pub trades_basis_usd: Usd,
    /// What the trades brought.
    pub trades_proceeds_usd: Usd,
    /// Gain per basis, percent; `None` at a basis of zero.
    pub roi_pct: Option<Figure>,
    /// Mean holding time of a trade, seconds.
    pub avg_hold_s: Option<Figure>,
    /// The first swap, purchase or sale, unix seconds.
    pub first_trade_ts: Option<i64>,
    /// The last one.
    pub last_trade_ts: Option<i64>,
}

impl From<TokenMetrics> for TokenTrading {
    fn from(of: TokenMetrics) -> Self {
        Self {
            buys: of.buys,
            sells: of.sells,
            bought_usd: of.bought,
            sold_usd: of.sold,
            trades: of.trades,
            winning_trades: of.winning_trades,
            losing_trades: of.losing_trades,
            realized_pnl: of.realized_pnl,
            trades_basis_usd: of.basis,
            trades_proceeds_usd: of.proceeds,
            roi_pct: of.roi_pct,
            avg_hold_s: of.avg_hold_s,
            first_trade_ts: of.first_ts,
            last_trade_ts: of.last_ts,
        }
    }
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
        let ended = self.ended(&reader, view).await?;
        let (report, prices, traded) = self
            .compute(move || {
                let traded = TokenMetrics::of(&ended.outcome, &ended.window)?;
                Ok((report::build(ended.input())?, ended.history.prices, traded))
            })
            .await?;
        let mut traded: BTreeMap<AssetId, TokenTrading> =
            traded.into_iter().map(|token| (token.asset.clone(), token.into())).collect();
        let end = begin.saturating_add(limit);
        let next = (end < report.tokens.len()).then(|| reader.place(end as u64));
        let view = |row: TokenRow| {
            let price_usd = prices.get(&row.asset).copied();
            let balance = (!row.raw.is_negative()).then(|| row.raw.magnitude());
            let value = price_usd.zip(row.decimals).zip(balance);
            let market_value_usd =
                value.and_then(|((price, decimals), raw)| price.value_of(raw, decimals).ok());
            let trading = traded.remove(&row.asset).unwrap_or_default();
            TokenView { row, price_usd, market_value_usd, trading }
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
        let ended = self.ended(&Arc::new(reader), view).await?;
        let report = self.compute(move || Ok(report::build(ended.input())?)).await?;
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
}
