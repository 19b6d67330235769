//! Renews the leases of this process.
//!
//! One statement for all of them, every third of the lease, and at once when the queue changes, so
//! that a cancelled batch stops soon. A process that could not renew a lease for its length stops
//! that wallet by itself: somebody else may hold it by then, and the fence would refuse its writes.

use std::time::Duration;

use persistence_layer::Store;
use persistence_layer::wallet_tasks::{self, WorkerId};
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::running::{Running, Stop};
use crate::watch_state::StateLog;

/// Shortest pause between two heartbeats that a changed queue asks for.
const NUDGE_PAUSE: Duration = Duration::from_secs(1);

/// What the heartbeat needs.
pub(crate) struct Heartbeat {
    pub store: Store,
    pub worker: WorkerId,
    pub running: Running,
    pub lease: Duration,
    /// Asks for a heartbeat before its time.
    pub nudge: std::sync::Arc<Notify>,
}

impl Heartbeat {
    /// Beats until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let pause = self.lease / 3;
        let mut ticks = tokio::time::interval(pause);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut log = StateLog::new("the leases cannot be renewed", "the leases are renewed again");
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
                () = self.nudge.notified() => tokio::time::sleep(NUDGE_PAUSE.min(pause)).await,
            }
            self.beat(pause, &mut log).await;
            for task in self.running.stop_lapsed(self.lease) {
                tracing::warn!(task_id = task, "the lease lapsed before it could be renewed");
            }
        }
    }

    async fn beat(&self, patience: Duration, log: &mut StateLog) {
        let leases = self.running.leases();
        if leases.is_empty() {
            return;
        }
        let begun = Instant::now();
        let beat = wallet_tasks::heartbeat(&self.store, &self.worker, &leases, self.lease);
        match tokio::time::timeout(patience, beat).await {
            Ok(Ok(beat)) => {
                log.works();
                let (lost, renewed): (Vec<_>, Vec<_>) =
                    leases.into_iter().partition(|(task, _)| beat.lost.contains(task));
                for (task, fence) in lost {
                    self.running.stop(task, fence, Stop::LeaseLost);
                }
                for (task, fence) in &renewed {
                    if beat.cancelled.contains(task) {
                        self.running.stop(*task, *fence, Stop::Cancelled);
                    }
                }
                self.running.renewed(&renewed, begun);
            }
            Ok(Err(error)) => log.fails(&error),
            Err(elapsed) => log.fails(&elapsed),
        }
    }
}
