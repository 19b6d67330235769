//! Looks into the log of events, once for all that is followed at this process.
//!
//! A hint ([`persistence_layer::bus`]) has a job looked at at once. Hints can be lost, so everything is looked at
//! from time to time: rarely while the hints of all processes come here, else ten times a second.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use persistence_layer::StoreError;
use persistence_layer::batches::BatchId;
use persistence_layer::bus::{Hint, Hints};
use persistence_layer::job_events;
use tokio::time::Instant;

use super::Live;
use super::feed::{Feed, PROGRESS_PAUSE};

/// Pause between two looks at everything while no hints come from other processes.
const PAUSE: Duration = PROGRESS_PAUSE;

/// The same while they do: what a lost hint costs at most.
const PAUSE_WITH_HINTS: Duration = Duration::from_secs(1);

/// Shortest pause between two looks: what a busy job may cost the database.
const PAUSE_MIN: Duration = Duration::from_millis(20);

/// Pause after a look that failed.
const PAUSE_AFTER_ERROR: Duration = Duration::from_secs(1);

/// Events of one job that are read in one look.
const EVENTS: u32 = 500;

/// What the next look is at.
enum Wanted {
    All,
    Jobs(HashSet<BatchId>),
}

impl Wanted {
    fn add(&mut self, hint: Hint) {
        match (&mut *self, hint) {
            (Self::All, _) => {}
            (_, Hint::Any) => *self = Self::All,
            (Self::Jobs(jobs), Hint::Job(job)) => {
                jobs.insert(job);
            }
        }
    }

    fn includes(&self, job: BatchId) -> bool {
        match self {
            Self::All => true,
            Self::Jobs(jobs) => jobs.contains(&job),
        }
    }

    fn is_nothing(&self) -> bool {
        matches!(self, Self::Jobs(jobs) if jobs.is_empty())
    }
}

/// Tells followers what the log has, as long as anybody follows a job.
pub(super) async fn follow(live: Live) {
    let mut hints = live.store().bus().listen();
    let (mut wanted, mut looked_at_all, mut has_failed) = (Wanted::All, Instant::now(), false);
    while let Some(feeds) = live.followed() {
        let begun = Instant::now();
        if begun - looked_at_all >= pause(&live) {
            wanted = Wanted::All;
        }
        if matches!(wanted, Wanted::All) {
            looked_at_all = begun;
        }
        let (looked_at, others): (Vec<_>, Vec<_>) =
            feeds.into_iter().partition(|feed| wanted.includes(feed.job.id));
        // The time of their progress may have come.
        others.iter().for_each(|feed| feed.tell(&[]));
        match look(&live, &looked_at).await {
            Ok(again) => {
                has_failed = false;
                wanted = Wanted::Jobs(again);
            }
            // What was wanted still is.
            Err(error) => {
                if !std::mem::replace(&mut has_failed, true) {
                    tracing::warn!(%error, code = error.code(), "the events of jobs cannot be read");
                }
                tokio::time::sleep(PAUSE_AFTER_ERROR).await;
            }
        }
        collect(&mut hints, &mut wanted, begun).await;
    }
}

fn pause(live: &Live) -> Duration {
    if live.store().bus().reaches_all() { PAUSE_WITH_HINTS } else { PAUSE }
}

/// Adds the hints that come until it is time for the next look, after one that has begun then.
async fn collect(hints: &mut Hints, wanted: &mut Wanted, begun: Instant) {
    tokio::time::sleep_until(begun + PAUSE_MIN).await;
    if wanted.is_nothing()
        && let Ok(hint) = tokio::time::timeout_at(begun + PROGRESS_PAUSE, hints.next()).await
    {
        wanted.add(hint);
    }
    while let Some(hint) = hints.next_here() {
        wanted.add(hint);
    }
}

/// One look; gives the jobs that want another one soon.
async fn look(live: &Live, feeds: &[Arc<Feed>]) -> Result<HashSet<BatchId>, StoreError> {
    let mut again = HashSet::new();
    let mut known = Vec::new();
    for feed in feeds {
        match feed.last() {
            Some(last) => known.push((feed.job.clone(), last)),
            // The snapshot that it begins with is being taken.
            None => drop(again.insert(feed.job.id)),
        }
    }
    if known.is_empty() {
        return Ok(again);
    }
    let jobs: Vec<_> = known.iter().map(|(job, _)| job.clone()).collect();
    // What is numbered is told, also when the events of one job cannot be.
    let left = job_events::number(live.store(), &jobs).await;
    let events = job_events::after(live.store(), &known, EVENTS).await?;
    let mut by_job: HashMap<_, _> =
        events.chunk_by(|a, b| a.job == b.job).map(|some| (some[0].job, some)).collect();
    for feed in feeds {
        let some = by_job.remove(&feed.job.id).unwrap_or_default();
        if some.len() >= EVENTS as usize {
            again.insert(feed.job.id);
        }
        feed.tell(some);
    }
    again.extend(left?);
    Ok(again)
}
