//! Figures of the whole fleet, read once for all who ask within a while.
//!
//! They cost a read of every open task and of every watched wallet, and who asks is anybody: each status page, each scrape.

use std::time::{Duration, Instant};

use persistence_layer::continuous::{self, ContinuousFigures};
use persistence_layer::wallet_tasks::{self, QueueFigures};
use persistence_layer::{Store, StoreError};
use tokio::sync::Mutex;

/// How old figures may be.
const KEPT: Duration = Duration::from_secs(10);

/// Longest time of one statement. Shorter than anybody waits for a page, so that one who reads them
/// for the others is not gone before the answer.
pub const PATIENCE: Duration = Duration::from_millis(900);

/// The queue's last figures.
#[derive(Debug, Default)]
pub struct QueueWatch(Kept<QueueFigures>);

impl QueueWatch {
    /// The figures, at most ten seconds old; `None` when the database could not give them.
    pub async fn figures(&self, store: &Store) -> Option<QueueFigures> {
        self.0.get("the queue", wallet_tasks::queue_figures(store, PATIENCE)).await
    }
}

/// The last figures of continuous mode.
#[derive(Debug, Default)]
pub struct ContinuousWatch(Kept<ContinuousFigures>);

impl ContinuousWatch {
    /// The figures, at most ten seconds old; `None` when the database could not give them.
    pub async fn figures(&self, store: &Store) -> Option<ContinuousFigures> {
        self.0.get("watched wallets", continuous::figures(store, PATIENCE)).await
    }

    /// Has the next one who asks read them: they were changed.
    pub async fn forget(&self) {
        *self.0.0.lock().await = None;
    }
}

/// What was read last, and when. Who comes while it is read waits for it.
#[derive(Debug)]
struct Kept<T>(Mutex<Option<(Instant, Option<T>)>>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T: Copy> Kept<T> {
    async fn get(
        &self,
        what: &'static str,
        read: impl Future<Output = Result<T, StoreError>>,
    ) -> Option<T> {
        let mut last = self.0.lock().await;
        if let Some((read_at, figures)) = *last
            && read_at.elapsed() < KEPT
        {
            return figures;
        }
        let figures = read.await;
        if let Err(error) = &figures {
            tracing::warn!(%error, code = error.code(), what, "figures cannot be counted");
        }
        let figures = figures.ok();
        *last = Some((Instant::now(), figures));
        figures
    }
}
