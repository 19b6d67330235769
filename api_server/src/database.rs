//! Opening the database: the server, the pool, and whether the one can carry the other.

use std::time::Duration;

use anyhow::{Context, bail};
use persistence_layer::pooler::{self, PoolerError};
use persistence_layer::{
    Judgement, ReplicaSettings, Store, StoreError, StoreSettings, check_replica,
};
use service_runtime::config::Settings;
use service_runtime::postgres;
use tokio_util::sync::CancellationToken;

use crate::commands::WrongUsage;

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
        match look(settings, &few, &server).await {
            Ok(store) => Ok(Self { store, server }),
            Err(error) => {
                server.stop().await;
                Err(error)
            }
        }
    }

    /// Reads from the configured replica as well, watched until `stop`. It may be away.
    ///
    /// # Errors
    /// When its address cannot be used, or leads to a pooler that mixes up answers.
    pub async fn read_from_replica(
        mut self,
        settings: &Settings,
        stop: CancellationToken,
    ) -> anyhow::Result<Self> {
        let database = &settings.database;
        if !database.read_url.is_empty() {
            let checked = check_replica(database.read_url.expose()).await;
            if let Err(unfit @ PoolerError::MixesAnswers { .. }) = checked {
                self.close().await;
                return Err(WrongUsage(unfit.to_string()).into());
            }
            let replica = ReplicaSettings {
                url: database.read_url.expose().to_owned(),
                max_connections: database.read_max_connections,
                max_lag: database.read_max_lag(),
            };
            let primary = pool_settings(settings, &self.server);
            self.store = self
                .store
                .with_replica(&replica, &primary, stop)
                .context("database.read_url cannot be used")?;
        }
        Ok(self)
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

/// Whether the configured addresses lead where they should. A server of our own has nothing before it.
async fn check_way(
    settings: &Settings,
    server: &postgres::Database,
    patience: Duration,
) -> anyhow::Result<()> {
    let database = &settings.database;
    if database.postgres_url.is_empty() {
        return Ok(());
    }
    let mut checked =
        pooler::check_answers("database.postgres_url", server.url().expose(), patience).await;
    if checked.is_ok() && !database.direct_url.is_empty() {
        checked = pooler::check_sessions(database.direct_url.expose(), patience).await;
    }
    match checked {
        Ok(()) => Ok(()),
        Err(PoolerError::Store(error)) => Err(error).with_context(|| unreachable(server)),
        Err(silent @ PoolerError::Silent) => Err(silent).with_context(|| unreachable(server)),
        Err(unfit) => Err(WrongUsage(unfit.to_string()).into()),
    }
}

/// A store that takes the direct way where it must, and keeps what is to be kept: whoever works on it also removes.
async fn opened(settings: &Settings, pool: &StoreSettings) -> Result<Store, StoreError> {
    let kept = settings.retention.replaced_ledgers();
    let store = Store::connect(pool).await?.keeping_replaced_ledgers(kept);
    match settings.database.direct_url.expose() {
        "" => Ok(store),
        direct => store.with_direct_url(direct),
    }
}

async fn look(
    settings: &Settings,
    pool: &StoreSettings,
    server: &postgres::Database,
) -> anyhow::Result<Store> {
    check_way(settings, server, pool.acquire_timeout).await?;
    opened(settings, pool).await.with_context(|| unreachable(server))
}

async fn connect(settings: &Settings, server: &postgres::Database) -> anyhow::Result<Store> {
    let database = &settings.database;
    let pool = pool_settings(settings, server);
    check_way(settings, server, pool.acquire_timeout).await?;
    let budget = Store::ask_budget(&pool).await.with_context(|| unreachable(server))?;
    match budget.judge(database.min_connections, database.max_connections) {
        Judgement::Ok => {}
        Judgement::Warn(text) => tracing::warn!("{text}"),
        Judgement::Refuse(text) => bail!(text),
    }
    opened(settings, &pool).await.with_context(|| unreachable(server))
}
