//! How an attempt ends without a result: each end is one transaction that names the fence.

use std::time::Duration;

use sqlx::PgConnection;

use super::gate::{Passed, pass_alone, pass_shared};
use super::{EndState, Lease, TaskError, Transition, WaitReason, notify};
use crate::convert::interval;
use crate::error::StoreError;
use crate::ledgers;
use crate::store::{Store, run};

/// Ends an attempt without a result: back to the queue or for good.
///
/// # Errors
/// [`StoreError::LeaseLost`] when the fence is gone; nothing was stored.
pub async fn transition(
    store: &Store,
    lease: &Lease,
    transition: &Transition,
) -> Result<(), StoreError> {
    let written = run!(store, "wallet_tasks/transition", async |tx| {
        let Some(passed) = pass_shared(tx, lease).await? else { return Ok(false) };
        write_transition(tx, lease, transition, &passed).await?;
        Ok(true)
    })?;
    if !written {
        run!(store, "wallet_tasks/transition_alone", async |tx| {
            let passed = pass_alone(tx, lease).await?;
            write_transition(tx, lease, transition, &passed).await
        })?;
    }
    store.bus().tell(lease.batch);
    Ok(())
}

async fn write_transition(
    tx: &mut PgConnection,
    lease: &Lease,
    transition: &Transition,
    passed: &Passed,
) -> Result<(), StoreError> {
    match transition {
        Transition::Requeue { .. } if passed.cancel_requested => {
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
    sqlx::query_file!("queries/batches/touch.sql", lease.batch.0).execute(&mut *tx).await?;
    passed.settle(tx).await?;
    notify(tx).await
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
