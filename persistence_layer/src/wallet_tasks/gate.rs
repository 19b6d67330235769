//! Who may change what a batch's end depends on.
//!
//! A batch ends with its last open task. Two tasks that end at once do not see each other, so the
//! last ones must go one by one - but only those: a lock on the batch's row for every end would
//! queue the commits of all workers. Each batch has a gate, an advisory lock of the transaction:
//!
//! - An end that sees another task of its batch *waiting* passes with the others, shared. Its batch
//!   cannot end before that one was claimed and ended in its turn. The look is the function
//!   `pass_gate_shared` of the schema, so that a result passes within the one statement that stores it.
//! - An end that sees none waits until it is alone, looks again and closes the batch if it was the
//!   last. So do cancel, retry and the sweep.
//!
//! The last end of all cannot have seen a waiting task, since that one would have ended later; so
//! it was alone, and saw all others, which it had waited for. A process of the first schema does not
//! know the gate; what it leaves open is closed by [`heal`], with every sweep.
//!
//! Locks are taken in one order: admission, gate, batch, task.

use sqlx::PgConnection;

use super::{Lease, LockedBatch, lock_batch};
use crate::batches::{BatchId, admit_waiting};
use crate::error::StoreError;
use crate::groups;
use crate::store::{Store, run};

/// Batches healed in one sweep; the next one takes the rest.
const HEALED_AT_ONCE: i64 = 20;

/// What a transaction knows of its batch once it has passed the gate.
pub(crate) struct Passed {
    /// Whether a cancel was asked for. Stays as it is while the gate is held.
    pub cancel_requested: bool,
    /// Held alone: the batch may end here.
    alone: Option<Alone>,
}

struct Alone {
    batch: BatchId,
    /// The limit up to which waiting batches are admitted, when any process lets them wait; the
    /// admission row is locked then.
    admission_limit: Option<i32>,
}

/// Passes the gate of a lease's batch together with others. `None`: no task of it waits, so it has
/// to be passed alone, by another transaction.
pub(crate) async fn pass_shared(
    tx: &mut PgConnection,
    lease: &Lease,
) -> Result<Option<Passed>, StoreError> {
    let others_wait =
        sqlx::query_file_scalar!("queries/wallet_tasks/gate_shared.sql", lease.batch.0)
            .fetch_one(&mut *tx)
            .await?;
    if !others_wait {
        return Ok(None);
    }
    // A statement of its own, so that it sees what was committed before the gate opened.
    let cancel_requested =
        sqlx::query_file_scalar!("queries/batches/cancel_requested.sql", lease.batch.0)
            .fetch_optional(tx)
            .await?
            .ok_or(StoreError::LeaseLost { task: lease.task_id })?;
    Ok(Some(Passed { cancel_requested, alone: None }))
}

/// Passes the gate of a lease's batch alone.
pub(crate) async fn pass_alone(tx: &mut PgConnection, lease: &Lease) -> Result<Passed, StoreError> {
    // A batch that is gone took its tasks with it.
    let (passed, _) =
        pass_batch(tx, lease.batch).await?.ok_or(StoreError::LeaseLost { task: lease.task_id })?;
    Ok(passed)
}

/// Passes the gate of a batch alone and locks its row. `None`: there is no such batch.
pub(crate) async fn pass_batch(
    tx: &mut PgConnection,
    batch: BatchId,
) -> Result<Option<(Passed, LockedBatch)>, StoreError> {
    let admission_limit = sqlx::query_file_scalar!("queries/admission/lock_if_queueing.sql")
        .fetch_optional(&mut *tx)
        .await?;
    close_gate(tx, batch).await?;
    let Some(locked) = lock_batch(tx, batch).await? else { return Ok(None) };
    let alone = Some(Alone { batch, admission_limit });
    Ok(Some((Passed { cancel_requested: locked.cancel_requested, alone }, locked)))
}

/// Waits until nobody else is inside, for whoever holds the admission row already.
pub(crate) async fn close_gate(tx: &mut PgConnection, batch: BatchId) -> Result<(), StoreError> {
    sqlx::query_file!("queries/wallet_tasks/gate_alone.sql", batch.0).execute(tx).await?;
    Ok(())
}

impl Passed {
    /// Makes the batch terminal when none of its tasks is open, and gives its place to the batch
    /// that waits longest. Whether it ended. Passed shared, it cannot be the end.
    pub(crate) async fn settle(&self, tx: &mut PgConnection) -> Result<bool, StoreError> {
        let Some(alone) = &self.alone else { return Ok(false) };
        let closed =
            sqlx::query_file_scalar!("queries/batches/close_if_settled.sql", alone.batch.0)
                .fetch_optional(&mut *tx)
                .await?
                .is_some();
        if closed && let Some(limit) = alone.admission_limit {
            admit_waiting(tx, limit).await?;
        }
        Ok(closed)
    }
}

/// Closes batches that nothing of is open, admits waiting ones to places that are free, and wakes groups
/// whose wallets have ended: what a process left that died in between or does not know of it.
///
/// # Errors
/// As every write. What cannot be done is left to the next time and does not stand in the way of the
/// rest.
pub(crate) async fn heal(store: &Store) -> Result<(), StoreError> {
    let closed = close_unsettled(store).await;
    let admitted = admit_to_free_places(store).await;
    // Afterwards: of a retried batch that was just admitted the group alone may be open.
    let woken = groups::wake(store, None).await;
    closed.and(admitted).and(woken)
}

async fn admit_to_free_places(store: &Store) -> Result<(), StoreError> {
    run!(store, "batches/admit_waiting", async |tx| {
        let waiting =
            sqlx::query_file_scalar!("queries/batches/any_waiting.sql").fetch_one(&mut *tx).await?;
        if !waiting {
            return Ok(());
        }
        let limit = sqlx::query_file_scalar!("queries/admission/lock_if_queueing.sql")
            .fetch_optional(&mut *tx)
            .await?;
        if let Some(limit) = limit {
            admit_waiting(tx, limit).await?;
        }
        Ok(())
    })
}

async fn close_unsettled(store: &Store) -> Result<(), StoreError> {
    let unsettled = run!(store, "batches/unsettled", async |tx| {
        Ok(sqlx::query_file_scalar!("queries/batches/unsettled.sql", HEALED_AT_ONCE)
            .fetch_all(tx)
            .await?)
    })?;
    for id in unsettled {
        let batch = BatchId(id);
        let closed = run!(store, "batches/settle", async |tx| {
            match pass_batch(tx, batch).await? {
                Some((passed, _)) => passed.settle(tx).await,
                None => Ok(false),
            }
        });
        match closed {
            Ok(true) => {
                store.bus().tell(batch);
                tracing::warn!(batch_id = %batch, "a batch without open wallets was closed")
            }
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(%error, code = error.code(), batch_id = %batch, "a batch without open wallets could not be closed");
            }
        }
    }
    Ok(())
}
