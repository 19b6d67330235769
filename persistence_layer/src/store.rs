//! The connection pool and how a transaction is run on it.

mod diagnosis;
mod replica;
mod session;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[cfg(feature = "queries")]
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, PgPool, Postgres, Transaction};

use self::diagnosis::Diagnosis;
pub use self::diagnosis::Trouble;
use self::replica::{Fallback, READ_PATIENCE, Replica};
pub use self::replica::{ReplicaState, check_replica};
pub(crate) use self::session::begin_statement;
pub use self::session::{KeptBy, Plans};
use crate::error::StoreError;
use crate::metrics::Metrics;
use crate::schema;
use crate::settings::{ServerBudget, StoreSettings};

/// The name under which our connections appear in `pg_stat_activity`.
pub const APPLICATION_NAME: &str = "pnl-tracker";

/// How often a transaction that met another one is repeated before the caller hears of it.
const COLLISION_TRIES: u32 = 5;

/// Wait before the first repetition; each further one waits that much longer.
const COLLISION_WAIT: Duration = Duration::from_millis(5);

/// A connection that nobody used for so long is asked whether it still stands before it is given out.
/// One that breaks sooner is an error of the statement, as if it had broken a moment later.
const TRUSTED_FOR: Duration = Duration::from_millis(250);

/// How long a replaced ledger can be read at least: for readers under way.
pub(crate) const READERS_TIME: Duration = Duration::from_secs(600);

/// The database: a cheap clone over one pool.
#[derive(Clone)]
pub struct Store {
    pool: PgPool,
    options: PgConnectOptions,
    /// Past the pooler, where one was named: for what it would not pass on.
    direct: Option<PgConnectOptions>,
    /// A replica that reads may go to.
    replica: Option<Arc<Replica>>,
    /// Of a store that reads from a replica: the primary.
    fallback: Option<Fallback>,
    /// Who keeps what statements run with.
    kept_by: KeptBy,
    /// The statement that opens each transaction.
    begin: String,
    /// The same for transactions that find all their rows by key.
    begin_by_key: String,
    /// Longest time of a transaction, waiting for its connection included.
    patience: Option<Duration>,
    acquire_timeout: Duration,
    /// Longest time of a statement, where it is another one than the pool's.
    own_limit: Option<Duration>,
    max_connections: u32,
    /// How long a ledger can be read after it was replaced.
    pub(crate) replaced_ledgers: Duration,
    metrics: Metrics,
    diagnosis: Arc<Diagnosis>,
    #[cfg(feature = "queries")]
    pub(crate) waiting: Arc<crate::together::Waiting>,
    #[cfg(feature = "queries")]
    bus: Arc<dyn crate::bus::Bus>,
}

impl fmt::Debug for Store {
    /// Without the connection options, which hold the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("pool", &self.pool()).finish_non_exhaustive()
    }
}

/// State of the pool at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolMetrics {
    /// Open connections.
    pub size: u32,
    /// Those nobody uses.
    pub idle: u32,
    /// The configured most.
    pub max: u32,
}

/// The connection options for `url`, the same for pool, listener and migrations.
///
/// No startup parameter beyond those every pooler passes on: `extra_float_digits` is left out (we
/// read no float). The pool adds what its sessions keep where the server lets it ([`session`]).
pub(crate) fn connect_options(url: &str) -> Result<PgConnectOptions, StoreError> {
    let options: PgConnectOptions = url.parse().map_err(StoreError::Settings)?;
    Ok(options.application_name(APPLICATION_NAME).extra_float_digits(None))
}

/// A pool as the settings say.
fn pool_options(settings: &StoreSettings) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(settings.max_connections)
        .min_connections(settings.min_connections)
        .acquire_timeout(settings.acquire_timeout)
        .idle_timeout(settings.idle_timeout)
        .max_lifetime(settings.max_lifetime)
        .test_before_acquire(false)
        .before_acquire(|connection, state| {
            Box::pin(async move {
                if state.idle_for >= TRUSTED_FOR {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
}

/// Longest time of a transaction whose statements are cancelled after `limit`.
fn patience(acquire_timeout: Duration, limit: Duration) -> Duration {
    acquire_timeout + limit * 2
}

impl Store {
    /// Opens the pool and waits until one connection stands.
    ///
    /// # Errors
    /// [`StoreError::Settings`] for an unusable URL, [`StoreError::Unavailable`] when the server
    /// does not answer within the acquire timeout.
    pub async fn connect(settings: &StoreSettings) -> Result<Self, StoreError> {
        let store = Self::open(settings).await?;
        // The text is searched for by operators.
        tracing::info!(
            "PostgreSQL pool initialized: max_connections={}, min_connections={}, acquire_timeout={}s",
            settings.max_connections,
            settings.min_connections,
            settings.acquire_timeout.as_secs(),
        );
        Ok(store)
    }

    /// What the server can give, asked over one connection: a pool whose minimum does not fit would
    /// wait for connections that never come.
    ///
    /// # Errors
    /// As [`Store::connect`].
    pub async fn ask_budget(settings: &StoreSettings) -> Result<ServerBudget, StoreError> {
        let one = StoreSettings { max_connections: 1, min_connections: 0, ..settings.clone() };
        let store = Self::open(&one).await?;
        let budget = store.server_budget().await;
        store.close().await;
        budget
    }

    async fn open(settings: &StoreSettings) -> Result<Self, StoreError> {
        let options = connect_options(&settings.url)?;
        let (pool, kept_by) =
            session::connect(&pool_options(settings), &options, settings.statement_timeout).await?;
        let begin = |plans| begin_statement(settings.statement_timeout, plans, kept_by);
        Ok(Self {
            metrics: Metrics::new(pool.clone(), settings.max_connections),
            begin: begin(Plans::Free),
            begin_by_key: begin(Plans::ByKey),
            kept_by,
            patience: (!settings.statement_timeout.is_zero())
                .then(|| patience(settings.acquire_timeout, settings.statement_timeout)),
            acquire_timeout: settings.acquire_timeout,
            own_limit: None,
            max_connections: settings.max_connections,
            replaced_ledgers: READERS_TIME,
            pool,
            direct: None,
            options,
            replica: None,
            fallback: None,
            diagnosis: Arc::default(),
            #[cfg(feature = "queries")]
            waiting: Arc::default(),
            #[cfg(feature = "queries")]
            bus: Arc::new(crate::bus::InProcess::new()),
        })
    }

    /// Notifications and migrations take the way of `url`, past a pooler that stands before the pool.
    ///
    /// # Errors
    /// [`StoreError::Settings`] for an unusable URL.
    pub fn with_direct_url(mut self, url: &str) -> Result<Self, StoreError> {
        self.direct = Some(connect_options(url)?);
        Ok(self)
    }

    /// The same database over the same connections, where a statement is cancelled after `limit`; a read from a replica no
    /// later than all reads there.
    ///
    /// Transactions say so as they begin, which costs nothing. A read of one statement becomes a transaction for it, so this
    /// is for work whose time somebody waits for, or that may take longer, and not for what every wallet pays.
    #[must_use]
    pub fn with_statement_timeout(&self, limit: Duration) -> Self {
        let mut limited = Self { own_limit: Some(limit), ..self.clone() };
        let here = match &mut limited.fallback {
            Some(fallback) => {
                fallback.limit(limit);
                limit.min(READ_PATIENCE)
            }
            None => {
                limited.patience = Some(patience(self.acquire_timeout, limit));
                limit
            }
        };
        for begin in [&mut limited.begin, &mut limited.begin_by_key] {
            // The last one counts.
            begin.push_str(&format!("; set local statement_timeout = '{}'", here.as_millis()));
        }
        limited
    }

    /// Brings the schema to the newest version this program knows. Any number of processes may do
    /// so at once: one migrates, the others wait for it.
    ///
    /// # Errors
    /// [`StoreError::Migration`] when a migration failed or an applied one is not ours.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        schema::migrate(self.direct()).await
    }

    /// The schema version of the database (0: none) and the newest this program knows.
    pub async fn schema_version(&self) -> Result<(i64, i64), StoreError> {
        let mut tx = self.begin().await?;
        let applied = schema::applied_version(&mut tx).await?;
        tx.commit().await?;
        Ok((applied, schema::newest_version()))
    }

    /// What the server can give; see [`ServerBudget::judge`].
    pub async fn server_budget(&self) -> Result<ServerBudget, StoreError> {
        // `reserved_connections` exists since PostgreSQL 16.
        let sql = "-- server/budget
            select name, setting::bigint from pg_settings
            where name in ('max_connections', 'superuser_reserved_connections', 'reserved_connections')";
        let rows: Vec<(String, i64)> = run!(self, "server/budget", async |tx| {
            Ok(sqlx::query_as(sql).fetch_all(tx).await?)
        })?;
        let mut budget = ServerBudget { max_connections: 0, reserved: 0 };
        for (name, setting) in rows {
            let setting = u32::try_from(setting)
                .map_err(|_| StoreError::Corrupt(format!("server setting {name} = {setting}")))?;
            match name.as_str() {
                "max_connections" => budget.max_connections = setting,
                _ => budget.reserved += setting,
            }
        }
        Ok(budget)
    }

    /// Asks the database for an answer; gives the time it took.
    pub async fn ping(&self) -> Result<Duration, StoreError> {
        let started = Instant::now();
        run!(self, "server/ping", async |tx| {
            sqlx::query_scalar::<_, i32>("-- server/ping\nselect 1").fetch_one(tx).await?;
            Ok(())
        })?;
        Ok(started.elapsed())
    }

    /// State of the pool now.
    pub fn pool(&self) -> PoolMetrics {
        PoolMetrics {
            size: self.pool.size(),
            idle: u32::try_from(self.pool.num_idle()).unwrap_or(u32::MAX),
            max: self.max_connections,
        }
    }

    /// The same database, where a ledger that was replaced is kept for `kept` while a result names it, at
    /// least for the ten minutes that readers under way need.
    #[must_use]
    pub fn keeping_replaced_ledgers(self, kept: Duration) -> Self {
        Self { replaced_ledgers: kept.max(READERS_TIME), ..self }
    }

    /// The same database, with a bus that others share.
    #[cfg(feature = "queries")]
    #[must_use]
    pub fn with_bus(self, bus: Arc<dyn crate::bus::Bus>) -> Self {
        Self { bus, ..self }
    }

    /// Where hints are given that something has happened to a job.
    #[cfg(feature = "queries")]
    pub fn bus(&self) -> &dyn crate::bus::Bus {
        &*self.bus
    }

    /// The metrics of this store, to be registered once.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Closes all connections, waiting for those in use.
    pub async fn close(&self) {
        if let Some(replica) = &self.replica {
            replica.close().await;
        }
        self.pool.close().await;
    }

    pub(crate) fn direct(&self) -> &PgConnectOptions {
        self.direct.as_ref().unwrap_or(&self.options)
    }

    /// Whether a session may be listened on. A pooler gives one that listens to other clients, and cuts them off when a
    /// notification comes.
    pub(crate) fn may_listen(&self) -> bool {
        self.kept_by == KeptBy::Session || self.direct.is_some()
    }

    /// Opens a transaction with everything it needs set for its duration, in one round trip.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Postgres>, StoreError> {
        self.begin_with(Plans::Free).await
    }

    /// The same with what the planner is told of the statements.
    pub(crate) async fn begin_with(
        &self,
        plans: Plans,
    ) -> Result<Transaction<'static, Postgres>, StoreError> {
        let statements = match plans {
            Plans::Free => &self.begin,
            Plans::ByKey => &self.begin_by_key,
        };
        let _waiting = (self.pool.num_idle() == 0).then(|| self.metrics.waiting());
        // The text is made from numbers of the configuration alone. Nothing in it waits: after an error
        // here the driver would leave the transaction open.
        match self.pool.begin_with(AssertSqlSafe(statements.clone())).await {
            Ok(begun) => Ok(begun),
            Err(error) => Err(self.name_cause(error).await),
        }
    }

    /// Where a read of one statement runs: see [`read!`].
    #[cfg(feature = "queries")]
    pub(crate) async fn reader(&self) -> Result<Single, StoreError> {
        match self.own_limit {
            None => Ok(Single::Alone(self.acquire().await?)),
            Some(_) => Ok(Single::Within(self.begin_with(Plans::ByKey).await?)),
        }
    }

    #[cfg(feature = "queries")]
    async fn acquire(&self) -> Result<PoolConnection<Postgres>, StoreError> {
        let _waiting = (self.pool.num_idle() == 0).then(|| self.metrics.waiting());
        match self.pool.acquire().await {
            Ok(connection) => Ok(connection),
            Err(error) => Err(self.name_cause(error).await),
        }
    }

    /// A connection for one statement that finds its rows by key: see [`one!`].
    #[cfg(feature = "queries")]
    pub(crate) async fn single(&self) -> Result<Single, StoreError> {
        match (self.kept_by, self.own_limit) {
            (KeptBy::Session, None) => Ok(Single::Alone(self.acquire().await?)),
            _ => Ok(Single::Within(self.begin_with(Plans::ByKey).await?)),
        }
    }

    /// Gives up on a server that has gone silent. The server's own limit cannot tell when nothing
    /// reaches us any more, and the driver sends no keep-alives.
    pub(crate) async fn patiently<T>(
        &self,
        transaction: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let Some(patience) = self.patience else { return transaction.await };
        match tokio::time::timeout(patience, transaction).await {
            Ok(outcome) => outcome,
            Err(_) => {
                Err(sqlx::Error::Io(std::io::Error::from(std::io::ErrorKind::TimedOut)).into())
            }
        }
    }

    /// Whether a transaction that ended with `error` is to be repeated; waits a little when so.
    pub(crate) async fn repeats(
        &self,
        transaction: &'static str,
        error: &StoreError,
        tries: &mut u32,
    ) -> bool {
        if !error.is_collision() || *tries >= COLLISION_TRIES {
            return false;
        }
        tracing::debug!(transaction, tries, "transactions met; repeating");
        self.metrics.retried(transaction);
        tokio::time::sleep(COLLISION_WAIT * *tries).await;
        *tries += 1;
        true
    }
}

/// Runs a body in a transaction of its own and commits it. When it met another transaction
/// (deadlock, serialization) it is rolled back and repeated, so the body has no effects outside of
/// the database. `return` inside the body ends the body. What the planner is to be told of its statements
/// stands before the body.
///
/// A macro and not a function over async closures: the future of such a function is not seen as
/// `Send` by the compiler where the closure borrows, and callers spawn.
macro_rules! run {
    ($store:expr, $name:literal, async |$tx:ident| $body:block) => {
        $crate::store::run!($store, $name, $crate::store::Plans::Free, async |$tx| $body)
    };
    ($store:expr, $name:literal, $plans:expr, async |$tx:ident| $body:block) => {{
        let mut store: &$crate::store::Store = $store;
        let mut tries: u32 = 1;
        loop {
            // Boxed: statement by statement it is large, and it sits in the futures of all callers.
            let transaction = Box::pin($crate::store::outcome(async {
                let mut transaction = store.begin_with($plans).await?;
                let outcome = {
                    let $tx: &mut sqlx::PgConnection = &mut transaction;
                    $crate::store::outcome(async { $body }).await
                };
                match &outcome {
                    Ok(_) => transaction.commit().await?,
                    // Whoever hears of the error finds its locks gone. A server that does not answer
                    // ends the transaction by itself.
                    Err(_) => drop(transaction.rollback().await),
                }
                outcome
            }));
            match store.patiently(transaction).await {
                Err(error) if store.repeats($name, &error, &mut tries).await => {}
                Err(error) => match store.instead(&error) {
                    Some(primary) => store = primary,
                    None => break Err(error),
                },
                outcome => break outcome,
            }
        }
    }};
}
pub(crate) use run;

/// Where one statement runs that is a transaction by itself.
#[cfg(feature = "queries")]
pub(crate) enum Single {
    /// On a session that keeps the settings: it is committed as it ends, in one round trip.
    Alone(PoolConnection<Postgres>),
    /// In a transaction that brings them.
    Within(Transaction<'static, Postgres>),
}

#[cfg(feature = "queries")]
impl Single {
    pub(crate) fn connection(&mut self) -> &mut sqlx::PgConnection {
        match self {
            Self::Alone(connection) => connection,
            Self::Within(transaction) => transaction,
        }
    }

    /// Makes what the statement did last, or not, by how it ended.
    pub(crate) async fn end<T>(self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Self::Within(transaction) = self {
            match &outcome {
                Ok(_) => transaction.commit().await?,
                Err(_) => drop(transaction.rollback().await),
            }
        }
        outcome
    }
}

/// Runs one statement that finds its rows by key and is a transaction by itself, as [`run!`] does with
/// several. A caller that stops waiting for it cannot know whether it was carried out.
#[cfg(feature = "queries")]
macro_rules! one {
    ($store:expr, $name:literal, async |$connection:ident| $statement:expr) => {{
        let store: &$crate::store::Store = $store;
        let mut tries: u32 = 1;
        loop {
            let statement = Box::pin($crate::store::outcome(async {
                let mut single = store.single().await?;
                let outcome = {
                    let $connection: &mut sqlx::PgConnection = single.connection();
                    $statement.await.map_err($crate::error::StoreError::from)
                };
                single.end(outcome).await
            }));
            match store.patiently(statement).await {
                Err(error) if store.repeats($name, &error, &mut tries).await => {}
                outcome => break outcome,
            }
        }
    }};
}
#[cfg(feature = "queries")]
pub(crate) use one;

/// Runs one statement that only reads and takes no lock, in one round trip: behind a pooler neither a
/// transaction nor its limits are worth two more, and the limit of its time is ours alone
/// ([`Store::patiently`]). A store with a limit of its own pays them. Only for statements that find a
/// few rows, or one list, by key.
#[cfg(feature = "queries")]
macro_rules! read {
    ($store:expr, async |$connection:ident| $body:expr) => {{
        let mut store: &$crate::store::Store = $store;
        loop {
            let statement = Box::pin($crate::store::outcome(async {
                let mut single = store.reader().await?;
                let outcome = {
                    let $connection: &mut sqlx::PgConnection = single.connection();
                    $body.await.map_err($crate::error::StoreError::from)
                };
                single.end(outcome).await
            }));
            match store.patiently(statement).await {
                Err(error) => match store.instead(&error) {
                    Some(primary) => store = primary,
                    None => break Err(error),
                },
                outcome => break outcome,
            }
        }
    }};
}
#[cfg(feature = "queries")]
pub(crate) use read;

/// Names the error type of an async block, which has no place to say it.
pub(crate) fn outcome<T, F: Future<Output = Result<T, StoreError>>>(body: F) -> F {
    body
}
