//! A list that fits on one page, of an address nobody has asked for before: what most wallets of a
//! large batch are. One statement stores it, with the balances that were read before it.

use pnl_core::Address;

use super::{SignatureRow, StoredSnapshot};
use crate::convert::{from_bigint, json_text, to_bigint};
use crate::error::StoreError;
use crate::store::{Store, run};
use crate::wallet_tasks::Lease;

/// What is stored now.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredList {
    /// What counts as progress.
    pub progress: u64,
    /// The balances that are stored for the pin, when some were given: the first ones stay.
    pub snapshot: Option<StoredSnapshot>,
}

/// Stores the whole list of `address`, newest first, as covered up to `covered_slot`, and the
/// wallet's balances. `None` when the address was asked for by somebody else in the meantime: then
/// nothing is stored.
///
/// # Errors
/// [`StoreError::LeaseLost`] when the fence is gone.
pub async fn put_whole_list(
    store: &Store,
    lease: &Lease,
    address: &Address,
    page: &[SignatureRow],
    covered_slot: u64,
    snapshot: Option<&StoredSnapshot>,
) -> Result<Option<StoredList>, StoreError> {
    let ids: Vec<&str> = page.iter().map(|row| row.tx_id.as_str()).collect();
    let slots = page
        .iter()
        .map(|row| to_bigint(row.slot, "slot"))
        .collect::<Result<Vec<i64>, StoreError>>()?;
    let times: Vec<Option<i64>> = page.iter().map(|row| row.block_time).collect();
    let failed: Vec<bool> = page.iter().map(|row| row.failed).collect();
    let covered_slot = to_bigint(covered_slot, "covered slot")?;
    let wallet = snapshot.map(|_| lease.wallet.address.as_str());
    let pin = snapshot.map(|of| to_bigint(of.pin_slot, "pin slot")).transpose()?;
    let node = snapshot.map(|of| to_bigint(of.node_slot, "node slot")).transpose()?;
    let balances = snapshot.map(|of| json_text(&of.balances));
    let stored = run!(store, "address_scans/cover", async |tx| {
        Ok(sqlx::query_file!(
            "queries/address_scans/cover.sql",
            lease.task_id,
            lease.fence,
            lease.wallet.chain.as_str(),
            address.as_str(),
            &ids as &[&str],
            &slots,
            &times as &[Option<i64>],
            &failed,
            covered_slot,
            wallet,
            pin,
            node,
            balances
        )
        .fetch_one(tx)
        .await?)
    })?;
    if !stored.held {
        return Err(StoreError::LeaseLost { task: lease.task_id });
    }
    let listed = from_bigint(stored.listed, "listed")?;
    if !stored.began {
        return Ok(None);
    }
    let snapshot = match (snapshot, stored.node_block, stored.balances) {
        (Some(asked), Some(node), Some(balances)) => Some(StoredSnapshot {
            pin_slot: asked.pin_slot,
            node_slot: from_bigint(node, "node slot")?,
            balances,
        }),
        _ => None,
    };
    Ok(Some(StoredList { progress: listed + 1, snapshot }))
}
