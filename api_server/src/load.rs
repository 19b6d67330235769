//! How many requests are worked on at a time.
//!
//! A machine that is asked for more than it can do does everything late, and clients that give up in the
//! meantime make it work for nobody. So requests beyond a limit are refused at once. The limit finds itself:
//! while answers come in time and all places are taken it grows, one place for each round of answers; an answer
//! that comes late while many are at work takes a tenth of it, at most ten times a second. That is the rule by
//! which TCP shares a line (additive increase, multiplicative decrease: RFC 5681, section 3.1).
//!
//! Expensive requests are refused first: they may have half of the places, the others all. Probes, streams,
//! requests that wait for a job and answers that are kept take none, nor do submissions, which have a limit of
//! their own. Files take as long as their readers, so they have a number of their own ([`Files`]).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What a request costs at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// Some rows of the database.
    Light,
    /// A computation over a wallet's history, or many rows.
    Expensive,
}

impl Cost {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Light, Self::Expensive];

    /// The name, as metrics and refusals tell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Expensive => "expensive",
        }
    }

    /// An answer that takes longer is late: the targets of docs/api.md.
    const fn late_after(self) -> Duration {
        match self {
            Self::Light => Duration::from_millis(200),
            Self::Expensive => Duration::from_secs(1),
        }
    }
}

/// What a file costs, as metrics tell it.
pub const FILE: &str = "file";

/// Fewest places that a limit falls to, where it may grow so far.
const FEWEST: u32 = 8;

/// Shortest time between two cuts: those who were at work together are late together.
const BETWEEN_CUTS: Duration = Duration::from_millis(100);

/// How long after a refusal the process says that its load is high.
const REMEMBERED: Duration = Duration::from_secs(10);

/// Parts of a place, in which the limit grows.
const PARTS: u32 = 1000;

/// The requests at work in this process. A cheap clone.
#[derive(Debug, Clone)]
pub struct Load(Option<Arc<Places>>);

#[derive(Debug)]
struct Places {
    most: u32,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// In [`PARTS`] of a place.
    limit: u32,
    light: u32,
    expensive: u32,
    cut_at: Option<Instant>,
    refused_at: Option<Instant>,
}

/// A request at work, until it is dropped.
#[derive(Debug)]
pub struct AtWork {
    places: Option<Arc<Places>>,
    cost: Cost,
    begun: Instant,
}

impl Load {
    /// At most so many requests at a time; 0: without a limit.
    pub fn new(most: u32) -> Self {
        if most == 0 {
            return Self(None);
        }
        let limit = most.saturating_mul(PARTS);
        let state = State { limit, light: 0, expensive: 0, cut_at: None, refused_at: None };
        Self(Some(Arc::new(Places { most, state: Mutex::new(state) })))
    }

    /// A place for a request; `None` when there is none for one of this cost.
    pub fn enter(&self, cost: Cost) -> Option<AtWork> {
        let begun = Instant::now();
        let Some(places) = &self.0 else {
            return Some(AtWork { places: None, cost, begun });
        };
        let mut state = places.lock();
        let limit = state.places();
        let is_free = state.light + state.expensive < limit
            && (cost == Cost::Light || state.expensive < limit.div_ceil(2));
        if !is_free {
            state.refused_at = Some(begun);
            return None;
        }
        *state.of(cost) += 1;
        Some(AtWork { places: Some(Arc::clone(places)), cost, begun })
    }

    /// Whether requests were refused in the last seconds.
    pub fn is_high(&self) -> bool {
        let refused_at = self.0.as_ref().and_then(|places| places.lock().refused_at);
        refused_at.is_some_and(|at| at.elapsed() < REMEMBERED)
    }

    /// How many requests of this cost are worked on now; 0 where they are not counted, without a limit.
    pub fn at_work(&self, cost: Cost) -> u32 {
        self.0.as_ref().map_or(0, |places| *places.lock().of(cost))
    }

    /// How many requests may be worked on now; none: there is no limit.
    pub fn limit(&self) -> Option<u32> {
        self.0.as_ref().map(|places| places.lock().places())
    }
}

impl Places {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while holding the lock; counts stay counts.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request is done after so long.
    fn leave(&self, cost: Cost, took: Duration) {
        let mut state = self.lock();
        let (places, at_work) = (state.places(), state.light + state.expensive);
        let is_late = took > cost.late_after();
        if is_late && at_work > places / 2 {
            if state.cut_at.is_none_or(|at| at.elapsed() >= BETWEEN_CUTS) {
                state.cut_at = Some(Instant::now());
                let fewest = FEWEST.min(self.most) * PARTS;
                state.limit = (state.limit / 10 * 9).max(fewest);
            }
        } else if !is_late && state.is_full(cost) {
            state.limit = (state.limit + PARTS / places).min(self.most * PARTS);
        }
        *state.of(cost) -= 1;
    }
}

impl State {
    const fn places(&self) -> u32 {
        self.limit / PARTS
    }

    const fn of(&mut self, cost: Cost) -> &mut u32 {
        match cost {
            Cost::Light => &mut self.light,
            Cost::Expensive => &mut self.expensive,
        }
    }

    /// Whether one more of this cost would have been refused.
    fn is_full(&self, cost: Cost) -> bool {
        let limit = self.places();
        self.light + self.expensive >= limit
            || (cost == Cost::Expensive && self.expensive >= limit.div_ceil(2))
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        if let Some(places) = &self.places {
            places.leave(self.cost, self.begun.elapsed());
        }
    }
}

/// The files that are made and sent at a time in this process.
#[derive(Debug, Clone)]
pub struct Files {
    most: usize,
    free: Arc<Semaphore>,
}

impl Files {
    /// At most so many.
    pub fn new(most: u32) -> Self {
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self { most, free: Arc::new(Semaphore::new(most)) }
    }

    /// A place for one more, until it is dropped; `None` when there is none. While the load is high there are half as many.
    pub fn enter(&self, load: &Load) -> Option<OwnedSemaphorePermit> {
        let place = Arc::clone(&self.free).try_acquire_owned().ok()?;
        let most = if load.is_high() { self.most.div_ceil(2) } else { self.most };
        // This one among them, so that many at once do not all find the same place free.
        let at_work = self.most - self.free.available_permits();
        (at_work <= most).then_some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATE: Duration = Duration::from_secs(2);

    fn take(load: &Load, cost: Cost, count: usize) -> Vec<AtWork> {
        (0..count).map_while(|_| load.enter(cost)).collect()
    }

    /// Ends a request as if it had begun so long ago.
    fn end_after(mut request: AtWork, took: Duration) {
        request.begun = Instant::now().checked_sub(took).unwrap();
        drop(request);
    }

    #[test]
    fn expensive_requests_have_half_of_the_places_and_light_ones_all() {
        let load = Load::new(10);
        let expensive = take(&load, Cost::Expensive, 100);
        assert_eq!(expensive.len(), 5);
        assert!(load.is_high(), "one was refused");
        let light = take(&load, Cost::Light, 100);
        assert_eq!(light.len(), 5);
        drop(expensive);
        assert_eq!(take(&load, Cost::Light, 100).len(), 5);
        drop(light);
        assert_eq!(take(&load, Cost::Light, 100).len(), 10, "every place was given back");
    }

    #[test]
    fn late_answers_under_load_take_places_and_those_in_time_bring_them_back() {
        let load = Load::new(100);
        let mut busy = take(&load, Cost::Light, 100);
        end_after(busy.remove(0), LATE);
        assert_eq!(load.limit(), Some(90));
        end_after(busy.remove(0), LATE);
        assert_eq!(load.limit(), Some(90), "late together");
        let mut cuts = 1;
        while load.limit() > Some(FEWEST) {
            load.0.as_ref().unwrap().lock().cut_at = None;
            busy.extend(take(&load, Cost::Light, 100));
            end_after(busy.remove(0), LATE);
            cuts += 1;
            assert!(cuts < 100, "the limit does not fall to the fewest");
        }
        drop(busy);
        // Answers in time, one after the other, while all places are taken.
        let before = load.limit().unwrap();
        let mut busy = take(&load, Cost::Light, 100);
        for _ in 0..100 {
            drop(busy.remove(0));
            busy.extend(take(&load, Cost::Light, 100));
        }
        let after = load.limit().unwrap();
        assert!(after > before && after <= 100, "{before} {after}");
    }

    #[test]
    fn a_late_answer_on_an_idle_machine_is_no_load() {
        let load = Load::new(100);
        end_after(load.enter(Cost::Expensive).unwrap(), LATE);
        assert_eq!((load.limit(), load.is_high()), (Some(100), false));
    }

    #[test]
    fn without_a_limit_nobody_is_refused() {
        let load = Load::new(0);
        assert_eq!(take(&load, Cost::Expensive, 1000).len(), 1000);
        assert_eq!((load.limit(), load.is_high()), (None, false));
    }

    #[test]
    fn files_have_a_number_of_their_own_and_half_of_it_while_the_load_is_high() {
        let (load, files) = (Load::new(2), Files::new(4));
        let enter = |count: usize| (0..count).map_while(|_| files.enter(&load)).collect::<Vec<_>>();
        let mut sent = enter(9);
        assert_eq!(sent.len(), 4);
        sent.truncate(1);
        assert_eq!(take(&load, Cost::Expensive, 2).len(), 1);
        assert!(load.is_high());
        sent.extend(enter(9));
        assert_eq!(sent.len(), 2);
        drop(sent);
        let unlimited = Load::new(0);
        assert!(files.enter(&unlimited).is_some());
        assert_eq!(Files::new(1).enter(&load).map(|_| ()), Some(()), "one at least");
    }

    #[test]
    fn the_smallest_limit_leaves_a_place_for_each_cost() {
        let load = Load::new(1);
        drop(load.enter(Cost::Expensive).unwrap());
        drop(load.enter(Cost::Light).unwrap());
    }
}
