//! How long a chain, or the price source, has put off everybody who asked.
//!
//! A provider that asks to wait costs no wallet anything. One that never does anything else must be
//! noticed at some time. What counts is the time over which it has put off one asker after the other
//! and answered nobody: a wait that it asked for counts little, be it ever so long, and so does the
//! time in which nobody asked. One answer, to whichever wallet, begins the count anew.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pnl_core::Chain;
use tokio::time::Instant;

/// The least number of times in a row that a provider puts somebody off until the limit passes.
const ROUNDS: u32 = 10;

/// Who was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Asked {
    /// The providers of a chain.
    Chain(Chain),
    /// The price source.
    Prices,
}

/// The counts of a process.
#[derive(Debug, Default)]
pub(crate) struct Throttles(Mutex<BTreeMap<Asked, Throttle>>);

#[derive(Debug, Clone, Copy)]
struct Throttle {
    endured: Duration,
    /// When somebody was last put off.
    last: Instant,
    /// Until when we were asked to wait. Who is put off before then tells nothing new.
    until: Instant,
}

impl Throttles {
    /// Somebody was put off for `wait` by one who last answered at `answered`. Tells whether that has
    /// gone on for longer than `limit`.
    pub fn put_off(
        &self,
        by: Asked,
        wait: Duration,
        answered: Option<Instant>,
        limit: Duration,
    ) -> bool {
        let now = Instant::now();
        let until = now + wait;
        let mut throttles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let going_on = throttles
            .get_mut(&by)
            .filter(|throttle| answered.is_none_or(|answered| answered < throttle.last));
        let Some(throttle) = going_on else {
            throttles.insert(by, Throttle { endured: Duration::ZERO, last: now, until });
            return false;
        };
        if now >= throttle.until {
            throttle.endured += (now - throttle.last).min(limit / ROUNDS);
            throttle.last = now;
        }
        throttle.until = throttle.until.max(until);
        throttle.endured >= limit
    }

    /// It has answered: the count begins anew.
    pub fn answered(&self, by: Asked) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&by);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(3600);
    const CHAIN: Asked = Asked::Chain(Chain::Solana);

    /// Puts somebody off as often as it takes; gives how long that was and how often.
    async fn until_passed(throttles: &Throttles, wait: Duration) -> (Duration, u32) {
        let begun = Instant::now();
        for times in 1..=10_000 {
            if throttles.put_off(CHAIN, wait, None, LIMIT) {
                return (begun.elapsed(), times);
            }
            tokio::time::sleep(wait).await;
        }
        panic!("it never passes");
    }

    #[tokio::test(start_paused = true)]
    async fn a_provider_that_only_puts_off_reaches_the_limit() {
        let (short, _) = until_passed(&Throttles::default(), Duration::from_secs(5)).await;
        assert_eq!(short, LIMIT);
        let (_, times) = until_passed(&Throttles::default(), LIMIT * 2).await;
        assert_eq!(times, ROUNDS + 1, "one long wait is not the end");
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_during_a_wait_learns_nothing_new() {
        let throttles = Throttles::default();
        for _ in 0..100 {
            assert!(!throttles.put_off(CHAIN, LIMIT, None, LIMIT));
            tokio::time::sleep(LIMIT / 100).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_to_anybody_begins_the_count_anew() {
        let throttles = Throttles::default();
        let minute = Duration::from_secs(60);
        for round in 0..600 {
            let answered = (round % 50 == 0).then(Instant::now);
            tokio::time::sleep(minute).await;
            assert!(!throttles.put_off(CHAIN, minute, answered, LIMIT), "round {round}");
            if round % 55 == 0 {
                assert!(!throttles.put_off(Asked::Prices, minute, None, LIMIT));
                throttles.answered(Asked::Prices);
            }
        }
        assert!(!throttles.put_off(Asked::Prices, minute, None, LIMIT));
        let (_, times) = until_passed(&throttles, LIMIT).await;
        assert!(times > 1, "the count of one is not that of the other");
    }
}
