//! Reads from a streaming replica, as long as it is near enough to the primary.
//!
//! A task asks both every second. How far the replica is behind is told by the log, not by clocks: the primary's position is
//! noted with its time, and the replica is as old as the newest position that it has replayed. What cannot be read there is
//! read from the primary, so a replica that is gone costs its readers one try at most.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::{KeptBy, Plans, Store, begin_statement, connect_options, pool_options};
use crate::error::StoreError;
use crate::metrics::ReplicaMetrics;
use crate::pooler::{PoolerError, check_answers};
use crate::settings::{ReplicaSettings, StoreSettings};

/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The same after answers were mixed up, which takes somebody to change the pooler.
const LOOK_AT_POOLER_EVERY: Duration = Duration::from_secs(30);

/// Longest time of a look at a pooler: one that mixes answers up shows it in less.
const LONGEST_CHECK: Duration = Duration::from_secs(10);

/// Longest time of a look, and of a wait for a connection to the replica.
const PATIENCE: Duration = Duration::from_secs(2);

/// Longest time of a look at both.
const LONGEST_LOOK: Duration = Duration::from_secs(2 * PATIENCE.as_secs());

/// Longest time of a read there: with the one from the primary after it, it fits into a request.
pub(super) const READ_PATIENCE: Duration = Duration::from_secs(10);

/// Positions that are remembered: those of an hour.
const MOST_POSITIONS: usize = 3600;

/// How a replica is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplicaState {
    /// Reads go there; it is behind by so much at most.
    InUse(Duration),
    /// It is behind by so much and more: nothing is read there.
    Behind(Duration),
    /// It does not answer.
    Away,
    /// It takes writes: what is stored there is its own.
    NotAReplica,
    /// It is the replica of another server, or the URL names another database of it.
    OfAnother,
    /// A pooler before it gives clients each other's answers.
    MixesAnswers,
}

impl ReplicaState {
    /// A stable name.
    pub const fn code(self) -> &'static str {
        match self {
            Self::InUse(_) => "replica-in-use",
            Self::Behind(_) => "replica-behind",
            Self::Away => "replica-away",
            Self::NotAReplica => "replica-is-a-primary",
            Self::OfAnother => "replica-of-another",
            Self::MixesAnswers => "replica-mixes-answers",
        }
    }

    /// How far it is behind, when that is known.
    pub const fn lag(self) -> Option<Duration> {
        match self {
            Self::InUse(lag) | Self::Behind(lag) => Some(lag),
            Self::Away | Self::NotAReplica | Self::OfAnother | Self::MixesAnswers => None,
        }
    }
}

/// A replica and what is known of it.
#[derive(Debug)]
pub(super) struct Replica {
    store: Store,
    max_lag: Duration,
    known: Mutex<Known>,
    /// The same for those who read.
    is_open: AtomicBool,
    metrics: ReplicaMetrics,
}

/// What is known of a replica.
#[derive(Debug)]
struct Known {
    state: ReplicaState,
    /// Until then nothing is read there, whatever its state.
    avoided_until: Instant,
}

impl Replica {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was stored by now is there in the end: it was near enough at the last look, and the next one may take its time.
    fn avoid(&self, now: Instant) {
        let mut known = self.known();
        known.avoided_until = now + self.max_lag + LOOK_EVERY + LONGEST_LOOK;
        self.open(&known, now);
    }

    fn open(&self, known: &Known, now: Instant) {
        let is_open = matches!(known.state, ReplicaState::InUse(_)) && now >= known.avoided_until;
        self.is_open.store(is_open, Ordering::Relaxed);
        self.metrics.set(is_open, known.state.lag());
    }

    pub(super) async fn close(&self) {
        self.store.pool.close().await;
    }

    fn set(&self, now: ReplicaState) {
        let mut known = self.known();
        let code = now.code();
        if known.state.code() != code {
            if matches!(now, ReplicaState::InUse(_)) {
                tracing::info!("reads go to the replica");
            } else {
                tracing::warn!(code, lag = ?now.lag(), "the replica is not used; all reads go to the primary");
            }
        }
        known.state = now;
        self.open(&known, Instant::now());
    }
}

/// Where a store that reads from a replica turns when it cannot.
#[derive(Debug, Clone)]
pub(super) struct Fallback {
    primary: Arc<Store>,
    metrics: ReplicaMetrics,
}

impl Fallback {
    /// Cancels statements there after `limit`.
    pub(super) fn limit(&mut self, limit: Duration) {
        self.primary = Arc::new(self.primary.with_statement_timeout(limit));
    }
}

impl Store {
    /// Reads also from the replica of `settings`, which is watched until `stop`. It may be away now and come later.
    ///
    /// # Errors
    /// [`StoreError::Settings`] for an unusable URL.
    pub fn with_replica(
        mut self,
        settings: &ReplicaSettings,
        primary: &StoreSettings,
        stop: CancellationToken,
    ) -> Result<Self, StoreError> {
        let options = connect_options(&settings.url)?;
        let pool = pool_options(&StoreSettings {
            max_connections: settings.max_connections,
            min_connections: 0,
            acquire_timeout: PATIENCE,
            ..primary.clone()
        })
        .connect_lazy_with(options.clone());
        let metrics = ReplicaMetrics::new(pool.clone(), settings.max_connections);
        let replica = Arc::new(Replica {
            store: self.reader_of(pool, options, settings, metrics.clone()),
            max_lag: settings.max_lag,
            known: Mutex::new(Known { state: ReplicaState::Away, avoided_until: Instant::now() }),
            is_open: AtomicBool::new(false),
            metrics,
        });
        let (watched, asked) = (Arc::clone(&replica), self.clone());
        let url = settings.url.clone();
        let watch = async move { watch(&watched, &asked, &url).await };
        tokio::spawn(stop.run_until_cancelled_owned(watch));
        self.replica = Some(replica);
        Ok(self)
    }

    /// This store over another pool. Whether a pooler that shares sessions stands before the replica is not asked: it may be away.
    /// So each transaction brings its settings.
    fn reader_of(
        &self,
        pool: PgPool,
        options: sqlx::postgres::PgConnectOptions,
        settings: &ReplicaSettings,
        metrics: ReplicaMetrics,
    ) -> Self {
        let begin = |plans| begin_statement(READ_PATIENCE, plans, KeptBy::Transaction);
        Self {
            fallback: Some(Fallback { primary: Arc::new(self.clone()), metrics }),
            begin: begin(Plans::Free),
            begin_by_key: begin(Plans::ByKey),
            kept_by: KeptBy::Transaction,
            patience: Some(READ_PATIENCE),
            acquire_timeout: PATIENCE,
            max_connections: settings.max_connections,
            pool,
            direct: None,
            options,
            ..self.clone()
        }
    }

    /// The store for reads that may be a little behind what was just written: the replica while it is near enough, else
    /// this one. Not for the state of jobs, which clients ask for right after they have submitted one.
    pub fn reading(&self) -> Self {
        match &self.replica {
            Some(replica) if replica.is_open.load(Ordering::Relaxed) => {
                let near = match self.own_limit {
                    Some(limit) => replica.store.with_statement_timeout(limit),
                    None => replica.store.clone(),
                };
                Self { replaced_ledgers: self.replaced_ledgers, ..near }
            }
            _ => self.clone(),
        }
    }

    /// Reads from the primary alone, here and in all clones, until the replica has all that is stored by now.
    pub fn avoid_replica_for_now(&self) {
        if let Some(replica) = &self.replica {
            replica.avoid(Instant::now());
        }
    }

    /// How the replica is, when there is one.
    pub fn replica(&self) -> Option<ReplicaState> {
        self.replica.as_ref().map(|replica| replica.known().state)
    }

    /// Metrics of the replica, when there is one; to be registered once.
    pub fn replica_metrics(&self) -> Option<&ReplicaMetrics> {
        self.replica.as_ref().map(|replica| &replica.metrics)
    }

    /// Whether what is read here may be behind.
    pub(crate) const fn is_replica(&self) -> bool {
        self.fallback.is_some()
    }

    /// Where a read that failed with `error` is to be done again; `None` when this store is the primary.
    pub(crate) fn instead(&self, error: &StoreError) -> Option<&Self> {
        let Fallback { primary, metrics } = self.fallback.as_ref()?;
        tracing::debug!(
            code = error.code(),
            "a read from the replica failed; it goes to the primary"
        );
        metrics.fell_back();
        Some(primary)
    }
}

/// Asks through `url`, the address of a replica, whether answers are mixed up there.
///
/// # Errors
/// [`PoolerError::MixesAnswers`] when they are; any other when it is away.
pub async fn check_replica(url: &str) -> Result<(), PoolerError> {
    let check = check_answers("database.read_url", url, PATIENCE);
    tokio::time::timeout(LONGEST_CHECK, check).await.unwrap_or(Err(PoolerError::Silent))
}

/// Looks at both for ever. What is behind `url` may be another server each time that it has been away: nothing is believed
/// of it before its answers are known not to be mixed up.
async fn watch(replica: &Replica, primary: &Store, url: &str) {
    let mut positions = Positions::default();
    let mut is_checked = false;
    loop {
        let checked = if is_checked { Ok(()) } else { check_replica(url).await };
        let found = match checked {
            Ok(()) => {
                let look = look(replica, primary, &mut positions);
                tokio::time::timeout(LONGEST_LOOK, look).await.unwrap_or(ReplicaState::Away)
            }
            Err(error @ PoolerError::MixesAnswers { .. }) => {
                tracing::warn!(%error, "nothing is read from the replica");
                ReplicaState::MixesAnswers
            }
            Err(_) => ReplicaState::Away,
        };
        replica.set(found);
        let is_mixed = found == ReplicaState::MixesAnswers;
        is_checked = !is_mixed && found != ReplicaState::Away;
        tokio::time::sleep(if is_mixed { LOOK_AT_POOLER_EVERY } else { LOOK_EVERY }).await;
    }
}

async fn look(replica: &Replica, primary: &Store, positions: &mut Positions) -> ReplicaState {
    // Of a primary that does not answer there is no new position, and the newest one grows old.
    if let Ok(Ok(now)) = tokio::time::timeout(PATIENCE, end_of(primary)).await {
        if now.is_replica {
            // Both are replicas, or the two have changed places: nothing tells how far one is behind.
            return ReplicaState::OfAnother;
        }
        positions.primary = Some((now.system, now.database));
        positions.note(Instant::now(), now.position);
    }
    let Ok(Ok(there)) = tokio::time::timeout(PATIENCE, end_of_replica(&replica.store)).await else {
        return ReplicaState::Away;
    };
    if !there.is_replica {
        return ReplicaState::NotAReplica;
    }
    match &positions.primary {
        Some(known) if *known != (there.system, there.database) => ReplicaState::OfAnother,
        // Not before the primary was seen once.
        None => ReplicaState::Away,
        Some(_) => match positions.lag(Instant::now(), there.position) {
            Lag::AtMost(lag) if lag <= replica.max_lag => ReplicaState::InUse(lag),
            Lag::AtMost(lag) | Lag::AtLeast(lag) => ReplicaState::Behind(lag),
        },
    }
}

/// How far a server's log goes.
struct End {
    is_replica: bool,
    /// Written by a primary, replayed by a replica, in bytes.
    position: i64,
    /// The same of a primary and its replicas.
    system: i64,
    database: String,
}

const END: &str = "-- server/end_of_log
    select pg_is_in_recovery(),
        (case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end
            - '0/0'::pg_lsn)::bigint,
        (select system_identifier from pg_control_system()), current_database()::text";

async fn end_of(store: &Store) -> Result<End, StoreError> {
    crate::store::run!(store, "server/end_of_log", async |tx| { end(tx).await })
}

/// Without a second try at the primary.
async fn end_of_replica(store: &Store) -> Result<End, StoreError> {
    let mut tx = store.begin().await?;
    let found = end(&mut tx).await?;
    tx.rollback().await?;
    Ok(found)
}

async fn end(connection: &mut sqlx::PgConnection) -> Result<End, StoreError> {
    let (is_replica, position, system, database) =
        sqlx::query_as(END).fetch_one(connection).await?;
    Ok(End { is_replica, position, system, database })
}

/// How far a replica is behind.
#[derive(Debug, PartialEq, Eq)]
enum Lag {
    AtMost(Duration),
    /// It has replayed nothing that was seen at the primary.
    AtLeast(Duration),
}

/// Where the primary was when, oldest first.
#[derive(Debug, Default)]
struct Positions {
    seen: VecDeque<(Instant, i64)>,
    /// Which server and database it was.
    primary: Option<(i64, String)>,
}

impl Positions {
    fn note(&mut self, at: Instant, position: i64) {
        if self.seen.len() == MOST_POSITIONS {
            self.seen.pop_front();
        }
        self.seen.push_back((at, position));
    }

    /// How far one is behind that has replayed the log up to `replayed`. Forgets what is not needed again.
    fn lag(&mut self, now: Instant, replayed: i64) -> Lag {
        while self.seen.get(1).is_some_and(|(_, next)| *next <= replayed) {
            self.seen.pop_front();
        }
        match self.seen.front() {
            // Also where that is all that was seen: nobody knows what the primary has written since.
            Some((at, first)) if *first <= replayed => {
                Lag::AtMost(now.saturating_duration_since(*at))
            }
            first => Lag::AtLeast(
                first.map_or(Duration::ZERO, |(at, _)| now.saturating_duration_since(*at)),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_replica_is_as_old_as_the_newest_position_that_it_has_replayed() {
        let begin = Instant::now();
        let mut positions = Positions::default();
        assert_eq!(positions.lag(begin, 5), Lag::AtLeast(seconds(0)));
        for (second, position) in [(0, 10), (1, 20), (2, 20), (3, 30)] {
            positions.note(begin + seconds(second), position);
        }
        let now = begin + seconds(4);
        assert_eq!(positions.lag(now, 9), Lag::AtLeast(seconds(4)));
        assert_eq!(positions.lag(now, 15), Lag::AtMost(seconds(4)));
        assert_eq!(positions.lag(now, 20), Lag::AtMost(seconds(2)), "the last time it was there");
        assert_eq!(positions.lag(now, 30), Lag::AtMost(seconds(1)));
        positions.note(begin + seconds(60), 30);
        assert_eq!(positions.lag(begin + seconds(60), 30), Lag::AtMost(seconds(0)), "idle");
        let silent = positions.lag(begin + seconds(90), 30);
        assert_eq!(silent, Lag::AtMost(seconds(30)), "of a primary that says nothing");
    }

    #[test]
    fn positions_are_bounded() {
        let begin = Instant::now();
        let mut positions = Positions::default();
        for position in 0..2 * i64::try_from(MOST_POSITIONS).expect("a small number") {
            positions.note(begin, position);
        }
        assert_eq!(positions.seen.len(), MOST_POSITIONS);
    }
}
