//! The newest result of every wallet, and the summary over them.

use persistence_layer::results::{LatestRow, Summary};
use pnl_core::Usd;
use serde::Serialize;

use crate::dto::time::rfc3339;

/// One wallet.
#[derive(Debug, Serialize)]
pub struct LatestView {
    wallet: String,
    chain: &'static str,
    job_id: String,
    total_pnl_usd: Usd,
    realized_gain_usd: Usd,
    unrealized_gain_usd: Usd,
    fees_usd: Usd,
    trades: u64,
    transactions: u64,
    token_win_rate: Option<String>,
    complete: bool,
    analyzed_at: String,
}

impl LatestView {
    /// The view of a stored row.
    pub fn of(row: LatestRow) -> Self {
        Self {
            wallet: row.wallet.address.to_string(),
            chain: row.wallet.chain.as_str(),
            job_id: row.batch.to_string(),
            total_pnl_usd: row.total_pnl_usd,
            realized_gain_usd: row.realized_gain_usd,
            unrealized_gain_usd: row.unrealized_gain_usd,
            fees_usd: row.fees_usd,
            trades: row.trades,
            transactions: row.transactions,
            token_win_rate: row.token_win_rate,
            complete: row.complete,
            analyzed_at: rfc3339(row.analyzed_at),
        }
    }
}

/// Figures over all wallets of the filter.
#[derive(Debug, Serialize)]
pub struct SummaryView {
    total_wallets: u64,
    profitable_wallets: u64,
    total_pnl_usd: String,
    average_pnl_usd: String,
    total_trades: u64,
    profitability_rate: String,
    last_updated: Option<String>,
    stale_seconds: u64,
}

impl SummaryView {
    /// The view of a summary.
    pub fn of(summary: Summary) -> Self {
        Self {
            total_wallets: summary.total_wallets,
            profitable_wallets: summary.profitable_wallets,
            total_pnl_usd: summary.total_pnl_usd,
            average_pnl_usd: summary.average_pnl_usd,
            total_trades: summary.total_trades,
            profitability_rate: summary.profitability_rate,
            last_updated: summary.last_updated.map(rfc3339),
            stale_seconds: summary.stale_seconds,
        }
    }
}

/// Where a numbered page is in its list; the names are those that clients of such pages know.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pagination {
    page: u32,
    limit: u32,
    total: u64,
    total_pages: u64,
    has_next: bool,
    has_prev: bool,
}

impl Pagination {
    /// Page `page` (from 1) of `limit` rows, of `total`.
    pub fn of(page: u32, limit: u32, total: u64) -> Self {
        let total_pages = total.div_ceil(u64::from(limit.max(1)));
        let has_next = u64::from(page) < total_pages;
        Self { page, limit, total, total_pages, has_next, has_prev: page > 1 }
    }
}
