//! The job queue: one row per wallet of a batch.
//!
//! A task is claimed with a lease and a fence, a number that grows with each claim. Every later
//! write names task, fence and `state = running`, so whoever lost the lease stores nothing. Leases
//! are compared with the database's clock only.
//!
//! Locks are taken in one order everywhere: admission, gate, batch, task (the gate of a batch orders
//! the ends of its tasks, see `gate.rs`). Only [`claim()`] begins with tasks; it takes nothing that
//! would make it wait.

mod claim;
mod end;
mod finish;
mod gate;
mod lease;
mod put_off;
mod sweep;

use std::fmt;
use std::time::Duration;

use pnl_core::{Pin, WalletRef};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::batches::{BatchId, BatchRef, BatchState};
use crate::error::StoreError;
use crate::ledgers::{LedgerHead, LedgerStays};
use crate::tenant::Tenant;
use crate::wakeups::CHANNEL;

pub use claim::claim;
pub(crate) use end::close_attempt;
pub use end::transition;
pub(crate) use finish::Finish;
pub use finish::finish;
pub(crate) use gate::{close_gate, pass_batch};
pub(crate) use lease::{add_progress, hold};
pub use lease::{heartbeat, note_progress, queue_figures, renew};
pub use put_off::{PutOff, put_off};
pub use sweep::sweep;

/// Names one process for one life: a restarted process has another id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WorkerId(String);

impl WorkerId {
    /// A new id: the process id for people, a random part for uniqueness.
    pub fn generate() -> Self {
        Self(format!("{}-{}", std::process::id(), Uuid::new_v4().simple()))
    }

    /// The text as stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// State of a wallet task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TaskState {
    /// Ready to be claimed.
    Queued,
    /// Waits for a point in time.
    Delayed,
    /// Held by a worker.
    Running,
    /// With a result.
    Done,
    /// Ended with an error.
    Failed,
    /// Ended because its last attempt hit the time limit.
    TimedOut,
    /// Cancelled.
    Cancelled,
}

impl TaskState {
    /// All states.
    pub const ALL: [Self; 7] = [
        Self::Queued,
        Self::Delayed,
        Self::Running,
        Self::Done,
        Self::Failed,
        Self::TimedOut,
        Self::Cancelled,
    ];

    /// The name in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Delayed => "delayed",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing will change any more (unless the batch is retried).
    pub const fn is_terminal(self) -> bool {
        !matches!(self, Self::Queued | Self::Delayed | Self::Running)
    }

    pub(crate) fn read(text: &str) -> Result<Self, StoreError> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| StoreError::Corrupt(format!("task state is {text:?}")))
    }
}

/// A claimed task: the right to work on a wallet until the lease ends.
#[derive(Debug, Clone)]
pub struct Lease {
    /// The task.
    pub task_id: i64,
    /// The claim's number; every write names it.
    pub fence: i64,
    /// The batch.
    pub batch: BatchId,
    /// Whose batch it is.
    pub tenant: Tenant,
    /// The wallet.
    pub wallet: WalletRef,
    /// Its place in the submission, from 0.
    pub ordinal: u32,
    /// Nobody had asked for the list of the wallet's address when it was claimed.
    pub is_unlisted: bool,
    /// Trace id of the submission.
    pub trace_id: String,
    /// The batch's request, as submitted.
    pub request: serde_json::Value,
    /// The batch's pin, when one was set before the claim.
    pub pin: Option<Pin>,
    /// Ended attempts that count.
    pub attempts: u32,
    /// Attempts that ran out of time with progress.
    pub continuations: u32,
    /// Holders that died since something was stored.
    pub takeovers: u32,
    /// Who holds it.
    pub worker: WorkerId,
}

impl Lease {
    /// The batch as its tenant names it.
    pub fn batch_ref(&self) -> BatchRef {
        BatchRef { tenant: self.tenant.clone(), id: self.batch }
    }
}

/// Why a wallet ended without a result, or why its last attempt did. Shown to clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskError {
    /// Stable code.
    pub code: String,
    /// What kind of error, in words.
    pub title: String,
    /// This one. Without secrets: it is shown.
    pub detail: String,
    /// Whether submitting the wallet again may help.
    pub retryable: bool,
}

impl TaskError {
    /// As it is stored.
    pub(crate) fn read(stored: serde_json::Value) -> Result<Self, StoreError> {
        serde_json::from_value(stored)
            .map_err(|error| StoreError::Corrupt(format!("task error: {error}")))
    }
}

/// Why a task goes back to the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WaitReason {
    /// An attempt failed; the next one comes later.
    Backoff,
    /// Time was up, what was stored is kept.
    Continued,
    /// A provider asked us to wait.
    ProviderThrottled,
    /// All providers of the chain are down.
    Outage,
    /// The process stops and gives it back.
    Released,
}

impl WaitReason {
    /// The name in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Backoff => "backoff",
            Self::Continued => "continued",
            Self::ProviderThrottled => "provider_throttled",
            Self::Outage => "outage",
            Self::Released => "released",
        }
    }
}

/// How a task ends without a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndState {
    /// With an error.
    Failed,
    /// Because the last attempt hit the time limit.
    TimedOut,
    /// Because its batch was cancelled.
    Cancelled,
}

impl EndState {
    /// The name in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
        }
    }
}

/// How an attempt ends other than with a result. The caller decides what it costs.
#[derive(Debug, Clone)]
pub enum Transition {
    /// Back to the queue. In a batch whose cancel was requested the task is cancelled instead.
    Requeue {
        /// Not to be claimed before; zero: ready at once.
        delay: Duration,
        /// Why.
        reason: WaitReason,
        /// Whether it counts as one of the allowed attempts.
        costs_attempt: bool,
        /// What went wrong, when something did.
        error: Option<TaskError>,
    },
    /// For good.
    End {
        /// The end.
        state: EndState,
        /// What went wrong.
        error: Option<TaskError>,
    },
}

/// Answer to a heartbeat.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heartbeat {
    /// Tasks whose lease is gone: stop, nothing will be stored.
    pub lost: Vec<i64>,
    /// Tasks still held whose batch is to be cancelled: end them as cancelled.
    pub cancelled: Vec<i64>,
    /// Tasks still held whose lease was not renewed, since somebody writes to them: [`renew`] them one by one.
    pub not_renewed: Vec<i64>,
}

/// What became of a lease that was to be renewed at its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// It was extended.
    Renewed,
    /// It is not held any more.
    Lost,
    /// The turn did not come in time; the next heartbeat tries again.
    StillWrittenTo,
}

/// What a sweep did with expired leases.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Ready for another worker.
    pub requeued: u32,
    /// Failed: too many holders died on it in a row.
    pub parked: u32,
    /// Cancelled with their batch.
    pub cancelled: u32,
}

/// Open tasks by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueCounts {
    /// Ready.
    pub queued: u64,
    /// Waiting for a point in time.
    pub delayed: u64,
    /// Held.
    pub running: u64,
}

/// The queue at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueFigures {
    /// Open tasks.
    pub tasks: QueueCounts,
    /// Age of the oldest submission that still has a ready task; `None` when nothing is ready.
    pub oldest_queued: Option<Duration>,
}

/// A wallet's result, to be stored with the end of its task.
#[derive(Debug, Clone)]
pub struct FinishedWallet {
    /// Head of the ledger whose chunks were appended under this lease; `None` when none was kept.
    pub ledger: Option<LedgerHead>,
    /// What becomes of that ledger.
    pub ledger_stays: LedgerStays,
    /// The `result` object, stored byte for byte.
    pub report_json: String,
    /// The figures lists need.
    pub summary: crate::results::SummaryRow,
    /// Calls to providers by method.
    pub calls: serde_json::Value,
}

/// What a locked batch row says.
pub(crate) struct LockedBatch {
    pub state: BatchState,
    pub cancel_requested: bool,
}

/// Locks a batch's row to the end of the transaction.
pub(crate) async fn lock_batch(
    tx: &mut PgConnection,
    id: BatchId,
) -> Result<Option<LockedBatch>, StoreError> {
    let row = sqlx::query_file!("queries/batches/lock.sql", id.0).fetch_optional(tx).await?;
    row.map(|row| {
        Ok(LockedBatch {
            state: BatchState::read(&row.state)?,
            cancel_requested: row.cancel_requested,
        })
    })
    .transpose()
}

/// Wakes the workers when this transaction commits.
pub(crate) async fn notify(tx: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query_file!("queries/wallet_tasks/notify.sql", CHANNEL).execute(tx).await?;
    Ok(())
}
