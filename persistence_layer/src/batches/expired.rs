//! Batches whose time is over.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::BatchId;
use crate::error::StoreError;
use crate::store::{Store, run};

/// When a batch was removed because its time was over; `None` when it is there, was never there, or
/// was removed more than a year ago.
pub async fn expired(store: &Store, id: BatchId) -> Result<Option<DateTime<Utc>>, StoreError> {
    run!(store, "expired_batches/get", async |tx| {
        Ok(sqlx::query_file_scalar!("queries/expired_batches/get.sql", id.0)
            .fetch_optional(tx)
            .await?)
    })
}

/// Whether the batch, whose row is locked, is being removed.
pub(super) async fn is_expired(tx: &mut PgConnection, id: BatchId) -> Result<bool, StoreError> {
    let expired = sqlx::query_file_scalar!("queries/expired_batches/get.sql", id.0)
        .fetch_optional(tx)
        .await?;
    Ok(expired.is_some())
}
