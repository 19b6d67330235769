//! Batches: what a client submits, and its state.
//!
//! A batch is `active` until none of its wallet tasks is open; its end state follows from how they
//! ended. Opening one (submit, retry) goes through the row of table `admission`, which makes the
//! limits on admitted and on waiting batches exact under any concurrency. A batch that waits for
//! admission is active too; its tasks are delayed without end, so that no worker of any version
//! claims them. After its time, or when it is purged, a batch is removed and leaves a tombstone ([`expired()`]).

mod admission;
mod control;
mod expired;
mod read;
mod submit;

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use pnl_core::{Address, Chain, Pin};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::StoreError;
use crate::tenant::Tenant;
use crate::wallet_tasks::TaskState;

pub(crate) use admission::admit_waiting;
pub use admission::{Admission, OpenBatches, open};
pub use control::{cancel, pin, purge, retry, set_pin};
pub use expired::expired;
pub(crate) use read::get_in;
pub(crate) use read::is_of;
pub use read::{ended, get, list};
pub use submit::submit;

/// Id of a batch: a UUID v7, so that ids sort by submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BatchId(pub Uuid);

impl BatchId {
    /// A new id, from the clock of this process.
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for BatchId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        text.parse().map(Self)
    }
}

/// A batch as a client names it: whoever asks for a batch of another tenant finds none.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BatchRef {
    /// Whose it has to be.
    pub tenant: Tenant,
    /// Its id.
    pub id: BatchId,
}

impl fmt::Display for BatchRef {
    /// Its id.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}

/// State of a batch as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BatchState {
    /// At least one wallet is open.
    Active,
    /// Every wallet is done.
    Completed,
    /// Some wallets are done, others not.
    CompletedWithErrors,
    /// No wallet is done.
    Failed,
    /// Cancelled by request before all wallets ended by themselves.
    Cancelled,
}

impl BatchState {
    /// All states.
    pub const ALL: [Self; 5] =
        [Self::Active, Self::Completed, Self::CompletedWithErrors, Self::Failed, Self::Cancelled];

    /// The name in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Completed => "completed",
            Self::CompletedWithErrors => "completed_with_errors",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing will change any more (unless the batch is retried).
    pub const fn is_terminal(self) -> bool {
        !matches!(self, Self::Active)
    }

    pub(crate) fn read(text: &str) -> Result<Self, StoreError> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| StoreError::Corrupt(format!("batch state is {text:?}")))
    }
}

/// Status of a batch as clients see it: `active` is split at the first claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BatchStatus {
    /// No wallet was claimed yet.
    Queued,
    /// At least one wallet was claimed.
    Running,
    /// See [`BatchState::Completed`].
    Completed,
    /// See [`BatchState::CompletedWithErrors`].
    CompletedWithErrors,
    /// See [`BatchState::Failed`].
    Failed,
    /// See [`BatchState::Cancelled`].
    Cancelled,
}

impl BatchStatus {
    /// All statuses.
    pub const ALL: [Self; 6] = [
        Self::Queued,
        Self::Running,
        Self::Completed,
        Self::CompletedWithErrors,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::CompletedWithErrors => "completed_with_errors",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A batch to be submitted.
#[derive(Debug, Clone)]
pub struct NewBatch {
    /// Its id.
    pub id: BatchId,
    /// Whose it is.
    pub tenant: Tenant,
    /// Chain of all its wallets.
    pub chain: Chain,
    /// The wallets in the order of submission, without duplicates; at least one.
    pub wallets: Vec<Address>,
    /// What the workers need: method, options, window (as given and resolved), max_transactions, and
    /// whether they are a group ([`crate::groups`]).
    pub request: serde_json::Value,
    /// W3C trace id, 32 hex digits.
    pub trace_id: String,
    /// When it was submitted, by the clock of the process: the answer names it before the row is.
    pub created_at: DateTime<Utc>,
    /// The client's `Idempotency-Key`, when it sent one.
    pub idempotency: Option<IdempotencyClaim>,
    /// Where its end is told ([`crate::webhooks`]).
    pub webhook: Option<String>,
    /// The body of the 202 answer, to be replayed for the same key.
    pub response: serde_json::Value,
}

/// The wish to be answered once per key of a tenant.
#[derive(Debug, Clone)]
pub struct IdempotencyClaim {
    /// The key, 1 to 255 characters.
    pub key: String,
    /// Hash of the request: the same key with another one is refused.
    pub fingerprint: String,
    /// How long an answer is kept; an older one counts as absent.
    pub keep: Duration,
}

/// What became of a submission.
#[derive(Debug, Clone, PartialEq)]
pub enum Submitted {
    /// Stored, with all tasks; admitted or waiting for it.
    Accepted,
    /// There is no place: so many batches are admitted, or kept for other tenants, and no more may wait. No batch
    /// was stored.
    AtCapacity {
        /// The limit that was asked for.
        limit: u32,
    },
    /// The same request under the same key was accepted before.
    Replayed {
        /// Its answer.
        body: serde_json::Value,
    },
    /// The key belongs to another request. Nothing was stored.
    KeyReused,
    /// A submission with this key is being stored right now. Nothing was stored.
    KeyInFlight,
}

/// A batch and where it stands.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Its id.
    pub id: BatchId,
    /// Chain of all its wallets.
    pub chain: Chain,
    /// As submitted; null in lists ([`list`]).
    pub request: serde_json::Value,
    /// Trace id of the submission.
    pub trace_id: String,
    /// Number of wallets.
    pub total: u32,
    /// How the group of its wallets stands; `None` when it is none.
    pub group: Option<TaskState>,
    /// State as stored; clients see [`Batch::status`].
    pub state: BatchState,
    /// Whether a cancel was asked for.
    pub cancel_requested: bool,
    /// Whether continuous mode has made it ([`crate::continuous`]).
    pub is_round: bool,
    /// Submission.
    pub created_at: DateTime<Utc>,
    /// First claim of a wallet.
    pub started_at: Option<DateTime<Utc>>,
    /// Since when it waits for admission.
    pub waiting_since: Option<DateTime<Utc>>,
    /// Last change of one of its wallets' states.
    pub updated_at: DateTime<Utc>,
    /// When it became terminal.
    pub finished_at: Option<DateTime<Utc>>,
    /// The block it looks at.
    pub pin: Option<Pin>,
    /// Wallets by state; they sum to `total`.
    pub counts: Counts,
    /// Why queued wallets wait, as far as it is told.
    pub waiting: Waiting,
}

impl Batch {
    /// The status clients see.
    pub const fn status(&self) -> BatchStatus {
        match self.state {
            BatchState::Active if self.started_at.is_none() => BatchStatus::Queued,
            BatchState::Active => BatchStatus::Running,
            BatchState::Completed => BatchStatus::Completed,
            BatchState::CompletedWithErrors => BatchStatus::CompletedWithErrors,
            BatchState::Failed => BatchStatus::Failed,
            BatchState::Cancelled => BatchStatus::Cancelled,
        }
    }
}

/// Wallets of a batch by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Waiting, ready or delayed.
    pub queued: u32,
    /// Held by a worker.
    pub running: u32,
    /// With a result.
    pub done: u32,
    /// Ended with an error.
    pub failed: u32,
    /// Ended at the time limit.
    pub timed_out: u32,
    /// Cancelled.
    pub cancelled: u32,
}

/// Of the queued wallets, those that wait for a reason worth telling.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Ran out of time after storing something and will go on.
    pub continued: u32,
    /// A provider asked us to wait.
    pub provider_throttled: u32,
}

/// What became of a purge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purged {
    /// No such batch.
    Unknown,
    /// It is still active.
    NotTerminal,
    /// It is gone.
    Removed,
}

/// What became of a retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retried {
    /// No such batch.
    Unknown,
    /// It is still active.
    NotTerminal,
    /// So many batches are admitted already, and no more may wait.
    AtCapacity {
        /// The limit that was asked for.
        limit: u32,
    },
    /// No wallet failed or timed out.
    NothingToRetry,
    /// So many wallets are queued again.
    Requeued(u32),
}
