//! Work that only computes, on the threads of the runtime for work that blocks.

use std::cell::Cell;

/// So much lower than that of the process is the priority of threads that have computed, in the steps of `nice`: beside
/// a thread that answers, one of them has a quarter of a processor, and all of one that nobody else wants.
const STEPS_BACK: i32 = 5;

/// So few transactions that another thread is not woken for them.
const FEW: u64 = 50;

/// Runs work that only computes on a thread where it holds up neither heartbeats nor requests. A panic in it goes on in
/// the caller.
pub(crate) async fn compute<T: Send + 'static, E: Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, E> {
    let span = tracing::Span::current();
    let run = move || {
        step_back();
        span.in_scope(work)
    };
    match tokio::task::spawn_blocking(run).await {
        Ok(outcome) => outcome,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Never aborted, so the runtime is shutting down and drops the caller next.
            Err(_) => std::future::pending().await,
        },
    }
}

/// The same for work on so many transactions.
pub(crate) async fn compute_over<T: Send + 'static, E: Send + 'static>(
    transactions: u64,
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, E> {
    if transactions <= FEW { work() } else { compute(work).await }
}

/// Lowers the priority of the thread, once and for good: raising it again is not everybody's right. What else the
/// runtime does on these threads, such as looking up names, is done at it as well. Under load a probe, a refusal and
/// the database on the same machine then need not wait for a processor until a computation has used up its turn.
fn step_back() {
    thread_local! {
        static STEPPED_BACK: Cell<bool> = const { Cell::new(false) };
    }
    if !STEPPED_BACK.replace(true) {
        lower_priority();
    }
}

/// Only Linux has a priority for each thread. Where it is refused, work is done as before.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(STEPS_BACK) {
        tracing::debug!(%error, "computing at the priority of the process");
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::getpriority_process;

    use super::*;

    #[tokio::test]
    async fn threads_that_compute_step_back_once_and_the_others_do_not() {
        let before = getpriority_process(None).unwrap();
        for _ in 0..3 {
            let of_thread = compute(|| getpriority_process(None)).await.unwrap();
            assert_eq!(of_thread, (before + STEPS_BACK).min(19));
        }
        assert_eq!(getpriority_process(None).unwrap(), before);
    }
}
