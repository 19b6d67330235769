//! How this process is doing, looked at every half minute: processor, memory, connections, calls to providers.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use job_orchestrator::Worker;
use persistence_layer::Store;
use pnl_core::Chain;
use rustix::time::{ClockId, clock_gettime};
use tokio_util::sync::CancellationToken;

use super::memory::Memory;
use super::ratio::Share;
use super::windows::{Window, Windows};

/// Pause between two looks.
const PAUSE: Duration = Duration::from_secs(30);

/// Looks that are kept: five minutes.
const KEPT: usize = 10;

/// Memory above this share of what the process may have is told of in the log.
const MUCH_MEMORY: Share = Share::percent(80);

/// Below this it is over.
const MEMORY_AGAIN: Share = Share::percent(75);

/// A provider by its chain and its name.
pub type ProviderName = (Chain, String);

/// The looks at a process. A clone shows the same.
#[derive(Clone)]
pub struct Vitals {
    store: Store,
    worker: Option<Worker>,
    started: Instant,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    looks: VecDeque<Look>,
    calls: Windows<BTreeMap<ProviderName, u64>>,
    /// All calls of each provider at the last look.
    calls_until: BTreeMap<ProviderName, u64>,
    has_much_memory: bool,
}

#[derive(Debug, Clone, Copy)]
struct Look {
    at: Instant,
    /// Processor time of the process.
    cpu: Duration,
    /// Share of the connections in use.
    pool: Option<Share>,
}

impl Vitals {
    /// Looks now, and goes on looking until `stop`.
    pub fn start(store: Store, worker: Option<Worker>, stop: CancellationToken) -> Self {
        let vitals = Self { store, worker, started: Instant::now(), seen: Arc::default() };
        vitals.look();
        let looking = vitals.clone();
        tokio::spawn(stop.run_until_cancelled_owned(async move {
            loop {
                tokio::time::sleep(PAUSE).await;
                looking.look();
            }
        }));
        vitals
    }

    /// Share of all cores that the process has used in the last five minutes; `None` just after its start.
    pub fn cpu(&self) -> Option<Share> {
        let first = *self.lock().looks.front()?;
        let used = cpu_time().saturating_sub(first.cpu).as_nanos();
        let cores = u128::try_from(cores()).unwrap_or(1);
        Share::of(used, first.at.elapsed().as_nanos() * cores)
    }

    /// The largest share of the connections to the database that was in use at a look of the last five minutes or
    /// is now.
    pub fn pool(&self) -> Option<Share> {
        let now = self.pool_now();
        self.lock().looks.iter().map(|look| look.pool).max().unwrap_or_default().max(now)
    }

    /// Calls that this process has made in the window to each provider of its worker, and how long the window is.
    pub fn calls(&self, window: Window) -> (BTreeMap<ProviderName, u64>, Duration) {
        // What was called since the last look, as well.
        self.count_calls();
        let now = self.started.elapsed();
        let seen = self.lock();
        let mut sums: BTreeMap<ProviderName, u64> = BTreeMap::new();
        for (name, calls) in seen.calls.within(window, now).flatten() {
            *sums.entry(name.clone()).or_default() += calls;
        }
        (sums, seen.calls.age(window, now))
    }

    fn look(&self) {
        self.count_calls();
        let look = Look { at: Instant::now(), cpu: cpu_time(), pool: self.pool_now() };
        let memory = Memory::now();
        let mut seen = self.lock();
        seen.looks.push_back(look);
        if seen.looks.len() > KEPT {
            seen.looks.pop_front();
        }
        if seen.judge(&memory) {
            let Memory { resident_bytes, limit_bytes, .. } = memory;
            tracing::warn!(
                resident_bytes,
                limit_bytes,
                "the process has more than {MUCH_MEMORY} of the memory that it may have"
            );
        }
    }

    fn count_calls(&self) {
        let Some(worker) = &self.worker else { return };
        let now = self.started.elapsed();
        let status = worker.status();
        let mut seen = self.lock();
        for (chain, providers) in status.providers {
            for provider in providers {
                seen.count((chain, provider.name), provider.calls, now);
            }
        }
    }

    fn pool_now(&self) -> Option<Share> {
        let pool = self.store.pool();
        Share::of(pool.size.saturating_sub(pool.idle).into(), pool.max.into())
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        // Nothing panics while holding the lock; counts stay counts.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    /// The provider has had so many calls in all.
    fn count(&mut self, name: ProviderName, calls: u64, now: Duration) {
        let until = self.calls_until.entry(name.clone()).or_default();
        // Of two who look at once the second may have the older figure.
        let new = calls.saturating_sub(*until);
        if new > 0 {
            *until = calls;
            self.calls.count(now, |sums| *sums.entry(name.clone()).or_default() += new);
        }
    }

    /// Whether it is to be told that the process has much memory: once, until it has less again.
    fn judge(&mut self, memory: &Memory) -> bool {
        let share = memory.resident_bytes.zip(memory.limit_bytes);
        let share = share.and_then(|(resident, limit)| Share::of(resident.into(), limit.into()));
        let Some(share) = share else { return false };
        let had = self.has_much_memory;
        self.has_much_memory = share >= if had { MEMORY_AGAIN } else { MUCH_MEMORY };
        self.has_much_memory && !had
    }
}

/// Processor time of this process until now.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// Load of the machine over 1, 5 and 15 minutes, as decimal text.
pub fn machine_load() -> Option<[String; 3]> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    let mut figures = text.split(' ').map(str::to_owned);
    Some([figures.next()?, figures.next()?, figures.next()?])
}

/// Cores that the process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn much_memory_is_told_once_until_it_is_over() {
        let mut seen = Seen::default();
        let told = [79, 80, 90, 76, 80, 74, 79, 80].map(|percent| {
            let memory = Memory {
                resident_bytes: Some(percent),
                limit_bytes: Some(100),
                ..Memory::default()
            };
            seen.judge(&memory)
        });
        assert_eq!(told, [false, true, false, false, false, false, false, true]);
        assert!(!seen.judge(&Memory::default()));
    }

    #[test]
    fn calls_are_counted_once_by_their_time() {
        let mut seen = Seen::default();
        let name = || (Chain::Solana, "main".to_owned());
        let hour = Duration::from_secs(3600);
        // The third look has an older figure than the second.
        for (calls, now) in [(5, Duration::ZERO), (12, hour), (11, hour), (12, 2 * hour)] {
            seen.count(name(), calls, now);
        }
        let within =
            |window| -> u64 { seen.calls.within(window, hour).flat_map(BTreeMap::values).sum() };
        assert_eq!((within(Window::Hour), within(Window::Day)), (7, 12));
    }
}
