//! The wallets this process is working on: their slots, their leases and how they are stopped.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use persistence_layer::wallet_tasks::Lease;
use pnl_core::WalletRef;
use prometheus::IntGauge;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;

use crate::metrics::Stage;

/// Why a wallet's work is stopped from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The lease could not be renewed in time or belongs to somebody else.
    LeaseLost,
    /// Its batch was cancelled.
    Cancelled,
    /// The process stops.
    Released,
}

/// Waits for the order to stop.
#[derive(Debug)]
pub(crate) struct StopSignal(watch::Receiver<Option<Stop>>);

impl StopSignal {
    /// Ends with the reason when the work is to be stopped, else never.
    pub async fn wait(&mut self) -> Stop {
        match self.0.wait_for(Option::is_some).await.map(|reason| *reason) {
            Ok(Some(reason)) => reason,
            // The registry entry is gone while the wallet runs: nobody can stop it any more.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }
}

/// A working slot: one permit, counted in the gauge while it is held.
#[derive(Debug)]
pub(crate) struct Slot {
    gauge: IntGauge,
    _permit: OwnedSemaphorePermit,
}

impl Slot {
    /// Takes the permit into use.
    pub fn new(permit: OwnedSemaphorePermit, gauge: IntGauge) -> Self {
        gauge.inc();
        Self { gauge, _permit: permit }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.gauge.dec();
    }
}

/// Where a wallet stands, for the status page.
#[derive(Debug, Clone)]
pub(crate) struct StageSign(Arc<Mutex<(Option<Stage>, SystemTime)>>);

impl StageSign {
    fn new() -> Self {
        Self(Arc::new(Mutex::new((None, SystemTime::now()))))
    }

    /// The wallet begins with a stage.
    pub fn enter(&self, stage: Stage) {
        let mut sign = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sign.0 != Some(stage) {
            *sign = (Some(stage), SystemTime::now());
        }
    }

    fn read(&self) -> (Option<Stage>, SystemTime) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A wallet that is being worked on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningWallet {
    /// Its task.
    pub task_id: i64,
    /// The wallet.
    pub wallet: WalletRef,
    /// Since when this process works on it.
    pub claimed: SystemTime,
    /// What it is doing; `None` before it begins.
    pub stage: Option<Stage>,
    /// Since when.
    pub since: SystemTime,
}

/// The leases of this process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Running(Arc<Mutex<HashMap<i64, Entry>>>);

#[derive(Debug)]
struct Entry {
    fence: i64,
    wallet: WalletRef,
    claimed: SystemTime,
    stage: StageSign,
    renewed: Instant,
    stop: watch::Sender<Option<Stop>>,
}

/// Takes the lease off the list when the work on it is over, however it ended.
#[derive(Debug)]
pub(crate) struct Registration {
    running: Running,
    task: i64,
    fence: i64,
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut entries = self.running.lock();
        // A later lease of the same task may stand in its place by now.
        if entries.get(&self.task).is_some_and(|entry| entry.fence == self.fence) {
            entries.remove(&self.task);
        }
    }
}

impl Running {
    /// Puts a lease claimed at `claimed` on the list.
    pub fn register(
        &self,
        lease: &Lease,
        claimed: Instant,
    ) -> (Registration, StageSign, StopSignal) {
        let (task, fence, wallet) = (lease.task_id, lease.fence, lease.wallet.clone());
        let (stop, signal) = watch::channel(None);
        let stage = StageSign::new();
        let entry = Entry {
            fence,
            wallet,
            claimed: SystemTime::now(),
            stage: stage.clone(),
            renewed: claimed,
            stop,
        };
        self.lock().insert(task, entry);
        (Registration { running: self.clone(), task, fence }, stage, StopSignal(signal))
    }

    /// The wallets that are worked on, the longest first.
    pub fn wallets(&self) -> Vec<RunningWallet> {
        let mut wallets: Vec<RunningWallet> = self
            .lock()
            .iter()
            .map(|(task, entry)| {
                let (stage, since) = entry.stage.read();
                let (wallet, claimed) = (entry.wallet.clone(), entry.claimed);
                RunningWallet { task_id: *task, wallet, claimed, stage, since }
            })
            .collect();
        wallets.sort_by_key(|wallet| (wallet.claimed, wallet.task_id));
        wallets
    }

    /// Task and fence of each lease.
    pub fn leases(&self) -> Vec<(i64, i64)> {
        self.lock().iter().map(|(task, entry)| (*task, entry.fence)).collect()
    }

    /// The leases `renewed` were extended by a heartbeat that began at `at`.
    pub fn renewed(&self, renewed: &[(i64, i64)], at: Instant) {
        let mut entries = self.lock();
        for (task, fence) in renewed {
            if let Some(entry) = entries.get_mut(task)
                && entry.fence == *fence
            {
                entry.renewed = entry.renewed.max(at);
            }
        }
    }

    /// Orders the work under one lease to stop. The first reason stands; a later lease of the same
    /// task goes on.
    pub fn stop(&self, task: i64, fence: i64, reason: Stop) {
        if let Some(entry) = self.lock().get(&task)
            && entry.fence == fence
        {
            entry.order(reason);
        }
    }

    /// Orders every wallet to stop.
    pub fn stop_all(&self, reason: Stop) {
        self.lock().values().for_each(|entry| {
            entry.order(reason);
        });
    }

    /// Orders those to stop whose lease has lapsed by our own clock; gives their tasks.
    pub fn stop_lapsed(&self, lease: Duration) -> Vec<i64> {
        let entries = self.lock();
        let lapsed = entries.iter().filter(|(_, entry)| entry.renewed.elapsed() >= lease);
        lapsed.filter(|(_, entry)| entry.order(Stop::LeaseLost)).map(|(task, _)| *task).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i64, Entry>> {
        // Nothing panics while holding the lock; a poisoned map is still a consistent map.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// Returns whether this was the first order.
    fn order(&self, reason: Stop) -> bool {
        self.stop.send_if_modified(|order| {
            let first = order.is_none();
            order.get_or_insert(reason);
            first
        })
    }
}

#[cfg(test)]
mod tests {
    use persistence_layer::batches::BatchId;
    use persistence_layer::wallet_tasks::WorkerId;
    use pnl_core::{Address, Chain};

    use super::*;

    const LEASE: Duration = Duration::from_secs(30);

    fn lease(task_id: i64, fence: i64) -> Lease {
        Lease {
            tenant: persistence_layer::Tenant::default(),
            task_id,
            fence,
            batch: BatchId::generate(),
            wallet: WalletRef {
                chain: Chain::Solana,
                address: Address::from_chain_data(&format!("w{task_id}")),
            },
            ordinal: 0,
            is_unlisted: false,
            trace_id: String::new(),
            request: serde_json::Value::Null,
            pin: None,
            attempts: 0,
            continuations: 0,
            takeovers: 0,
            worker: WorkerId::generate(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_that_was_not_renewed_for_its_length_is_stopped_once() {
        let running = Running::default();
        let (_kept, _, _signal) = running.register(&lease(1, 7), Instant::now());
        let (_lapsing, _, mut signal) = running.register(&lease(2, 9), Instant::now());
        tokio::time::sleep(LEASE / 2).await;
        running.renewed(&[(1, 7), (2, 8)], Instant::now());
        tokio::time::sleep(LEASE / 2).await;
        assert_eq!(running.stop_lapsed(LEASE), [2], "its fence was not the renewed one");
        assert_eq!(signal.wait().await, Stop::LeaseLost);
        assert!(running.stop_lapsed(LEASE).is_empty());
    }

    #[tokio::test]
    async fn the_first_order_to_stop_stands() {
        let running = Running::default();
        let (_registration, _, mut signal) = running.register(&lease(1, 1), Instant::now());
        running.stop(1, 1, Stop::Cancelled);
        running.stop_all(Stop::Released);
        assert_eq!(signal.wait().await, Stop::Cancelled);
    }

    #[tokio::test]
    async fn a_late_word_about_an_old_lease_does_not_stop_the_new_one() {
        let running = Running::default();
        let (_old, _, _signal) = running.register(&lease(1, 1), Instant::now());
        let (_new, _, mut signal) = running.register(&lease(1, 2), Instant::now());
        running.stop(1, 1, Stop::LeaseLost);
        running.stop(1, 2, Stop::Cancelled);
        assert_eq!(signal.wait().await, Stop::Cancelled);
    }

    #[tokio::test]
    async fn an_ended_work_does_not_take_a_later_lease_off_the_list() {
        let running = Running::default();
        let (old, _, _signal) = running.register(&lease(1, 1), Instant::now());
        let (new, _, _signal) = running.register(&lease(1, 2), Instant::now());
        drop(old);
        assert_eq!(running.leases(), [(1, 2)]);
        drop(new);
        assert!(running.leases().is_empty());
    }

    #[tokio::test]
    async fn the_wallets_are_shown_with_their_stages() {
        let running = Running::default();
        let (_kept, sign, _signal) = running.register(&lease(3, 1), Instant::now());
        assert_eq!(running.wallets()[0].stage, None);
        sign.enter(Stage::Fetch);
        let shown = running.wallets().remove(0);
        assert_eq!((shown.task_id, shown.stage), (3, Some(Stage::Fetch)));
        sign.enter(Stage::Fetch);
        assert_eq!(running.wallets()[0].since, shown.since, "the stage goes on");
    }
}
