//! Time that this thread had a processor: what others do on the machine counts only where they take caches
//! away.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Begins now.
pub struct Stopwatch(Duration);

impl Stopwatch {
    pub fn start() -> Self {
        Self(now())
    }

    /// Processor time of this thread since the beginning.
    pub fn elapsed(&self) -> Duration {
        now() - self.0
    }
}

fn now() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
