//! How an attempt ends: each end is one transaction that names the fence.

use std::time::Duration;

use sqlx::PgConnection;

use super::gate::{Passed, enter_shared, pass_alone, pass_shared};
use super::{EndState, FinishedWallet, Lease, TaskError, Transition, WaitReason, notify};
use crate::convert::{interval, json_text, to_bigint};
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
    if written {
        return Ok(());
    }
    run!(store, "wallet_tasks/transition_alone", async |tx| {
        let passed = pass_alone(tx, lease).await?;
        write_transition(tx, lease, transition, &passed).await
    })
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

/// Stores a wallet's result and ends its task as done, in one transaction: the result's row, the
/// ledger made current (when it is whole and its pin is not older than the present one's), the
/// wallet's latest figures, the attempt and, with its last wallet, the batch.
///
/// # Errors
/// [`StoreError::LeaseLost`] when the fence is gone; nothing was stored. Also for a second finish
/// under one lease: a result is stored once.
pub async fn finish(
    store: &Store,
    lease: &Lease,
    finished: &FinishedWallet,
) -> Result<(), StoreError> {
    let shared = run!(store, "wallet_tasks/finish", async |tx| {
        enter_shared(tx, lease).await?;
        let Written { others_wait, wallet_waits } = write_result(tx, lease, finished).await?;
        if !others_wait {
            return Err(StoreError::Conflict(LAST_OF_ITS_BATCH));
        }
        // A notification makes commits wait for each other, and the worker that ended this one looks
        // for the next by itself.
        if wallet_waits { notify(tx).await } else { Ok(()) }
    });
    match shared {
        Err(StoreError::Conflict(LAST_OF_ITS_BATCH)) => {}
        outcome => return outcome,
    }
    run!(store, "wallet_tasks/finish_alone", async |tx| {
        let passed = pass_alone(tx, lease).await?;
        write_result(tx, lease, finished).await?;
        passed.settle(tx).await?;
        notify(tx).await
    })
}

/// No other task of the batch waits, so the end is to be written alone. Never leaves this module.
const LAST_OF_ITS_BATCH: &str = "the last waiting task of its batch";

/// What a stored result showed of the others.
struct Written {
    /// Other tasks of the batch wait.
    others_wait: bool,
    /// Tasks of the same wallet wait for it, in other batches.
    wallet_waits: bool,
}

async fn write_result(
    tx: &mut PgConnection,
    lease: &Lease,
    finished: &FinishedWallet,
) -> Result<Written, StoreError> {
    let summary = &finished.summary;
    let row = sqlx::query_file!(
        "queries/wallet_tasks/finish.sql",
        lease.task_id,
        lease.fence,
        json_text(&finished.calls),
        finished.report_json,
        summary.full_history_default_method,
        to_bigint(summary.pin.block, "pin block")?,
        summary.total_pnl_usd.to_string(),
        summary.realized_gain_usd.to_string(),
        summary.unrealized_gain_usd.to_string(),
        summary.fees_usd.to_string(),
        to_bigint(summary.trades, "trades")?,
        to_bigint(summary.transactions, "transactions")?,
        summary.token_win_rate,
        summary.complete
    )
    .fetch_optional(&mut *tx)
    .await?
    .ok_or(StoreError::LeaseLost { task: lease.task_id })?;
    let current = match &finished.ledger {
        Some(head) => ledgers::complete(tx, lease, head).await?,
        None => false,
    };
    if !current {
        ledgers::discard_unfinished(tx, lease).await?;
    }
    Ok(Written { others_wait: row.others_wait, wallet_waits: row.wallet_waits })
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
