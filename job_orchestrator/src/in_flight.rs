//! What the wallets of this process are asking a chain for right now.
//!
//! Wallets share transactions, and sometimes token accounts. What one is asking for, another waits
//! for instead of asking too, and then finds it stored. A key is given back as soon as its answer
//! is stored. Nobody waits while holding something, so two wallets cannot wait for each other.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

/// The keys that somebody is asking for. Clones share them.
#[derive(Debug)]
pub(crate) struct InFlight<K: Eq + Hash>(Arc<Mutex<Held<K>>>);

/// A message tells those who wait that the holder got on, the end of the sender that it is over.
type Held<K> = HashMap<K, watch::Sender<()>>;

/// The right to ask for some keys. What is left of it is given back when dropped: by then the
/// answers are stored, or the next one may try.
#[derive(Debug)]
pub(crate) struct Claim<K: Eq + Hash> {
    in_flight: InFlight<K>,
    keys: Vec<K>,
}

/// Somebody else is asking.
#[derive(Debug)]
pub(crate) struct Busy(watch::Receiver<()>);

impl<K: Eq + Hash> Default for InFlight<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Eq + Hash> Clone for InFlight<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: Eq + Hash + Clone> InFlight<K> {
    /// Claims what is free of `keys`. The others come back with whom to wait for.
    pub fn claim(&self, keys: impl IntoIterator<Item = K>) -> (Claim<K>, Vec<(K, Busy)>) {
        let mut claim = Claim { in_flight: self.clone(), keys: Vec::new() };
        let mut busy = Vec::new();
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            match held.get(&key) {
                Some(holder) => busy.push((key, Busy(holder.subscribe()))),
                None => {
                    held.insert(key.clone(), watch::channel(()).0);
                    claim.keys.push(key);
                }
            }
        }
        (claim, busy)
    }
}

impl<K: Eq + Hash> Claim<K> {
    /// What was claimed.
    pub fn keys(&self) -> &[K] {
        &self.keys
    }

    /// Gives back those of `keys` that it holds.
    pub fn release<'a>(&mut self, keys: impl IntoIterator<Item = &'a K>)
    where
        K: 'a,
    {
        let mut held = self.in_flight.0.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            if let Some(place) = self.keys.iter().position(|own| own == key) {
                self.keys.swap_remove(place);
                held.remove(key);
            }
        }
    }

    /// Tells those who wait that something was stored.
    pub fn tell_progress(&self) {
        let held = self.in_flight.0.lock().unwrap_or_else(PoisonError::into_inner);
        for key in &self.keys {
            if let Some(waiting) = held.get(key) {
                waiting.send_replace(());
            }
        }
    }
}

impl<K: Eq + Hash> Drop for Claim<K> {
    fn drop(&mut self) {
        let mut held = self.in_flight.0.lock().unwrap_or_else(PoisonError::into_inner);
        for key in &self.keys {
            held.remove(key);
        }
    }
}

impl Busy {
    /// Ends with `true` when the other one got on, with `false` when it has given the key back.
    pub async fn progressed(&mut self) -> bool {
        self.0.changed().await.is_ok()
    }

    /// Ends when the other one has given the key back.
    pub async fn over(&mut self) {
        while self.progressed().await {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_key_is_claimed_by_one_and_free_again_when_the_claim_is_dropped() {
        let in_flight = InFlight::default();
        let (first, busy) = in_flight.claim([1, 2]);
        assert!(busy.is_empty());
        let (second, mut busy) = in_flight.claim([2, 3]);
        assert_eq!(second.keys(), [3]);
        let (key, mut waiting) = busy.pop().unwrap();
        let waiting = tokio::spawn(async move { waiting.over().await });
        assert!(!waiting.is_finished());
        drop(first);
        waiting.await.unwrap();
        assert_eq!(in_flight.claim([key]).0.keys(), [2]);
    }

    #[tokio::test]
    async fn a_released_key_is_free_at_once_and_the_rest_of_the_claim_stays() {
        let in_flight = InFlight::default();
        let (mut first, _) = in_flight.claim([1, 2]);
        let (_, mut busy) = in_flight.claim([1, 2]);
        first.release(&[1, 7]);
        assert!(!busy[0].1.progressed().await, "the first key is over");
        let (second, still) = in_flight.claim([1, 2]);
        assert_eq!((second.keys(), still.len()), ([1].as_slice(), 1));
        first.tell_progress();
        assert!(busy[1].1.progressed().await, "the holder got on");
        drop(first);
        assert!(!busy[1].1.progressed().await);
        assert_eq!(in_flight.claim([1, 2]).0.keys(), [2], "the first key has a new holder");
    }
}
