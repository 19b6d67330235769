//! How much of what requests ask for is computed, and held in memory, at a time.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{WalletsError, corrupt};
use crate::compute::compute;

/// Events of all histories together whose records are held at a time. Records take up to about 200 bytes
/// an event; a longer history is held alone.
const HELD_EVENTS: u32 = 1_000_000;

/// Shared by all readers of stored ledgers of a process. A cheap clone.
#[derive(Debug, Clone)]
pub(super) struct Capacity {
    /// A permit per processor.
    processors: Arc<Semaphore>,
    /// A permit per event.
    records: Arc<Semaphore>,
}

/// Room for the records of a history, given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    _permits: OwnedSemaphorePermit,
}

impl Capacity {
    /// That of this machine.
    pub fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let records = Arc::new(Semaphore::new(HELD_EVENTS as usize));
        Self { processors: Arc::new(Semaphore::new(processors)), records }
    }

    /// Runs what computes on a thread of its own, when a processor is free for it. It has the processor
    /// until it ends, also when nobody waits for it any more.
    pub async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, WalletsError> + Send + 'static,
    ) -> Result<T, WalletsError> {
        let permit = Arc::clone(&self.processors).acquire_owned().await.map_err(corrupt)?;
        compute(move || {
            let _until_the_end = permit;
            work()
        })
        .await
    }

    /// Waits until the records of so many events may be held.
    pub async fn hold(&self, events: u64) -> Result<Held, WalletsError> {
        let events = u32::try_from(events).unwrap_or(u32::MAX).min(HELD_EVENTS);
        let permits = Arc::clone(&self.records).acquire_many_owned(events).await;
        Ok(Held { _permits: permits.map_err(corrupt)? })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn who_goes_away_does_not_free_the_processor_that_still_computes() {
        let capacity = Capacity::new();
        let all = capacity.processors.available_permits();
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let asked = tokio::spawn({
            let capacity = capacity.clone();
            async move {
                let work = move || {
                    let _ = begun.send(());
                    // An error when the test is over.
                    let _ = may_go_on.recv();
                    Ok(())
                };
                capacity.compute(work).await
            }
        });
        has_begun.await.unwrap();
        asked.abort();
        assert!(asked.await.unwrap_err().is_cancelled());
        assert_eq!(capacity.processors.available_permits(), all - 1);
        go_on.send(()).unwrap();
        let every = u32::try_from(all).unwrap();
        drop(capacity.processors.acquire_many(every).await.unwrap());
    }

    #[tokio::test]
    async fn histories_are_held_up_to_so_many_events_and_a_longer_one_alone() {
        let capacity = Capacity::new();
        let first = capacity.hold(600_000).await.unwrap();
        assert!(capacity.hold(600_000).now_or_never().is_none());
        drop(capacity.hold(400_000).await.unwrap());
        assert!(capacity.hold(u64::MAX).now_or_never().is_none());
        drop(first);
        let alone = capacity.hold(u64::MAX).await.unwrap();
        assert!(capacity.hold(1).now_or_never().is_none());
        drop(alone);
        capacity.hold(1).await.unwrap();
    }
}
