//! How an attempt ends: each end is one transaction that names the fence.

use std::time::Duration;

use sqlx::PgConnection;

use super::{
    EndState, FinishedWallet, Lease, LockedBatch, TaskError, Transition, WaitReason, lock_batch,
    notify, settle_batch,
};
use crate::convert::{interval, json_text};
use crate::error::StoreError;
use crate::store::{Store, run};
use crate::{ledgers, results};

/// Ends an attempt without a result: back to the queue or for good.
///
/// # Errors
/// [`StoreError::LeaseLost`] when the fence is gone; nothing was stored.
pub async fn transition(
    store: &Store,
    lease: &Lease,
    transition: &Transition,
) -> Result<(), StoreError> {
    run!(store, "wallet_tasks/transition", async |tx| {
        let batch = hold_batch(tx, lease).await?;
        match transition {
            Transition::Requeue { .. } if batch.cancel_requested => {
                end_task(tx, lease, EndState::Cancelled, None).await?;
            }
            Transition::Requeue { delay, reason, costs_attempt, error } => {
                requeue(tx, lease, *delay, *reason, *costs_attempt, error.as_ref()).await?;
            }
            Transition::End { state, error } => {
                end_task(tx, lease, *state, error.as_ref()).await?;
            }
        }
        ledgers::discard_unkept(tx, lease).await?;
        settle_batch(tx, lease.batch).await?;
        notify(tx).await
    })
}

/// Stores a wallet's result and ends its task as done, in one transaction: the result's row, the
/// ledger made current (when it is whole and its pin is not older than the present one's), the
/// wallet's latest figures, the attempt and the batch.
///
/// # Errors
/// [`StoreError::LeaseLost`] when the fence is gone; nothing was stored. Also for a second finish
/// under one lease: a result is stored once.
pub async fn finish(
    store: &Store,
    lease: &Lease,
    finished: &FinishedWallet,
) -> Result<(), StoreError> {
    run!(store, "wallet_tasks/finish", async |tx| {
        hold_batch(tx, lease).await?;
        let ended = sqlx::query_file!(
            "queries/wallet_tasks/finish.sql",
            lease.task_id,
            lease.fence,
            json_text(&finished.calls)
        )
        .execute(&mut *tx)
        .await?;
        if ended.rows_affected() == 0 {
            return Err(StoreError::LeaseLost { task: lease.task_id });
        }
        close_attempt(tx, lease.task_id, lease.fence, "done", None).await?;
        results::insert(tx, lease, finished).await?;
        if let Some(head) = &finished.ledger {
            ledgers::complete(tx, lease, head).await?;
        }
        ledgers::discard_unfinished(tx, lease).await?;
        settle_batch(tx, lease.batch).await?;
        notify(tx).await
    })
}

/// Locks the batch of a lease. A batch that is gone took its tasks with it.
async fn hold_batch(tx: &mut PgConnection, lease: &Lease) -> Result<LockedBatch, StoreError> {
    lock_batch(tx, lease.batch).await?.ok_or(StoreError::LeaseLost { task: lease.task_id })
}

async fn requeue(
    tx: &mut PgConnection,
    lease: &Lease,
    delay: Duration,
    reason: WaitReason,
    costs_attempt: bool,
    error: Option<&TaskError>,
) -> Result<(), StoreError> {
    let requeued = sqlx::query_file!(
        "queries/wallet_tasks/requeue.sql",
        lease.task_id,
        lease.fence,
        interval(delay)? as _,
        reason.as_str(),
        costs_attempt,
        to_json(error)?
    )
    .execute(&mut *tx)
    .await?;
    if requeued.rows_affected() == 0 {
        return Err(StoreError::LeaseLost { task: lease.task_id });
    }
    let code = error.map(|error| error.code.as_str());
    close_attempt(tx, lease.task_id, lease.fence, reason.as_str(), code).await
}

async fn end_task(
    tx: &mut PgConnection,
    lease: &Lease,
    state: EndState,
    error: Option<&TaskError>,
) -> Result<(), StoreError> {
    let ended = sqlx::query_file!(
        "queries/wallet_tasks/end.sql",
        lease.task_id,
        lease.fence,
        state.as_str(),
        to_json(error)?
    )
    .execute(&mut *tx)
    .await?;
    if ended.rows_affected() == 0 {
        return Err(StoreError::LeaseLost { task: lease.task_id });
    }
    let code = error.map(|error| error.code.as_str());
    close_attempt(tx, lease.task_id, lease.fence, state.as_str(), code).await
}

/// Writes the end of an attempt into the history.
pub(crate) async fn close_attempt(
    tx: &mut PgConnection,
    task: i64,
    fence: i64,
    outcome: &str,
    error_code: Option<&str>,
) -> Result<(), StoreError> {
    sqlx::query_file!("queries/wallet_attempts/close.sql", task, fence, outcome, error_code)
        .execute(tx)
        .await?;
    Ok(())
}

pub(super) fn to_json(error: Option<&TaskError>) -> Result<Option<String>, StoreError> {
    error
        .map(serde_json::to_string)
        .transpose()
        .map_err(|_| StoreError::OutOfRange("task error as JSON"))
}
