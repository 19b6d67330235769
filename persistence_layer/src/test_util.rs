//! A database of its own for each test, here and in the other crates.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};

#[cfg(feature = "queries")]
use crate::retention::RetentionRules;
use crate::settings::StoreSettings;
pub use crate::store::Plans;
use crate::store::{KeptBy, Store, begin_statement, connect_options};

/// Names the server that tests create their databases on; a superuser's URL.
pub const SERVER_VARIABLE: &str = "TEST_DATABASE_URL";

static COUNTER: AtomicU32 = AtomicU32::new(0);

/// A migrated database that is dropped with this value.
pub struct TestDatabase {
    store: Store,
    server: String,
    url: String,
    name: String,
}

impl TestDatabase {
    /// Creates and migrates a database with a pool of 1 to 10 connections.
    ///
    /// # Panics
    /// When [`SERVER_VARIABLE`] is not set or the server refuses.
    pub async fn create() -> Self {
        Self::with_connections(10).await
    }

    /// The same with another size of the pool.
    ///
    /// # Panics
    /// As [`TestDatabase::create`].
    pub async fn with_connections(max_connections: u32) -> Self {
        let database = Self::empty(max_connections).await;
        database.store.migrate().await.expect("an empty database is migrated");
        database
    }

    /// A database without any table.
    ///
    /// # Panics
    /// As [`TestDatabase::create`].
    pub async fn empty(max_connections: u32) -> Self {
        let server = std::env::var(SERVER_VARIABLE).unwrap_or_else(|_| {
            panic!(
                "{SERVER_VARIABLE} must name a throw-away PostgreSQL server; `make test` starts one"
            )
        });
        let name = format!(
            "test_{}_{}_{}",
            std::process::id(),
            COUNTER.fetch_add(1, Ordering::Relaxed),
            uuid::Uuid::new_v4().simple(),
        );
        let mut admin = connect(&server).await;
        // The name is made from numbers above.
        admin
            .execute(AssertSqlSafe(format!("create database {name}")))
            .await
            .expect("the test server lets us create databases");
        admin.close().await.expect("the connection is closed");
        let options = connect_options(&server).expect("the URL was just used").database(&name);
        let url = options.to_url_lossy().to_string();
        let store = Store::connect(&settings(&url, max_connections))
            .await
            .expect("the new database accepts connections");
        Self { store, server, url, name }
    }

    /// The store on this database.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// URL of the database, for a second process.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A second store, as another process would have it.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn second_store(&self) -> Store {
        Store::connect(&settings(&self.url, 10)).await.expect("the server accepts a second pool")
    }

    /// One number, for tests that look behind the store from crates without SQL.
    ///
    /// # Panics
    /// When the server refuses, or the statement does not give one `bigint`.
    pub async fn number(&self, sql: &'static str) -> i64 {
        let mut connection = self.connection().await;
        sqlx::query_scalar(sql).fetch_one(&mut connection).await.expect("one bigint")
    }

    /// One statement, for tests that meddle behind the store from crates without SQL; gives the
    /// rows it touched.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn execute(&self, sql: &str) -> u64 {
        let mut connection = self.connection().await;
        let query = sqlx::query(sqlx::AssertSqlSafe(sql.to_owned()));
        query.execute(&mut connection).await.expect("the server does it").rows_affected()
    }

    /// A session that has done one statement, for as long as it is kept: to hold a lock.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn session(&self, sql: &str) -> PgConnection {
        let mut connection = self.connection().await;
        let query = sqlx::query(sqlx::AssertSqlSafe(sql.to_owned()));
        query.execute(&mut connection).await.expect("the server does it");
        connection
    }

    /// Lets the database take no writes, as a primary that became a replica, or writes again. All
    /// sessions on it end.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn set_read_only(&self, read_only: bool) {
        // From another database: this one would not let itself be altered any more.
        let mut admin = connect(&self.server).await;
        let name = &self.name;
        for sql in [
            format!("alter database {name} set default_transaction_read_only = {read_only}"),
            format!(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'"
            ),
        ] {
            // The name is made from numbers.
            admin.execute(AssertSqlSafe(sql)).await.expect("a superuser may do it");
        }
        admin.close().await.expect("the connection is closed");
    }

    /// A plain connection, for tests that look behind the store.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn connection(&self) -> PgConnection {
        connect(&self.url).await
    }

    /// How a transaction of the store begins.
    pub fn begin_statement(plans: Plans) -> String {
        begin_statement(Duration::from_secs(60), plans, KeptBy::Transaction)
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let server = self.server.clone();
        let drop_it = format!("drop database if exists {} with (force)", self.name);
        // Drop cannot wait on the test's own runtime, so another thread brings one.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let mut admin = server.parse::<PgConnectOptions>()?.connect().await?;
                admin.execute(AssertSqlSafe(drop_it)).await?;
                admin.close().await
            })
        })
        .join();
        if !matches!(dropped, Ok(Ok(()))) {
            tracing::warn!(database = self.name, "a test database was left behind");
        }
    }
}

/// Jobs for 30 days, chain data for 10, so many rows in a step.
#[cfg(feature = "queries")]
pub fn retention_rules(rows_per_step: u32) -> RetentionRules {
    const DAY: Duration = Duration::from_secs(86_400);
    RetentionRules {
        raw_transactions: Some(DAY * 10),
        results: Some(DAY * 30),
        rounds: DAY,
        replaced_ledgers: Duration::ZERO,
        idempotency: DAY,
        rows_per_step,
    }
}

async fn connect(url: &str) -> PgConnection {
    url.parse::<PgConnectOptions>()
        .expect("a PostgreSQL URL")
        .connect()
        .await
        .expect("the test server accepts connections")
}

fn settings(url: &str, max_connections: u32) -> StoreSettings {
    StoreSettings {
        url: url.to_owned(),
        max_connections,
        min_connections: 1,
        acquire_timeout: Duration::from_secs(30),
        idle_timeout: Duration::from_secs(600),
        max_lifetime: Duration::from_secs(1800),
        statement_timeout: Duration::from_secs(60),
    }
}
