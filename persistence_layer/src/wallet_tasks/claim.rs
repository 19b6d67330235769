//! Claiming tasks for free slots.

use std::time::Duration;

use pnl_core::{Address, Chain, WalletRef};
use sqlx::postgres::types::PgInterval;
use uuid::Uuid;

use super::{Lease, WorkerId, notify};
use crate::batches::BatchId;
use crate::convert::{self, from_integer, interval};
use crate::error::StoreError;
use crate::store::{Plans, Store, one, run};
use crate::tenant::Tenant;

/// Delayed tasks that become ready in one claim. More are due only after an outage, and then the
/// next claims take them.
const PROMOTED_PER_CLAIM: i64 = 200;

/// Statements that one claim may take: the foremost tasks may be several of one wallet, of which a
/// statement takes one, and two claims may meet at a wallet.
const ROUNDS: u32 = 16;

/// Claims up to `free` ready tasks, in the order of priority and virtual time.
///
/// A task whose wallet runs elsewhere is passed over: one fetch per wallet at a time, over all
/// batches and processes. The end of the running one wakes the workers.
///
/// Opens the attempt's row in `wallet_attempts` and notes the start of the batch. Delayed tasks whose
/// time has come are made ready for the next claim, or for this one when nothing else is.
///
/// # Errors
/// Only when nothing was claimed: what was claimed before an error is given back to the caller.
pub async fn claim(
    store: &Store,
    worker: &WorkerId,
    free: u32,
    lease: Duration,
    excluded_chains: &[Chain],
) -> Result<Vec<Lease>, StoreError> {
    let lease = interval(lease)?;
    let allowed: Vec<&str> = Chain::ALL
        .iter()
        .filter(|chain| !excluded_chains.contains(chain))
        .map(|chain| chain.as_str())
        .collect();
    let mut claimed = Vec::new();
    let mut most_at_once = usize::MAX;
    for _ in 0..ROUNDS {
        let open = usize::try_from(free).unwrap_or(usize::MAX).saturating_sub(claimed.len());
        let wanted = i64::try_from(open.min(most_at_once)).unwrap_or(i64::MAX);
        if wanted == 0 {
            break;
        }
        let round = async {
            let round = claim_once(store, worker, wanted, &lease, &allowed).await?;
            if round.leases.is_empty() && promote(store).await? > 0 {
                return claim_once(store, worker, wanted, &lease, &allowed).await;
            }
            Ok(round)
        };
        match round.await {
            Ok(round) => {
                let nothing = round.leases.is_empty();
                claimed.extend(round.leases);
                follow_up(store, &round.unstarted, round.others_are_due).await;
                if nothing {
                    break;
                }
            }
            // Another claim took a task of one of these wallets at the same moment and the index
            // stopped this one. What the other took is visible now; one by one, the rest cannot be
            // lost with it again.
            Err(error) if error.constraint() == Some("wallet_tasks_one_running") => {
                most_at_once = 1;
            }
            Err(error) if claimed.is_empty() => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "a claim ended early");
                break;
            }
        }
    }
    Ok(claimed)
}

/// What one statement has claimed.
struct Round {
    leases: Vec<Lease>,
    /// Their batches that have not begun yet.
    unstarted: Vec<Uuid>,
    /// The time of delayed tasks has come.
    others_are_due: bool,
}

/// Makes delayed tasks ready whose time has come; tells other workers when there were some.
async fn promote(store: &Store) -> Result<u64, StoreError> {
    run!(store, "wallet_tasks/promote", Plans::ByKey, async |tx| {
        let promoted = sqlx::query_file!("queries/wallet_tasks/promote.sql", PROMOTED_PER_CLAIM)
            .execute(&mut *tx)
            .await?
            .rows_affected();
        if promoted > 0 {
            notify(tx).await?;
        }
        Ok(promoted)
    })
}

/// How long a claim goes on after its leases: nobody renews them yet.
const FOLLOW_UP: Duration = Duration::from_secs(2);

/// What a claim brings along. What fails of it is done by the next one: the leases are the caller's.
async fn follow_up(store: &Store, unstarted: &[Uuid], others_are_due: bool) {
    let done = async {
        if !unstarted.is_empty() {
            one!(store, "batches/start", async |connection| {
                sqlx::query_file!("queries/batches/start.sql", unstarted).execute(connection)
            })?;
            for id in unstarted {
                store.bus().tell(BatchId(*id));
            }
        }
        if others_are_due {
            promote(store).await?;
        }
        Ok::<(), StoreError>(())
    };
    match tokio::time::timeout(FOLLOW_UP, done).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "left to the next claim"),
        Err(elapsed) => tracing::debug!(%elapsed, "left to the next claim"),
    }
}

async fn claim_once(
    store: &Store,
    worker: &WorkerId,
    free: i64,
    lease: &PgInterval,
    allowed: &[&str],
) -> Result<Round, StoreError> {
    let rows = one!(store, "wallet_tasks/claim", async |connection| {
        sqlx::query_file!(
            "queries/wallet_tasks/claim.sql",
            worker.as_str(),
            free,
            lease as _,
            allowed as &[&str]
        )
        .fetch_all(connection)
    })?;
    let others_are_due = rows.iter().any(|row| row.others_are_due);
    let mut unstarted: Vec<Uuid> =
        rows.iter().filter(|row| row.is_unstarted).map(|row| row.batch_id).collect();
    unstarted.dedup();
    let leases = rows
        .into_iter()
        .filter_map(|row| {
            let task = row.id;
            let lease = || -> Result<Lease, StoreError> {
                Ok(Lease {
                task_id: row.id,
                fence: row.fence,
                batch: BatchId(row.batch_id),
                tenant: Tenant::read(&row.tenant)?,
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
                is_unlisted: row.is_unlisted,
            })
            };
            // The others are claimed already.
            lease()
                .inspect_err(|error| tracing::error!(task, %error, "a claimed task cannot be read; its lease lapses"))
                .ok()
        })
        .collect();
    Ok(Round { leases, unstarted, others_are_due })
}
