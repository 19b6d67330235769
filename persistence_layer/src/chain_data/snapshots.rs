//! What the chain said a wallet holds, per pin.

use pnl_core::WalletRef;

use crate::convert::{from_bigint, json_text, to_bigint};
use crate::error::StoreError;
use crate::store::{Store, read, run};
use crate::wallet_tasks::Lease;

/// Balances of a wallet, asked at or soon after a pin.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredSnapshot {
    /// The pin they belong to.
    pub pin_slot: u64,
    /// The slot at which the node answered.
    pub node_slot: u64,
    /// The balances, in the form of whoever asked.
    pub balances: serde_json::Value,
}

/// The snapshot of a wallet for a pin, when one was taken.
pub async fn snapshot(
    store: &Store,
    wallet: &WalletRef,
    pin_slot: u64,
) -> Result<Option<StoredSnapshot>, StoreError> {
    let pin = to_bigint(pin_slot, "pin slot")?;
    let row = read!(store, async |connection| sqlx::query_file!(
        "queries/balance_snapshots/get.sql",
        wallet.chain.as_str(),
        wallet.address.as_str(),
        pin
    )
    .fetch_optional(connection))?;
    row.map(|row| {
        Ok(StoredSnapshot {
            pin_slot,
            node_slot: from_bigint(row.node_block, "node slot")?,
            balances: row.balances,
        })
    })
    .transpose()
}

/// Stores the snapshot of the leased wallet and gives the one that is stored: the first one for a pin
/// stays, so that whoever works on the wallet at that pin goes on with the same.
///
/// # Errors
/// [`StoreError::LeaseLost`] when the fence is gone.
pub async fn put_snapshot(
    store: &Store,
    lease: &Lease,
    snapshot: &StoredSnapshot,
) -> Result<StoredSnapshot, StoreError> {
    let pin = to_bigint(snapshot.pin_slot, "pin slot")?;
    let node = to_bigint(snapshot.node_slot, "node slot")?;
    run!(store, "balance_snapshots/put", async |tx| {
        let row = sqlx::query_file!(
            "queries/balance_snapshots/put.sql",
            lease.wallet.chain.as_str(),
            lease.wallet.address.as_str(),
            pin,
            node,
            json_text(&snapshot.balances),
            lease.task_id,
            lease.fence
        )
        .fetch_optional(tx)
        .await?
        .ok_or(StoreError::LeaseLost { task: lease.task_id })?;
        Ok(StoredSnapshot {
            pin_slot: snapshot.pin_slot,
            node_slot: from_bigint(row.node_block, "node slot")?,
            balances: row.balances,
        })
    })
}
