//! The call budget of one provider.
//!
//! A provider counts calls when they reach it, and we only know that this happens somewhere between
//! sending and hearing back. A budget slot is therefore held until one second *after the answer
//! began*: whatever the network does in between, the provider never sees more calls in any sliding
//! second than there are slots.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::endpoint::CONNECT_TIMEOUT;

/// Added to every window: clocks of two machines do not tick alike.
const GUARD: Duration = Duration::from_millis(2);
/// A call that was not answered after this time has reached the provider or never will; its slot
/// stops waiting for the answer. Keeps hanging calls from blocking the budget. A call leaves only
/// when its connection is up, so this is longer than that may take.
const LATEST_ARRIVAL: Duration = CONNECT_TIMEOUT.saturating_add(STRAY_ARRIVAL);
/// A call given up on may still be on its way for so long.
const STRAY_ARRIVAL: Duration = Duration::from_secs(2);
/// A waiter that did not take a slot for so long after it was free is not running (its task does
/// something else): those behind it need not wait for it.
const GRACE: Duration = Duration::from_millis(20);
/// The longest pause that is obeyed; then the provider is asked again, whatever it said.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// At most so many calls in any sliding second, first come first served.
///
/// A waiter holds nothing while it waits, so one that is not polled keeps nobody from a slot.
#[derive(Debug)]
pub struct Budget {
    slots: usize,
    window: Duration,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Taken slots: when each is free again at the latest, and a number to tell them apart.
    taken: BTreeSet<(Instant, u64)>,
    next: u64,
    /// The waiters in order of arrival: when each will look again, and how many slots it needs.
    waiting: BTreeMap<u64, (Instant, usize)>,
    paused_until: Option<Instant>,
}

/// The provider asked for a pause that is longer than the caller is willing to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paused {
    /// What is left of it.
    pub remaining: Duration,
}

/// Permission for one request, which may hold several calls.
#[derive(Debug)]
pub struct Slot {
    budget: Arc<Budget>,
    sent: Instant,
    keys: Vec<(Instant, u64)>,
    answered: bool,
}

impl Budget {
    /// A budget of `requests_per_second` calls; `None` unless it is a positive number.
    ///
    /// The limit holds for every sliding second, so a fraction above 1 is rounded down (2.5 allows
    /// 2 calls a second); 0.5 allows one call in any two seconds.
    pub fn new(requests_per_second: f64) -> Option<Self> {
        if !requests_per_second.is_finite() || requests_per_second <= 0.0 {
            return None;
        }
        let (slots, window) = if requests_per_second < 1.0 {
            (1, Duration::try_from_secs_f64(requests_per_second.recip()).ok()?)
        } else {
            // `as` saturates, and a fraction is cut.
            (requests_per_second as usize, Duration::from_secs(1))
        };
        Some(Self {
            slots,
            window: window + GUARD,
            state: Mutex::default(),
            changed: Notify::new(),
        })
    }

    /// Calls that fit into one second, and so the longest batch that can be sent at all.
    pub const fn largest_batch(&self) -> usize {
        self.slots
    }

    /// Waits for a free slot and for the end of a pause.
    ///
    /// Cancel safe: a dropped wait takes nothing.
    ///
    /// # Errors
    /// [`Paused`] at once when a pause of more than `longest_pause` is ahead.
    pub async fn acquire(self: &Arc<Self>, longest_pause: Duration) -> Result<Slot, Paused> {
        self.acquire_many(1, longest_pause).await
    }

    /// As [`Self::acquire`] for a request of so many calls, at most [`Self::largest_batch`]. All of
    /// their slots are taken at once, so no two batches wait for each other's.
    ///
    /// # Errors
    /// As [`Self::acquire`].
    pub async fn acquire_many(
        self: &Arc<Self>,
        calls: usize,
        longest_pause: Duration,
    ) -> Result<Slot, Paused> {
        let calls = calls.clamp(1, self.slots);
        let waiter = Waiter { budget: self, number: self.lock().number() };
        loop {
            // Before the look, so that no change after it is missed.
            let changed = self.changed.notified();
            let until = match self.try_take(waiter.number, calls, longest_pause)? {
                Ok(slot) => return Ok(slot),
                Err(until) => until,
            };
            tokio::select! {
                () = tokio::time::sleep_until(until) => {}
                () = changed => {}
            }
        }
    }

    /// The slots for this waiter, or the time to look again.
    fn try_take(
        self: &Arc<Self>,
        waiter: u64,
        calls: usize,
        longest_pause: Duration,
    ) -> Result<Result<Slot, Instant>, Paused> {
        let mut state = self.lock();
        let now = Instant::now();
        if let Some(until) = state.paused_until {
            let remaining = until.saturating_duration_since(now);
            if remaining > longest_pause {
                return Err(Paused { remaining });
            }
            if !remaining.is_zero() {
                state.waiting.insert(waiter, (until, calls));
                return Ok(Err(until));
            }
            state.paused_until = None;
        }
        while let Some(&(free_at, number)) = state.taken.first()
            && free_at <= now
        {
            state.taken.remove(&(free_at, number));
        }
        let free = self.slots.saturating_sub(state.taken.len());
        let lacking = calls.saturating_sub(free);
        let until = match state.taken.iter().nth(lacking.saturating_sub(1)) {
            Some(&(free_at, _)) if lacking > 0 => Some(free_at),
            // Those who came earlier choose first, as long as they are there to do so.
            _ if state.wanted_before(waiter, now) + calls > free => Some(now + GRACE),
            _ => None,
        };
        if let Some(until) = until {
            state.waiting.insert(waiter, (until, calls));
            return Ok(Err(until));
        }
        state.waiting.remove(&waiter);
        let free_at = now + LATEST_ARRIVAL + self.window;
        let keys: Vec<_> = (0..calls).map(|_| (free_at, state.number())).collect();
        state.taken.extend(&keys);
        Ok(Ok(Slot { budget: Arc::clone(self), sent: now, keys, answered: false }))
    }

    /// Lets no call start during the next `wait`, at most [`LONGEST_PAUSE`]. A longer pause that already
    /// runs stays.
    pub fn pause_for(&self, wait: Duration) {
        let until = Instant::now() + wait.min(LONGEST_PAUSE);
        let mut state = self.lock();
        state.paused_until = state.paused_until.max(Some(until));
        drop(state);
        self.changed.notify_waiters();
    }

    /// What is left of the current pause; zero when there is none.
    pub fn pause_remaining(&self) -> Duration {
        let until = self.lock().paused_until;
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // A panic elsewhere cannot leave this state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// The slots wanted by waiters that came before this one and look when they said they would.
    fn wanted_before(&self, waiter: u64, now: Instant) -> usize {
        let before = self.waiting.range(..waiter).map(|(_, wanted)| wanted);
        before.filter(|(looks_at, _)| *looks_at + GRACE > now).map(|(_, calls)| calls).sum()
    }
}

/// A place in the row, given up when dropped.
struct Waiter<'a> {
    budget: &'a Budget,
    number: u64,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.budget.lock().waiting.remove(&self.number);
    }
}

impl Slot {
    /// The provider has answered, so the call has reached it: the slot is free one window from now.
    pub fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let now = Instant::now();
        let arrived = if self.answered { now } else { now.max(self.sent + STRAY_ARRIVAL) };
        let free_at = arrived + self.budget.window;
        let mut state = self.budget.lock();
        for key in &self.keys {
            // Absent when the latest arrival has passed already.
            if state.taken.remove(key) {
                state.taken.insert((free_at.min(key.0), key.1));
            }
        }
        // Waiters look for the slots that are free first; this may be one of them now.
        let soonest = state.waiting.values().map(|(looks_at, _)| *looks_at).max();
        if soonest.is_some_and(|looks_at| free_at < looks_at) {
            for (looks_at, _) in state.waiting.values_mut() {
                *looks_at = free_at.min(*looks_at);
            }
            drop(state);
            self.budget.changed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENT: Duration = Duration::from_secs(60);

    fn budget_of(requests_per_second: f64) -> Arc<Budget> {
        Arc::new(Budget::new(requests_per_second).unwrap())
    }

    /// The most instants inside any sliding second.
    fn most_per_second(instants: &[Instant]) -> usize {
        let second = Duration::from_secs(1);
        let inside =
            |first: Instant| instants.iter().filter(move |&&t| t >= first && t < first + second);
        instants.iter().map(|&first| inside(first).count()).max().unwrap_or(0)
    }

    #[tokio::test]
    async fn no_sliding_second_sees_more_calls_than_the_budget_however_late_they_arrive() {
        let budget = budget_of(8.0);
        let arrivals = Mutex::new(Vec::new());
        let call = async |delay: u64| {
            let slot = budget.acquire(PATIENT).await.unwrap();
            // The network delays each call differently before the provider sees it.
            tokio::time::sleep(Duration::from_millis(delay)).await;
            arrivals.lock().unwrap().push(Instant::now());
            slot.answered();
        };
        futures::future::join_all((0..24).map(|n| call(n * 37 % 120))).await;
        let arrivals = arrivals.into_inner().unwrap();
        assert_eq!(arrivals.len(), 24);
        assert!(most_per_second(&arrivals) <= 8, "{}", most_per_second(&arrivals));
    }

    #[tokio::test]
    async fn a_rate_below_one_spaces_single_calls() {
        let budget = budget_of(2.5);
        assert_eq!((budget.slots, budget.window), (2, Duration::from_secs(1) + GUARD));
        let slow = budget_of(4.0_f64.recip());
        assert_eq!((slow.slots, slow.window), (1, Duration::from_secs(4) + GUARD));
        let half = budget_of(0.9);
        let start = Instant::now();
        half.acquire(PATIENT).await.unwrap().answered();
        half.acquire(PATIENT).await.unwrap().answered();
        assert!(start.elapsed() >= Duration::from_millis(1111));
    }

    #[test]
    fn only_positive_numbers_are_rates() {
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(Budget::new(bad).is_none());
        }
    }

    #[tokio::test]
    async fn waiters_are_served_in_order_of_arrival() {
        let budget = budget_of(1.0);
        let order = Mutex::new(Vec::new());
        let call = async |n: usize| {
            budget.acquire(PATIENT).await.unwrap().answered();
            order.lock().unwrap().push(n);
        };
        futures::join!(call(0), call(1), call(2));
        assert_eq!(*order.lock().unwrap(), [0, 1, 2]);
    }

    #[tokio::test]
    async fn a_pause_holds_waiting_calls_back_and_refuses_impatient_ones() {
        let budget = budget_of(100.0);
        let start = Instant::now();
        budget.pause_for(Duration::from_millis(300));
        budget.pause_for(Duration::from_millis(10));
        let refused = budget.acquire(Duration::from_millis(100)).await.unwrap_err();
        assert!(refused.remaining > Duration::from_millis(100));
        budget.acquire(PATIENT).await.unwrap().answered();
        assert!(start.elapsed() >= Duration::from_millis(300));
        assert_eq!(budget.pause_remaining(), Duration::ZERO);
    }

    #[tokio::test]
    async fn a_pause_asked_for_while_somebody_waits_reaches_him() {
        let budget = budget_of(1.0);
        let _held = budget.acquire(PATIENT).await.unwrap();
        let (waiter, ()) = futures::join!(budget.acquire(Duration::from_secs(2)), async {
            tokio::task::yield_now().await;
            budget.pause_for(PATIENT);
        });
        assert!(waiter.is_err());
    }

    #[tokio::test]
    async fn a_dropped_wait_takes_no_slot_and_no_turn() {
        let budget = budget_of(1.0);
        budget.acquire(PATIENT).await.unwrap().answered();
        let given_up =
            tokio::time::timeout(Duration::from_millis(5), budget.acquire(PATIENT)).await;
        assert!(given_up.is_err());
        budget.acquire(PATIENT).await.unwrap().answered();
        let state = budget.lock();
        assert_eq!((state.taken.len(), state.waiting.len()), (1, 0));
    }

    #[tokio::test]
    async fn a_waiter_that_is_not_polled_keeps_nobody_waiting() {
        let budget = budget_of(1.0);
        let held = budget.acquire(PATIENT).await.unwrap();
        // It came first, looked once, and its task then does something else.
        let mut suspended = Box::pin(budget.acquire(PATIENT));
        assert!(futures::poll!(suspended.as_mut()).is_pending());
        held.answered();
        let start = Instant::now();
        let served = tokio::time::timeout(Duration::from_millis(1500), budget.acquire(PATIENT));
        served.await.expect("the slot goes to who is there").unwrap().answered();
        // When it is back, it waits for its slot as everybody.
        suspended.await.unwrap().answered();
        assert!(start.elapsed() >= Duration::from_secs(2));
    }

    #[tokio::test]
    async fn a_batch_takes_a_slot_per_call_and_is_not_overtaken_by_single_calls() {
        let budget = budget_of(4.0);
        let order = Mutex::new(Vec::new());
        let call = async |calls: usize| {
            let slot = budget.acquire_many(calls, PATIENT).await.unwrap();
            order.lock().unwrap().push((calls, Instant::now()));
            slot.answered();
        };
        futures::join!(call(3), call(4), call(1), call(9));
        let order = order.into_inner().unwrap();
        assert_eq!(order.iter().map(|(calls, _)| *calls).collect::<Vec<_>>(), [3, 4, 1, 9]);
        let second = Duration::from_secs(1);
        assert!(order[1].1 - order[0].1 >= second && order[2].1 - order[1].1 >= second);
        assert!(order[3].1 - order[2].1 >= second, "more than the budget counts as all of it");
    }

    #[tokio::test]
    async fn many_waiters_use_the_whole_budget_and_no_more() {
        let budget = budget_of(20.0);
        let sent = Mutex::new(Vec::new());
        let call = async || {
            let slot = budget.acquire(PATIENT).await.unwrap();
            sent.lock().unwrap().push(Instant::now());
            slot.answered();
        };
        let start = Instant::now();
        futures::future::join_all((0..60).map(|_| call())).await;
        assert!(start.elapsed() < Duration::from_millis(2800), "{:?}", start.elapsed());
        assert_eq!(most_per_second(&sent.into_inner().unwrap()), 20);
    }
}
