//! Whether the database answers, known before a request asks.
//!
//! A pool that cannot connect makes each request wait for the whole acquire timeout. One task
//! therefore asks the database every second; while it does not answer, requests that need it are
//! refused at once with 503, and readiness says so.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use persistence_layer::{Store, StoreError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Pause between two questions.
const INTERVAL: Duration = Duration::from_secs(1);

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the last question showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseHealth {
    /// Whether the database can be used.
    pub up: bool,
    /// Since when that is so.
    pub since: DateTime<Utc>,
    /// Time of the last round trip that was answered.
    pub round_trip: Option<Duration>,
    /// Why it cannot be used: a stable code, never the driver's text.
    pub code: Option<&'static str>,
}

/// The view of the watching task.
#[derive(Debug, Clone)]
pub struct DatabaseMonitor(Arc<watch::Receiver<DatabaseHealth>>);

impl DatabaseMonitor {
    /// Asks once, then goes on asking until `stop`.
    pub async fn start(store: Store, stop: CancellationToken) -> Self {
        let first = ask(&store).await;
        let (sender, receiver) = watch::channel(DatabaseHealth {
            up: first.is_ok(),
            since: Utc::now(),
            round_trip: first.as_ref().ok().copied().flatten(),
            code: first.err(),
        });
        tokio::spawn(stop.run_until_cancelled_owned(async move {
            loop {
                tokio::time::sleep(INTERVAL).await;
                note(&sender, ask(&store).await);
            }
        }));
        Self(Arc::new(receiver))
    }

    /// The state now.
    pub fn health(&self) -> DatabaseHealth {
        self.0.borrow().clone()
    }

    /// Whether the database can be used.
    pub fn is_up(&self) -> bool {
        self.0.borrow().up
    }
}

/// One question: the round trip, `None` when the pool is so busy that it was not asked.
async fn ask(store: &Store) -> Result<Option<Duration>, &'static str> {
    match tokio::time::timeout(PATIENCE, store.ping()).await {
        Ok(Ok(round_trip)) => Ok(Some(round_trip)),
        // A pool whose connections are all in use proves that the database is there.
        Err(_) if is_exhausted(store) => Ok(None),
        Err(_) => Err("db-no-answer"),
        Ok(Err(StoreError::Unavailable(_))) if is_exhausted(store) => Ok(None),
        Ok(Err(error)) => Err(error.code()),
    }
}

fn is_exhausted(store: &Store) -> bool {
    let pool = store.pool();
    pool.size >= pool.max && pool.idle == 0
}

fn note(sender: &watch::Sender<DatabaseHealth>, answer: Result<Option<Duration>, &'static str>) {
    sender.send_modify(|health| {
        if health.up != answer.is_ok() {
            health.since = Utc::now();
            match &answer {
                Ok(_) => tracing::info!("the database answers again"),
                Err(code) => tracing::error!(code, "the database does not answer"),
            }
        }
        health.up = answer.is_ok();
        health.code = answer.err();
        if let Ok(Some(round_trip)) = answer {
            health.round_trip = Some(round_trip);
        }
    });
}
