//! Whether the database answers, known before a request asks.
//!
//! A pool that cannot connect makes each request wait for the whole acquire timeout. One task
//! therefore asks the database every second; while it does not answer, requests that need it are
//! refused at once with 503, and readiness says so. A pool whose connections are all in use says
//! nothing about the database, so then a connection beside the pool decides.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use persistence_layer::{Cause, Store, StoreError, Trouble};
use service_runtime::telemetry::Chain;
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

/// Pause between two questions.
const INTERVAL: Duration = Duration::from_secs(1);

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Every so many questions it is also asked whether writes are taken.
const WRITES_EVERY: u32 = 10;

/// No answer came in time.
const NO_ANSWER: &str = "database-no-answer";

/// The database answers, and all connections of this process are in use.
const POOL_BUSY: &str = "database-pool-busy";

/// What the last question showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseHealth {
    /// Whether the database answers.
    pub up: bool,
    /// Whether it takes writes, as far as is known; not while it is down.
    pub takes_writes: bool,
    /// Since when it is as it is.
    pub since: DateTime<Utc>,
    /// Time of the last round trip that was answered.
    pub round_trip: Option<Duration>,
    /// What is wrong with it, if anything: a stable code, never the driver's text. A database that
    /// is up may have one too: it takes no writes, gives no further connection, or all of ours are
    /// in use.
    pub code: Option<&'static str>,
}

/// The view of the watching task.
#[derive(Debug, Clone)]
pub struct DatabaseMonitor {
    health: watch::Receiver<DatabaseHealth>,
    /// The last answer to somebody who wanted one of now.
    asked: Arc<Mutex<Option<(Instant, Answer)>>>,
}

impl DatabaseMonitor {
    /// Asks once, then goes on asking until `stop`.
    pub async fn start(store: Store, stop: CancellationToken) -> Self {
        let first = ask(&store, true).await;
        let (sender, receiver) = watch::channel(DatabaseHealth {
            up: first.up,
            takes_writes: first.takes_writes,
            since: Utc::now(),
            round_trip: first.round_trip,
            code: first.code,
        });
        tokio::spawn(stop.run_until_cancelled_owned(async move {
            let mut is_well = first.is_well();
            for number in 1u32.. {
                tokio::time::sleep(INTERVAL).await;
                // What is not well is asked in full each time, to notice when that is over.
                let answer = ask(&store, !is_well || number % WRITES_EVERY == 0).await;
                is_well = answer.is_well();
                note(&sender, &answer);
            }
        }));
        Self { health: receiver, asked: Arc::default() }
    }

    /// The state now.
    pub fn health(&self) -> DatabaseHealth {
        self.health.borrow().clone()
    }

    /// The answer of now, or of the last second: however many ask, one question is under way.
    pub async fn ask_now(&self, store: &Store) -> Answer {
        let (asked, store) = (Arc::clone(&self.asked), store.clone());
        let question = tokio::spawn(async move {
            let mut asked = asked.lock().await;
            if let Some((at, answer)) = &*asked
                && at.elapsed() < INTERVAL
            {
                return answer.clone();
            }
            let answer = ask(&store, true).await;
            *asked = Some((Instant::now(), answer.clone()));
            answer
        });
        // A task of its own: the answer comes also when who asked has gone away.
        question.await.unwrap_or_else(|_| Answer::down(NO_ANSWER))
    }

    /// Whether the database can be used.
    pub fn is_up(&self) -> bool {
        self.health.borrow().up
    }
}

/// The answer to one question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// As [`DatabaseHealth::up`].
    pub up: bool,
    /// As [`DatabaseHealth::takes_writes`].
    pub takes_writes: bool,
    /// Time of the round trip, when there was one.
    pub round_trip: Option<Duration>,
    /// As [`DatabaseHealth::code`].
    pub code: Option<&'static str>,
    /// What the diagnosis said, for the log alone.
    pub error: Option<String>,
}

impl Answer {
    const fn down(code: &'static str) -> Self {
        Self { up: false, takes_writes: false, round_trip: None, code: Some(code), error: None }
    }

    const fn up(round_trip: Option<Duration>, code: Option<&'static str>) -> Self {
        Self { up: true, takes_writes: true, round_trip, code, error: None }
    }

    fn without_writes(round_trip: Option<Duration>, code: &'static str) -> Self {
        Self { takes_writes: false, ..Self::up(round_trip, Some(code)) }
    }

    const fn is_well(&self) -> bool {
        self.up && self.code.is_none()
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
        Ok(round_trip) if !writes => return Answer::up(Some(round_trip), None),
        Err(code) if !is_exhausted => return Answer::down(code),
        _ => {}
    }
    let round_trip = ping.ok();
    let mut diagnosis = store.diagnose().await;
    if matches!(&diagnosis, Err(Trouble { error: StoreError::Timeout(_), .. })) {
        // One write that takes seconds is a busy disk.
        diagnosis = store.diagnose().await;
    }
    match diagnosis {
        Ok(()) => Answer::up(round_trip, ping.err().map(|_| POOL_BUSY)),
        Err(trouble) => {
            let error = Some(Chain(&trouble.error).to_string());
            Answer { error, ..judge(&trouble, ping) }
        }
    }
}

/// What a diagnosis that found something wrong says of the database.
fn judge(trouble: &Trouble, ping: Result<Duration, &'static str>) -> Answer {
    let round_trip = ping.ok();
    let code = trouble.error.code();
    // A server that stops or a connection that breaks while it writes says nothing about writes.
    let is_gone = matches!(trouble.error.cause(), Some(Cause::Restarting | Cause::Unreachable));
    let is_silent = is_gone || matches!(trouble.error, StoreError::Timeout(_));
    // Nor can one write that is too unwell to begin a session: on a full disk that needs a file.
    let is_unwell =
        round_trip.is_some() && matches!(trouble.error.cause(), Some(Cause::Full | Cause::Failing));
    if ping == Err(NO_ANSWER) && is_silent {
        Answer::down(NO_ANSWER)
    } else if is_unwell || (trouble.is_connected && !is_gone) {
        Answer::without_writes(round_trip, code)
    } else if round_trip.is_some() {
        // The pool works: what is wrong concerns the connection beside it.
        Answer::up(round_trip, Some(code))
    } else {
        Answer::down(code)
    }
}

fn note(sender: &watch::Sender<DatabaseHealth>, answer: &Answer) {
    let error = answer.error.as_deref();
    sender.send_modify(|health| {
        if health.up != answer.up {
            match answer.code {
                Some(code) if !answer.up => {
                    tracing::error!(code, error, "the database does not answer")
                }
                _ => tracing::info!("the database answers again"),
            }
        } else if health.code != answer.code && answer.up {
            match answer.code {
                Some(code) => {
                    tracing::warn!(code, error, "the database answers, but not as it should")
                }
                None => tracing::info!("the database is as it should be again"),
            }
        }
        // The cause of a database that is down may change while it stays down; its begin does not.
        if health.up != answer.up || (answer.up && health.code != answer.code) {
            health.since = Utc::now();
        }
        health.up = answer.up;
        // A question that did not look at writes leaves open what was known of them; one that had
        // found something wrong is followed by such that look.
        health.takes_writes = answer.takes_writes;
        health.code = answer.code;
        health.round_trip = answer.round_trip.or(health.round_trip);
    });
}
