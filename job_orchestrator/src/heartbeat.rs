//! Renews the leases of this process.
//!
//! One statement for all of them, every third of the lease, and at once when the queue changes, so
//! that a cancelled batch stops soon. A process that could not renew a lease for its length stops
//! that wallet by itself: somebody else may hold it by then, and the fence would refuse its writes.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use persistence_layer::wallet_tasks::{self, Heartbeat as Beat, Renewal, WorkerId};
use persistence_layer::{Store, StoreError};
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::running::{Running, Stop};
use crate::watch_state::StateLog;

/// Shortest pause between two heartbeats that a changed queue asks for.
const NUDGE_PAUSE: Duration = Duration::from_secs(1);
/// How many leases wait for their turn at once, each with a connection.
const RENEWED_AT_ONCE: usize = 4;

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

    /// Renews all leases; those whose tasks are being written to one by one, each at its turn.
    async fn beat(&self, patience: Duration, log: &mut StateLog) {
        let leases = self.running.leases();
        let renewing = async {
            let begun = Instant::now();
            let beat =
                wallet_tasks::heartbeat(&self.store, &self.worker, &leases, self.lease).await?;
            self.heed(&beat, &leases, begun);
            let written_to = leases.iter().filter(|(task, _)| beat.not_renewed.contains(task));
            stream::iter(written_to)
                .map(Ok)
                .try_for_each_concurrent(RENEWED_AT_ONCE, |lease| self.renew(*lease, patience / 2))
                .await
        };
        match tokio::time::timeout(patience, renewing).await {
            Ok(Ok(())) => log.works(),
            Ok(Err(error)) => log.fails(&error),
            Err(elapsed) => log.fails(&elapsed),
        }
    }

    async fn renew(&self, lease: (i64, i64), patience: Duration) -> Result<(), StoreError> {
        let begun = Instant::now();
        match wallet_tasks::renew(&self.store, &self.worker, lease, self.lease, patience).await? {
            Renewal::Renewed => self.running.renewed(&[lease], begun),
            Renewal::Lost => self.running.stop(lease.0, lease.1, Stop::LeaseLost),
            Renewal::StillWrittenTo => {}
        }
        Ok(())
    }

    /// Stops what is not to go on, and notes what was renewed.
    fn heed(&self, beat: &Beat, leases: &[(i64, i64)], begun: Instant) {
        for (task, fence) in leases {
            if beat.lost.contains(task) {
                self.running.stop(*task, *fence, Stop::LeaseLost);
            } else if beat.cancelled.contains(task) {
                self.running.stop(*task, *fence, Stop::Cancelled);
            }
        }
        let is_renewed =
            |(task, _): &&(i64, i64)| !beat.lost.contains(task) && !beat.not_renewed.contains(task);
        let renewed: Vec<(i64, i64)> = leases.iter().filter(is_renewed).copied().collect();
        self.running.renewed(&renewed, begun);
    }
}
