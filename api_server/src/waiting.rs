//! Requests that wait for a job.
//!
//! A request that waits holds no connection to the database and asks nothing: each job that somebody
//! waits for is looked at from time to time, once for all who do. The database is where every process
//! writes, so it does not matter which of them works on the job.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use job_orchestrator::batch::Batches;
use persistence_layer::batches::{Batch, BatchRef};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::dto::job::JobView;
use crate::metrics::{GaugeGuard, HttpMetrics};

/// Shortest pause between two looks at a job.
const PAUSE: Duration = Duration::from_millis(250);

/// Longest pause: however slow a look was, or if none could be had.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A look at a large job takes long; the pause is so many times as long as the last look, up to the longest.
const LOOK_SHARE: u32 = 20;

/// Looks at a time, of all jobs together: what waiting may cost in connections.
const LOOKS: usize = 2;

/// A job at one moment.
#[derive(Debug, Clone)]
pub struct Look {
    /// When the look began.
    begun: Instant,
    /// How the job stood.
    pub batch: Arc<Batch>,
    /// The tag of its status.
    pub tag: Arc<str>,
}

type Looks = watch::Sender<Option<Look>>;

/// The requests of a process that wait. A cheap clone.
#[derive(Clone)]
pub struct Waiting {
    batches: Batches,
    metrics: HttpMetrics,
    places: Arc<Semaphore>,
    looks: Arc<Semaphore>,
    jobs: Arc<Mutex<HashMap<BatchRef, Looks>>>,
    drain: CancellationToken,
}

/// The right to wait.
pub struct Place {
    _permit: OwnedSemaphorePermit,
    _counted: GaugeGuard,
}

impl Waiting {
    /// Room for `most` requests. All of them are answered when `drain` is cancelled.
    pub fn new(
        batches: Batches,
        most: u32,
        metrics: HttpMetrics,
        drain: CancellationToken,
    ) -> Self {
        Self {
            batches,
            metrics,
            places: Arc::new(Semaphore::new(most as usize)),
            looks: Arc::new(Semaphore::new(LOOKS)),
            jobs: Arc::default(),
            drain,
        }
    }

    /// A place for one more request; `None` when all are taken.
    pub fn place(&self) -> Option<Place> {
        let permit = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Place { _permit: permit, _counted: self.metrics.waits() })
    }

    /// Waits until the job `is_so`, for at most `time`; `None` when that did not come about, or the
    /// process is about to stop. Only what is seen from now on counts.
    pub async fn until(
        &self,
        _place: Place,
        job: &BatchRef,
        time: Duration,
        is_so: impl Fn(&Look) -> bool,
    ) -> Option<Look> {
        let since = Instant::now();
        let mut looks = self.looks_at(job);
        let found = async {
            let is_found = |look: &Option<Look>| {
                look.as_ref().is_some_and(|look| look.begun >= since && is_so(look))
            };
            looks.wait_for(is_found).await.ok().and_then(|found| found.clone())
        };
        tokio::select! {
            found = tokio::time::timeout(time, found) => found.ok().flatten(),
            () = self.drain.cancelled() => None,
        }
    }

    /// The looks at a job. Whoever asks first begins them.
    fn looks_at(&self, job: &BatchRef) -> watch::Receiver<Option<Look>> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(looks) = jobs.get(job) {
            return looks.subscribe();
        }
        let (looks, receiver) = watch::channel(None);
        jobs.insert(job.clone(), looks.clone());
        tokio::spawn(self.clone().look(job.clone(), looks));
        receiver
    }

    /// Looks at a job as long as anybody waits for it.
    async fn look(self, job: BatchRef, looks: Looks) {
        loop {
            let pause = match self.looks.acquire().await {
                Ok(_one) => {
                    let begun = Instant::now();
                    // Away, or gone: those who wait do so until their time is over.
                    match self.batches.status(&job).await {
                        Ok(batch) => {
                            let tag = JobView::of(&batch).tag().into();
                            looks.send_replace(Some(Look { begun, batch: Arc::new(batch), tag }));
                            (begun.elapsed() * LOOK_SHARE).clamp(PAUSE, LONGEST_PAUSE)
                        }
                        Err(_) => LONGEST_PAUSE,
                    }
                }
                Err(_) => PAUSE,
            };
            tokio::select! {
                () = looks.closed() => {}
                () = tokio::time::sleep(pause) => {}
            }
            let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
            if looks.receiver_count() == 0 {
                jobs.remove(&job);
                return;
            }
        }
    }
}
