//! Where this process spends its processor time: samples of its stacks.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::{Duration, Instant};

use pprof::ProfilerGuardBuilder;
use tokio_util::sync::CancellationToken;

/// Samples in a second of processor time; no multiple of what timers fire at.
const FREQUENCY: i32 = 997;

/// A stack is not walked inside of these: their locks could be held by what was interrupted.
const NOT_WITHIN: [&str; 4] = ["libc", "libgcc", "pthread", "vdso"];

/// Pause between two looks whether to stop.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The process cannot be profiled.
#[derive(Debug, thiserror::Error)]
#[error("the process cannot be profiled: {0}")]
pub struct ProfileError(#[from] pprof::Error);

/// Takes samples for so long, or until `stop`, and gives them as folded stacks: in each line the frames from the thread
/// down, with `;` between them, and how often it was seen. Empty when the process did nothing. Blocks its thread.
///
/// # Errors
/// When the system gives no timer, or another profile of this process is taken.
pub fn folded(length: Duration, stop: &CancellationToken) -> Result<String, ProfileError> {
    let guard =
        ProfilerGuardBuilder::default().frequency(FREQUENCY).blocklist(&NOT_WITHIN).build()?;
    let begun = Instant::now();
    while begun.elapsed() < length && !stop.is_cancelled() {
        std::thread::sleep(LOOK_EVERY.min(length));
    }
    let report = guard.report().build()?;
    let mut stacks: BTreeMap<String, isize> = BTreeMap::new();
    for (frames, count) in &report.data {
        let mut stack = plain(&frames.thread_name_or_id());
        // Innermost frames come first, and of each the inlined ones.
        for symbol in frames.frames.iter().rev().flat_map(|inlined| inlined.iter().rev()) {
            stack.push(';');
            stack.push_str(&plain(&symbol.name()));
        }
        *stacks.entry(stack).or_default() += count;
    }
    let mut text = String::new();
    for (stack, count) in stacks {
        let _ = writeln!(text, "{stack} {count}");
    }
    Ok(text)
}

/// A name without what separates names.
fn plain(name: &str) -> String {
    name.replace([';', '\n'], ":")
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[inline(never)]
    fn something_to_do(is_over: &AtomicBool) {
        let mut sum = 0u64;
        while !is_over.load(Ordering::Relaxed) {
            (0..1000u64).for_each(|n| sum = black_box(sum.wrapping_mul(31).wrapping_add(n)));
        }
    }

    #[test]
    fn what_is_done_is_seen_and_a_stop_ends_it() {
        let is_over = Arc::new(AtomicBool::new(false));
        let busy = {
            let is_over = Arc::clone(&is_over);
            std::thread::spawn(move || something_to_do(&is_over))
        };
        let never = CancellationToken::new();
        let mut text = String::new();
        for _ in 0..60 {
            text = folded(Duration::from_millis(300), &never).unwrap();
            if text.contains("something_to_do") {
                break;
            }
        }
        is_over.store(true, Ordering::Relaxed);
        busy.join().unwrap();
        assert!(text.contains("something_to_do"), "{text}");
        for line in text.lines() {
            let (stack, count) = line.rsplit_once(' ').unwrap();
            assert!(stack.contains(';') && count.parse::<u64>().unwrap() > 0, "{line}");
        }
        let stopped = CancellationToken::new();
        stopped.cancel();
        folded(Duration::from_secs(3600), &stopped).unwrap();
    }
}
