//! One look for all who ask for the same at about the same time.
//!
//! What a look found is told again for as long as it is fresh, until somebody says that it may have changed. Whoever asks
//! while a look is under way shares the next one with all who came meanwhile.

use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use moka::sync::Cache;

/// How long the place of a question is kept when nobody asks it: those who wait in it hold it themselves.
const IDLE: Duration = Duration::from_secs(10);

/// Most places.
const MAX_PLACES: u64 = 20_000;

/// Looks that are shared, by question.
pub struct Looks<Q, V> {
    places: Cache<Q, Arc<Place<V>>>,
    fresh: Duration,
    /// How often somebody said that something may have changed.
    changes: AtomicU64,
}

/// Where those who ask the same meet.
struct Place<V> {
    last: Mutex<Option<Last<V>>>,
    turn: tokio::sync::Mutex<()>,
}

/// The last look of a question.
struct Last<V> {
    begun: Instant,
    changes: u64,
    found: V,
}

impl<Q, V> Looks<Q, V>
where
    Q: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// What a look finds is told again to those who ask within `fresh` of its beginning. With zero nobody is told
    /// anything that is older than the question: only those share a look who waited for it to begin.
    pub fn new(fresh: Duration) -> Self {
        let places = Cache::builder().max_capacity(MAX_PLACES).time_to_idle(IDLE).build();
        Self { places, fresh, changes: AtomicU64::new(0) }
    }

    /// What `look` finds, or that of another one who asks the same. A look that is given up is made again by the next
    /// one in the queue.
    pub async fn get(&self, question: &Q, look: impl Future<Output = V>) -> V {
        let asked = Instant::now();
        let place = self.places.get(question).unwrap_or_else(|| {
            let empty = || Place { last: Mutex::default(), turn: tokio::sync::Mutex::default() };
            self.places.get_with(question.clone(), || Arc::new(empty()))
        });
        if let Some(found) = self.known(&place, asked) {
            return found;
        }
        let _turn = place.turn.lock().await;
        if let Some(found) = self.known(&place, asked) {
            return found;
        }
        let (begun, changes) = (Instant::now(), self.changes.load(Ordering::Acquire));
        let found = look.await;
        *place.last() = Some(Last { begun, changes, found: found.clone() });
        found
    }

    /// What the last look found, while that is fresh.
    pub fn fresh(&self, question: &Q) -> Option<V> {
        self.known(&*self.places.get(question)?, Instant::now())
    }

    /// Anything may have changed: nothing that was found by now is told again.
    pub fn forget(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    fn known(&self, place: &Place<V>, asked: Instant) -> Option<V> {
        let last = place.last();
        let last = last.as_ref()?;
        let holds =
            last.begun + self.fresh > asked && last.changes == self.changes.load(Ordering::Acquire);
        holds.then(|| last.found.clone())
    }
}

impl<V> Place<V> {
    fn last(&self) -> std::sync::MutexGuard<'_, Option<Last<V>>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn those_who_come_during_a_look_share_the_next_one() {
        let (looks, made, gate) =
            (Looks::new(Duration::ZERO), AtomicU32::new(0), Semaphore::new(0));
        let look = async || {
            let number = made.fetch_add(1, Ordering::Relaxed);
            gate.acquire().await.unwrap().forget();
            number
        };
        let ask = || looks.get(&"question", look());
        let open = async {
            // All have asked: the first one looks, the others wait.
            tokio::task::yield_now().await;
            gate.add_permits(10);
        };
        let (first, second, third, other, ()) =
            tokio::join!(ask(), ask(), ask(), looks.get(&"other", look()), open);
        assert_eq!((first, second, third), (0, 2, 2));
        assert_eq!(other, 1, "another question has looks of its own");
        assert_eq!(ask().await, 3, "whoever asks later is not told what was found before");
    }

    #[tokio::test]
    async fn what_is_fresh_is_told_again_until_something_may_have_changed() {
        let looks = Looks::new(Duration::from_secs(3600));
        let ask = async |found| looks.get(&0, std::future::ready(found)).await;
        assert_eq!((ask(1).await, ask(2).await), (1, 1));
        looks.forget();
        assert_eq!((ask(3).await, ask(4).await), (3, 3));
        // A look that was under way meanwhile may have seen what was before.
        looks.forget();
        let during = async {
            looks.forget();
            5
        };
        assert_eq!(looks.get(&0, during).await, 5);
        assert_eq!(ask(6).await, 6);
    }

    #[tokio::test]
    async fn a_look_that_is_given_up_is_made_by_the_next_one() {
        let looks = Looks::new(Duration::ZERO);
        let never = looks.get(&0, std::future::pending::<u32>());
        let given_up = tokio::time::timeout(Duration::from_millis(5), never);
        let next = async {
            tokio::task::yield_now().await;
            looks.get(&0, std::future::ready(7)).await
        };
        let (given_up, next) = tokio::join!(given_up, next);
        assert!(given_up.is_err());
        assert_eq!(next, 7);
    }
}
