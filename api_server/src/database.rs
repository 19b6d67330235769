//! Opening the database: the server, the pool, and whether the one can carry the other.

use std::time::Duration;

use anyhow::{Context, bail};
use persistence_layer::{Judgement, Store, StoreSettings};
use service_runtime::config::Settings;
use service_runtime::postgres;

/// An open database.
pub struct Database {
    /// The pool.
    pub store: Store,
    server: postgres::Database,
}

impl Database {
    /// Takes the configured server, or starts a cluster of our own, opens the pool, and compares it
    /// with what the server can give.
    ///
    /// # Errors
    /// When the server cannot be started or reached, or not even the minimum of the pool fits.
    pub async fn open(settings: &Settings) -> anyhow::Result<Self> {
        let server = postgres::Database::open(&settings.database)
            .await
            .context("a PostgreSQL of our own cannot be started")?;
        match connect(settings, &server).await {
            Ok(store) => Ok(Self { store, server }),
            Err(error) => {
                server.stop().await;
                Err(error)
            }
        }
    }

    /// The same for a command that looks and goes: two connections, little patience, no judgement.
    ///
    /// # Errors
    /// As [`Database::open`].
    pub async fn open_for_a_look(settings: &Settings) -> anyhow::Result<Self> {
        let server = postgres::Database::open(&settings.database)
            .await
            .context("a PostgreSQL of our own cannot be started")?;
        let few = StoreSettings {
            max_connections: 2,
            min_connections: 0,
            acquire_timeout: LOOK_PATIENCE,
            ..pool_settings(settings, &server)
        };
        match Store::connect(&few).await.with_context(|| unreachable(&server)) {
            Ok(store) => Ok(Self { store, server }),
            Err(error) => {
                server.stop().await;
                Err(error)
            }
        }
    }

    /// Closes the pool, and stops a cluster of our own when nobody else uses it.
    pub async fn close(self) {
        self.store.close().await;
        self.server.stop().await;
    }
}

/// Time in which a database must answer somebody who only looks.
const LOOK_PATIENCE: Duration = Duration::from_secs(5);

fn pool_settings(settings: &Settings, server: &postgres::Database) -> StoreSettings {
    let database = &settings.database;
    StoreSettings {
        url: server.url().expose().to_owned(),
        max_connections: database.max_connections,
        min_connections: database.min_connections,
        acquire_timeout: database.acquire_timeout(),
        idle_timeout: database.idle_timeout(),
        max_lifetime: database.max_lifetime(),
        statement_timeout: database.statement_timeout(),
    }
}

fn unreachable(server: &postgres::Database) -> String {
    format!("cannot connect to {}", server.url().redacted())
}

async fn connect(settings: &Settings, server: &postgres::Database) -> anyhow::Result<Store> {
    let database = &settings.database;
    let pool = pool_settings(settings, server);
    let budget = Store::ask_budget(&pool).await.with_context(|| unreachable(server))?;
    match budget.judge(database.min_connections, database.max_connections) {
        Judgement::Ok => {}
        Judgement::Warn(text) => tracing::warn!("{text}"),
        Judgement::Refuse(text) => bail!(text),
    }
    Store::connect(&pool).await.with_context(|| unreachable(server))
}
