//! Memory of a process over time.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::task::JoinHandle;

use crate::service::programs;

/// Time between two samples.
const PERIOD: Duration = Duration::from_millis(500);

/// One look at a process.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Since the curve began.
    pub milliseconds: u64,
    /// Resident memory.
    pub kib: u64,
    /// What was going on.
    pub phase: String,
}

#[derive(Debug)]
struct State {
    begun: Instant,
    pid: u32,
    phase: String,
    samples: Vec<Sample>,
}

/// Samples the resident memory of a process twice a second until it is dropped.
#[derive(Debug)]
pub struct MemoryCurve {
    state: Arc<Mutex<State>>,
    sampler: JoinHandle<()>,
}

impl MemoryCurve {
    /// Begins with a process.
    pub fn start(pid: u32, phase: &str) -> Self {
        let state =
            State { begun: Instant::now(), pid, phase: phase.to_owned(), samples: Vec::new() };
        let state = Arc::new(Mutex::new(state));
        let sampled = Arc::clone(&state);
        let sampler = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(PERIOD);
            loop {
                ticks.tick().await;
                sample(&mut lock(&sampled));
            }
        });
        Self { state, sampler }
    }

    /// Goes on with another process: it was started again.
    pub fn follow(&self, pid: u32) {
        lock(&self.state).pid = pid;
    }

    /// Names what is going on from now on.
    pub fn phase(&self, name: &str) {
        let mut state = lock(&self.state);
        sample(&mut state);
        name.clone_into(&mut state.phase);
        sample(&mut state);
    }

    /// The highest sample of a phase, in KiB; of all of them without one.
    pub fn peak_kib(&self, phase: Option<&str>) -> u64 {
        let state = lock(&self.state);
        let of_phase = state.samples.iter().filter(|s| phase.is_none_or(|phase| s.phase == phase));
        of_phase.map(|sample| sample.kib).max().unwrap_or_default()
    }

    /// All samples so far.
    pub fn samples(&self) -> Vec<Sample> {
        lock(&self.state).samples.clone()
    }

    /// Writes the curve as CSV.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_csv(&self, path: &Path) -> anyhow::Result<()> {
        let mut text = String::from("milliseconds,resident_kib,phase\n");
        for Sample { milliseconds, kib, phase } in self.samples() {
            writeln!(text, "{milliseconds},{kib},{phase}")?;
        }
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

impl Drop for MemoryCurve {
    fn drop(&mut self) {
        self.sampler.abort();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // A list of samples is usable whatever happened beside it.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A process that is gone, between a kill and its restart, gives no sample.
fn sample(state: &mut State) {
    if let Some(kib) = programs::resident_kib(state.pid) {
        let milliseconds = elapsed(state.begun);
        state.samples.push(Sample { milliseconds, kib, phase: state.phase.clone() });
    }
}

/// Milliseconds since then.
pub fn elapsed(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// How much values grow per hour on the straight line that fits best; points are (milliseconds,
/// value).
pub fn growth_per_hour(points: &[(u64, u64)]) -> i64 {
    let wide = |value: u64| i128::from(value);
    let count = points.len() as i128;
    let (sum_t, sum_v) =
        points.iter().fold((0, 0), |(t, v), point| (t + wide(point.0), v + wide(point.1)));
    // Both sums are count times the textbook's, so nothing is divided before the end.
    let (covariance, variance) = points.iter().fold((0, 0), |(c, s), point| {
        let t = count * wide(point.0) - sum_t;
        (c + t * (count * wide(point.1) - sum_v), s + t * t)
    });
    if variance == 0 {
        return 0;
    }
    i64::try_from(covariance * 3_600_000 / variance).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_the_slope_of_the_best_line() {
        let minutes = |values: &[u64]| -> Vec<(u64, u64)> {
            values.iter().enumerate().map(|(at, &value)| (at as u64 * 60_000, value)).collect()
        };
        assert_eq!(growth_per_hour(&minutes(&[5, 7, 9, 11])), 120);
        assert_eq!(growth_per_hour(&minutes(&[9, 5, 9, 5, 9])), 0);
        assert_eq!(growth_per_hour(&minutes(&[10, 8])), -120);
        assert_eq!(growth_per_hour(&[]), 0);
    }

    #[tokio::test]
    async fn a_curve_knows_the_peak_of_each_phase() {
        let curve = MemoryCurve::start(std::process::id(), "before");
        curve.phase("after");
        assert!(curve.peak_kib(Some("before")) > 0);
        assert!(curve.peak_kib(None) >= curve.peak_kib(Some("after")));
        assert_eq!(curve.peak_kib(Some("never")), 0);
    }
}
