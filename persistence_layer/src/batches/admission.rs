//! Places for batches: how many are worked on, how many may wait.

use sqlx::PgConnection;

use crate::convert::{from_count, to_integer};
use crate::error::StoreError;
use crate::store::{Store, read};
use crate::wallet_tasks::notify;

/// How many batches there may be that are not terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    /// Batches worked on at a time.
    pub max_concurrent: u32,
    /// Batches that may wait for a place behind them; 0: none waits.
    pub queue_limit: u32,
}

impl Admission {
    /// Admission without waiting: a batch that finds no place is refused.
    pub const fn rejecting(max_concurrent: u32) -> Self {
        Self { max_concurrent, queue_limit: 0 }
    }
}

/// The batches that are not terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenBatches {
    /// Worked on.
    pub admitted: u32,
    /// Waiting for admission.
    pub waiting: u32,
}

/// Counts the batches that are not terminal.
pub async fn open(store: &Store) -> Result<OpenBatches, StoreError> {
    let count = read!(store, async |connection| {
        sqlx::query_file!("queries/batches/count_active.sql").fetch_one(connection)
    })?;
    Ok(OpenBatches {
        admitted: from_count(count.admitted, "admitted batches")?,
        waiting: from_count(count.waiting, "waiting batches")?,
    })
}

/// The place of one more batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It is admitted.
    Free,
    /// It waits.
    Waiting,
    /// There is none.
    None,
}

/// Finds the place of one more batch. The lock on the admission row is held to the end of the
/// transaction, so nobody counts in between.
pub(super) async fn admit(
    tx: &mut PgConnection,
    admission: Admission,
) -> Result<Place, StoreError> {
    let known = sqlx::query_file_scalar!("queries/admission/lock.sql").fetch_one(&mut *tx).await?;
    let max_concurrent = to_integer(admission.max_concurrent, "max_concurrent")?;
    if admission.queue_limit > 0 && known != Some(max_concurrent) {
        sqlx::query_file!("queries/admission/set_limit.sql", max_concurrent)
            .execute(&mut *tx)
            .await?;
    }
    let count = sqlx::query_file!("queries/batches/count_active.sql").fetch_one(&mut *tx).await?;
    let mut admitted = from_count(count.admitted, "admitted batches")?;
    let mut waiting = from_count(count.waiting, "waiting batches")?;
    if waiting > 0 && admitted < admission.max_concurrent {
        // Somebody died before he could give a place on: those who wait go first.
        let more = admit_waiting(tx, max_concurrent).await?;
        admitted += more;
        waiting = waiting.saturating_sub(more);
    }
    Ok(if admission.queue_limit == 0 {
        // Also after waiting was switched off: nobody overtakes those who still do.
        if admitted + waiting < admission.max_concurrent { Place::Free } else { Place::None }
    } else if admitted < admission.max_concurrent && waiting == 0 {
        Place::Free
    } else if waiting < admission.queue_limit {
        Place::Waiting
    } else {
        Place::None
    })
}

/// Admits the batches that wait longest while fewer than `limit` are admitted, and wakes the workers,
/// whatever else becomes of the transaction's request; gives how many. The admission row is locked.
pub(crate) async fn admit_waiting(tx: &mut PgConnection, limit: i32) -> Result<u32, StoreError> {
    let count = sqlx::query_file!("queries/batches/count_active.sql").fetch_one(&mut *tx).await?;
    let free = i64::from(limit) - count.admitted;
    if free <= 0 || count.waiting == 0 {
        return Ok(0);
    }
    let ids = sqlx::query_file_scalar!("queries/batches/oldest_waiting.sql", free)
        .fetch_all(&mut *tx)
        .await?;
    for id in &ids {
        sqlx::query_file!("queries/batches/admit.sql", id).execute(&mut *tx).await?;
        sqlx::query_file!("queries/wallet_tasks/admit.sql", id).execute(&mut *tx).await?;
        tracing::info!(batch_id = %id, "a waiting batch was admitted");
    }
    if !ids.is_empty() {
        notify(tx).await?;
    }
    Ok(u32::try_from(ids.len()).unwrap_or(u32::MAX))
}
