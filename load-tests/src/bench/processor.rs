//! Processor time of processes, from what the kernel counts.

use std::time::Duration;

/// Processor time that processes had used when it was made.
#[derive(Debug)]
pub struct Processor {
    of: Of,
    begin: u64,
}

#[derive(Debug, Clone, Copy)]
enum Of {
    One(u32),
    Children(u32),
}

impl Processor {
    /// Of this process.
    pub fn of_self() -> Self {
        Self::begin(Of::One(std::process::id()))
    }

    /// Of one process.
    pub fn of(pid: u32) -> Self {
        Self::begin(Of::One(pid))
    }

    /// Of the children of a process: the sessions of a PostgreSQL and its helpers. What ended before
    /// it is asked is not counted.
    pub fn of_children(parent: u32) -> Self {
        Self::begin(Of::Children(parent))
    }

    fn begin(of: Of) -> Self {
        Self { of, begin: milliseconds(of) }
    }

    /// What was used since, of all threads, user and system.
    pub fn spent(&self) -> Duration {
        Duration::from_millis(milliseconds(self.of).saturating_sub(self.begin))
    }
}

fn milliseconds(of: Of) -> u64 {
    match of {
        Of::One(pid) => stat(&pid.to_string()).map_or(0, |stat| stat.milliseconds),
        Of::Children(parent) => std::fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| stat(entry.file_name().to_str()?))
            .filter(|stat| stat.parent == parent)
            .map(|stat| stat.milliseconds)
            .sum(),
    }
}

struct Stat {
    parent: u32,
    milliseconds: u64,
}

fn stat(process: &str) -> Option<Stat> {
    process.parse::<u32>().ok()?;
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name stands in parentheses and may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<u64>().ok();
    // A tick is 10 ms on every Linux that is built the usual way.
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        milliseconds: (ticks(11)? + ticks(12)?) * 10,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_of_this_process_is_counted() {
        let processor = Processor::of_self();
        let mut sum = 0u64;
        while processor.spent() < Duration::from_millis(30) {
            sum = (0..1_000_000u64).fold(sum, |sum, number| sum.wrapping_mul(31) ^ number);
        }
        assert!(std::hint::black_box(sum) != 1);
    }
}
