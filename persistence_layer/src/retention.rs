//! Removes what its time is over, in steps of a bounded number of rows.
//!
//! Each step is one short transaction under an advisory lock of it, so at most one process of the
//! fleet is in a step at a time; one that dies in it takes nothing with it, and the next run goes on
//! where it ended.
//!
//! - **Batches** go when they have been over for `results` (and their idempotency key has expired):
//!   first for clients, at once, leaving a tombstone for a year; some minutes later, when no answer is
//!   still being written from them, their rows - tasks, attempts, results, the latest figures that are
//!   theirs. A wallet's current ledger goes with the batch that
//!   made it, and balance snapshots with the last batch of their pin that has the
//!   wallet: so what is there always belongs together. Batches that are not over are never touched.
//! - **Rounds of continuous mode** go so as soon as they have been over for `rounds` and newer ones have replaced them: no
//!   wallet's latest figures are theirs, and no watched wallet's last round, or last one with a result, is one of them.
//! - **Chain data** - raw transactions and signature lists - goes when no wallet has used it for
//!   `raw_transactions`. Use is marked to the day. Nothing goes that was used since the oldest open
//!   batch began, no list of a wallet that an open task is about, and nothing at all while a worker
//!   that does not report itself works, or has worked within the last hour for a batch that is open
//!   (it may not mark what it uses). That is a guard, no licence: keep chain data for ever until the
//!   last process of the first schema is gone. A later run fetches what it misses and reaches the
//!   same numbers.
//! - **Prices** stay: they are small, and numbers must not change with what a source says later.

use std::time::Duration;

use chrono::{DateTime, Utc};
use pnl_core::Chain;
use sqlx::PgConnection;

use crate::batches::{BatchId, BatchState};
use crate::convert::interval;
use crate::error::StoreError;
use crate::ledgers;
use crate::processes::GONE_AFTER;
use crate::results::LONGEST_WALK;
use crate::store::{Store, read, run};
use crate::wallet_tasks::lock_batch;

/// Name of the runs in table `care_runs`.
const TASK: &str = "retention";

/// Batches that become tombstones in one step.
const EXPIRED_AT_ONCE: i64 = 100;

/// Lists removed in one step. They are looked for once in it: what a step has removed itself is in the
/// way of its next look.
const LISTS_AT_ONCE: i64 = 50;

/// How long a result that was replaced is kept: longer than any walk over the list of the newest may take
/// ([`crate::results::LONGEST_WALK`]), whatever clocks say.
const REPLACED_RESULTS: Duration = LONGEST_WALK.saturating_mul(2);

/// Use of chain data is marked to the day, so none is kept for less than two.
const SHORTEST_UNUSED: Duration = Duration::from_secs(2 * 86_400);

/// What is kept for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetentionRules {
    /// Raw transactions and signature lists that nobody uses; `None`: for ever. At least two days.
    pub raw_transactions: Option<Duration>,
    /// Batches and their results after their end; `None`: for ever.
    pub results: Option<Duration>,
    /// Rounds of continuous mode after their end, once newer ones have replaced them.
    pub rounds: Duration,
    /// Ledgers that were replaced, as long as a result names them; at least ten minutes.
    pub replaced_ledgers: Duration,
    /// Answers to an `Idempotency-Key`.
    pub idempotency: Duration,
    /// Rows removed in one step, at most; those that hang on them come on top.
    pub rows_per_step: u32,
}

/// What is removed, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Batches that clients no longer see.
    Batches,
    /// Wallet tasks with their attempts and results, and the events of their jobs.
    Tasks,
    /// Ledgers: without batch, replaced, or never finished.
    Ledgers,
    /// Newest results of wallets that were replaced.
    ReplacedResults,
    /// Balance snapshots.
    Snapshots,
    /// Raw transactions.
    RawTransactions,
    /// Signature lists; counted in signatures and one for the list.
    Signatures,
    /// Idempotency keys.
    IdempotencyKeys,
    /// Reports of processes that are gone.
    ProcessReports,
    /// Tombstones of batches.
    Tombstones,
}

impl Kind {
    /// All kinds in their order.
    pub const ALL: [Self; 10] = [
        Self::Batches,
        Self::Tasks,
        Self::Ledgers,
        Self::ReplacedResults,
        Self::Snapshots,
        Self::RawTransactions,
        Self::Signatures,
        Self::IdempotencyKeys,
        Self::ProcessReports,
        Self::Tombstones,
    ];

    /// A name for metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Batches => "batches",
            Self::Tasks => "wallet_tasks",
            Self::Ledgers => "ledgers",
            Self::ReplacedResults => "replaced_results",
            Self::Snapshots => "balance_snapshots",
            Self::RawTransactions => "raw_transactions",
            Self::Signatures => "address_signatures",
            Self::IdempotencyKeys => "idempotency_keys",
            Self::ProcessReports => "process_reports",
            Self::Tombstones => "tombstones",
        }
    }
}

/// What became of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Run {
    /// The fleet has finished a run within the pause.
    NotDue,
    /// Another process is at it.
    Busy,
    /// Everything whose time is over is gone.
    Finished,
}

/// Rows removed, by kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removed(Vec<(Kind, u64)>);

impl Removed {
    /// Counts the rows of one more step.
    pub fn add(&mut self, kind: Kind, rows: u64) {
        match self.0.iter_mut().find(|(counted, _)| *counted == kind) {
            Some((_, sum)) => *sum += rows,
            None => self.0.push((kind, rows)),
        }
    }

    /// The kinds of which something was removed, and how much.
    pub fn iter(&self) -> impl Iterator<Item = (Kind, u64)> {
        self.0.iter().copied()
    }

    /// How much of one kind.
    pub fn of(&self, kind: Kind) -> u64 {
        self.0.iter().find(|(removed, _)| *removed == kind).map_or(0, |(_, rows)| *rows)
    }
}

/// Removes everything whose time is over, unless the fleet has done so within `pause`. Every process
/// may call this as often as it likes. May be dropped at any await: the step under way is undone,
/// those before it stand. `on_step` is told the rows of each step that stands.
///
/// # Errors
/// As every write: the first error of the run. It ends its kind, the others are gone on with, and the
/// run does not count as finished. What the steps before have removed stays removed.
pub async fn prune(
    store: &Store,
    rules: &RetentionRules,
    pause: Duration,
    mut on_step: impl FnMut(Kind, u64) + Send,
) -> Result<Run, StoreError> {
    let due = run!(store, "retention/is_due", async |tx| {
        if !lock(tx).await? {
            return Ok(None);
        }
        let due =
            sqlx::query_file_scalar!("queries/care_runs/is_due.sql", TASK, interval(pause)? as _)
                .fetch_one(tx)
                .await?;
        Ok(Some(due))
    })?;
    match due {
        None => return Ok(Run::Busy),
        Some(false) => return Ok(Run::NotDue),
        Some(true) => {}
    }
    let mut failure = None;
    for kind in Kind::ALL {
        match remove_all(store, kind, rules, &mut on_step).await {
            Ok(true) => {}
            Ok(false) => return failure.map_or(Ok(Run::Busy), Err),
            Err(error) => {
                tracing::warn!(kind = kind.as_str(), code = error.code(), %error, "a kind was not removed");
                failure = failure.or(Some(error));
            }
        }
    }
    if let Some(error) = failure {
        return Err(error);
    }
    run!(store, "retention/finish", async |tx| {
        sqlx::query_file!("queries/care_runs/finish.sql", TASK).execute(tx).await?;
        Ok(())
    })?;
    Ok(Run::Finished)
}

/// Removes one kind step by step; false: another process is in a step.
async fn remove_all(
    store: &Store,
    kind: Kind,
    rules: &RetentionRules,
    on_step: &mut (impl FnMut(Kind, u64) + Send),
) -> Result<bool, StoreError> {
    let mut is_first = true;
    loop {
        let step = run!(store, "retention/step", async |tx| {
            if !lock(tx).await? {
                return Ok(None);
            }
            remove(tx, kind, rules, is_first).await.map(Some)
        })?;
        match step {
            None => return Ok(false),
            Some(0) => return Ok(true),
            Some(rows) => on_step(kind, rows),
        }
        is_first = false;
    }
}

/// When the fleet last finished a run; `None`: not yet.
pub async fn last_run(store: &Store) -> Result<Option<DateTime<Utc>>, StoreError> {
    read!(store, async |connection| {
        sqlx::query_file_scalar!("queries/care_runs/last.sql", TASK).fetch_optional(connection)
    })
}

/// Whether this transaction is the only one in a step.
async fn lock(tx: &mut PgConnection) -> Result<bool, StoreError> {
    Ok(sqlx::query_file_scalar!("queries/retention/try_lock.sql").fetch_one(tx).await?)
}

/// One step of one kind; gives the rows removed, 0 when nothing is left.
async fn remove(
    tx: &mut PgConnection,
    kind: Kind,
    rules: &RetentionRules,
    is_first: bool,
) -> Result<u64, StoreError> {
    let limit = i64::from(rules.rows_per_step.max(1));
    // A job is there for as long as an answer names it.
    let results = rules.results.map(|kept| kept.max(rules.idempotency));
    let unused = rules.raw_transactions.map(|kept| kept.max(SHORTEST_UNUSED));
    match kind {
        Kind::Batches => {
            let most = EXPIRED_AT_ONCE.min(limit);
            let kept = interval(rules.rounds)?;
            let rounds = sqlx::query_file!("queries/retention/expire_rounds.sql", kept as _, most);
            let rounds = rounds.execute(&mut *tx).await?.rows_affected();
            let Some(kept) = results else { return Ok(rounds) };
            let kept = interval(kept)?;
            let expired =
                sqlx::query_file!("queries/retention/expire_batches.sql", kept as _, most);
            Ok(rounds + expired.execute(tx).await?.rows_affected())
        }
        Kind::Tasks => remove_tasks(tx, limit).await,
        Kind::Ledgers => {
            let expired = sqlx::query_file!("queries/retention/expire_ledgers.sql", limit)
                .execute(&mut *tx)
                .await?
                .rows_affected();
            Ok(expired + ledgers::remove_stale_in(tx, rules.replaced_ledgers).await?)
        }
        Kind::ReplacedResults => {
            let kept = interval(REPLACED_RESULTS)?;
            let removed = sqlx::query_file!(
                "queries/retention/remove_replaced_results.sql",
                kept as _,
                limit
            );
            Ok(removed.execute(tx).await?.rows_affected())
        }
        Kind::Snapshots => {
            // They go with their batches; these are what batches removed by older programs have left. While no
            // batch but rounds goes, nearly all are wanted, and each step would read every one of them.
            let Some(kept) = results else { return Ok(0) };
            let kept = interval(kept)?;
            let removed =
                sqlx::query_file!("queries/retention/remove_snapshots.sql", kept as _, limit);
            Ok(removed.execute(tx).await?.rows_affected())
        }
        Kind::RawTransactions => {
            let Some(kept) = unused else { return Ok(0) };
            if chain_data_in_use(tx, is_first).await? {
                return Ok(0);
            }
            remove_transactions(tx, kept, limit).await
        }
        Kind::Signatures => {
            let Some(kept) = unused else { return Ok(0) };
            if chain_data_in_use(tx, is_first).await? {
                return Ok(0);
            }
            remove_signatures(tx, kept, limit).await
        }
        Kind::IdempotencyKeys => {
            let kept = interval(rules.idempotency)?;
            let removed = sqlx::query_file!(
                "queries/idempotent_requests/delete_expired.sql",
                kept as _,
                limit
            );
            Ok(removed.execute(tx).await?.rows_affected())
        }
        Kind::ProcessReports => {
            let removed = sqlx::query_file!("queries/retention/remove_reports.sql");
            Ok(removed.execute(tx).await?.rows_affected())
        }
        Kind::Tombstones => {
            let removed = sqlx::query_file!("queries/retention/remove_tombstones.sql", limit);
            Ok(removed.execute(tx).await?.rows_affected())
        }
    }
}

/// Some tasks of an expired batch, and the batch when that was the last of them.
async fn remove_tasks(tx: &mut PgConnection, limit: i64) -> Result<u64, StoreError> {
    let next = sqlx::query_file_scalar!("queries/retention/next_expired.sql")
        .fetch_optional(&mut *tx)
        .await?;
    let Some(id) = next else { return Ok(0) };
    // An older program knows nothing of tombstones and may open it again, but not while its row is
    // locked.
    let batch = lock_batch(tx, BatchId(id)).await?;
    if batch.is_some_and(|batch| batch.state == BatchState::Active) {
        let goes_on =
            sqlx::query_file!("queries/retention/forget_expired.sql", id).execute(&mut *tx).await?;
        if goes_on.rows_affected() > 0 {
            tracing::warn!(batch_id = %id, "a batch whose time is over was opened again and stays");
            return Ok(1);
        }
    }
    let removed = sqlx::query_file!("queries/retention/remove_tasks.sql", id, limit)
        .execute(&mut *tx)
        .await?
        .rows_affected();
    // About one for each task; what is left goes with the batch.
    sqlx::query_file!("queries/retention/remove_events.sql", id, limit).execute(&mut *tx).await?;
    if removed == limit.unsigned_abs() {
        return Ok(removed);
    }
    sqlx::query_file!("queries/retention/remove_batch.sql", id).execute(&mut *tx).await?;
    sqlx::query_file!("queries/retention/finish_expired.sql", id).execute(tx).await?;
    // The batch itself, so that a batch without tasks is no end of the run.
    Ok(removed + 1)
}

/// What was done lately is asked for in the first step of a kind only: it reads every attempt of the
/// open batches. Who is at work is asked for in each.
async fn chain_data_in_use(tx: &mut PgConnection, is_first: bool) -> Result<bool, StoreError> {
    let gone_after = interval(GONE_AFTER)?;
    let at_work = sqlx::query_file_scalar!("queries/retention/silent_at_work.sql", gone_after as _);
    let in_use = at_work.fetch_one(&mut *tx).await?
        || (is_first
            && sqlx::query_file_scalar!("queries/retention/silent_lately.sql")
                .fetch_one(tx)
                .await?);
    if in_use {
        tracing::info!("a worker without report is at work: chain data is left alone");
    }
    Ok(in_use)
}

async fn remove_transactions(
    tx: &mut PgConnection,
    kept: Duration,
    limit: i64,
) -> Result<u64, StoreError> {
    let mut removed = 0;
    for chain in Chain::ALL {
        let kept = interval(kept)?;
        removed += sqlx::query_file!(
            "queries/retention/remove_transactions.sql",
            chain.as_str(),
            kept as _,
            limit
        )
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if removed > 0 {
            break;
        }
    }
    Ok(removed)
}

/// Whole lists as far as `limit` and [`LISTS_AT_ONCE`] reach, and a part of the last one.
async fn remove_signatures(
    tx: &mut PgConnection,
    kept: Duration,
    limit: i64,
) -> Result<u64, StoreError> {
    let kept = interval(kept)?;
    let unused = sqlx::query_file!(
        "queries/retention/unused_scans.sql",
        kept as _,
        LISTS_AT_ONCE.min(limit)
    )
    .fetch_all(&mut *tx)
    .await?;
    let mut removed = 0;
    for scan in unused {
        let left = limit - i64::try_from(removed).unwrap_or(limit);
        if left <= 0 {
            break;
        }
        let gone = sqlx::query_file!(
            "queries/retention/remove_signatures.sql",
            scan.chain,
            scan.address,
            left
        )
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if gone < left.unsigned_abs() {
            sqlx::query_file!("queries/retention/remove_scan.sql", scan.chain, scan.address)
                .execute(&mut *tx)
                .await?;
        } else {
            sqlx::query_file!("queries/retention/reset_scan.sql", scan.chain, scan.address)
                .execute(&mut *tx)
                .await?;
        }
        removed += gone + 1;
    }
    Ok(removed)
}
