//! Groups: batches whose wallets are one history.
//!
//! A group is the last task of its batch, beside those of the wallets, under a name that is no address. It
//! waits without end until the last wallet has ended, whatever became of it, and is then claimed, worked
//! on, taken over and finished like any other. Until then the ledger of each wallet is kept for it apart
//! from the one that is read ([`crate::ledgers`]): that may be replaced meanwhile.
//!
//! A process of before groups would take the task for a wallet's: they are not to be submitted until all
//! processes are new.

use pnl_core::{Address, Chain, WalletRef};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::batches::{BatchId, BatchRef};
use crate::convert::{json_text, to_bigint, to_integer};
use crate::error::StoreError;
use crate::ledgers::{self, CurrentLedger, LedgerHead};
use crate::results::ResultRow;
use crate::store::{Store, read, run};
use crate::tenant::Tenant;
use crate::wallet_tasks::{Lease, TaskState, hold, notify};

/// What the name of a group begins with; no address does.
pub(crate) const PREFIX: &str = "group:";

/// Whether a batch with this request is a group.
pub fn is_asked_for(request: &Value) -> bool {
    request.get("group") == Some(&Value::Bool(true))
}

/// Under what a group has its task, result and ledger.
pub fn name(batch: BatchId) -> Address {
    Address::from_chain_data(&format!("{PREFIX}{batch}"))
}

/// Whether it is a group and no wallet.
pub fn is_name(address: &Address) -> bool {
    address.as_str().starts_with(PREFIX)
}

/// Under what a group finds the ledger of one of its wallets.
fn kept_name(batch: BatchId, wallet: &Address) -> String {
    format!("{PREFIX}{batch}:{wallet}")
}

/// A wallet of a group.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Its address.
    pub wallet: Address,
    /// How it stands.
    pub state: TaskState,
    /// Why it has no result, when it has ended without.
    pub error_code: Option<String>,
}

/// The wallets of a batch, by address.
pub async fn members(store: &Store, batch: BatchId) -> Result<Vec<Member>, StoreError> {
    let rows =
        read!(store, async |connection| sqlx::query_file!("queries/groups/members.sql", batch.0)
            .fetch_all(connection))?;
    rows.into_iter()
        .map(|row| {
            Ok(Member {
                wallet: Address::from_chain_data(&row.wallet),
                state: TaskState::read(&row.state)?,
                error_code: row.error_code,
            })
        })
        .collect()
}

/// The ledger that the attempt at a wallet of the group has made; `None` when it has made none, or the
/// group is complete and needs none any more.
pub async fn ledger(
    store: &Store,
    tenant: &Tenant,
    batch: BatchId,
    chain: Chain,
    wallet: &Address,
) -> Result<Option<CurrentLedger>, StoreError> {
    let address = Address::from_chain_data(&kept_name(batch, wallet));
    ledgers::current(store, tenant, &WalletRef { chain, address }).await
}

/// The group as a row like those of its wallets; `None` when the batch is none, or gone, or another
/// tenant's.
pub async fn result(store: &Store, batch: &BatchRef) -> Result<Option<ResultRow>, StoreError> {
    let row = read!(store, async |connection| sqlx::query_file_as!(
        crate::results::StoredRow,
        "queries/groups/result.sql",
        batch.id.0,
        batch.tenant.as_str()
    )
    .fetch_optional(connection))?;
    row.map(ResultRow::try_from).transpose()
}

/// Makes groups ready whose wallets have all ended: that of `batch`, or all. Whoever ends a wallet calls
/// this afterwards, and every sweep, so a process may die in between.
pub async fn wake(store: &Store, batch: Option<BatchId>) -> Result<(), StoreError> {
    run!(store, "groups/wake", async |tx| { wake_in(tx, batch).await })
}

/// The same as a part of something else.
pub(crate) async fn wake_in(
    tx: &mut PgConnection,
    batch: Option<BatchId>,
) -> Result<(), StoreError> {
    let woken = sqlx::query_file!("queries/groups/wake.sql", batch.map(|batch| batch.0))
        .execute(&mut *tx)
        .await?;
    if woken.rows_affected() > 0 { notify(tx).await } else { Ok(()) }
}

/// Lets go of the ledgers that were kept for a group, when all of its wallets are done: none of them can
/// be retried.
pub async fn let_go(store: &Store, batch: &BatchRef) -> Result<(), StoreError> {
    run!(store, "groups/drop", async |tx| {
        sqlx::query_file!("queries/groups/drop.sql", batch.id.0, batch.tenant.as_str())
            .execute(tx)
            .await?;
        Ok(())
    })
}

/// The group of a retried batch is to be made again.
pub(crate) async fn forget(tx: &mut PgConnection, batch: BatchId) -> Result<(), StoreError> {
    sqlx::query_file!("queries/groups/forget.sql", batch.0).execute(tx).await?;
    Ok(())
}

/// Keeps the ledger that an attempt at a wallet of a group has built, before the attempt ends: with its end
/// the ledger becomes somebody else's, or goes. Kept again it is that of the last attempt.
///
/// # Errors
/// [`StoreError::LeaseLost`] when the fence is gone.
pub async fn keep(store: &Store, lease: &Lease, head: &LedgerHead) -> Result<(), StoreError> {
    let chain = lease.wallet.chain.as_str();
    let name = kept_name(lease.batch, &lease.wallet.address);
    let pin_block = to_bigint(head.pin.block, "pin block")?;
    let chunks = to_integer(head.chunks, "chunks")?;
    let events = to_bigint(head.events, "events")?;
    run!(store, "groups/keep", async |tx| {
        hold(tx, lease).await?;
        sqlx::query_file!("queries/groups/forget_kept.sql", chain, name, lease.tenant.as_str())
            .execute(&mut *tx)
            .await?;
        sqlx::query_file!(
            "queries/groups/keep.sql",
            chain,
            head.ledger_id,
            name,
            Uuid::new_v4(),
            lease.task_id,
            lease.fence,
            pin_block,
            head.pin.block_time,
            head.input_hash,
            head.price_set_hash,
            json_text(&head.coverage),
            json_text(&head.context),
            chunks,
            events,
            lease.tenant.as_str()
        )
        .execute(&mut *tx)
        .await?;
        Ok(())
    })
}
