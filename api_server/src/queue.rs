//! The queue's figures, read once for all who ask within a while.
//!
//! They cost a read of every open task, and who asks is anybody: each status page, each scrape.

use std::time::{Duration, Instant};

use persistence_layer::Store;
use persistence_layer::wallet_tasks::{self, QueueFigures};
use tokio::sync::Mutex;

/// How old figures may be.
const KEPT: Duration = Duration::from_secs(10);

/// Longest time of one statement. Shorter than anybody waits for a page, so that one who reads them
/// for the others is not gone before the answer.
const PATIENCE: Duration = Duration::from_millis(900);

/// The last figures. Who comes while they are read waits for them.
#[derive(Debug, Default)]
pub struct QueueWatch(Mutex<Option<(Instant, Option<QueueFigures>)>>);

impl QueueWatch {
    /// The figures, at most ten seconds old; `None` when the database could not give them.
    pub async fn figures(&self, store: &Store) -> Option<QueueFigures> {
        let mut last = self.0.lock().await;
        if let Some((read_at, figures)) = *last
            && read_at.elapsed() < KEPT
        {
            return figures;
        }
        let figures = wallet_tasks::queue_figures(store, PATIENCE).await;
        if let Err(error) = &figures {
            tracing::warn!(%error, code = error.code(), "the queue cannot be counted");
        }
        let figures = figures.ok();
        *last = Some((Instant::now(), figures));
        figures
    }
}
