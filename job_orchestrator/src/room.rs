//! How much of long histories a process holds in memory at a time.
//!
//! A wallet takes about a kilobyte per transaction while it is worked on: first its catalogue, then
//! the records of the engine. Slots bound the number of wallets, this bounds their sum. A wallet that
//! finds no room goes back to the queue at no cost.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// Transactions of long wallets in memory at a time. A wallet with more takes all of it.
const TRANSACTIONS: u32 = 800_000;
/// Wallets with fewer take no room: hundreds of them fit beside.
const SMALL: usize = 5_000;
/// Lists that are read into memory at a time, before their length is known.
const READERS: usize = 2;

/// The room of a process. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    transactions: Arc<Semaphore>,
    readers: Arc<Semaphore>,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            transactions: Arc::new(Semaphore::new(TRANSACTIONS as usize)),
            readers: Arc::new(Semaphore::new(READERS)),
        }
    }
}

/// The part of the room that an attempt has taken; given back with the attempt.
#[derive(Debug, Default)]
pub(crate) struct Taken(Mutex<Option<OwnedSemaphorePermit>>);

impl Room {
    /// Takes room for a wallet of so many transactions, unless `taken` has enough already. False
    /// when there is none.
    pub fn take(&self, taken: &Taken, transactions: usize) -> bool {
        if transactions < SMALL {
            return true;
        }
        let mut taken = taken.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = u32::try_from(transactions).unwrap_or(u32::MAX).min(TRANSACTIONS);
        let has = taken.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let more = wanted.saturating_sub(u32::try_from(has).unwrap_or(u32::MAX));
        if more == 0 {
            return true;
        }
        let Ok(more) = Arc::clone(&self.transactions).try_acquire_many_owned(more) else {
            return false;
        };
        match taken.as_mut() {
            Some(permit) => permit.merge(more),
            None => *taken = Some(more),
        }
        true
    }

    /// Waits for the turn to read a list.
    pub async fn read(&self) -> SemaphorePermit<'_> {
        self.readers.acquire().await.expect("the semaphore of the readers is never closed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_wallets_share_the_room_and_short_ones_need_none() {
        let room = Room::default();
        let (one, other, third) = (Taken::default(), Taken::default(), Taken::default());
        assert!(room.take(&one, 500_000));
        assert!(room.take(&one, 600_000), "it grows");
        assert!(!room.take(&other, 300_000));
        assert!(room.take(&other, 200_000));
        assert!(!room.take(&third, SMALL));
        assert!(room.take(&third, SMALL - 1));
        drop((one, other));
        assert!(room.take(&third, usize::MAX), "one beyond all bounds is worked on alone");
    }
}
