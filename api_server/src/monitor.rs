//! Whether the database answers, known before a request asks.
//!
//! A pool that cannot connect makes each request wait for the whole acquire timeout. One task
//! therefore asks the database every second; while it does not answer, requests that need it are
//! refused at once with 503, and readiness says so. A pool whose connections are all in use says
//! nothing about the database, so then a connection beside the pool decides.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use persistence_layer::{Store, server};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Pause between two questions.
const INTERVAL: Duration = Duration::from_secs(1);

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Every so many questions it is also asked whether writes are taken.
const WRITES_EVERY: u32 = 10;

/// No answer came in time.
const NO_ANSWER: &str = "database-no-answer";

/// The database answers and takes no writes.
const READ_ONLY: &str = "database-read-only";

/// The database answers, and all connections of this process are in use.
const POOL_BUSY: &str = "database-pool-busy";

/// What the last question showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseHealth {
    /// Whether the database can be used.
    pub up: bool,
    /// Since when that is so.
    pub since: DateTime<Utc>,
    /// Time of the last round trip that was answered.
    pub round_trip: Option<Duration>,
    /// What is wrong with it, if anything: a stable code, never the driver's text. A database that
    /// is up may have one too: it takes no writes, or all our connections are in use.
    pub code: Option<&'static str>,
}

/// The view of the watching task.
#[derive(Debug, Clone)]
pub struct DatabaseMonitor(Arc<watch::Receiver<DatabaseHealth>>);

impl DatabaseMonitor {
    /// Asks once, then goes on asking until `stop`.
    pub async fn start(store: Store, stop: CancellationToken) -> Self {
        let first = ask(&store, true).await;
        let (sender, receiver) = watch::channel(DatabaseHealth {
            up: first.up,
            since: Utc::now(),
            round_trip: first.round_trip,
            code: first.code,
        });
        tokio::spawn(stop.run_until_cancelled_owned(async move {
            let mut writes = first.code == Some(READ_ONLY);
            for number in 1u32.. {
                tokio::time::sleep(INTERVAL).await;
                // What was read-only is asked again each time, to notice when that is over.
                let answer = ask(&store, writes || number % WRITES_EVERY == 0).await;
                writes = answer.code == Some(READ_ONLY);
                note(&sender, answer);
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

/// The answer to one question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// Whether the database can be used.
    pub up: bool,
    /// Time of the round trip, when there was one.
    pub round_trip: Option<Duration>,
    /// As [`DatabaseHealth::code`].
    pub code: Option<&'static str>,
}

impl Answer {
    const fn down(code: &'static str) -> Self {
        Self { up: false, round_trip: None, code: Some(code) }
    }
}

/// One question, answered within a few seconds whatever the database does; with `writes` also
/// whether it takes any.
pub async fn ask(store: &Store, writes: bool) -> Answer {
    let ping = match tokio::time::timeout(PATIENCE, store.ping()).await {
        Ok(Ok(round_trip)) => Ok(round_trip),
        Ok(Err(error)) => Err(error.code()),
        Err(_) => Err(NO_ANSWER),
    };
    let is_exhausted = {
        let pool = store.pool();
        pool.size >= pool.max && pool.idle == 0
    };
    match ping {
        Ok(round_trip) if !writes => Answer { up: true, round_trip: Some(round_trip), code: None },
        Err(code) if !is_exhausted => Answer::down(code),
        ping => match tokio::time::timeout(PATIENCE, server::takes_writes(store)).await {
            Ok(Ok(takes_writes)) => Answer {
                up: true,
                round_trip: ping.ok(),
                code: match ping {
                    _ if !takes_writes => Some(READ_ONLY),
                    Ok(_) => None,
                    Err(_) => Some(POOL_BUSY),
                },
            },
            // The pool works: only a connection more is not to be had, or the answer was slow.
            _ if ping.is_ok() => Answer { up: true, round_trip: ping.ok(), code: None },
            Ok(Err(error)) => Answer::down(error.code()),
            Err(_) => Answer::down(NO_ANSWER),
        },
    }
}

fn note(sender: &watch::Sender<DatabaseHealth>, answer: Answer) {
    sender.send_modify(|health| {
        if health.up != answer.up {
            match answer.code {
                Some(code) if !answer.up => tracing::error!(code, "the database does not answer"),
                _ => tracing::info!("the database answers again"),
            }
        } else if health.code != answer.code && answer.up {
            match answer.code {
                Some(code) => tracing::warn!(code, "the database answers, but not as it should"),
                None => tracing::info!("the database is as it should be again"),
            }
        }
        // The cause of a database that is down may change while it stays down; its begin does not.
        if health.up != answer.up || (answer.up && health.code != answer.code) {
            health.since = Utc::now();
        }
        health.up = answer.up;
        health.code = answer.code;
        health.round_trip = answer.round_trip.or(health.round_trip);
    });
}
