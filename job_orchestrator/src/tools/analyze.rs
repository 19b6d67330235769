//! A batch from start to end in this process: the one-shot form of the service.

use std::time::Duration;

use persistence_layer::StoreError;
use persistence_layer::batches::{Batch, BatchId, BatchRef};
use persistence_layer::results::{self, ResultRow};
use tokio_util::sync::CancellationToken;

use crate::batch::{BatchError, Batches, NewBatchRequest};
use crate::driver::{Worker, WorkerDeps};

/// Pause between two looks at the batch.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Rows read at a time.
const PAGE: u32 = 500;

/// Why there are no rows.
#[derive(Debug, thiserror::Error)]
pub enum AnalyzeError {
    /// The batch was not accepted, or its state cannot be read.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The rows cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The answer to the submission names no batch: stored by something else.
    #[error("the accepted batch has no id")]
    NoId,
}

/// Submits the request, works on it here until it is over, and gives a row for each wallet in the
/// order of submission. `progress` is shown the batch whenever it has changed. When `stop` is
/// cancelled the batch is cancelled, and the rows tell what was done until then.
///
/// # Errors
/// [`AnalyzeError`].
pub async fn analyze(
    deps: WorkerDeps,
    batches: &Batches,
    request: NewBatchRequest,
    stop: CancellationToken,
    mut progress: impl FnMut(&Batch),
) -> Result<Vec<ResultRow>, AnalyzeError> {
    let tenant = request.tenant.clone();
    let accepted = batches.submit(request).await?;
    let id = accepted.body.get("job_id").and_then(|id| id.as_str()).and_then(|id| id.parse().ok());
    let id: BatchId = id.ok_or(AnalyzeError::NoId)?;
    let job = BatchRef { tenant, id };
    let store = deps.store.clone();
    // The worker outlives the order to stop: cancelled wallets are written by it.
    let drain = CancellationToken::new();
    let (_worker, worker_ended) = Worker::start(deps, drain.clone());
    let ended = until_over(batches, &job, &stop, &mut progress).await;
    drain.cancel();
    if let Err(error) = worker_ended.await {
        tracing::error!(%error, "the worker ended badly");
    }
    ended?;

    let mut rows: Vec<ResultRow> = Vec::new();
    loop {
        let after = rows.last().map(|row| row.ordinal);
        let page = results::page(&store, &job, after, PAGE).await?;
        if page.is_empty() {
            return Ok(rows);
        }
        rows.extend(page);
    }
}

async fn until_over(
    batches: &Batches,
    job: &BatchRef,
    stop: &CancellationToken,
    progress: &mut impl FnMut(&Batch),
) -> Result<(), BatchError> {
    let mut shown = None;
    let mut cancelled = false;
    loop {
        let batch = batches.status(job).await?;
        if shown.replace((batch.counts, batch.pin)) != Some((batch.counts, batch.pin)) {
            progress(&batch);
        }
        if batch.state.is_terminal() {
            return Ok(());
        }
        if stop.is_cancelled() && !cancelled {
            cancelled = true;
            batches.cancel(job).await?;
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = stop.cancelled(), if !cancelled => {}
        }
    }
}
