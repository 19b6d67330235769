//! Clients that follow jobs, over whatever transport.
//!
//! The truth is the log of events in the database ([`persistence_layer::job_events`]), which every process
//! writes; so it does not matter which process a client follows a job at, or which works on it. Each process
//! reads the new events of all jobs that are followed there once for all ([`event_log`]), and tells the followers
//! ([`feed`]). Who comes in between, comes back, or is slow reads the log by itself ([`follower`]). A client has a
//! [`place`], and goes when its key does ([`holders`]).

mod event_log;
mod feed;
mod follower;
mod holders;
mod message;
mod place;
pub mod socket;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use job_orchestrator::batch::{BatchError, Batches};
use persistence_layer::batches::BatchRef;
use persistence_layer::job_events::{self, Number};
use persistence_layer::{Store, StoreError};
use service_runtime::config::LiveSettings;
use tokio::sync::{Semaphore, broadcast};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::feed::{Feed, Piece, Shot};
pub use self::follower::{End, Follower};
use self::holders::Holders;
pub use self::message::{Message, type_of_end, webhook_body};
pub use self::place::{Dropped, Place, Transport};
use crate::metrics::LiveMetrics;

/// How old the snapshot may be that a client begins with; what has happened since is sent behind it.
const SNAPSHOT_AGE: Duration = Duration::from_secs(1);

/// Followers that read the log at a time: what they may cost in connections.
const READS: usize = 4;

/// The jobs that are followed at this process. A cheap clone.
#[derive(Clone)]
pub struct Live(Arc<Inner>);

struct Inner {
    store: Store,
    batches: Batches,
    metrics: LiveMetrics,
    rules: LiveSettings,
    places: Arc<Semaphore>,
    holders: Holders,
    reads: Semaphore,
    feeds: Mutex<Feeds>,
    drain: CancellationToken,
}

#[derive(Default)]
struct Feeds {
    by_job: HashMap<BatchRef, Arc<Feed>>,
    /// Whether somebody reads the log for them.
    are_read: bool,
}

impl Live {
    /// Room for as many followers as `rules` say. All of them end when `drain` is cancelled.
    pub fn new(
        store: Store,
        batches: Batches,
        rules: LiveSettings,
        metrics: LiveMetrics,
        drain: CancellationToken,
    ) -> Self {
        Self(Arc::new(Inner {
            holders: Holders::new(store.clone()),
            store,
            batches,
            metrics,
            places: Arc::new(Semaphore::new(rules.max_streams as usize)),
            rules,
            reads: Semaphore::new(READS),
            feeds: Mutex::default(),
            drain,
        }))
    }

    /// A place for one more follower, with the key that it has; `None` when all are taken.
    pub fn place(&self, transport: Transport, key: Option<Uuid>) -> Option<Place> {
        let permit = Arc::clone(&self.0.places).try_acquire_owned().ok()?;
        let (metrics, drain) = (self.0.metrics.clone(), self.0.drain.clone());
        Some(Place {
            _permit: permit,
            _counted: metrics.follows(transport),
            metrics,
            transport,
            key: key.map(|key| self.0.holders.hold(key, &drain)),
            drain,
        })
    }

    /// Follows a job: behind the event `after` where its log has that, else with a snapshot first.
    ///
    /// # Errors
    /// [`BatchError::Unknown`], [`BatchError::Expired`], [`BatchError::Busy`], or the database.
    pub async fn follow(
        &self,
        place: Place,
        job: BatchRef,
        after: Option<Number>,
    ) -> Result<Follower, BatchError> {
        // First the pieces, then the snapshot: nothing falls in between.
        let (feed, pieces) = self.feed(job);
        let shot = self.shot(&feed, after).await?;
        feed.begin(&shot);
        Ok(Follower::new(self.clone(), feed, pieces, shot, after, place))
    }

    /// Waits until nobody follows a job, for at most `time`; then whoever is left is let go of.
    pub async fn until_empty(&self, time: Duration) {
        let all = self.0.places.acquire_many(self.0.rules.max_streams);
        if tokio::time::timeout(time, all).await.is_err() {
            tracing::warn!("letting go of clients that follow jobs and did not end in time");
        }
    }

    /// Counts a client that is let go of.
    pub fn dropped(&self, transport: Transport, reason: Dropped) {
        self.0.metrics.dropped(transport, reason);
    }

    fn rules(&self) -> &LiveSettings {
        &self.0.rules
    }

    fn store(&self) -> &Store {
        &self.0.store
    }

    fn reads(&self) -> &Semaphore {
        &self.0.reads
    }

    /// The feed of a job with a place in it. Whoever comes first has the log read.
    fn feed(&self, job: BatchRef) -> (Arc<Feed>, broadcast::Receiver<Arc<Piece>>) {
        let mut feeds = self.0.feeds.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Feed::new(job.clone()));
        let feed = Arc::clone(feeds.by_job.entry(job.clone()).or_insert_with(new));
        let pieces = feed.subscribe();
        if !std::mem::replace(&mut feeds.are_read, true) {
            tokio::spawn(event_log::follow(self.clone()));
        }
        (feed, pieces)
    }

    /// A snapshot that is not old, for a client that had the event `after` last. What it does not know yet,
    /// and whether the job is over, only a new one tells.
    async fn shot(&self, feed: &Feed, after: Option<Number>) -> Result<Arc<Shot>, BatchError> {
        let mut last = feed.shot.lock().await;
        let is_enough = |shot: &&Arc<Shot>| {
            shot.taken.elapsed() < SNAPSHOT_AGE
                && !shot.snapshot.batch.state.is_terminal()
                && after.is_none_or(|after| after <= shot.snapshot.last)
        };
        if let Some(shot) = last.as_ref().filter(is_enough) {
            return Ok(Arc::clone(shot));
        }
        let taken = Instant::now();
        let snapshot = match job_events::snapshot(&self.0.store, &feed.job).await {
            Ok(Some(snapshot)) => snapshot,
            Ok(None) => return Err(self.0.batches.absence(&feed.job).await),
            Err(StoreError::Conflict(_)) => return Err(BatchError::Busy),
            Err(error) => return Err(error.into()),
        };
        let shot = Arc::new(Shot::new(taken, snapshot));
        *last = Some(Arc::clone(&shot));
        Ok(shot)
    }

    /// The feeds that somebody follows; the others are let go. `None`: that were all.
    fn followed(&self) -> Option<Vec<Arc<Feed>>> {
        let mut feeds = self.0.feeds.lock().unwrap_or_else(PoisonError::into_inner);
        feeds.by_job.retain(|_, feed| feed.is_followed());
        feeds.are_read = !feeds.by_job.is_empty();
        feeds.are_read.then(|| feeds.by_job.values().cloned().collect())
    }
}
