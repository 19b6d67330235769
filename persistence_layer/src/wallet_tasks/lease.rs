//! Keeping a lease, and writing under it.

use std::collections::HashSet;
use std::time::Duration;

use sqlx::PgConnection;

use super::{Heartbeat, Lease, QueueCounts, QueueFigures, Renewal, WorkerId};
use crate::convert::{from_bigint, interval};
use crate::error::StoreError;
use crate::store::{Plans, Store, one, run};

/// Extends the leases of this worker to `lease` from now on the database's clock.
///
/// A lease that ran out but was not taken away yet is extended too: nobody else holds it. One whose
/// task is being written to is not waited for.
pub async fn heartbeat(
    store: &Store,
    worker: &WorkerId,
    held: &[(i64, i64)],
    lease: Duration,
) -> Result<Heartbeat, StoreError> {
    if held.is_empty() {
        return Ok(Heartbeat::default());
    }
    let (tasks, fences): (Vec<i64>, Vec<i64>) = held.iter().copied().unzip();
    let lease = interval(lease)?;
    let kept = one!(store, "wallet_tasks/heartbeat", async |connection| {
        sqlx::query_file!(
            "queries/wallet_tasks/heartbeat.sql",
            worker.as_str(),
            &tasks,
            &fences,
            &lease as _
        )
        .fetch_all(connection)
    })?;
    let kept_ids: HashSet<i64> = kept.iter().map(|row| row.id).collect();
    Ok(Heartbeat {
        lost: tasks.into_iter().filter(|task| !kept_ids.contains(task)).collect(),
        cancelled: kept.iter().filter(|row| row.cancel_requested).map(|row| row.id).collect(),
        not_renewed: kept.iter().filter(|row| !row.renewed).map(|row| row.id).collect(),
    })
}

/// Extends the lease of one task whose row was being written to at the heartbeat: waits until it is its
/// turn, before the writes that come later, and no longer than `patience`, also on the server.
pub async fn renew(
    store: &Store,
    worker: &WorkerId,
    (task, fence): (i64, i64),
    lease: Duration,
    patience: Duration,
) -> Result<Renewal, StoreError> {
    let lease = interval(lease)?;
    let patience = patience.as_millis().to_string();
    let renewed = run!(store, "wallet_tasks/renew", Plans::ByKey, async |tx| {
        sqlx::query_file!("queries/wallet_tasks/patience.sql", patience)
            .fetch_one(&mut *tx)
            .await?;
        Ok(sqlx::query_file!(
            "queries/wallet_tasks/renew.sql",
            worker.as_str(),
            task,
            fence,
            &lease as _
        )
        .execute(tx)
        .await?
        .rows_affected())
    });
    match renewed {
        Ok(0) => Ok(Renewal::Lost),
        Ok(_) => Ok(Renewal::Renewed),
        Err(StoreError::Timeout(_)) => Ok(Renewal::StillWrittenTo),
        Err(error) => Err(error),
    }
}

/// Counts something that was stored for a task outside of its own transactions.
///
/// # Errors
/// [`StoreError::LeaseLost`] when the fence is gone.
pub async fn note_progress(store: &Store, lease: &Lease) -> Result<(), StoreError> {
    run!(store, "wallet_tasks/note_progress", async |tx| {
        hold(tx, lease).await?;
        add_progress(tx, lease, 1).await
    })
}

/// The queue over all batches. It reads every open task, so the server gives each statement up after
/// `patience`, also when nobody waits for the answer any more.
///
/// # Errors
/// [`StoreError::Timeout`] when that passes.
pub async fn queue_figures(store: &Store, patience: Duration) -> Result<QueueFigures, StoreError> {
    let patience = patience.as_millis().to_string();
    let (counts, oldest) = run!(store, "wallet_tasks/queue_figures", async |tx| {
        sqlx::query_file!("queries/wallet_tasks/patience.sql", patience)
            .fetch_one(&mut *tx)
            .await?;
        let counts = sqlx::query_file!("queries/wallet_tasks/queue_counts.sql");
        let counts = counts.fetch_one(&mut *tx).await?;
        let oldest = sqlx::query_file_scalar!("queries/wallet_tasks/oldest_queued.sql");
        Ok((counts, oldest.fetch_one(tx).await?))
    })?;
    Ok(QueueFigures {
        tasks: QueueCounts {
            queued: from_bigint(counts.queued, "queued")?,
            delayed: from_bigint(counts.delayed, "delayed")?,
            running: from_bigint(counts.running, "running")?,
        },
        oldest_queued: oldest.map(|age| Duration::from_millis(u64::try_from(age).unwrap_or(0))),
    })
}

/// Makes sure the lease still holds and keeps its task's row locked to the end of the transaction.
/// First statement of every write of a worker: rows are locked task first, then data.
pub(crate) async fn hold(tx: &mut PgConnection, lease: &Lease) -> Result<(), StoreError> {
    sqlx::query_file!("queries/wallet_tasks/hold.sql", lease.task_id, lease.fence)
        .fetch_optional(tx)
        .await?
        .map(|_| ())
        .ok_or(StoreError::LeaseLost { task: lease.task_id })
}

/// Counts newly stored rows as progress of a held task.
pub(crate) async fn add_progress(
    tx: &mut PgConnection,
    lease: &Lease,
    rows: u64,
) -> Result<(), StoreError> {
    if rows > 0 {
        let rows = crate::convert::to_bigint(rows, "stored rows")?;
        sqlx::query_file!("queries/wallet_tasks/add_progress.sql", lease.task_id, rows)
            .execute(tx)
            .await?;
    }
    Ok(())
}
