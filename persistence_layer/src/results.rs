//! Results of batches, and the newest figures of each wallet.

mod latest;
mod of_job;
mod summary;

use chrono::{DateTime, Utc};
use pnl_core::{Address, Pin, Usd, WalletRef};

use crate::batches::BatchRef;
use crate::convert::from_integer;
use crate::error::StoreError;
use crate::store::{Store, read, run};
use crate::wallet_tasks::{TaskError, TaskState};

use latest::push_totals;
pub use latest::{
    LONGEST_WALK, LatestCursor, LatestList, LatestPage, LatestPlace, LatestRow, LatestSort, Newest,
    count_latest, latest, latest_of, newest,
};
pub use of_job::{JobList, JobPage, JobPlace, JobSort, JobStart, listed, order};
pub use summary::{Refresh, Summary, refresh, refresh_if_due, summary};

/// Figures of a result that lists and summaries need without reading the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SummaryRow {
    /// The pin of the result.
    pub pin: Pin,
    /// Realized, income, expenses and unrealized together.
    pub total_pnl_usd: Usd,
    /// Realized gain.
    pub realized_gain_usd: Usd,
    /// Unrealized gain at the pin.
    pub unrealized_gain_usd: Usd,
    /// Fees paid.
    pub fees_usd: Usd,
    /// Number of trades.
    pub trades: u64,
    /// Number of transactions.
    pub transactions: u64,
    /// Share of tokens with a gain, decimal text; `None` when undefined.
    pub token_win_rate: Option<String>,
    /// Whether the whole history was seen.
    pub complete: bool,
    /// Whether this is a full-history result by the default method: only such a one becomes the
    /// wallet's latest.
    pub full_history_default_method: bool,
}

/// One wallet of a batch, finished or not.
#[derive(Debug, Clone, PartialEq)]
pub struct ResultRow {
    /// Place in the submission, from 0.
    pub ordinal: u32,
    /// The wallet.
    pub wallet: Address,
    /// State of its task.
    pub state: TaskState,
    /// The `result` object, byte for byte as it was stored, when the task is done.
    pub report_json: Option<String>,
    /// Why it ended without a result, when it did.
    pub error: Option<TaskError>,
    /// Attempts begun so far, of every kind.
    pub attempts: u32,
    /// First claim since the wallet was submitted or retried.
    pub started_at: Option<DateTime<Utc>>,
    /// Its end.
    pub finished_at: Option<DateTime<Utc>>,
    /// Calls to providers by method.
    pub calls: Option<serde_json::Value>,
}

/// The `result` object of a wallet in a batch, byte for byte as it was stored.
///
/// # Errors
/// As every read.
pub async fn report(
    store: &Store,
    batch: &BatchRef,
    wallet: &WalletRef,
) -> Result<Option<String>, StoreError> {
    read!(store, async |connection| sqlx::query_file_scalar!(
        "queries/pnl_results/get.sql",
        batch.id.0,
        wallet.chain.as_str(),
        wallet.address.as_str(),
        batch.tenant.as_str()
    )
    .fetch_optional(connection))
}

/// Reports read at once, in bytes of their text. A single one may be larger.
const PAGE_BYTES: i64 = 8 << 20;

/// Wallets of a batch in submission order, behind `after_ordinal` when given: up to `limit`, and
/// fewer, but at least one, where their reports are large together. Every wallet has a row,
/// whatever its state; an unknown batch, and one of another tenant, has none.
///
/// # Errors
/// As every read.
pub async fn page(
    store: &Store,
    batch: &BatchRef,
    after_ordinal: Option<u32>,
    limit: u32,
) -> Result<Vec<ResultRow>, StoreError> {
    let after = match after_ordinal {
        Some(ordinal) => crate::convert::to_integer(ordinal, "ordinal")?,
        None => -1,
    };
    let rows = run!(store, "results/page", async |tx| {
        Ok(sqlx::query_file_as!(
            StoredRow,
            "queries/pnl_results/page.sql",
            batch.id.0,
            after,
            i64::from(limit),
            PAGE_BYTES,
            batch.tenant.as_str()
        )
        .fetch_all(tx)
        .await?)
    })?;
    rows.into_iter().map(ResultRow::try_from).collect()
}

/// A row of `pnl_results/page`, `pnl_results/list` and `groups/result`.
#[derive(sqlx::FromRow)]
pub(crate) struct StoredRow {
    pub(crate) ordinal: i32,
    pub(crate) wallet: String,
    pub(crate) state: String,
    pub(crate) error: Option<serde_json::Value>,
    pub(crate) fence: i64,
    pub(crate) started_at: Option<DateTime<Utc>>,
    pub(crate) finished_at: Option<DateTime<Utc>>,
    pub(crate) calls: Option<serde_json::Value>,
    pub(crate) report: Option<String>,
}

impl TryFrom<StoredRow> for ResultRow {
    type Error = StoreError;

    fn try_from(row: StoredRow) -> Result<Self, StoreError> {
        let state = TaskState::read(&row.state)?;
        let ended_without =
            matches!(state, TaskState::Failed | TaskState::TimedOut | TaskState::Cancelled);
        let error = match row.error {
            Some(error) if ended_without => Some(TaskError::read(error)?),
            _ => None,
        };
        Ok(Self {
            ordinal: from_integer(row.ordinal, "ordinal")?,
            wallet: Address::from_chain_data(&row.wallet),
            state,
            report_json: row.report,
            error,
            attempts: u32::try_from(row.fence)
                .map_err(|_| StoreError::Corrupt(format!("fence is {}", row.fence)))?,
            started_at: row.started_at,
            finished_at: row.finished_at,
            calls: row.calls,
        })
    }
}
