//! Building blocks of the tests.

use chrono::Utc;
use std::time::Duration;

use persistence_layer::batches::{self, Admission, Batch, BatchId, BatchRef, NewBatch, Submitted};
use persistence_layer::ledgers::{LedgerHead, LedgerStays, NewChunk};
use persistence_layer::processes::ProcessReport;
use persistence_layer::results::SummaryRow;
use persistence_layer::test_util::TestDatabase;
use persistence_layer::wallet_tasks::{
    self, EndState, FinishedWallet, Lease, TaskError, Transition, WaitReason, WorkerId,
};
use persistence_layer::{Store, Tenant};
use pnl_core::{Address, Chain, Pin, Usd};
use serde_json::json;
use uuid::Uuid;

/// A lease that outlives every test.
pub const LONG: Duration = Duration::from_secs(600);

/// A lease that has run out when the next statement looks.
pub const OVER: Duration = Duration::ZERO;

/// Where results are looked at.
pub const PIN: Pin = Pin { block: 1000, block_time: 1_700_000_000 };

/// Wallet number `n`, the same in every batch. It need not be a real address.
pub fn wallet(n: usize) -> Address {
    Address::from_chain_data(&format!("wallet{n}"))
}

/// A batch of the wallets `numbers` on Solana.
pub fn new_batch(numbers: impl IntoIterator<Item = usize>) -> NewBatch {
    NewBatch {
        id: BatchId::generate(),
        tenant: Tenant::default(),
        chain: Chain::Solana,
        wallets: numbers.into_iter().map(wallet).collect(),
        request: json!({"method": "fifo"}),
        trace_id: "0123456789abcdef0123456789abcdef".to_owned(),
        created_at: Utc::now(),
        idempotency: None,
        webhook: None,
        response: json!({"job_id": "x"}),
    }
}

/// The batch of this id as everybody names it where there are no tenants.
pub fn everybodys(id: BatchId) -> BatchRef {
    BatchRef { tenant: Tenant::default(), id }
}

/// Submits a batch of the wallets `numbers`; there is room for it.
pub async fn submit(store: &Store, numbers: impl IntoIterator<Item = usize>) -> BatchId {
    let new = new_batch(numbers);
    assert_eq!(
        batches::submit(store, &new, Admission::rejecting(1000)).await.unwrap(),
        Submitted::Accepted
    );
    new.id
}

/// The batch, which exists.
pub async fn batch(store: &Store, id: BatchId) -> Batch {
    batches::get(store, &everybodys(id)).await.unwrap().unwrap()
}

/// How many batches everybody's list has.
pub async fn listed(store: &Store) -> usize {
    batches::list(store, &Tenant::default(), None, None, None, 100).await.unwrap().len()
}

/// Claims up to `free` tasks for a long time.
pub async fn claim(store: &Store, worker: &WorkerId, free: u32) -> Vec<Lease> {
    wallet_tasks::claim(store, worker, free, LONG, &[]).await.unwrap()
}

/// Claims one task; there is one.
pub async fn claim_one(store: &Store) -> Lease {
    claim(store, &WorkerId::generate(), 1).await.pop().expect("a task is ready")
}

/// Claims one task whose holder counts as dead at once.
pub async fn claim_and_die(store: &Store) -> Lease {
    wallet_tasks::claim(store, &WorkerId::generate(), 1, OVER, &[])
        .await
        .unwrap()
        .pop()
        .expect("a task is ready")
}

/// A result with nothing special about it.
pub fn finished() -> FinishedWallet {
    FinishedWallet {
        ledger: None,
        ledger_stays: LedgerStays::Current,
        report_json: r#"{"method":"fifo","total_pnl_usd":"1.5"}"#.to_owned(),
        summary: SummaryRow {
            pin: PIN,
            total_pnl_usd: usd("1.5"),
            realized_gain_usd: usd("1"),
            unrealized_gain_usd: usd("0.5"),
            fees_usd: usd("0"),
            trades: 3,
            transactions: 7,
            token_win_rate: None,
            complete: true,
            full_history_default_method: true,
        },
        calls: json!({"getTransaction": 7}),
    }
}

/// Head of a ledger at `block` with so many chunks of `events_per_chunk` events.
pub fn ledger_head(ledger_id: Uuid, block: u64, chunks: u32, events: u64) -> LedgerHead {
    LedgerHead {
        ledger_id,
        pin: Pin { block, block_time: 1_700_000_000 },
        input_hash: "input".to_owned(),
        price_set_hash: "prices".to_owned(),
        coverage: json!({"complete": true}),
        chunks,
        events,
        context: json!({"unexplained": []}),
    }
}

/// Dollars.
/// A chunk of so many events, with figures that are nobody's.
pub fn chunk_of(events: u32, lines: &[u8]) -> NewChunk<'_> {
    NewChunk { events, lines, figures: b"figures" }
}

pub fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

/// An error with `code`.
pub fn task_error(code: &str) -> TaskError {
    TaskError {
        code: code.to_owned(),
        title: "Title".to_owned(),
        detail: "What went wrong".to_owned(),
        retryable: true,
    }
}

/// Back to the queue at once, free.
pub fn requeue(reason: WaitReason) -> Transition {
    Transition::Requeue { delay: Duration::ZERO, reason, costs_attempt: false, error: None }
}

/// The end as failed.
pub fn failed() -> Transition {
    Transition::End { state: EndState::Failed, error: Some(task_error("bad-data")) }
}

/// Stores a result under a lease.
pub async fn finish(store: &Store, lease: &Lease) {
    wallet_tasks::finish(store, lease, finished()).await.unwrap();
}

/// Ends an attempt otherwise.
pub async fn transition(store: &Store, lease: &Lease, transition: &Transition) {
    wallet_tasks::transition(store, lease, transition).await.unwrap();
}

/// Until somebody waits for a row that somebody else has locked.
pub async fn wait_for_a_lock(database: &TestDatabase) {
    let mut connection = database.connection().await;
    loop {
        let waiting: bool = sqlx::query_scalar(
            "select exists (
                 select from pg_stat_activity
                 where datname = current_database() and wait_event_type = 'Lock')",
        )
        .fetch_one(&mut connection)
        .await
        .unwrap();
        if waiting {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// What a worker process with this id says of itself.
pub fn report(id: &str) -> ProcessReport {
    ProcessReport {
        id: id.to_owned(),
        role: "worker".to_owned(),
        host: "host".to_owned(),
        pid: 7,
        version: "1".to_owned(),
        started_at: chrono::Utc::now(),
        slots: 5,
        slots_in_use: 1,
        wallets: json!([]),
        providers: json!({}),
        gates: json!([]),
        redis: "absent".to_owned(),
    }
}
