//! Claiming tasks for free slots.

use std::time::Duration;

use pnl_core::{Address, Chain, WalletRef};
use sqlx::PgConnection;
use sqlx::postgres::types::PgInterval;

use super::{Lease, WorkerId, notify};
use crate::batches::BatchId;
use crate::convert::{self, from_integer, interval};
use crate::error::StoreError;
use crate::store::{Store, run};

/// Delayed tasks that become ready in one claim. More are due only after an outage, and then the
/// next claims take them.
const PROMOTED_PER_CLAIM: i64 = 200;

/// Claims that may meet a claim of the same wallet before the slots are left empty until the next
/// poll.
const TRIES: u32 = 4;

/// Claims up to `free` ready tasks, in the order of priority and virtual time.
///
/// A wallet that runs elsewhere, or that waits further ahead in the queue, is passed over: one
/// fetch per wallet at a time, over all batches and processes. So fewer than `free` may come back
/// although more are ready; the end of the running one wakes the workers.
///
/// Opens the attempt's row in `wallet_attempts` and notes the start of the batch.
pub async fn claim(
    store: &Store,
    worker: &WorkerId,
    free: u32,
    lease: Duration,
    excluded_chains: &[Chain],
) -> Result<Vec<Lease>, StoreError> {
    if free == 0 {
        return Ok(Vec::new());
    }
    let lease = interval(lease)?;
    let excluded: Vec<&str> = excluded_chains.iter().map(|chain| chain.as_str()).collect();
    let mut wanted = i64::from(free);
    for _ in 0..TRIES {
        let claimed = run!(store, "wallet_tasks/claim", async |tx| {
            claim_once(tx, worker, wanted, &lease, &excluded).await
        });
        match claimed {
            // Two claims took two tasks of one wallet at the same moment: the index stopped this
            // one. What the other took is now visible; one by one the rest cannot be lost with it.
            Err(error) if error.constraint() == Some("wallet_tasks_one_running") => wanted = 1,
            claimed => return claimed,
        }
    }
    Ok(Vec::new())
}

async fn claim_once(
    tx: &mut PgConnection,
    worker: &WorkerId,
    free: i64,
    lease: &PgInterval,
    excluded: &[&str],
) -> Result<Vec<Lease>, StoreError> {
    let promoted = sqlx::query_file!("queries/wallet_tasks/promote.sql", PROMOTED_PER_CLAIM)
        .execute(&mut *tx)
        .await?
        .rows_affected();
    let rows = sqlx::query_file!(
        "queries/wallet_tasks/claim.sql",
        worker.as_str(),
        free,
        lease as _,
        excluded as &[&str]
    )
    .fetch_all(&mut *tx)
    .await?;
    if promoted > 0 {
        notify(tx).await?;
    }
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let batches: Vec<_> = rows.iter().map(|row| row.batch_id).collect();
    sqlx::query_file!("queries/batches/start.sql", &batches).execute(tx).await?;
    rows.into_iter()
        .map(|row| {
            Ok(Lease {
                task_id: row.id,
                fence: row.fence,
                batch: BatchId(row.batch_id),
                wallet: WalletRef {
                    chain: convert::chain(&row.chain)?,
                    address: Address::from_chain_data(&row.wallet),
                },
                ordinal: from_integer(row.ordinal, "ordinal")?,
                trace_id: row.trace_id,
                request: row.request,
                pin: convert::pin(row.pin_block, row.pin_block_time)?,
                attempts: from_integer(row.attempts, "attempts")?,
                continuations: from_integer(row.continuations, "continuations")?,
                takeovers: from_integer(row.takeovers, "takeovers")?,
                worker: worker.clone(),
            })
        })
        .collect()
}
