//! Cancel, retry, purge and the pin.

use pnl_core::Pin;

use super::admission::{Admission, Place, admit, forget_refusal, note_refusal};
use super::expired::is_expired;
use super::{Batch, BatchId, BatchRef, BatchState, Purged, Retried, read};
use crate::convert::{self, to_bigint};
use crate::error::StoreError;
use crate::groups;
use crate::store::{Store, read, run};
use crate::wallet_tasks::{close_gate, lock_batch, notify, pass_batch};

/// Cancels a batch: waiting wallets at once, running ones are told at their next heartbeat. The
/// batch is terminal when none runs. Cancelling again, or a terminal batch, changes nothing.
///
/// Gives the batch as it stands afterwards; `None` when the tenant has no such batch.
pub async fn cancel(store: &Store, job: &BatchRef) -> Result<Option<Batch>, StoreError> {
    let (id, tenant) = (job.id, job.tenant.as_str());
    if !read::is_of(store, job).await? {
        return Ok(None);
    }
    run!(store, "batches/cancel", async |tx| {
        match pass_batch(tx, id).await? {
            Some((passed, batch)) if batch.state == BatchState::Active => {
                sqlx::query_file!("queries/batches/request_cancel.sql", id.0, tenant)
                    .execute(&mut *tx)
                    .await?;
                sqlx::query_file!("queries/wallet_tasks/cancel_waiting.sql", id.0)
                    .execute(&mut *tx)
                    .await?;
                sqlx::query_file!("queries/batches/touch.sql", id.0).execute(&mut *tx).await?;
                passed.settle(tx).await?;
                notify(tx).await
            }
            _ => Ok(()),
        }
    })?;
    store.bus().tell(id);
    read::get(store, job).await
}

/// Queues the failed and timed-out wallets of a terminal batch again, with nothing counted against
/// them, and makes the batch active again: at once or behind the batches that wait, as `admission`
/// allows. The pin stays.
pub async fn retry(
    store: &Store,
    job: &BatchRef,
    admission: Admission,
) -> Result<Retried, StoreError> {
    let (id, tenant) = (job.id, &job.tenant);
    if !read::is_of(store, job).await? {
        return Ok(Retried::Unknown);
    }
    let retried = run!(store, "batches/retry", async |tx| {
        // Admission before gate before batch: the order in which every transaction locks them.
        let place = admit(tx, tenant, admission).await?;
        close_gate(tx, id).await?;
        let Some(batch) = lock_batch(tx, id).await? else {
            return Ok(Retried::Unknown);
        };
        if is_expired(tx, job).await? {
            return Ok(Retried::Unknown);
        }
        if batch.state == BatchState::Active {
            return Ok(Retried::NotTerminal);
        }
        let again = sqlx::query_file_scalar!("queries/wallet_tasks/count_retryable.sql", id.0)
            .fetch_one(&mut *tx)
            .await?;
        if again == 0 {
            return Ok(Retried::NothingToRetry);
        }
        let waits = match place {
            Place::Free => false,
            Place::Waiting => true,
            Place::None => {
                note_refusal(tx, tenant).await?;
                return Ok(Retried::AtCapacity { limit: admission.max_concurrent });
            }
        };
        forget_refusal(tx, tenant).await?;
        sqlx::query_file!("queries/batches/reopen.sql", id.0, waits, tenant.as_str())
            .execute(&mut *tx)
            .await?;
        sqlx::query_file!("queries/wallet_tasks/retry.sql", id.0, waits).execute(&mut *tx).await?;
        groups::forget(tx, id).await?;
        groups::wake_in(tx, Some(id)).await?;
        notify(tx).await?;
        Ok(Retried::Requeued(convert::from_count(again, "retryable wallets")?))
    })?;
    store.bus().tell(id);
    Ok(retried)
}

/// Removes a batch that is over, as retention does with one whose time is over ([`crate::retention`]): for clients at
/// once, its rows with a later run.
///
/// # Errors
/// As every write.
pub async fn purge(store: &Store, job: &BatchRef) -> Result<Purged, StoreError> {
    let id = job.id;
    if !read::is_of(store, job).await? {
        return Ok(Purged::Unknown);
    }
    let purged = run!(store, "batches/purge", async |tx| {
        let Some(batch) = lock_batch(tx, id).await? else {
            return Ok(Purged::Unknown);
        };
        if is_expired(tx, job).await? {
            return Ok(Purged::Unknown);
        }
        if batch.state == BatchState::Active {
            return Ok(Purged::NotTerminal);
        }
        sqlx::query_file!("queries/batches/purge.sql", id.0).execute(&mut *tx).await?;
        Ok(Purged::Removed)
    })?;
    store.bus().tell(id);
    Ok(purged)
}

/// The block that the batch looks at; `None` before the first wallet has asked the chain for it.
pub async fn pin(store: &Store, id: BatchId) -> Result<Option<Pin>, StoreError> {
    let row = read!(store, async |connection| sqlx::query_file!("queries/batches/pin.sql", id.0)
        .fetch_optional(connection))?;
    let pin = row.map(|row| convert::pin(row.pin_block, row.pin_block_time)).transpose()?;
    Ok(pin.flatten())
}

/// Sets the block that the batch looks at. The first one wins; gives the one that holds.
///
/// # Errors
/// [`StoreError::Conflict`] when there is no such batch.
pub async fn set_pin(store: &Store, id: BatchId, pin: Pin) -> Result<Pin, StoreError> {
    let block = to_bigint(pin.block, "pin block")?;
    let row = run!(store, "batches/set_pin", async |tx| {
        Ok(sqlx::query_file!("queries/batches/set_pin.sql", id.0, block, pin.block_time)
            .fetch_optional(tx)
            .await?)
    })?;
    row.map(|row| convert::pin(row.pin_block, row.pin_block_time))
        .transpose()?
        .flatten()
        .ok_or(StoreError::Conflict("the batch to pin does not exist"))
}
