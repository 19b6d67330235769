//! Group commit: writes of one kind that come while another is under way are stored with the next
//! one, all in one transaction.
//!
//! A write that comes alone goes at once. Under load a transaction holds what has come during the one
//! before, so that the cost of statements and commits is shared by as many as there are. When many wait,
//! a second transaction goes beside the first: a server has more than one processor. When a transaction
//! of several fails, each is tried alone: an error is that of one write, never of its neighbours.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::chain_data::WholeList;
use crate::error::StoreError;
use crate::store::Store;
use crate::wallet_tasks::Finish;

/// Most writes in one transaction.
const MOST_WRITES: usize = 64;
/// Most bytes in one transaction of several writes.
const MOST_BYTES: usize = 4 << 20;
/// Most transactions of one key at once, and how many writes wait before there is another one.
const MOST_WRITERS: usize = 2;
const WAITING_FOR_ANOTHER: usize = 16;

/// A write that can be stored together with others of its kind.
pub(crate) trait Together: Sized + Send + Sync + 'static {
    /// Only writes with one key are stored together.
    type Key: Clone + Eq + Hash + Send + Sync;
    /// What became of one write.
    type Outcome: Send;

    /// Its key.
    fn key(&self) -> Self::Key;

    /// About how many bytes it sends.
    fn bytes(&self) -> usize;

    /// Stores all of them in one transaction, or none; gives an outcome for each, in order.
    fn store(
        store: &Store,
        writes: &[Self],
    ) -> impl Future<Output = Result<Vec<Self::Outcome>, StoreError>> + Send;
}

/// What waits to be written to one database, by kind.
#[derive(Default)]
pub(crate) struct Waiting {
    /// Results of wallets.
    pub finishes: Arc<Turns<Finish>>,
    /// Lists that were read whole.
    pub lists: Arc<Turns<WholeList>>,
}

/// The writes of one kind that wait for their turn, by key. A key is there while somebody writes.
pub(crate) struct Turns<W: Together>(Mutex<HashMap<W::Key, Lane<W>>>);

struct Lane<W: Together> {
    waiting: Vec<Turn<W>>,
    writers: usize,
}

struct Turn<W: Together> {
    write: W,
    answer: Answer<W>,
}

/// Where the outcome of a write is waited for.
type Answer<W> = oneshot::Sender<Result<<W as Together>::Outcome, StoreError>>;

impl<W: Together> Default for Turns<W> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<W: Together> Turns<W> {
    /// Stores a write, with others when there are some. A caller that no longer waits when its turn
    /// comes has not written anything.
    pub(crate) async fn write(
        self: &Arc<Self>,
        store: &Store,
        write: W,
    ) -> Result<W::Outcome, StoreError> {
        let key = write.key();
        let (answer, outcome) = oneshot::channel();
        let turn = Turn { write, answer };
        let is_to_write = {
            let mut lanes = self.lock();
            let lane = lanes.entry(key.clone()).or_insert(Lane { waiting: Vec::new(), writers: 0 });
            lane.waiting.push(turn);
            let is_busy = lane.waiting.len() >= WAITING_FOR_ANOTHER;
            let is_to_write = lane.writers == 0 || (is_busy && lane.writers < MOST_WRITERS);
            lane.writers += usize::from(is_to_write);
            is_to_write
        };
        if is_to_write {
            // A task of its own: whoever came first may be stopped, and the others not with it.
            let turns = Arc::clone(self);
            let writer = Writer { turns, store: store.clone(), key, is_over: false };
            tokio::spawn(writer.run());
        }
        outcome.await.unwrap_or(Err(StoreError::Conflict("a write was given up; repeat it")))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<W::Key, Lane<W>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever writes what waits under a key.
struct Writer<W: Together> {
    turns: Arc<Turns<W>>,
    store: Store,
    key: W::Key,
    is_over: bool,
}

impl<W: Together> Writer<W> {
    async fn run(mut self) {
        loop {
            let (writes, answers) = self.next_turn();
            if self.is_over {
                return;
            }
            match W::store(&self.store, &writes).await {
                Ok(outcomes) => {
                    for (answer, outcome) in answers.into_iter().zip(outcomes) {
                        // Whoever has stopped waiting finds it stored.
                        let _ = answer.send(Ok(outcome));
                    }
                }
                Err(error) if writes.len() > 1 => {
                    tracing::debug!(writes = writes.len(), %error, "each of them alone");
                    let alone = writes.into_iter().zip(answers).map(|(write, answer)| async {
                        let _ = answer.send(alone(&self.store, write).await);
                    });
                    futures::future::join_all(alone).await;
                }
                Err(error) => {
                    let only = answers.into_iter().next();
                    let _ = only.map(|answer| answer.send(Err(error)));
                }
            }
        }
    }

    /// Takes what fits into one transaction. Nothing there: it is over.
    fn next_turn(&mut self) -> (Vec<W>, Vec<Answer<W>>) {
        let mut lanes = self.turns.lock();
        let mut turn = (Vec::new(), Vec::new());
        let Some(lane) = lanes.get_mut(&self.key) else {
            self.is_over = true;
            return turn;
        };
        let mut bytes = 0;
        let waiting = std::mem::take(&mut lane.waiting);
        let mut rest = waiting.into_iter().filter(|waiting| !waiting.answer.is_closed()).peekable();
        while let Some(next) = rest.next_if(|next| {
            turn.0.is_empty()
                || (turn.0.len() < MOST_WRITES && bytes + next.write.bytes() <= MOST_BYTES)
        }) {
            bytes += next.write.bytes();
            turn.0.push(next.write);
            turn.1.push(next.answer);
        }
        lane.waiting = rest.collect();
        if turn.0.is_empty() {
            self.is_over = true;
            lane.writers -= 1;
            if lane.writers == 0 {
                lanes.remove(&self.key);
            }
        }
        turn
    }
}

impl<W: Together> Drop for Writer<W> {
    /// After a panic what waits is left to another writer, or given up: the next write begins anew.
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let mut lanes = self.turns.lock();
        let Some(lane) = lanes.get_mut(&self.key) else { return };
        lane.writers -= 1;
        if lane.writers == 0 {
            lanes.remove(&self.key);
        }
    }
}

async fn alone<W: Together>(store: &Store, write: W) -> Result<W::Outcome, StoreError> {
    let mut outcomes = W::store(store, std::slice::from_ref(&write)).await?;
    outcomes.pop().ok_or(StoreError::Conflict("a write without an outcome"))
}
