//! The claim loop of a process: slots first, then leases, then work.
//!
//! A slot is acquired before a task is claimed and held until its attempt has ended, so a process
//! never holds more leases than it has slots. The loop ends only when the process stops: whatever
//! fails is tried again, and told once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use chain_client::PriceSources;
use persistence_layer::Store;
use persistence_layer::wallet_tasks::{self, Lease, WorkerId};
use pnl_core::Chain;
use pnl_core::ledger::LedgerRules;
use service_runtime::config::WorkerSettings;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::attempt::{Attempt, Shared};
use crate::heartbeat::Heartbeat;
use crate::metrics::Metrics;
use crate::outage::OutageGates;
use crate::request::Analysis;
use crate::room::Taken;
use crate::running::{Running, Slot, Stop};
use crate::sources::Source;
use crate::status::WorkerStatus;
use crate::watch_state::StateLog;
use crate::{rescuer, worker};

/// Pauses between claims while the database is away.
const CLAIM_BACKOFF: [Duration; 5] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
];
/// Pause before the queue is listened to again when it could not be.
const LISTEN_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How long a claim may go on after the order to stop. What a dropped one has claimed lapses.
const LAST_CLAIM_PATIENCE: Duration = Duration::from_secs(5);
/// How long released wallets may take to write that they are released, and the helpers to end.
const RELEASE_PATIENCE: Duration = Duration::from_secs(5);

/// What a worker needs.
#[derive(Clone)]
pub struct WorkerDeps {
    /// The database.
    pub store: Store,
    /// The chains this process can read. Tasks of other chains are left to others.
    pub sources: BTreeMap<Chain, Source>,
    /// Where prices come from.
    pub prices: PriceSources,
    /// What the accounts of each chain take as given.
    pub rules: BTreeMap<Chain, LedgerRules>,
    /// Section `[worker]`.
    pub settings: WorkerSettings,
    /// Counters of this process.
    pub metrics: Metrics,
}

/// The running worker of a process. Clones show the same one.
#[derive(Clone)]
pub struct Worker {
    inner: Arc<Inner>,
}

struct Inner {
    id: WorkerId,
    deps: WorkerDeps,
    settings: Arc<WorkerSettings>,
    slots: Arc<Semaphore>,
    running: Running,
    gates: Arc<OutageGates>,
    /// Something makes a claim worth a try before the next poll.
    look: Arc<Notify>,
    shared: Shared,
}

impl Worker {
    /// Starts claiming. Ends by itself after `shutdown`: running wallets get
    /// `shutdown_grace_seconds`, the rest is released. The handle ends when that is done.
    pub fn start(deps: WorkerDeps, shutdown: CancellationToken) -> (Self, JoinHandle<()>) {
        let settings = Arc::new(deps.settings.clone());
        let look = Arc::new(Notify::new());
        let gates = Arc::new(OutageGates::new(
            Duration::from_secs(settings.outage_limit_minutes * 60),
            settings.wallet_timeout() + Duration::from_secs(60),
            Arc::clone(&look),
        ));
        let worker = Self {
            inner: Arc::new(Inner {
                id: WorkerId::generate(),
                slots: Arc::new(Semaphore::new(settings.wallet_permits as usize)),
                running: Running::default(),
                shared: Shared::default(),
                deps,
                settings,
                gates,
                look,
            }),
        };
        let handle = tokio::spawn(worker.clone().run(shutdown));
        (worker, handle)
    }

    /// What the worker is doing now.
    pub fn status(&self) -> WorkerStatus {
        WorkerStatus::of(
            &self.inner.id,
            self.inner.settings.wallet_permits,
            self.inner.running.wallets(),
            &self.inner.gates,
            &self.inner.deps.sources,
            self.inner.deps.prices.status(),
        )
    }

    async fn run(self, shutdown: CancellationToken) {
        let inner = &self.inner;
        tracing::info!(worker = %inner.id, slots = inner.settings.wallet_permits, "worker started");
        // These go on while running wallets use their grace.
        let beside = CancellationToken::new();
        let nudge = Arc::new(Notify::new());
        let heartbeat = Heartbeat {
            store: inner.deps.store.clone(),
            worker: inner.id.clone(),
            running: inner.running.clone(),
            lease: inner.settings.lease(),
            nudge: Arc::clone(&nudge),
        };
        // In a set, so that they end with this future, however it ends.
        let mut helpers = JoinSet::new();
        helpers.spawn(heartbeat.run(beside.clone()));
        helpers.spawn(rescuer::run(
            inner.deps.store.clone(),
            inner.deps.metrics.clone(),
            inner.settings.lease(),
            inner.settings.max_takeovers,
            shutdown.clone(),
        ));
        helpers.spawn(listen(
            inner.deps.store.clone(),
            Arc::clone(&inner.look),
            nudge,
            beside.clone(),
        ));
        let mut wallets = JoinSet::new();
        self.claim_until(&shutdown, &mut wallets).await;
        self.drain(wallets).await;
        beside.cancel();
        // A statement on a silent database is dropped.
        if tokio::time::timeout(RELEASE_PATIENCE, all_ended(&mut helpers)).await.is_err() {
            helpers.abort_all();
            all_ended(&mut helpers).await;
        }
        tracing::info!(worker = %inner.id, "worker stopped");
    }

    async fn claim_until(&self, shutdown: &CancellationToken, wallets: &mut JoinSet<()>) {
        let mut log = StateLog::new("wallets cannot be claimed", "wallets are claimed again");
        let mut failures = 0usize;
        loop {
            let Some(slots) = shutdown.run_until_cancelled(self.free_slots()).await else { return };
            reap(wallets);
            let wanted = slots.len();
            let claimed_at = Instant::now();
            let too_late = async {
                shutdown.cancelled().await;
                tokio::time::sleep(LAST_CLAIM_PATIENCE).await;
            };
            let claimed = tokio::select! {
                biased;
                claimed = self.claim(wanted) => claimed,
                () = too_late => {
                    tracing::warn!("a claim did not end; leases it may have got lapse");
                    return;
                }
            };
            let pause = match claimed {
                Ok(leases) => {
                    log.works();
                    failures = 0;
                    let claimed = leases.len();
                    for (lease, permit) in leases.into_iter().zip(slots) {
                        self.spawn(lease, permit, claimed_at, shutdown, wallets);
                    }
                    // All slots used: wait for one. Else there is nothing more to claim now.
                    if claimed == wanted {
                        continue;
                    }
                    Duration::from_millis(self.inner.settings.poll_interval_ms)
                }
                Err(error) => {
                    drop(slots);
                    log.fails(&error);
                    let pause = CLAIM_BACKOFF[failures.min(CLAIM_BACKOFF.len() - 1)];
                    failures += 1;
                    pause
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
                () = self.inner.look.notified(), if failures == 0 => {}
            }
        }
    }

    /// At least one free slot, and every other that is free now.
    async fn free_slots(&self) -> Vec<OwnedSemaphorePermit> {
        let slots = &self.inner.slots;
        let first = Arc::clone(slots).acquire_owned().await;
        let first = first.expect("the semaphore of the slots is never closed");
        // Wallets that are stored together give their slots back one after the other.
        tokio::task::yield_now().await;
        let more = std::iter::from_fn(|| Arc::clone(slots).try_acquire_owned().ok());
        std::iter::once(first).chain(more).collect()
    }

    async fn claim(&self, free: usize) -> Result<Vec<Lease>, persistence_layer::StoreError> {
        let inner = &self.inner;
        let closed = inner.gates.closed();
        let mut excluded: Vec<Chain> = Vec::new();
        for chain in Chain::ALL {
            let is_closed = closed.contains(&chain);
            inner.deps.metrics.chain_paused(chain, is_closed);
            if is_closed || !self.reads(chain) {
                excluded.push(chain);
            }
        }
        let free = u32::try_from(free).unwrap_or(u32::MAX);
        let lease = inner.settings.lease();
        wallet_tasks::claim(&inner.deps.store, &inner.id, free, lease, &excluded).await
    }

    /// Whether this process can read the chain.
    fn reads(&self, chain: Chain) -> bool {
        self.inner.deps.sources.contains_key(&chain) && self.inner.deps.rules.contains_key(&chain)
    }

    fn spawn(
        &self,
        lease: Lease,
        permit: OwnedSemaphorePermit,
        claimed: Instant,
        shutdown: &CancellationToken,
        wallets: &mut JoinSet<()>,
    ) {
        let inner = &self.inner;
        let slot = Slot::new(permit, inner.deps.metrics.wallet_slots_in_use.clone());
        let chain = lease.wallet.chain;
        let span = tracing::info_span!(
            "wallet",
            trace_id = %lease.trace_id,
            batch_id = %lease.batch,
            task_id = lease.task_id,
            chain = %chain,
            wallet = %lease.wallet.address,
        );
        let (Some(source), Some(rules)) =
            (inner.deps.sources.get(&chain), inner.deps.rules.get(&chain))
        else {
            // Chains without a source are excluded from claims; the lease lapses.
            span.in_scope(|| tracing::error!("a wallet of a chain without a source was claimed"));
            return;
        };
        let (registration, stage, stop) = inner.running.register(&lease, claimed);
        let analysis = Analysis::of_batch(&lease.request);
        let readable = analysis.as_ref().map(|_| ()).map_err(ToString::to_string);
        let attempt = Attempt {
            store: inner.deps.store.clone(),
            analysis: analysis.unwrap_or_default(),
            source: source.clone(),
            prices: inner.deps.prices.clone(),
            rules: rules.clone(),
            settings: Arc::clone(&inner.settings),
            metrics: inner.deps.metrics.clone(),
            gates: Arc::clone(&inner.gates),
            shared: inner.shared.clone(),
            stage,
            taken: Taken::default(),
            progressed: Arc::new(AtomicBool::new(false)),
            is_unlisted: AtomicBool::new(lease.is_unlisted),
            lease,
        };
        let shutdown = shutdown.clone();
        let work = async move {
            match readable {
                Ok(()) => worker::run(attempt, stop, shutdown).await,
                Err(error) => worker::refuse(attempt, &error).await,
            }
            drop((registration, slot));
        };
        wallets.spawn(work.instrument(span));
    }

    /// Lets running wallets use their grace and releases the rest.
    async fn drain(&self, mut wallets: JoinSet<()>) {
        let grace = Duration::from_secs(self.inner.settings.shutdown_grace_seconds);
        if !wallets.is_empty() {
            tracing::info!(wallets = wallets.len(), grace_seconds = grace.as_secs(), "draining");
        }
        if tokio::time::timeout(grace, all_ended(&mut wallets)).await.is_ok() {
            return;
        }
        tracing::info!(wallets = wallets.len(), "the grace is over; wallets are released");
        self.inner.running.stop_all(Stop::Released);
        if tokio::time::timeout(RELEASE_PATIENCE, all_ended(&mut wallets)).await.is_err() {
            tracing::warn!(
                wallets = wallets.len(),
                "wallets were not released; their leases lapse"
            );
            wallets.abort_all();
            all_ended(&mut wallets).await;
        }
    }
}

/// Passes the queue's notifications on, as long as the database lets us; the poll goes on anyway.
async fn listen(store: Store, look: Arc<Notify>, nudge: Arc<Notify>, stop: CancellationToken) {
    let mut log =
        StateLog::new("the queue cannot be listened to", "the queue is listened to again");
    loop {
        match stop.run_until_cancelled(store.wakeups()).await {
            None => return,
            Some(Ok(mut wakeups)) => {
                log.works();
                while stop.run_until_cancelled(wakeups.next()).await.is_some() {
                    look.notify_one();
                    nudge.notify_one();
                }
                return;
            }
            Some(Err(error)) => {
                log.fails(&error);
                if stop.run_until_cancelled(tokio::time::sleep(LISTEN_AGAIN_AFTER)).await.is_none()
                {
                    return;
                }
            }
        }
    }
}

async fn all_ended(tasks: &mut JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        log_bad_end(ended);
    }
}

/// Takes ended wallets off the set.
fn reap(wallets: &mut JoinSet<()>) {
    while let Some(ended) = wallets.try_join_next() {
        log_bad_end(ended);
    }
}

/// A wallet's own panics are caught inside; this is the code around them. A lease it held lapses.
fn log_bad_end(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && !error.is_cancelled()
    {
        tracing::error!(%error, "a task of the worker panicked");
    }
}
