//! Events of jobs: the log that clients follow.
//!
//! The schema writes an event in the transaction in which a wallet ends or the state of a job changes, whichever
//! program does it (migrations 0023 and 0024). Numbers are given later, by whoever reads: transactions
//! commit in another order than they write, so a number given while writing could appear behind a higher
//! one that was read already. Numbering takes events that are committed, one transaction at a time per
//! job, so what was numbered is all there, and a reader who asks for what comes behind a number misses
//! nothing. Jobs that nobody follows are never numbered.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::batches::{self, Batch, BatchId, BatchRef, BatchState};
use crate::convert::{from_bigint, to_bigint};
use crate::error::StoreError;
use crate::groups;
use crate::store::{Store, read, run};
use crate::wallet_tasks::TaskState;

/// Numbering takes a moment; so often a snapshot is tried, with a pause in between.
const SNAPSHOT_TRIES: u32 = 100;
const SNAPSHOT_PAUSE: Duration = Duration::from_millis(5);
/// The pause grows up to this: many thousand events take seconds.
const SNAPSHOT_PAUSE_MAX: Duration = Duration::from_millis(150);

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A wallet ended so.
    WalletEnded {
        /// Its address.
        wallet: String,
        /// One of the ends.
        state: TaskState,
        /// Why it has no result.
        error_code: Option<String>,
    },
    /// The group of the wallets ended so.
    GroupEnded {
        /// One of the ends.
        state: TaskState,
        /// Why it has no result.
        error_code: Option<String>,
    },
    /// The first wallet was claimed.
    JobStarted,
    /// Wallets that failed or timed out were queued again.
    JobRetried,
    /// The job ended so.
    JobEnded(BatchState),
}

/// The place of an event in its job, from 1 without gaps; 0 is before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Number(pub u64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An event with its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its job.
    pub job: BatchId,
    /// Its place.
    pub number: Number,
    /// What happened.
    pub kind: Kind,
    /// When, by the clock of the database.
    pub at: DateTime<Utc>,
}

/// A job and the last of the events that have led to it.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The job.
    pub batch: Batch,
    /// The number of the last event.
    pub last: Number,
}

/// The job as it is after its last event; `None` when the tenant has no such job.
///
/// # Errors
/// As every write.
pub async fn snapshot(store: &Store, job: &BatchRef) -> Result<Option<Snapshot>, StoreError> {
    // Whoever asks for a job of somebody else neither numbers its events nor waits for who does.
    if !batches::is_of(store, job).await? {
        return Ok(None);
    }
    for tried in 1..=SNAPSHOT_TRIES {
        let taken = run!(store, "job_events/snapshot", async |tx| {
            // Counts and numbers of one moment, which is that of the lock: whoever had waited for it would
            // see a moment before the numbers of the one before.
            sqlx::query("set transaction isolation level repeatable read")
                .execute(&mut *tx)
                .await?;
            if !number_in(tx, job.id).await? {
                return Ok(None);
            }
            let Some(batch) = batches::get_in(tx, job).await? else { return Ok(Some(None)) };
            let last = sqlx::query_file_scalar!("queries/job_events/last.sql", job.id.0);
            let last = Number(from_bigint(last.fetch_one(tx).await?, "event number")?);
            Ok(Some(Some(Snapshot { batch, last })))
        })?;
        match taken {
            Some(snapshot) => return Ok(snapshot),
            None => {
                tokio::time::sleep((SNAPSHOT_PAUSE * tried).min(SNAPSHOT_PAUSE_MAX)).await;
            }
        }
    }
    Err(StoreError::Conflict("the events of the job are numbered all the time"))
}

/// Gives numbers to the events of these jobs that have none; gives the jobs that were left to another process,
/// which numbers them just now.
///
/// # Errors
/// As every write: the first one. The other jobs are numbered.
pub async fn number(store: &Store, jobs: &[BatchRef]) -> Result<Vec<BatchId>, StoreError> {
    let ids: Vec<Uuid> = jobs.iter().map(|job| job.id.0).collect();
    let waiting = read!(store, async |connection| {
        sqlx::query_file_scalar!("queries/job_events/unnumbered.sql", &ids).fetch_all(connection)
    })?;
    if waiting.is_empty() {
        return Ok(Vec::new());
    }
    let together = number_together(store, &waiting).await;
    if together.is_ok() || waiting.len() == 1 {
        return together;
    }
    // A job whose events cannot be numbered does not stand in the way of the others.
    let (mut left, mut failure) = (Vec::new(), None);
    for id in &waiting {
        match number_together(store, std::slice::from_ref(id)).await {
            Ok(some) => left.extend(some),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    failure.map_or(Ok(left), Err)
}

/// Of each job the events behind a number, in their order, at most `limit`; jobs one after the other.
///
/// # Errors
/// As every read.
pub async fn after(
    store: &Store,
    jobs: &[(BatchRef, Number)],
    limit: u32,
) -> Result<Vec<Event>, StoreError> {
    let ids: Vec<Uuid> = jobs.iter().map(|(job, _)| job.id.0).collect();
    let tenants: Vec<&str> = jobs.iter().map(|(job, _)| job.tenant.as_str()).collect();
    let numbers = jobs.iter().map(|(_, last)| to_bigint(last.0, "event number"));
    let numbers = numbers.collect::<Result<Vec<i64>, _>>()?;
    let rows = read!(store, async |connection| {
        sqlx::query_file_as!(
            Row,
            "queries/job_events/after.sql",
            &ids,
            &numbers,
            i64::from(limit),
            &tenants as &[&str]
        )
        .fetch_all(connection)
    })?;
    rows.into_iter().map(Event::try_from).collect()
}

/// The event of one row of the log; `None` when it has no number yet, or went with its job.
///
/// # Errors
/// As every read.
pub async fn of_row(store: &Store, job: &BatchRef, row: i64) -> Result<Option<Event>, StoreError> {
    let event = read!(store, async |connection| {
        sqlx::query_file_as!(Row, "queries/job_events/of_row.sql", job.id.0, row)
            .fetch_optional(connection)
    })?;
    event.map(Event::try_from).transpose()
}

/// Numbers the events of these jobs in one transaction; gives the jobs that were left to another one.
async fn number_together(store: &Store, jobs: &[Uuid]) -> Result<Vec<BatchId>, StoreError> {
    run!(store, "job_events/number", async |tx| {
        let locked = lock(tx, jobs).await?;
        sqlx::query_file!("queries/job_events/number.sql", &locked).execute(tx).await?;
        Ok(jobs.iter().filter(|id| !locked.contains(id)).map(|id| BatchId(*id)).collect())
    })
}

/// Takes the right to number, where no other transaction has it now. Gives the jobs of which it was taken.
async fn lock(tx: &mut PgConnection, jobs: &[Uuid]) -> Result<Vec<Uuid>, StoreError> {
    let locks = sqlx::query_file_scalar!("queries/job_events/try_locks.sql", jobs);
    Ok(locks.fetch_all(tx).await?)
}

/// Gives numbers, unless another transaction does so now; then false.
async fn number_in(tx: &mut PgConnection, job: BatchId) -> Result<bool, StoreError> {
    let locked = lock(&mut *tx, &[job.0]).await?;
    // A database that takes no writes can be read as far as everything has its number.
    let waiting = sqlx::query_file_scalar!("queries/job_events/unnumbered.sql", &locked);
    if waiting.fetch_optional(&mut *tx).await?.is_some() {
        sqlx::query_file!("queries/job_events/number.sql", &locked).execute(tx).await?;
    }
    Ok(!locked.is_empty())
}

/// One row of `job_events/after`.
struct Row {
    batch_id: Uuid,
    seq: i64,
    kind: String,
    wallet: Option<String>,
    error_code: Option<String>,
    at: DateTime<Utc>,
}

impl TryFrom<Row> for Event {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let kind = match (row.wallet, row.kind.as_str()) {
            (Some(name), state) => {
                let (state, error_code) = (TaskState::read(state)?, row.error_code);
                if name.starts_with(groups::PREFIX) {
                    Kind::GroupEnded { state, error_code }
                } else {
                    Kind::WalletEnded { wallet: name, state, error_code }
                }
            }
            (None, "started") => Kind::JobStarted,
            (None, "retried") => Kind::JobRetried,
            (None, state) => Kind::JobEnded(BatchState::read(state)?),
        };
        let number = Number(from_bigint(row.seq, "event number")?);
        Ok(Self { job: BatchId(row.batch_id), number, kind, at: row.at })
    }
}
