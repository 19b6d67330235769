//! Hints among all processes that share a Redis.
//!
//! Each process publishes its hints on one channel and listens there. It also hears itself: a beat that comes
//! back shows that publishing and listening work, also where a connection broke without a word.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisError};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::TIMEOUT;
use crate::batches::BatchId;
use crate::bus::{Bus, Hint, Hints, InProcess};

/// The channel. Databases of one Redis share it; ids of jobs are unique everywhere.
const CHANNEL: &str = "pnl:job-events";

/// Hints that may wait to be published; further ones are dropped.
const WAITING: usize = 1024;

/// Pause between two beats.
const BEAT: Duration = Duration::from_secs(2);

/// A connection on which the own beat did not come back for so long is given up.
const SILENCE: Duration = Duration::from_secs(5);

/// Wait before the first new try to connect; each further one waits that much longer.
const PAUSE: Duration = Duration::from_millis(100);

/// The pause grows up to this.
const PAUSE_MAX: Duration = Duration::from_secs(3);

/// Hints through Redis. While it is away they stay in the process.
pub struct RedisBus {
    here: InProcess,
    outbox: mpsc::Sender<BatchId>,
    is_up: Arc<AtomicBool>,
}

impl fmt::Debug for RedisBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBus").field("is_up", &self.is_up).finish_non_exhaustive()
    }
}

impl RedisBus {
    /// Begins to connect to the server of `url`, again and again, until `stop` or until the bus is dropped.
    /// Returns at once.
    pub fn start(url: String, stop: CancellationToken) -> Self {
        let (outbox, waiting) = mpsc::channel(WAITING);
        let (here, is_up) = (InProcess::new(), Arc::new(AtomicBool::new(false)));
        let exchange = Exchange {
            url,
            own: Uuid::new_v4(),
            here: here.clone(),
            waiting,
            is_up: Arc::clone(&is_up),
            tries: 0,
        };
        tokio::spawn(async move {
            stop.run_until_cancelled(exchange.run()).await;
        });
        Self { here, outbox, is_up }
    }
}

impl Bus for RedisBus {
    fn tell(&self, job: BatchId) {
        self.here.tell(job);
        // The look from time to time covers for what has no room.
        let _ = self.outbox.try_send(job);
    }

    fn listen(&self) -> Hints {
        self.here.listen()
    }

    fn reaches_all(&self) -> bool {
        self.is_up.load(Ordering::Relaxed)
    }
}

/// The side of a bus that speaks to Redis.
struct Exchange {
    url: String,
    /// Names this process in what it publishes.
    own: Uuid,
    here: InProcess,
    waiting: mpsc::Receiver<BatchId>,
    is_up: Arc<AtomicBool>,
    /// Connections in a row that did not come to work.
    tries: u32,
}

impl Exchange {
    async fn run(mut self) {
        while !self.waiting.is_closed() {
            let Err(error) = self.exchange().await;
            // Once, and not again with every try that fails.
            if self.is_up.swap(false, Ordering::Relaxed) || self.tries == 0 {
                tracing::info!(%error, "hints of other processes are not heard");
            }
            self.tries = self.tries.saturating_add(1);
            tokio::time::sleep(PAUSE.saturating_mul(self.tries).min(PAUSE_MAX)).await;
        }
    }

    /// Publishes and listens until something breaks.
    async fn exchange(&mut self) -> Result<Infallible, RedisError> {
        let client = redis::Client::open(self.url.as_str())?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(TIMEOUT))
            .set_response_timeout(Some(TIMEOUT));
        let mut publisher = client.get_multiplexed_async_connection_with_config(&config).await?;
        let subscribe = async {
            let mut listener = client.get_async_pubsub().await?;
            listener.subscribe(CHANNEL).await?;
            Ok::<_, RedisError>(listener.into_on_message())
        };
        let mut heard = tokio::time::timeout(TIMEOUT, subscribe).await.map_err(|_| silent())??;
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard_self = Instant::now();
        let mut jobs = Vec::new();
        loop {
            tokio::select! {
                message = heard.next() => {
                    let message = message.ok_or_else(silent)?;
                    match self.read(message.get_payload_bytes()) {
                        Some(Heard::Self_) => {
                            heard_self = Instant::now();
                            self.note_up();
                        }
                        Some(Heard::Other(job)) => self.here.tell(job),
                        None => {}
                    }
                }
                count = self.waiting.recv_many(&mut jobs, WAITING) => {
                    if count == 0 {
                        // Nobody has the bus any more.
                        return Err(silent());
                    }
                    let different: BTreeSet<_> = jobs.drain(..).map(|job: BatchId| job.0).collect();
                    self.publish(&mut publisher, different.into_iter().map(Some)).await?;
                }
                _ = beat.tick() => {
                    if heard_self.elapsed() > SILENCE {
                        return Err(silent());
                    }
                    self.publish(&mut publisher, [None]).await?;
                }
            }
        }
    }

    /// Publishes hints; one without a job is a beat.
    async fn publish(
        &self,
        publisher: &mut MultiplexedConnection,
        jobs: impl IntoIterator<Item = Option<Uuid>>,
    ) -> Result<(), RedisError> {
        let mut hints = redis::pipe();
        for job in jobs {
            let job = job.map(|job| job.simple().to_string()).unwrap_or_default();
            hints.publish(CHANNEL, format!("{}:{job}", self.own.simple())).ignore();
        }
        hints.query_async(publisher).await
    }

    /// What a message says; `None` when it is none of ours, or a hint or a beat that needs nothing.
    fn read(&self, message: &[u8]) -> Option<Heard> {
        let (process, job) = std::str::from_utf8(message).ok()?.split_once(':')?;
        let is_own = process.parse() == Ok(self.own);
        match (is_own, job.is_empty()) {
            (true, true) => Some(Heard::Self_),
            // Told here when it was published.
            (true, false) | (false, true) => None,
            (false, false) => Some(Heard::Other(BatchId(job.parse().ok()?))),
        }
    }

    fn note_up(&mut self) {
        self.tries = 0;
        if !self.is_up.swap(true, Ordering::Relaxed) {
            tracing::info!("hints of other processes are heard");
            // What was told before has not come here.
            self.here.hint(Hint::Any);
        }
    }
}

/// What came over the channel.
enum Heard {
    /// The own beat.
    Self_,
    /// A hint of another process.
    Other(BatchId),
}

fn silent() -> RedisError {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}
