//! Batches whose time is over.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::BatchRef;
use crate::error::StoreError;
use crate::store::{Store, run};

/// When a batch was removed because its time was over; `None` when it is there, was never there, or
/// was removed more than a year ago, or is another tenant's.
pub async fn expired(store: &Store, batch: &BatchRef) -> Result<Option<DateTime<Utc>>, StoreError> {
    run!(store, "expired_batches/get", async |tx| { expired_in(tx, batch).await })
}

/// Whether the batch, whose row is locked, is being removed.
pub(super) async fn is_expired(
    tx: &mut PgConnection,
    batch: &BatchRef,
) -> Result<bool, StoreError> {
    Ok(expired_in(tx, batch).await?.is_some())
}

async fn expired_in(
    tx: &mut PgConnection,
    BatchRef { tenant, id }: &BatchRef,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    Ok(sqlx::query_file_scalar!("queries/expired_batches/get.sql", id.0, tenant.as_str())
        .fetch_optional(tx)
        .await?)
}
