//! Taking tasks away from workers that died.

use super::end::to_json;
use super::gate::{heal, pass_batch};
use super::{Swept, TaskError, close_attempt, notify};
use crate::batches::BatchId;
use crate::convert::to_integer;
use crate::error::StoreError;
use crate::store::{Store, run};
use crate::{ledgers, wallet_work};

/// Expired leases looked at in one sweep; the next one takes the rest.
const LIMIT: i64 = 200;

/// Frees the tasks whose lease has run out, for another worker to claim. Runs on every instance;
/// sweeping at the same time is safe.
///
/// Each time a task's holder dies without a row stored since it was claimed, `takeovers` grows by
/// one, otherwise it becomes 0. At `max_takeovers` the task fails with `worker-crashed`: a wallet
/// that kills its worker must not kill them all. Also closes batches and admits waiting ones where a
/// process died in between, and removes what dead attempts left of ledgers.
///
/// # Errors
/// Only when nothing could be taken away. A task that could not be is left to the next sweep and
/// does not stand in the way of the others.
pub async fn sweep(store: &Store, max_takeovers: u32) -> Result<Swept, StoreError> {
    let max_takeovers = to_integer(max_takeovers, "max_takeovers")?;
    let expired = run!(store, "wallet_tasks/expired", async |tx| {
        Ok(sqlx::query_file!("queries/wallet_tasks/expired.sql", LIMIT).fetch_all(tx).await?)
    })?;
    let mut swept = Swept::default();
    let mut failure = None;
    for row in expired {
        let batch = BatchId(row.batch_id);
        match take_away(store, row.id, row.fence, batch, max_takeovers).await {
            Ok(Some(Taken::Requeued)) => swept.requeued += 1,
            Ok(Some(Taken::Parked)) => swept.parked += 1,
            Ok(Some(Taken::Cancelled)) => swept.cancelled += 1,
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, code = error.code(), task_id = row.id, "a dead worker's task could not be taken away");
                failure = Some(error);
            }
        }
    }
    if let Some(error) = failure
        && swept == Swept::default()
    {
        return Err(error);
    }
    if let Err(error) = heal(store).await {
        tracing::warn!(%error, code = error.code(), "batches that were left open were not closed");
    }
    if let Err(error) = ledgers::remove_stale(store).await {
        tracing::warn!(%error, code = error.code(), "stale ledgers were not removed");
    }
    if let Err(error) = wallet_work::remove_ended(store).await {
        tracing::warn!(%error, code = error.code(), "the work of ended tasks was not removed");
    }
    Ok(swept)
}

enum Taken {
    Requeued,
    Parked,
    Cancelled,
}

/// Takes one task away, unless somebody else did or the holder came back in the meantime.
async fn take_away(
    store: &Store,
    task: i64,
    fence: i64,
    batch: BatchId,
    max_takeovers: i32,
) -> Result<Option<Taken>, StoreError> {
    let crashed = to_json(Some(&TaskError {
        code: "worker-crashed".to_owned(),
        title: "The worker died repeatedly".to_owned(),
        detail: format!(
            "{max_takeovers} workers in a row died while they worked on this wallet and stored \
             nothing new"
        ),
        retryable: true,
    }))?;
    let taken = run!(store, "wallet_tasks/take_away", async |tx| {
        let Some((passed, locked)) = pass_batch(tx, batch).await? else { return Ok(None) };
        let row = sqlx::query_file!(
            "queries/wallet_tasks/take_away.sql",
            task,
            fence,
            max_takeovers,
            locked.cancel_requested,
            crashed
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else { return Ok(None) };
        sqlx::query_file!("queries/batches/touch.sql", batch.0).execute(&mut *tx).await?;
        let (taken, outcome, code) = match row.state.as_str() {
            "failed" => (Taken::Parked, "parked", Some("worker-crashed")),
            "cancelled" => (Taken::Cancelled, "cancelled", None),
            _ => (Taken::Requeued, "lease_expired", None),
        };
        close_attempt(tx, task, fence, outcome, code).await?;
        passed.settle(tx).await?;
        notify(tx).await?;
        Ok(Some(taken))
    })?;
    store.bus().tell(batch);
    Ok(taken)
}
