//! What attempts at long wallets leave for the next ones.

use persistence_layer::Tenant;
use persistence_layer::ledgers;
use persistence_layer::test_util::TestDatabase;
use persistence_layer::wallet_tasks::{self, WaitReason, WorkerId, sweep};
use persistence_layer::wallet_work::{self, Checkpoint, StoredPlan};
use persistence_layer::{Store, StoreError};
use pnl_core::{Chain, WalletRef};
use serde_json::json;
use uuid::Uuid;

use crate::support::{
    chunk_of, claim, claim_and_die, claim_one, failed, finished, ledger_head, requeue, submit,
    transition, wallet,
};

const MADE_BY: &str = "1 1";

/// Stores the chunk behind `checkpoint` and moves it on.
async fn append(
    store: &Store,
    lease: &wallet_tasks::Lease,
    checkpoint: &mut Checkpoint,
    line: &str,
) -> Result<(), StoreError> {
    checkpoint.chunks += 1;
    checkpoint.events += 1;
    checkpoint.state = format!("after {}", checkpoint.chunks).into_bytes();
    let chunk = chunk_of(1, line.as_bytes());
    wallet_work::put_checkpoint(store, lease, MADE_BY, checkpoint, Some(&chunk)).await
}

fn fresh() -> Checkpoint {
    Checkpoint { ledger_id: Uuid::now_v7(), chunks: 0, events: 0, state: Vec::new() }
}

#[tokio::test]
async fn a_ledger_goes_on_behind_its_checkpoint_under_the_next_lease() {
    let database = TestDatabase::create().await;
    let store = database.store();
    submit(store, 0..1).await;
    let dead = claim_and_die(store).await;
    let mut checkpoint = fresh();
    append(store, &dead, &mut checkpoint, "{\"n\":0}\n").await.unwrap();
    let behind = checkpoint.clone();
    // A chunk without checkpoint: the next attempt writes it anew.
    ledgers::append_chunk(store, &dead, behind.ledger_id, 1, &chunk_of(1, b"{\"n\":9}\n"))
        .await
        .unwrap();
    sweep(store, 20).await.unwrap();

    let next = claim_one(store).await;
    sweep(store, 20).await.unwrap();
    let late = append(store, &dead, &mut checkpoint.clone(), "late").await;
    assert!(matches!(late, Err(StoreError::LeaseLost { .. })));
    assert_eq!(wallet_work::resume_ledger(store, &next, "2 1").await.unwrap(), None, "other rules");
    let mut resumed = wallet_work::resume_ledger(store, &next, MADE_BY).await.unwrap().unwrap();
    assert_eq!(resumed, behind);
    append(store, &next, &mut resumed, "{\"n\":1}\n").await.unwrap();
    let head = ledger_head(resumed.ledger_id, 100, 2, 2);
    let result = wallet_tasks::FinishedWallet { ledger: Some(head), ..finished() };
    wallet_tasks::finish(store, &next, result).await.unwrap();
    let read = async |no| {
        ledgers::chunk(store, &Tenant::default(), Chain::Solana, resumed.ledger_id, no)
            .await
            .unwrap()
    };
    assert_eq!(read(1).await.unwrap(), b"{\"n\":1}\n");
    let wallet = WalletRef { chain: Chain::Solana, address: wallet(0) };
    assert_eq!(
        ledgers::current(store, &Tenant::default(), &wallet).await.unwrap().unwrap().head.events,
        2
    );

    sweep(store, 20).await.unwrap();
    assert_eq!(database.number("select count(*) from wallet_work").await, 0, "nothing is left");
    assert_eq!(database.number("select count(*) from ledger_checkpoints").await, 0);
}

#[tokio::test]
async fn a_requeued_task_keeps_its_ledger_and_a_given_up_one_does_not() {
    let database = TestDatabase::create().await;
    let store = database.store();
    submit(store, 0..1).await;
    let first = claim_one(store).await;
    append(store, &first, &mut fresh(), "{}\n").await.unwrap();
    ledgers::append_chunk(store, &first, Uuid::now_v7(), 0, &chunk_of(1, b"{}\n")).await.unwrap();
    transition(store, &first, &requeue(WaitReason::Continued)).await;
    sweep(store, 20).await.unwrap();
    let ledgers = "select count(*) from ledgers";
    assert_eq!(database.number(ledgers).await, 1, "only the one with a checkpoint is of use");
    let second = claim_one(store).await;
    transition(store, &second, &failed()).await;
    sweep(store, 20).await.unwrap();
    sweep(store, 20).await.unwrap();
    assert_eq!(database.number(ledgers).await, 0);
}

#[tokio::test]
async fn one_sweep_removes_what_many_ended_wallets_left() {
    let database = TestDatabase::create().await;
    let store = database.store();
    submit(store, 0..45).await;
    for lease in claim(store, &WorkerId::generate(), 45).await {
        wallet_work::put_look(store, &lease, "1", b"a").await.unwrap();
        if lease.ordinal > 1 {
            transition(store, &lease, &failed()).await;
        }
    }
    sweep(store, 20).await.unwrap();
    let left = "select count(*) from wallet_looks";
    assert_eq!(database.number(left).await, 2, "those of wallets at work stay");
}

#[tokio::test]
async fn looks_and_plans_are_read_back_by_the_version_that_made_them() {
    let database = TestDatabase::create().await;
    let store = database.store();
    submit(store, 0..1).await;
    let lease = claim_and_die(store).await;
    for page in ["a", "b"] {
        wallet_work::put_look(store, &lease, "1", page.as_bytes()).await.unwrap();
    }
    let look =
        async |made_by, after| wallet_work::look(store, &lease, made_by, after).await.unwrap();
    assert_eq!(look("1", -1).await, Some((0, b"a".to_vec())));
    assert_eq!(look("1", 0).await, Some((1, b"b".to_vec())));
    assert_eq!((look("1", 1).await, look("2", -1).await), (None, None));

    let plan = StoredPlan { pages: 2, head: json!({"transactions": 7}) };
    let pages = [b"p0".to_vec(), b"p1".to_vec()];
    wallet_work::put_plan_pages(store, &lease, 0, &pages).await.unwrap();
    let read = async |pin| wallet_work::plan(store, &lease, pin, "1").await.unwrap();
    assert_eq!(read(9).await, None, "not whole yet");
    wallet_work::put_plan(store, &lease, 9, "1", &plan).await.unwrap();
    append(store, &lease, &mut fresh(), "{}\n").await.unwrap();
    assert_eq!((read(9).await, read(8).await), (Some(plan), None));
    assert_eq!(wallet_work::plan_page(store, &lease, 1).await.unwrap(), b"p1");
    assert!(wallet_work::plan_page(store, &lease, 2).await.is_err());

    // A new plan makes the old one void, and what was built on it.
    wallet_work::put_plan_pages(store, &lease, 0, &pages).await.unwrap();
    assert_eq!(read(9).await, None);
    assert_eq!(database.number("select count(*) from ledger_checkpoints").await, 0);
    // It was progress: the holder's death counts for nothing.
    sweep(store, 20).await.unwrap();
    assert_eq!(claim_one(store).await.takeovers, 0);
}

#[tokio::test]
async fn a_checkpoint_without_a_chunk_holds_and_all_work_can_be_discarded() {
    let database = TestDatabase::create().await;
    let store = database.store();
    submit(store, 0..1).await;
    let lease = claim_and_die(store).await;
    let checkpoint = Checkpoint { state: b"far".to_vec(), ..fresh() };
    wallet_work::put_checkpoint(store, &lease, MADE_BY, &checkpoint, None).await.unwrap();
    sweep(store, 20).await.unwrap();
    let next = claim_one(store).await;
    let resumed = wallet_work::resume_ledger(store, &next, MADE_BY).await.unwrap();
    assert_eq!(resumed, Some(checkpoint));

    wallet_work::put_look(store, &next, "1", b"a").await.unwrap();
    let late = wallet_work::discard(store, &lease).await;
    assert!(matches!(late, Err(StoreError::LeaseLost { .. })));
    wallet_work::discard(store, &next).await.unwrap();
    assert_eq!(wallet_work::look(store, &next, "1", -1).await.unwrap(), None);
    assert_eq!(wallet_work::resume_ledger(store, &next, MADE_BY).await.unwrap(), None);
}

#[tokio::test]
async fn the_pages_of_a_plan_that_is_not_whole_are_no_progress() {
    let database = TestDatabase::create().await;
    let store = database.store();
    submit(store, 0..1).await;
    let lease = claim_one(store).await;
    wallet_work::put_plan_pages(store, &lease, 0, &[b"p0".to_vec()]).await.unwrap();
    assert_eq!(database.number("select progress from wallet_tasks").await, 0);
}
