//! Building blocks of the tests.

use std::time::Duration;

use persistence_layer::Store;
use persistence_layer::batches::{self, BatchId, NewBatch, Submitted};
use persistence_layer::wallet_tasks::{self, Lease, WorkerId};
use pnl_core::{Address, Chain};
use serde_json::json;

/// A lease that outlives every test.
pub const LONG: Duration = Duration::from_secs(600);

/// Wallet number `n`, the same in every batch. It need not be a real address.
pub fn wallet(n: usize) -> Address {
    Address::from_chain_data(&format!("wallet{n}"))
}

/// A batch of the wallets `numbers` on Solana.
pub fn new_batch(numbers: impl IntoIterator<Item = usize>) -> NewBatch {
    NewBatch {
        id: BatchId::generate(),
        chain: Chain::Solana,
        wallets: numbers.into_iter().map(wallet).collect(),
        request: json!({"method": "fifo"}),
        trace_id: "0123456789abcdef0123456789abcdef".to_owned(),
        idempotency: None,
        response: json!({"job_id": "x"}),
    }
}

/// Submits a batch of the wallets `numbers`; there is room for it.
pub async fn submit(store: &Store, numbers: impl IntoIterator<Item = usize>) -> BatchId {
    let new = new_batch(numbers);
    assert_eq!(batches::submit(store, &new, 1000).await.unwrap(), Submitted::Accepted);
    new.id
}

/// Claims up to `free` tasks for a long time.
pub async fn claim(store: &Store, worker: &WorkerId, free: u32) -> Vec<Lease> {
    wallet_tasks::claim(store, worker, free, LONG, &[]).await.unwrap()
}
