//! Places for batches: how many are worked on, how many may wait, and whose turn it is.
//!
//! Places are shared between tenants: one that becomes free goes to the tenant that has the fewest of those
//! that want one: of those with a waiting batch or, where none waits, of those that were refused within
//! [`KEPT_FOR`]. Who has more waits, or is refused, meanwhile. What runs keeps its place.

use std::time::Duration;

use sqlx::PgConnection;

use crate::convert::{from_count, interval, to_integer};
use crate::error::StoreError;
use crate::store::{Store, read};
use crate::tenant::Tenant;
use crate::wallet_tasks::notify;

/// For how long a place is kept for a tenant that was refused: twice the time after which its client is told to come
/// back.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// How many batches there may be that are not terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    /// Batches worked on at a time.
    pub max_concurrent: u32,
    /// Batches of each tenant that may wait for a place behind them; 0: none waits.
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
        sqlx::query_file!("queries/batches/count_active.sql", None::<&str>).fetch_one(connection)
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

/// Finds the place of one more batch of a tenant. The lock on the admission row is held to the end of the
/// transaction, so nobody counts in between.
pub(super) async fn admit(
    tx: &mut PgConnection,
    tenant: &Tenant,
    admission: Admission,
) -> Result<Place, StoreError> {
    let known = sqlx::query_file_scalar!("queries/admission/lock.sql").fetch_one(&mut *tx).await?;
    let max_concurrent = to_integer(admission.max_concurrent, "max_concurrent")?;
    if admission.queue_limit > 0 && known != Some(max_concurrent) {
        sqlx::query_file!("queries/admission/set_limit.sql", max_concurrent)
            .execute(&mut *tx)
            .await?;
    }
    // Where somebody died before he could give a place on: those who wait go first.
    admit_waiting(tx, max_concurrent).await?;
    let count = sqlx::query_file!("queries/batches/count_active.sql", tenant.as_str())
        .fetch_one(&mut *tx)
        .await?;
    let admitted = from_count(count.admitted, "admitted batches")?;
    let waiting = from_count(count.waiting, "waiting batches")?;
    let waiting_of_tenant = from_count(count.waiting_of_tenant, "waiting batches of a tenant")?;
    // Also after waiting was switched off: nobody overtakes those who still do.
    let free = admission.max_concurrent.saturating_sub(admitted + waiting);
    // Where batches wait, those who were refused have others that wait, and whose turn it is follows from that.
    let kept = match (free, admission.queue_limit) {
        (1.., 0) => kept_from(tx, tenant).await?,
        _ => 0,
    };
    Ok(if free > kept {
        Place::Free
    } else if waiting_of_tenant < admission.queue_limit {
        Place::Waiting
    } else {
        Place::None
    })
}

/// How many places are kept from a tenant, for others that were refused and have fewer. The admission row is
/// locked.
async fn kept_from(tx: &mut PgConnection, tenant: &Tenant) -> Result<u32, StoreError> {
    let kept = sqlx::query_file_scalar!(
        "queries/refused_tenants/count_kept.sql",
        tenant.as_str(),
        interval(KEPT_FOR)? as _
    );
    from_count(kept.fetch_one(tx).await?, "places kept")
}

/// Notes that a tenant was refused a place. The admission row is locked.
pub(super) async fn note_refusal(tx: &mut PgConnection, tenant: &Tenant) -> Result<(), StoreError> {
    sqlx::query_file!("queries/refused_tenants/note.sql", tenant.as_str()).execute(tx).await?;
    Ok(())
}

/// The tenant has got a place: none is kept for it any more. The admission row is locked.
pub(super) async fn forget_refusal(
    tx: &mut PgConnection,
    tenant: &Tenant,
) -> Result<(), StoreError> {
    sqlx::query_file!(
        "queries/refused_tenants/forget.sql",
        tenant.as_str(),
        interval(KEPT_FOR)? as _
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Admits waiting batches while fewer than `limit` are admitted, one after the other, each of the tenant that has the
/// fewest then, and wakes the workers, whatever else becomes of the transaction's request. The admission row
/// is locked.
pub(crate) async fn admit_waiting(tx: &mut PgConnection, limit: i32) -> Result<(), StoreError> {
    let count = sqlx::query_file!("queries/batches/count_active.sql", None::<&str>)
        .fetch_one(&mut *tx)
        .await?;
    let free = (i64::from(limit) - count.admitted).clamp(0, count.waiting);
    let mut is_any = false;
    for _ in 0..free {
        let next = sqlx::query_file_scalar!("queries/batches/next_waiting.sql");
        let Some(id) = next.fetch_optional(&mut *tx).await? else { break };
        sqlx::query_file!("queries/batches/admit.sql", id).execute(&mut *tx).await?;
        sqlx::query_file!("queries/wallet_tasks/admit.sql", id).execute(&mut *tx).await?;
        tracing::info!(batch_id = %id, "a waiting batch was admitted");
        is_any = true;
    }
    if is_any {
        notify(tx).await?;
    }
    Ok(())
}
