//! How much of long histories a process holds in memory at a time.
//!
//! A wallet takes about a kilobyte per transaction while it is worked on: first its catalogue, then
//! the records of the engine. Slots bound the number of wallets, this bounds their sum. A wallet that
//! finds no room goes back to the queue at no cost. One that was sent back several times gets its
//! turn: until it has found room, no other long wallet begins.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// Transactions of long wallets in memory at a time. A wallet with more takes all of it.
const TRANSACTIONS: u32 = 800_000;
/// Wallets with fewer take no room: hundreds of them fit beside.
const SMALL: usize = 5_000;
/// Lists that are read into memory at a time, before their length is known.
const READERS: usize = 2;
/// A wallet that was sent back so often has its turn.
const REFUSALS: u32 = 3;
/// A wallet that was not seen for so long is worked on elsewhere, or over.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(120);

/// The room of a process. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    transactions: Arc<Semaphore>,
    readers: Arc<Semaphore>,
    /// Wallets that found no room, in the order in which they came.
    waiting: Arc<Mutex<Vec<Waiting>>>,
}

#[derive(Debug)]
struct Waiting {
    task: i64,
    /// The most that it has asked for: it would be sent back again with less.
    wanted: u32,
    refusals: u32,
    seen: Instant,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            transactions: Arc::new(Semaphore::new(TRANSACTIONS as usize)),
            readers: Arc::new(Semaphore::new(READERS)),
            waiting: Arc::default(),
        }
    }
}

/// The part of the room that an attempt has taken; given back with the attempt.
#[derive(Debug, Default)]
pub(crate) struct Taken(Mutex<Option<OwnedSemaphorePermit>>);

impl Room {
    /// Takes room for a task's wallet of so many transactions, unless `taken` has enough already.
    /// False when there is none, or another wallet has its turn.
    pub fn take(&self, task: i64, taken: &Taken, transactions: usize) -> bool {
        if transactions < SMALL {
            return true;
        }
        let mut taken = taken.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|wallet| wallet.seen.elapsed() < FORGOTTEN_AFTER);
        let place = waiting.iter().position(|wallet| wallet.task == task);
        let asked = u32::try_from(transactions).unwrap_or(u32::MAX).min(TRANSACTIONS);
        let wanted = place.map_or(asked, |place| waiting[place].wanted.max(asked));
        let has = taken.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let has = u32::try_from(has).unwrap_or(u32::MAX);
        if has >= asked {
            return true;
        }
        // Who has begun may grow: it gives its room back the sooner.
        let turn = waiting.iter().find(|wallet| wallet.refusals >= REFUSALS);
        let may_begin = has > 0 || turn.is_none_or(|turn| turn.task == task);
        let more = wanted.saturating_sub(has);
        let more = may_begin
            .then(|| Arc::clone(&self.transactions).try_acquire_many_owned(more).ok())
            .flatten();
        if let Some(more) = more {
            waiting.retain(|wallet| wallet.task != task);
            match taken.as_mut() {
                Some(permit) => permit.merge(more),
                None => *taken = Some(more),
            }
            return true;
        }
        let seen = Instant::now();
        let refusals = match place {
            Some(place) => {
                let wallet = &mut waiting[place];
                (wallet.wanted, wallet.seen) = (wanted, seen);
                wallet.refusals += 1;
                wallet.refusals
            }
            None => {
                waiting.push(Waiting { task, wanted, refusals: 1, seen });
                1
            }
        };
        let free = self.transactions.available_permits();
        tracing::debug!(wanted, has, free, refusals, may_begin, "no room for the wallet");
        false
    }

    /// Waits for the turn to read a list.
    pub async fn read(&self) -> SemaphorePermit<'_> {
        self.readers.acquire().await.expect("the semaphore of the readers is never closed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn long_wallets_share_the_room_and_short_ones_need_none() {
        let room = Room::default();
        let (one, other, third) = (Taken::default(), Taken::default(), Taken::default());
        assert!(room.take(1, &one, 500_000));
        assert!(room.take(1, &one, 600_000), "it grows");
        assert!(!room.take(2, &other, 300_000));
        assert!(room.take(4, &other, 200_000));
        assert!(!room.take(3, &third, SMALL));
        assert!(room.take(3, &third, SMALL - 1));
        drop((one, other));
        assert!(room.take(3, &third, usize::MAX), "one beyond all bounds is worked on alone");
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_sent_back_several_times_is_next() {
        let room = Room::default();
        let working = Taken::default();
        assert!(room.take(1, &working, 100_000));
        let long = Taken::default();
        assert!(room.take(2, &long, 10_000));
        for _ in 0..REFUSALS {
            assert!(!room.take(2, &long, 750_000));
        }
        drop(long);
        let later = Taken::default();
        assert!(!room.take(3, &later, 10_000), "it does not begin before the other");
        assert!(room.take(1, &working, 110_000), "who has begun may grow");
        drop(working);
        let again = Taken::default();
        assert!(room.take(2, &again, 10_000), "it takes at once what it lacked");
        assert!(room.take(2, &again, 750_000));
        assert!(room.take(3, &later, 10_000));
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_that_nobody_takes_is_forgotten() {
        let room = Room::default();
        let working = Taken::default();
        assert!(room.take(1, &working, 100_000));
        for _ in 0..REFUSALS {
            assert!(!room.take(2, &Taken::default(), 750_000));
        }
        assert!(!room.take(3, &Taken::default(), 10_000));
        tokio::time::sleep(FORGOTTEN_AFTER).await;
        assert!(room.take(3, &Taken::default(), 10_000));
    }
}
