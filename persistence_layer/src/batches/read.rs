//! Reading batches.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Batch, BatchId, BatchRef, BatchState, BatchStatus, Counts, Waiting};
use crate::convert::{self, from_count, from_integer};
use crate::error::StoreError;
use crate::store::{Store, read, run};
use crate::tenant::Tenant;
use crate::wallet_tasks::TaskState;

/// The batch, with counts of one moment; `None` when the tenant has none of this id.
pub async fn get(store: &Store, batch: &BatchRef) -> Result<Option<Batch>, StoreError> {
    run!(store, "batches/get", async |tx| { get_in(tx, batch).await })
}

/// The same within a transaction.
pub(crate) async fn get_in(
    tx: &mut PgConnection,
    batch: &BatchRef,
) -> Result<Option<Batch>, StoreError> {
    let BatchRef { tenant, id } = batch;
    let row = sqlx::query_file_as!(Row, "queries/batches/get.sql", id.0, tenant.as_str());
    row.fetch_optional(tx).await?.map(Batch::try_from).transpose()
}

/// Whether the tenant has this batch: asked before anything that would wait for those who work on it. A batch never
/// changes hands.
pub(crate) async fn is_of(store: &Store, batch: &BatchRef) -> Result<bool, StoreError> {
    let BatchRef { tenant, id } = batch;
    read!(store, async |connection| {
        sqlx::query_file_scalar!("queries/batches/is_of.sql", id.0, tenant.as_str())
            .fetch_one(connection)
    })
}

/// When the batch ended; `None` while it runs, and when the tenant has none of this id. A retry takes the end away,
/// and gives another one.
pub async fn ended(store: &Store, batch: &BatchRef) -> Result<Option<DateTime<Utc>>, StoreError> {
    let BatchRef { tenant, id } = batch;
    let ended = read!(store, async |connection| {
        sqlx::query_file_scalar!("queries/batches/ended.sql", id.0, tenant.as_str())
            .fetch_optional(connection)
    })?;
    Ok(ended.flatten())
}

/// Batches of a tenant, newest first: of one status or all, rounds of continuous mode or not, behind `after` when given.
pub async fn list(
    store: &Store,
    tenant: &Tenant,
    status: Option<BatchStatus>,
    is_round: Option<bool>,
    after: Option<BatchId>,
    limit: u32,
) -> Result<Vec<Batch>, StoreError> {
    // The two halves of `active` are told apart by whether something was claimed.
    let (state, started) = match status {
        None => (None, None),
        Some(BatchStatus::Queued) => (Some(BatchState::Active), Some(false)),
        Some(BatchStatus::Running) => (Some(BatchState::Active), Some(true)),
        Some(BatchStatus::Completed) => (Some(BatchState::Completed), None),
        Some(BatchStatus::CompletedWithErrors) => (Some(BatchState::CompletedWithErrors), None),
        Some(BatchStatus::Failed) => (Some(BatchState::Failed), None),
        Some(BatchStatus::Cancelled) => (Some(BatchState::Cancelled), None),
    };
    let rows = run!(store, "batches/list", async |tx| {
        Ok(sqlx::query_file_as!(
            Row,
            "queries/batches/list.sql",
            state.map(BatchState::as_str),
            started,
            after.map(|id| id.0),
            i64::from(limit),
            tenant.as_str(),
            is_round
        )
        .fetch_all(tx)
        .await?)
    })?;
    rows.into_iter().map(Batch::try_from).collect()
}

/// One row of `batches/get` and `batches/list`.
struct Row {
    id: Uuid,
    chain: String,
    request: serde_json::Value,
    trace_id: String,
    total: i32,
    state: String,
    cancel_requested: bool,
    is_round: bool,
    pin_block: Option<i64>,
    pin_block_time: Option<i64>,
    created_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    waiting_since: Option<DateTime<Utc>>,
    updated_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
    queued: i64,
    running: i64,
    done: i64,
    failed: i64,
    timed_out: i64,
    cancelled: i64,
    continued: i64,
    provider_throttled: i64,
    group_state: Option<String>,
}

impl TryFrom<Row> for Batch {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let group = row.group_state.as_deref().map(TaskState::read).transpose()?;
        // Clients count wallets.
        let total = row.total - i32::from(group.is_some());
        let wallets = |count: i64, states: &[TaskState]| {
            count - i64::from(group.is_some_and(|group| states.contains(&group)))
        };
        let queued = wallets(row.queued, &[TaskState::Queued, TaskState::Delayed]);
        Ok(Self {
            group,
            id: BatchId(row.id),
            chain: convert::chain(&row.chain)?,
            request: row.request,
            trace_id: row.trace_id,
            total: from_integer(total, "batch total")?,
            state: BatchState::read(&row.state)?,
            cancel_requested: row.cancel_requested,
            is_round: row.is_round,
            created_at: row.created_at,
            started_at: row.started_at,
            waiting_since: row.waiting_since,
            updated_at: row.updated_at,
            finished_at: row.finished_at,
            pin: convert::pin(row.pin_block, row.pin_block_time)?,
            counts: Counts {
                queued: from_count(queued, "queued")?,
                running: from_count(wallets(row.running, &[TaskState::Running]), "running")?,
                done: from_count(wallets(row.done, &[TaskState::Done]), "done")?,
                failed: from_count(wallets(row.failed, &[TaskState::Failed]), "failed")?,
                timed_out: from_count(wallets(row.timed_out, &[TaskState::TimedOut]), "timed_out")?,
                cancelled: from_count(
                    wallets(row.cancelled, &[TaskState::Cancelled]),
                    "cancelled",
                )?,
            },
            waiting: Waiting {
                continued: from_count(row.continued, "continued")?,
                provider_throttled: from_count(row.provider_throttled, "provider_throttled")?,
            },
        })
    }
}
