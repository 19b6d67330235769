//! What is stored that tells how much a batch will cost.

use std::collections::BTreeMap;

use pnl_core::{Address, Chain};
use serde_json::Value;

use crate::batches::BatchRef;
use crate::convert::from_bigint;
use crate::error::StoreError;
use crate::store::{Store, read};
use crate::tenant::Tenant;

/// What is known of some wallets.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownWallets {
    /// Of each wallet that has a full-history result the calls that it took, by method; null in those of
    /// versions that did not count.
    pub calls: Vec<Option<Value>>,
    /// Transactions on the lists of those wallets that are not stored.
    pub missing: u64,
}

/// What is known of these wallets: analyses of this tenant, and lists of everybody.
///
/// # Errors
/// As every read.
pub async fn known(
    store: &Store,
    tenant: &Tenant,
    chain: Chain,
    wallets: &[Address],
) -> Result<KnownWallets, StoreError> {
    let wallets: Vec<&str> = wallets.iter().map(Address::as_str).collect();
    let calls = read!(store, async |connection| sqlx::query_file_scalar!(
        "queries/estimates/known.sql",
        chain.as_str(),
        &wallets as &[&str],
        tenant.as_str()
    )
    .fetch_all(connection))?;
    let missing = read!(store, async |connection| sqlx::query_file_scalar!(
        "queries/estimates/missing.sql",
        chain.as_str(),
        &wallets as &[&str],
        tenant.as_str()
    )
    .fetch_one(connection))?;
    Ok(KnownWallets { calls, missing: from_bigint(missing, "missing transactions")? })
}

/// The median of the calls of the newest `of` analyses of a chain by this tenant; `None` without any.
///
/// # Errors
/// As every read.
pub async fn typical_calls(
    store: &Store,
    tenant: &Tenant,
    chain: Chain,
    of: u32,
) -> Result<Option<u64>, StoreError> {
    let calls = read!(store, async |connection| sqlx::query_file_scalar!(
        "queries/estimates/typical.sql",
        chain.as_str(),
        i64::from(of),
        tenant.as_str()
    )
    .fetch_one(connection))?;
    calls.map(|calls| from_bigint(calls, "calls of an analysis")).transpose()
}

/// The calls to providers that the wallets of a batch have taken, by method. Wallets of versions that did not count have
/// none.
///
/// # Errors
/// As every read.
pub async fn calls_of_batch(
    store: &Store,
    batch: &BatchRef,
) -> Result<BTreeMap<String, u64>, StoreError> {
    let rows = read!(store, async |connection| sqlx::query_file!(
        "queries/estimates/calls_of_batch.sql",
        batch.id.0,
        batch.tenant.as_str()
    )
    .fetch_all(connection))?;
    let counted = rows.into_iter().map(|row| Ok((row.method, from_bigint(row.calls, "calls")?)));
    counted.collect()
}
