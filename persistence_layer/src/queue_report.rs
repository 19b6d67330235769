//! The queue as an operator looks at it.
//!
//! One transaction on one snapshot, so that its parts fit together. It reads every open task and every task of the
//! active batches once: fine for a person or a page that is looked at, not for a scrape every few
//! seconds on a queue of a million tasks (docs/queue.md has the figures).

use std::time::Duration;

use pnl_core::{Address, Chain, WalletRef};

use crate::batches::BatchId;
use crate::chain_data::{ChangedBlock, changed_final_blocks};
use crate::convert::{self, from_bigint, from_count, from_integer};
use crate::error::StoreError;
use crate::store::{Store, run};
use crate::wallet_tasks::TaskState;

/// Attempts from which on the histogram does not tell them apart.
pub const MANY_ATTEMPTS: u32 = 10;

/// Before the first statement that reads: all see what the first one sees.
const SNAPSHOT: &str = "-- queue_report/snapshot
    set transaction isolation level repeatable read, read only";

/// The queue at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueReport {
    /// Open tasks by chain, state and why they wait.
    pub tasks: Vec<OpenTasks>,
    /// The task that waits longest of those that may run.
    pub oldest_waiting: Option<OldestTask>,
    /// Tasks that run, those that run longest first.
    pub running: Vec<RunningTask>,
    /// Leases taken away from workers that died, within the last hour.
    pub takeovers_last_hour: u64,
    /// And of all attempts that are still kept (see retention).
    pub takeovers_kept: u64,
    /// Tasks of the active batches by how many attempts of any kind they have begun: 0 are waiting
    /// for their first, [`MANY_ATTEMPTS`] stands for so many or more.
    pub attempts: Vec<AttemptCount>,
    /// Batches worked on.
    pub batches_admitted: u32,
    /// Batches that wait for admission.
    pub batches_waiting: u32,
    /// Final blocks of chains that have changed.
    pub changed_blocks: Vec<ChangedBlock>,
}

/// So many open tasks of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenTasks {
    /// Their chain.
    pub chain: Chain,
    /// Their state.
    pub state: TaskState,
    /// `admission`, `wallets` (a group, for those of its batch), or the name of a [`crate::wallet_tasks::WaitReason`]; `None`: nothing but a slot.
    pub waits_for: Option<String>,
    /// How many.
    pub tasks: u64,
}

/// A task that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldestTask {
    /// Its id.
    pub task: i64,
    /// Its batch.
    pub batch: BatchId,
    /// Its wallet.
    pub wallet: WalletRef,
    /// `Queued` or `Delayed`.
    pub state: TaskState,
    /// As [`OpenTasks::waits_for`].
    pub waits_for: Option<String>,
    /// Since the submission of its batch.
    pub age: Duration,
}

/// A task that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningTask {
    /// Its id.
    pub task: i64,
    /// Its batch.
    pub batch: BatchId,
    /// Its wallet.
    pub wallet: WalletRef,
    /// Who holds it.
    pub worker: String,
    /// Since the claim.
    pub age: Duration,
    /// What is left of the lease; `None`: it has run out and waits for a sweep.
    pub lease_left: Option<Duration>,
    /// Ended attempts that count.
    pub attempts: u32,
    /// Attempts that ran out of time with progress.
    pub continuations: u32,
    /// Holders that died since something was stored.
    pub takeovers: u32,
    /// Claims so far, this one included.
    pub claims: u64,
    /// Rows stored for it.
    pub progress: u64,
}

/// So many tasks have begun so many attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptCount {
    /// The attempts.
    pub attempts: u32,
    /// The tasks.
    pub tasks: u64,
}

/// Reads the queue, with at most `running` of the running tasks.
pub async fn read(store: &Store, running: u32) -> Result<QueueReport, StoreError> {
    let (tasks, oldest, held, takeovers, attempts, batches) =
        run!(store, "queue_report/read", async |tx| {
            sqlx::query(SNAPSHOT).execute(&mut *tx).await?;
            let tasks =
                sqlx::query_file!("queries/queue_report/tasks.sql").fetch_all(&mut *tx).await?;
            let oldest = sqlx::query_file!("queries/queue_report/oldest_waiting.sql")
                .fetch_optional(&mut *tx)
                .await?;
            let held = sqlx::query_file!("queries/queue_report/running.sql", i64::from(running))
                .fetch_all(&mut *tx)
                .await?;
            let takeovers =
                sqlx::query_file!("queries/queue_report/takeovers.sql").fetch_one(&mut *tx).await?;
            let attempts =
                sqlx::query_file!("queries/queue_report/attempts.sql").fetch_all(&mut *tx).await?;
            let batches = sqlx::query_file!("queries/batches/count_active.sql", None::<&str>)
                .fetch_one(&mut *tx)
                .await?;
            Ok((tasks, oldest, held, takeovers, attempts, batches))
        })?;
    Ok(QueueReport {
        tasks: tasks
            .into_iter()
            .map(|row| {
                Ok(OpenTasks {
                    chain: convert::chain(&row.chain)?,
                    state: TaskState::read(&row.state)?,
                    waits_for: row.waits_for,
                    tasks: from_bigint(row.tasks, "tasks")?,
                })
            })
            .collect::<Result<_, StoreError>>()?,
        oldest_waiting: oldest
            .map(|row| {
                Ok::<_, StoreError>(OldestTask {
                    task: row.id,
                    batch: BatchId(row.batch_id),
                    wallet: wallet(&row.chain, &row.wallet)?,
                    state: TaskState::read(&row.state)?,
                    waits_for: row.wait_reason,
                    age: milliseconds(row.age_ms),
                })
            })
            .transpose()?,
        running: held
            .into_iter()
            .map(|row| {
                Ok(RunningTask {
                    task: row.id,
                    batch: BatchId(row.batch_id),
                    wallet: wallet(&row.chain, &row.wallet)?,
                    worker: row.worker,
                    age: milliseconds(row.age_ms.unwrap_or(0)),
                    lease_left: (row.lease_ms > 0).then(|| milliseconds(row.lease_ms)),
                    attempts: from_integer(row.attempts, "attempts")?,
                    continuations: from_integer(row.continuations, "continuations")?,
                    takeovers: from_integer(row.takeovers, "takeovers")?,
                    claims: from_bigint(row.fence, "fence")?,
                    progress: from_bigint(row.progress, "progress")?,
                })
            })
            .collect::<Result<_, StoreError>>()?,
        takeovers_last_hour: from_bigint(takeovers.last_hour, "takeovers")?,
        takeovers_kept: from_bigint(takeovers.ever, "takeovers")?,
        attempts: attempts
            .into_iter()
            .map(|row| {
                Ok(AttemptCount {
                    attempts: from_count(row.attempts, "attempts")?,
                    tasks: from_bigint(row.tasks, "tasks")?,
                })
            })
            .collect::<Result<_, StoreError>>()?,
        batches_admitted: from_count(batches.admitted, "admitted batches")?,
        batches_waiting: from_count(batches.waiting, "waiting batches")?,
        changed_blocks: changed_final_blocks(store).await?,
    })
}

fn wallet(chain: &str, address: &str) -> Result<WalletRef, StoreError> {
    Ok(WalletRef { chain: convert::chain(chain)?, address: Address::from_chain_data(address) })
}

/// A span that clocks of one server told; a negative one is none.
fn milliseconds(span: i64) -> Duration {
    Duration::from_millis(u64::try_from(span).unwrap_or(0))
}
