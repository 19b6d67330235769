//! How long a file is and what its digest is, found out by making it once.
//!
//! A file of a job that has ended is the same each time it is made. What was found out is kept in memory: a few
//! bytes for each, so that files themselves need not be kept anywhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::TryStreamExt;
use moka::future::Cache;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::{Document, ExportError};

/// Files that are known at a time.
const MOST_KNOWN: u64 = 10_000;

/// Files that are measured at a time.
const AT_ONCE: usize = 2;

/// Files that are measured or wait for it. One more is sent without its measure.
const MOST_WAITING: usize = 16;

/// Longest wait of a client for the measure of a file; then it gets the file without.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is known of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    /// Its bytes.
    pub length: u64,
    /// Its rows.
    pub rows: u64,
    /// Its SHA-256.
    pub digest: [u8; 32],
}

/// The files that are known at this process. A cheap clone.
#[derive(Clone)]
pub struct Exports {
    /// By name, and by how often all was forgotten before it was measured.
    known: Cache<(u64, String), Measured>,
    forgotten: Arc<AtomicU64>,
    turns: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl Default for Exports {
    fn default() -> Self {
        Self {
            known: Cache::new(MOST_KNOWN),
            forgotten: Arc::default(),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            waiting: Arc::new(Semaphore::new(MOST_WAITING)),
        }
    }
}

impl Exports {
    /// What is known of the file called `name`, made by `document` once for all who ask; `None` when that takes
    /// long, and it goes on, for those who ask later; or when many files are measured already.
    ///
    /// # Errors
    /// What the document ends with.
    pub async fn measured(
        &self,
        name: String,
        document: impl FnOnce() -> Result<Document, ExportError> + Send + 'static,
    ) -> Result<Option<Measured>, Arc<ExportError>> {
        let name = (self.forgotten.load(Ordering::Acquire), name);
        if let Some(known) = self.known.get(&name).await {
            return Ok(Some(known));
        }
        let Self { known, turns, waiting, .. } = self.clone();
        let Ok(place) = waiting.try_acquire_owned() else { return Ok(None) };
        let measuring = tokio::spawn(async move {
            let _place = place;
            let make = async {
                // The semaphore is never closed.
                let _turn = turns.acquire().await;
                measure(document()?).await
            };
            known.try_get_with(name, make).await
        });
        match tokio::time::timeout(PATIENCE, measuring).await {
            Ok(Ok(measured)) => measured.map(Some),
            // It goes on, or a panic was logged.
            Ok(Err(_)) | Err(_) => Ok(None),
        }
    }

    /// Knows no file any more; one that is being measured counts as unknown.
    pub fn forget(&self) {
        self.forgotten.fetch_add(1, Ordering::AcqRel);
        self.known.invalidate_all();
    }
}

async fn measure(mut document: Document) -> Result<Measured, ExportError> {
    let (mut length, mut rows, mut hash) = (0, 0, Sha256::new());
    while let Some(piece) = document.try_next().await? {
        length += piece.bytes.len() as u64;
        rows += piece.rows;
        hash.update(&piece.bytes);
    }
    Ok(Measured { length, rows, digest: hash.finalize().into() })
}
