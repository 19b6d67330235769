//! Returns the tasks of dead workers to the queue.
//!
//! Every process sweeps; the statement is safe to run anywhere at any time. What counts is the
//! clock of the database. A task whose holders keep dying without storing anything is parked as
//! failed `worker-crashed`.

use std::time::Duration;

use persistence_layer::Store;
use persistence_layer::wallet_tasks;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::watch_state::StateLog;

/// Longest pause between two sweeps: with it an expired lease is found within lease + 5 s.
const SWEEP_PAUSE_MAX: Duration = Duration::from_secs(5);

/// Sweeps until `stop` in a process without worker, every third of `lease` or more often. A worker
/// sweeps by itself.
pub fn sweep_only(
    store: Store,
    metrics: Metrics,
    lease: Duration,
    max_takeovers: u32,
    stop: CancellationToken,
) -> JoinHandle<()> {
    tokio::spawn(run(store, metrics, lease, max_takeovers, stop))
}

/// Sweeps until `stop`.
pub(crate) async fn run(
    store: Store,
    metrics: Metrics,
    lease: Duration,
    max_takeovers: u32,
    stop: CancellationToken,
) {
    let pause = (lease / 3).min(SWEEP_PAUSE_MAX);
    let mut log =
        StateLog::new("expired leases cannot be looked for", "expired leases are found again");
    loop {
        match wallet_tasks::sweep(&store, max_takeovers).await {
            Ok(swept) => {
                log.works();
                if swept.requeued > 0 {
                    tracing::warn!(
                        wallets = swept.requeued,
                        "wallets of a dead worker are queued again"
                    );
                }
                if swept.parked > 0 {
                    tracing::error!(
                        wallets = swept.parked,
                        max_takeovers,
                        "wallets whose workers kept dying are given up"
                    );
                }
                metrics.lease_takeovers_total.inc_by(u64::from(swept.requeued));
                metrics.wallets_parked_total.inc_by(u64::from(swept.parked));
            }
            Err(error) => log.fails(&error),
        }
        // Spread over the processes, so that they do not sweep in step.
        let pause = pause * rand::random_range(75..=100) / 100;
        if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return;
        }
    }
}
