//! How long a wallet has been put off at no cost.
//!
//! It stands with the task, so that it counts whatever processes work on it and whatever they do for
//! other wallets. Nothing has to clear it: it is worth nothing once something was stored for the
//! task, by whichever version.

use std::time::Duration;

use super::Lease;
use crate::convert::from_bigint;
use crate::error::StoreError;
use crate::store::{Store, run};

/// A wallet that was put off at no cost, with nothing stored since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PutOff {
    /// Time since the first of these ends.
    pub lasting: Duration,
    /// Attempts that ended so; the one under way is not among them.
    pub times: u64,
}

/// Whether attempts at the task were put off at no cost - by a provider or a price source that asked
/// to wait or was down, or by a statement that took too long - with nothing stored for it since.
pub async fn put_off(store: &Store, lease: &Lease) -> Result<Option<PutOff>, StoreError> {
    let row = run!(store, "wallet_tasks/put_off", async |tx| {
        Ok(sqlx::query_file!("queries/wallet_tasks/put_off.sql", lease.task_id, lease.fence)
            .fetch_optional(tx)
            .await?)
    })?;
    row.map(|row| {
        Ok(PutOff {
            lasting: Duration::from_millis(u64::try_from(row.milliseconds).unwrap_or(0)),
            times: from_bigint(row.times, "attempts put off")?,
        })
    })
    .transpose()
}
