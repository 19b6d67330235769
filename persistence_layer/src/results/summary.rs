//! Figures over the newest results of all wallets of a tenant.
//!
//! Those of many wallets come from `pnl_summary_stats`, which [`refresh`] renews as a whole; those of few are
//! computed when they are asked for. Readers never wait for a refresh, nor it for them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use pnl_core::Chain;
use sqlx::PgConnection;

use crate::convert::{from_bigint, interval};
use crate::error::StoreError;
use crate::store::{Store, run};
use crate::tenant::Tenant;

/// Name of the refreshes in table `care_runs`.
const TASK: &str = "summary";

/// From so many wallets on the statistics answer. Fewer are added up within about a millisecond, so that whoever
/// has few never sees old figures.
const MANY_WALLETS: i64 = 1000;

/// Figures over all wallets with a latest result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Number of wallets.
    pub total_wallets: u64,
    /// Those with a total above zero.
    pub profitable_wallets: u64,
    /// Sum of the totals: exact decimal text in US dollars, trailing zeros cut.
    pub total_pnl_usd: String,
    /// Mean of the totals, 18 places half-even; "0" without wallets.
    pub average_pnl_usd: String,
    /// Sum of the trades.
    pub total_trades: u64,
    /// Profitable wallets of a hundred, 18 places half-even; "0" without wallets.
    pub profitability_rate: String,
    /// When the newest result that is counted was stored.
    pub last_updated: Option<DateTime<Utc>>,
    /// Age of the figures in whole seconds; 0: they are of now.
    pub stale_seconds: u64,
}

/// [`Summary`] as its columns are.
struct Row {
    total_wallets: i64,
    profitable_wallets: i64,
    total_pnl_usd: String,
    average_pnl_usd: String,
    total_trades: i64,
    profitability_rate: String,
    last_updated: Option<DateTime<Utc>>,
    stale_seconds: i64,
}

/// Figures over all wallets of a tenant, or those of one chain.
pub async fn summary(
    store: &Store,
    tenant: &Tenant,
    chain: Option<Chain>,
) -> Result<Summary, StoreError> {
    let (tenant, chain) = (tenant.as_str(), chain.map(Chain::as_str));
    let row = run!(store, "latest_results/summary", async |tx| {
        let kept = sqlx::query_file_as!(
            Row,
            "queries/pnl_summary_stats/get.sql",
            tenant,
            chain.unwrap_or("all"),
            MANY_WALLETS
        );
        // Two statements: in one the planner would set up for reading all rows, which is never done where it is long.
        if let Some(kept) = kept.fetch_optional(&mut *tx).await? {
            return Ok(kept);
        }
        let counted =
            sqlx::query_file_as!(Row, "queries/latest_results/summary.sql", tenant, chain);
        Ok(counted.fetch_one(tx).await?)
    })?;
    Ok(Summary {
        total_wallets: from_bigint(row.total_wallets, "total_wallets")?,
        profitable_wallets: from_bigint(row.profitable_wallets, "profitable_wallets")?,
        total_pnl_usd: row.total_pnl_usd,
        average_pnl_usd: row.average_pnl_usd,
        total_trades: from_bigint(row.total_trades, "total_trades")?,
        profitability_rate: row.profitability_rate,
        last_updated: row.last_updated,
        stale_seconds: from_bigint(row.stale_seconds, "stale_seconds")?,
    })
}

/// What became of a refresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresh {
    /// The fleet has refreshed within the pause.
    NotDue,
    /// Another process is at it.
    Busy,
    /// The figures of so many scopes (tenants, and their chains) are of now.
    Done(u64),
}

/// Renews the statistics of all tenants, unless the fleet has done so within `pause`. Every process may call
/// this as often as it likes; one at a time does it.
///
/// # Errors
/// As every write.
pub async fn refresh_if_due(store: &Store, pause: Duration) -> Result<Refresh, StoreError> {
    run!(store, "pnl_summary_stats/refresh_if_due", async |tx| {
        let alone = sqlx::query_file_scalar!("queries/pnl_summary_stats/try_lock.sql");
        if !alone.fetch_one(&mut *tx).await? {
            return Ok(Refresh::Busy);
        }
        let due =
            sqlx::query_file_scalar!("queries/care_runs/is_due.sql", TASK, interval(pause)? as _);
        if !due.fetch_one(&mut *tx).await? {
            return Ok(Refresh::NotDue);
        }
        renew(tx).await.map(Refresh::Done)
    })
}

/// The same at once, after the refresh of another process if one is under way. Gives the number of scopes.
///
/// # Errors
/// As every write.
pub async fn refresh(store: &Store) -> Result<u64, StoreError> {
    run!(store, "pnl_summary_stats/refresh", async |tx| {
        sqlx::query_file!("queries/pnl_summary_stats/lock.sql").execute(&mut *tx).await?;
        renew(tx).await
    })
}

async fn renew(tx: &mut PgConnection) -> Result<u64, StoreError> {
    let refreshed = sqlx::query_file!("queries/pnl_summary_stats/refresh.sql")
        .execute(&mut *tx)
        .await?
        .rows_affected();
    sqlx::query_file!("queries/pnl_summary_stats/remove_gone.sql").execute(&mut *tx).await?;
    sqlx::query_file!("queries/care_runs/finish.sql", TASK).execute(tx).await?;
    Ok(refreshed)
}
