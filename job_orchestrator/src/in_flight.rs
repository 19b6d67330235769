//! Which transactions the wallets of this process are fetching right now.
//!
//! Wallets share transactions. While one of them fetches a transaction the others wait for it to be
//! stored instead of asking for it again. Another process may still ask for the same one; storing it
//! twice changes nothing.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pnl_core::{Chain, TxId};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// The transactions in flight.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    ids: Mutex<HashSet<(Chain, TxId)>>,
    let_go: Notify,
}

impl InFlight {
    /// Holds up to `most` of the `wanted` transactions that nobody else holds and takes them out of
    /// `wanted`; those passed over go to its end.
    ///
    /// Look into the store only after this: whoever held one of them before has stored it by now or
    /// has failed to.
    pub fn hold(&self, chain: Chain, wanted: &mut VecDeque<TxId>, most: usize) -> Held<'_> {
        let mut held = Held { registry: self, chain, ids: Vec::new() };
        let mut flying = self.lock();
        for _ in 0..wanted.len() {
            if held.ids.len() == most {
                break;
            }
            let Some(id) = wanted.pop_front() else { break };
            if flying.insert((chain, id.clone())) {
                held.ids.push(id);
            } else {
                wanted.push_back(id);
            }
        }
        held
    }

    /// Resolves when somebody lets go of transactions. Make it before [`hold`](Self::hold) and
    /// enable it, else a release in between goes unseen.
    pub fn let_go(&self) -> Notified<'_> {
        self.let_go.notified()
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<(Chain, TxId)>> {
        // A set of ids is whole at any moment, also after a panic elsewhere.
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Transactions that one wallet fetches; dropped, they are free for all.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    registry: &'a InFlight,
    chain: Chain,
    ids: Vec<TxId>,
}

impl Held<'_> {
    /// Which ones.
    pub fn ids(&self) -> &[TxId] {
        &self.ids
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if self.ids.is_empty() {
            return;
        }
        let mut flying = self.registry.lock();
        for id in self.ids.drain(..) {
            flying.remove(&(self.chain, id));
        }
        drop(flying);
        self.registry.let_go.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(names: &[&str]) -> VecDeque<TxId> {
        names.iter().map(|name| TxId::new(name)).collect()
    }

    #[tokio::test]
    async fn a_transaction_is_held_once_and_free_again_when_its_holder_is_gone() {
        let registry = InFlight::default();
        let mut first = ids(&["a", "b", "c"]);
        let held = registry.hold(Chain::Solana, &mut first, 2);
        assert_eq!(held.ids(), [TxId::new("a"), TxId::new("b")]);
        assert_eq!(first, ids(&["c"]));

        let mut second = ids(&["b", "d", "a"]);
        let other = registry.hold(Chain::Solana, &mut second, 9);
        assert_eq!(other.ids(), [TxId::new("d")]);
        assert_eq!(second, ids(&["b", "a"]));
        // The same id on another chain is another transaction.
        assert_eq!(registry.hold(Chain::Base, &mut ids(&["a"]), 1).ids().len(), 1);

        let mut let_go = std::pin::pin!(registry.let_go());
        let_go.as_mut().enable();
        drop(held);
        let_go.await;
        assert_eq!(registry.hold(Chain::Solana, &mut second, 9).ids().len(), 2);
        assert!(second.is_empty());
    }
}
