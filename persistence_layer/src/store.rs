//! The connection pool and how a transaction is run on it.

mod diagnosis;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, PgPool, Postgres, Transaction};

use self::diagnosis::Diagnosis;
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

/// The database: a cheap clone over one pool.
#[derive(Clone)]
pub struct Store {
    pool: PgPool,
    options: PgConnectOptions,
    /// The statement that opens each transaction, limits included.
    begin: String,
    /// The same for transactions that find all their rows by key.
    begin_by_key: String,
    /// Longest time of a transaction, waiting for its connection included.
    patience: Option<Duration>,
    max_connections: u32,
    metrics: Metrics,
    diagnosis: Arc<Diagnosis>,
    #[cfg(feature = "queries")]
    pub(crate) waiting: Arc<crate::together::Waiting>,
}

impl fmt::Debug for Store {
    /// Without the connection options, which hold the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("pool", &self.pool()).finish_non_exhaustive()
    }
}

/// What the planner is told of the statements of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plans {
    /// Nothing but that compilation and bitmaps do not pay.
    Free,
    /// That they find all their rows by key.
    ByKey,
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
/// read no float), and limits are not given as `options`, which PgBouncer refuses.
pub(crate) fn connect_options(url: &str) -> Result<PgConnectOptions, StoreError> {
    let options: PgConnectOptions = url.parse().map_err(StoreError::Settings)?;
    Ok(options.application_name(APPLICATION_NAME).extra_float_digits(None))
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
        let pool = PgPoolOptions::new()
            .max_connections(settings.max_connections)
            .min_connections(settings.min_connections)
            .acquire_timeout(settings.acquire_timeout)
            .idle_timeout(settings.idle_timeout)
            .max_lifetime(settings.max_lifetime)
            .connect_with(options.clone())
            .await?;
        Ok(Self {
            metrics: Metrics::new(pool.clone(), settings.max_connections),
            begin: begin_statement(settings.statement_timeout, Plans::Free),
            begin_by_key: begin_statement(settings.statement_timeout, Plans::ByKey),
            patience: (!settings.statement_timeout.is_zero())
                .then(|| settings.acquire_timeout + settings.statement_timeout * 2),
            max_connections: settings.max_connections,
            pool,
            options,
            diagnosis: Arc::default(),
            #[cfg(feature = "queries")]
            waiting: Arc::default(),
        })
    }

    /// Brings the schema to the newest version this program knows. Any number of processes may do
    /// so at once: one migrates, the others wait for it.
    ///
    /// # Errors
    /// [`StoreError::Migration`] when a migration failed or an applied one is not ours.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        schema::migrate(&self.options).await
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

    /// The metrics of this store, to be registered once.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Closes all connections, waiting for those in use.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    pub(crate) fn options(&self) -> &PgConnectOptions {
        &self.options
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
        // The text is made from numbers of the configuration alone.
        match self.pool.begin_with(AssertSqlSafe(statements.clone())).await {
            Ok(begun) => Ok(begun),
            Err(error) => Err(self.name_cause(error).await),
        }
    }

    /// A connection for a read of one statement, which is a transaction by itself: see [`read!`].
    pub(crate) async fn reader(&self) -> Result<PoolConnection<Postgres>, StoreError> {
        let _waiting = (self.pool.num_idle() == 0).then(|| self.metrics.waiting());
        match self.pool.acquire().await {
            Ok(connection) => Ok(connection),
            Err(error) => Err(self.name_cause(error).await),
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
        let store: &$crate::store::Store = $store;
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
                outcome => break outcome,
            }
        }
    }};
}
pub(crate) use run;

/// Runs one statement that only reads and takes no lock, in one round trip: neither opening and
/// closing a transaction nor its limits are worth two more. Only for statements that find a few
/// rows, or one list, by key: the limit of their time is ours alone ([`Store::patiently`]).
macro_rules! read {
    ($store:expr, async |$connection:ident| $body:expr) => {{
        let store: &$crate::store::Store = $store;
        let statement = Box::pin($crate::store::outcome(async {
            let mut connection = store.reader().await?;
            let $connection: &mut sqlx::PgConnection = &mut connection;
            Ok($body.await?)
        }));
        store.patiently(statement).await
    }};
}
pub(crate) use read;

/// Names the error type of an async block, which has no place to say it.
pub(crate) fn outcome<T, F: Future<Output = Result<T, StoreError>>>(body: F) -> F {
    body
}

/// Longest pause between two statements of a transaction. No transaction waits for anything but the
/// database in between, so a longer one is a process that stands still. Well below a lease.
const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(10);

/// `SET LOCAL` ends with the transaction, so it is right with and without a pooler between: a
/// session-wide `SET` would reach other clients of the pooler, a startup parameter is refused by it.
///
/// Compilation of statements is off: each of ours reads a few rows through an index, and compiling
/// one whose cost was overestimated takes a second (measured on the claim at 100,000 ready tasks).
///
/// Bitmap scans are off as well: with statistics from before a burst the planner prefers one over the
/// ordered walk of the same index that would end at the first row, and reads a batch whole.
///
/// A process that is frozen between two statements holds its rows; the server ends its transaction
/// after [`IDLE_IN_TRANSACTION`], so that the others do not stand still with it.
pub(crate) fn begin_statement(statement_timeout: Duration, plans: Plans) -> String {
    let limits = format!(
        "begin isolation level read committed; set local statement_timeout = {}; \
         set local idle_in_transaction_session_timeout = {}; \
         set local jit = off; set local enable_bitmapscan = off; set local timezone = 'UTC'",
        statement_timeout.as_millis(),
        IDLE_IN_TRANSACTION.as_millis()
    );
    match plans {
        Plans::Free => limits,
        Plans::ByKey => limits + BY_KEY,
    }
}

/// For the statements that every wallet pays. They find their rows by key, so each has one right plan
/// whatever the parameters and the statistics: it is made once per connection and not at each call
/// (measured: more than half of what a claim costs), and no table is read from end to end, neither by
/// itself nor to join it, which looks cheap while it is empty.
const BY_KEY: &str = "; set local plan_cache_mode = force_generic_plan; \
     set local enable_seqscan = off; set local enable_hashjoin = off; set local enable_mergejoin = off";
