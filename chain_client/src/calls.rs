//! Counting the calls made on somebody's behalf.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

tokio::task_local! {
    static CURRENT: CallCounter;
}

/// Counts provider calls by method, retries included: `run.calls` of a wallet.
///
/// A clone counts into the same numbers. Whoever works for a wallet runs its future inside
/// [`CallCounter::scope`]; every call that a source of this crate makes there is counted. The scope
/// belongs to the task: a future handed to `tokio::spawn` inside needs a scope of its own.
#[derive(Debug, Clone, Default)]
pub struct CallCounter {
    calls: Arc<Mutex<BTreeMap<&'static str, u64>>>,
}

impl CallCounter {
    /// A counter at zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs `work` and counts the calls it makes.
    pub fn scope<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        CURRENT.scope(self.clone(), work)
    }

    /// The calls so far, by method.
    pub fn by_method(&self) -> BTreeMap<&'static str, u64> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Adds calls to the counter of the running task, if it has one.
    pub fn count(method: &'static str, calls: usize) {
        // No scope is no mistake: probes and tools call without a wallet.
        let _ = CURRENT.try_with(|counter| {
            let mut by_method = counter.calls.lock().unwrap_or_else(PoisonError::into_inner);
            *by_method.entry(method).or_default() += calls as u64;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn calls_are_counted_for_the_scope_they_run_in() {
        let (one, other) = (CallCounter::new(), CallCounter::new());
        CallCounter::count("outside", 1);
        one.scope(async {
            CallCounter::count("getSlot", 1);
            other.scope(async { CallCounter::count("getBalance", 1) }).await;
            CallCounter::count("getSlot", 1);
        })
        .await;
        assert_eq!(one.by_method(), BTreeMap::from([("getSlot", 2)]));
        assert_eq!(other.by_method(), BTreeMap::from([("getBalance", 1)]));
    }
}
