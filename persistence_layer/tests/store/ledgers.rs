//! Ledgers: built in chunks, swapped at the finish.

use std::time::Duration;

use persistence_layer::Store;
use persistence_layer::StoreError;
use persistence_layer::Tenant;
use persistence_layer::ledgers::{self, LedgerHead, LedgerStays, Unpacked, append_chunk, chunk};
use persistence_layer::test_util::TestDatabase;
use persistence_layer::wallet_tasks::{self, FinishedWallet, Lease, WaitReason, WorkerId, sweep};
use pnl_core::{Chain, WalletRef};
use uuid::Uuid;

use crate::support::{
    chunk_of, claim_and_die, claim_one, everybodys, failed, finished, ledger_head, requeue, submit,
    transition, wallet,
};

fn wallet_ref() -> WalletRef {
    WalletRef { chain: Chain::Solana, address: wallet(0) }
}

/// Builds a ledger of two chunks with three events at `block`.
async fn build(store: &Store, lease: &Lease, block: u64) -> LedgerHead {
    let id = Uuid::now_v7();
    append_chunk(store, lease, id, 0, &chunk_of(2, b"{\"n\":1}\n{\"n\":2}\n")).await.unwrap();
    append_chunk(store, lease, id, 1, &chunk_of(1, b"{\"n\":3}\n")).await.unwrap();
    ledger_head(id, block, 2, 3)
}

async fn finish_with(store: &Store, lease: &Lease, head: LedgerHead) -> Result<(), StoreError> {
    let result = FinishedWallet { ledger: Some(head), ..finished() };
    wallet_tasks::finish(store, lease, result.clone()).await
}

async fn current(store: &Store) -> Option<LedgerHead> {
    ledgers::current(store, &Tenant::default(), &wallet_ref())
        .await
        .unwrap()
        .map(|current| current.head)
}

async fn count(database: &TestDatabase, table: &str) -> i64 {
    let mut connection = database.connection().await;
    let sql = format!("select count(*) from {table}");
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&mut connection).await.unwrap()
}

#[tokio::test]
async fn a_finished_ledger_becomes_the_current_one() {
    let database = TestDatabase::create().await;
    let store = database.store();
    submit(store, 0..1).await;
    let lease = claim_one(store).await;
    let head = build(store, &lease, 100).await;
    assert_eq!(current(store).await, None, "a ledger is not read before it is whole");
    // The same chunk again changes nothing.
    append_chunk(store, &lease, head.ledger_id, 1, &chunk_of(1, b"other")).await.unwrap();
    finish_with(store, &lease, head.clone()).await.unwrap();
    assert_eq!(current(store).await, Some(head.clone()));
    let read = async |no| {
        chunk(store, &Tenant::default(), Chain::Solana, head.ledger_id, no).await.unwrap()
    };
    assert_eq!(read(0).await.unwrap(), b"{\"n\":1}\n{\"n\":2}\n");
    assert_eq!(read(1).await.unwrap(), b"{\"n\":3}\n");
    assert_eq!(read(2).await, None);
}

#[tokio::test]
async fn a_wallet_without_events_has_an_empty_ledger() {
    let database = TestDatabase::create().await;
    let store = database.store();
    submit(store, 0..1).await;
    let head = ledger_head(Uuid::now_v7(), 100, 0, 0);
    finish_with(store, &claim_one(store).await, head.clone()).await.unwrap();
    assert_eq!(current(store).await, Some(head));
}

#[tokio::test]
async fn a_newer_ledger_replaces_the_current_one_and_the_old_one_can_be_read_to_its_end() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let first = submit(store, 0..1).await;
    let lease = claim_one(store).await;
    let old = LedgerHead { input_hash: "older".to_owned(), ..build(store, &lease, 100).await };
    finish_with(store, &lease, old.clone()).await.unwrap();
    submit(store, 0..1).await;
    let lease = claim_one(store).await;
    // The same pin counts as newer: it was made later.
    let new = build(store, &lease, 100).await;
    finish_with(store, &lease, new.clone()).await.unwrap();
    assert_eq!(current(store).await, Some(new));
    assert!(
        chunk(store, &Tenant::default(), Chain::Solana, old.ledger_id, 1).await.unwrap().is_some()
    );
    sweep(store, 20).await.unwrap();
    assert_eq!(count(&database, "ledger_chunks").await, 4, "kept for readers under way");
    let mut connection = database.connection().await;
    sqlx::query(
        "update ledgers set superseded_at = superseded_at - interval '11 minutes'
         where state = 'superseded'",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    // A process that keeps them longer leaves it and reads it, until its time is over there, too.
    let keeping = store.clone().keeping_replaced_ledgers(Duration::from_secs(3600));
    let read = async |store: &Store| {
        let batch = everybodys(first);
        let (input, prices) = (&old.input_hash, &old.price_set_hash);
        let found = ledgers::of_result(store, &batch, &wallet_ref(), input, prices).await;
        found.unwrap().map(|found| found.head.ledger_id)
    };
    sweep(&keeping, 20).await.unwrap();
    assert_eq!(read(&keeping).await, Some(old.ledger_id));
    assert_eq!(read(store).await, None);
    sweep(store, 20).await.unwrap();
    assert_eq!(count(&database, "ledgers").await, 1);
    assert_eq!(count(&database, "ledger_chunks").await, 2);
}

#[tokio::test]
async fn all_replaced_ledgers_stay_for_their_results_and_those_without_a_result_go() {
    let database = TestDatabase::create().await;
    let store = &database.store().clone().keeping_replaced_ledgers(Duration::from_secs(86_400));
    let mut made = Vec::new();
    for block in 100..103 {
        let batch = submit(store, 0..1).await;
        let lease = claim_one(store).await;
        let input_hash = format!("input at {block}");
        let head = LedgerHead { input_hash, ..build(store, &lease, block).await };
        finish_with(store, &lease, head.clone()).await.unwrap();
        made.push((batch, head));
    }
    let hours_later = "update ledgers set superseded_at = superseded_at - interval '20 hours'
        where state = 'superseded'";
    assert_eq!(database.execute(hours_later).await, 2);
    sweep(store, 20).await.unwrap();
    for (batch, head) in &made {
        let (input, prices) = (&head.input_hash, &head.price_set_hash);
        let found =
            ledgers::of_result(store, &everybodys(*batch), &wallet_ref(), input, prices).await;
        assert_eq!(found.unwrap().unwrap().head, *head);
    }
    // The first of the jobs is removed.
    let removed = format!("delete from batches where id = '{}'", made[0].0);
    assert_eq!(database.execute(&removed).await, 1);
    sweep(store, 20).await.unwrap();
    assert_eq!(count(&database, "ledgers").await, 2);
    assert_eq!(database.execute(hours_later).await, 1);
    sweep(store, 20).await.unwrap();
    assert_eq!(current(store).await.as_ref(), Some(&made[2].1));
    assert_eq!(count(&database, "ledgers").await, 1);
}

#[tokio::test]
async fn of_two_ledgers_of_the_same_a_result_has_the_one_that_its_task_made() {
    let database = TestDatabase::create().await;
    let store = &database.store().clone().keeping_replaced_ledgers(Duration::from_secs(86_400));
    let mut made = Vec::new();
    for block in [100, 101] {
        let batch = submit(store, 0..1).await;
        let lease = claim_one(store).await;
        let input_hash = "the same".to_owned();
        let head = LedgerHead { input_hash, ..build(store, &lease, block).await };
        finish_with(store, &lease, head.clone()).await.unwrap();
        made.push((batch, head));
    }
    for (batch, head) in &made {
        let (input, prices) = (&head.input_hash, &head.price_set_hash);
        let found =
            ledgers::of_result(store, &everybodys(*batch), &wallet_ref(), input, prices).await;
        assert_eq!(found.unwrap().unwrap().head, *head);
    }
}

#[tokio::test]
async fn a_ledger_of_a_part_of_the_history_is_kept_for_its_result_alone() {
    let database = TestDatabase::create().await;
    let store = database.store();
    submit(store, 0..1).await;
    let lease = claim_one(store).await;
    let whole = build(store, &lease, 100).await;
    finish_with(store, &lease, whole.clone()).await.unwrap();
    let mut of_parts = Vec::new();
    // Also of a part that is older than the whole one.
    for (block, input_hash) in [(200, "newer part"), (99, "older part")] {
        submit(store, 0..1).await;
        let lease = claim_one(store).await;
        let input_hash = input_hash.to_owned();
        let head = LedgerHead { input_hash, ..build(store, &lease, block).await };
        let ledger_stays = LedgerStays::ForResult;
        let result = FinishedWallet { ledger: Some(head.clone()), ledger_stays, ..finished() };
        wallet_tasks::finish(store, &lease, result).await.unwrap();
        of_parts.push((lease, head));
    }
    let of_result = async |store: &Store, (lease, head): &(Lease, LedgerHead)| {
        let (input, prices) = (&head.input_hash, &head.price_set_hash);
        ledgers::of_result(store, &lease.batch_ref(), &lease.wallet, input, prices)
            .await
            .unwrap()
            .map(|found| found.head)
    };
    assert_eq!(current(store).await, Some(whole.clone()));
    for part in &of_parts {
        assert_eq!(of_result(store, part).await.as_ref(), Some(&part.1));
    }
    sweep(store, 20).await.unwrap();
    assert_eq!(count(&database, "ledgers").await, 3);
    // They go when a ledger that was replaced at that time would.
    let later = "update ledgers set superseded_at = superseded_at - interval '1 hour'
        where state = 'superseded'";
    assert_eq!(database.execute(later).await, 2);
    assert_eq!(of_result(store, &of_parts[0]).await, None);
    sweep(store, 20).await.unwrap();
    assert_eq!(current(store).await, Some(whole));
    assert_eq!(count(&database, "ledgers").await, 1);
    assert_eq!(count(&database, "pnl_results").await, 3);
}

#[tokio::test]
async fn a_ledger_that_does_not_stay_goes_with_its_task() {
    let database = TestDatabase::create().await;
    let store = database.store();
    submit(store, 0..1).await;
    let lease = claim_one(store).await;
    let ledger = Some(build(store, &lease, 100).await);
    let result = FinishedWallet { ledger, ledger_stays: LedgerStays::No, ..finished() };
    wallet_tasks::finish(store, &lease, result).await.unwrap();
    assert_eq!(current(store).await, None);
    assert_eq!(count(&database, "ledgers").await, 0);
    assert_eq!(count(&database, "pnl_results").await, 1);
}

#[tokio::test]
async fn a_ledger_of_an_older_pin_does_not_replace_a_newer_one() {
    let database = TestDatabase::create().await;
    let store = database.store();
    submit(store, 0..1).await;
    let lease = claim_one(store).await;
    let newer = build(store, &lease, 100).await;
    finish_with(store, &lease, newer.clone()).await.unwrap();
    submit(store, 0..1).await;
    let lease = claim_one(store).await;
    let older = build(store, &lease, 99).await;
    finish_with(store, &lease, older).await.unwrap();
    assert_eq!(current(store).await, Some(newer));
    assert_eq!(count(&database, "ledgers").await, 1);
}

#[tokio::test]
async fn a_head_that_does_not_fit_its_chunks_is_refused_with_everything() {
    let database = TestDatabase::create().await;
    let store = database.store();
    submit(store, 0..1).await;
    let lease = claim_one(store).await;
    let head = build(store, &lease, 100).await;
    for wrong in [
        LedgerHead { chunks: 3, ..head.clone() },
        LedgerHead { events: 4, ..head.clone() },
        LedgerHead { chunks: 1, ..head.clone() },
    ] {
        let outcome = finish_with(store, &lease, wrong).await;
        assert!(matches!(outcome, Err(StoreError::Conflict(_))), "{outcome:?}");
    }
    assert_eq!(count(&database, "pnl_results").await, 0);
    finish_with(store, &lease, head).await.unwrap();
}

#[tokio::test]
async fn what_an_attempt_did_not_finish_is_removed_when_it_ends() {
    let database = TestDatabase::create().await;
    let store = database.store();
    submit(store, 0..1).await;
    let lease = claim_one(store).await;
    build(store, &lease, 100).await;
    transition(store, &lease, &requeue(WaitReason::Continued)).await;
    assert_eq!(count(&database, "ledger_chunks").await, 0);
    let lease = claim_one(store).await;
    build(store, &lease, 100).await;
    transition(store, &lease, &failed()).await;
    assert_eq!(count(&database, "ledgers").await, 0);
}

#[tokio::test]
async fn what_a_dead_worker_left_is_removed_by_the_sweep() {
    let database = TestDatabase::create().await;
    let store = database.store();
    submit(store, 0..2).await;
    let dead = claim_and_die(store).await;
    build(store, &dead, 100).await;
    let alive = claim_one(store).await;
    let kept = build(store, &alive, 100).await;
    assert_eq!(sweep(store, 20).await.unwrap().requeued, 1);
    assert_eq!(count(&database, "ledgers").await, 1);
    finish_with(store, &alive, kept).await.unwrap();
}

#[tokio::test]
async fn two_wallets_built_at_once_do_not_mix() {
    let database = TestDatabase::create().await;
    let store = database.store();
    submit(store, 0..2).await;
    let leases = crate::support::claim(store, &WorkerId::generate(), 2).await;
    let heads = futures::future::join(build(store, &leases[0], 1), build(store, &leases[1], 1));
    let heads = heads.await;
    finish_with(store, &leases[1], heads.1).await.unwrap();
    assert_eq!(current(store).await, None);
    finish_with(store, &leases[0], heads.0.clone()).await.unwrap();
    assert_eq!(current(store).await, Some(heads.0));
}

#[tokio::test]
async fn figures_come_where_they_were_written_and_lines_where_an_older_program_wrote() {
    let database = TestDatabase::create().await;
    let store = database.store();
    submit(store, 0..1).await;
    let lease = claim_one(store).await;
    let head = build(store, &lease, 100).await;
    let older = "update ledger_chunks set figures = null where no = 1";
    assert_eq!(database.execute(older).await, 1);
    let read = async |from, to| {
        let chunks =
            ledgers::figures(store, &Tenant::default(), Chain::Solana, head.ledger_id, from, to)
                .await;
        let unpacked = |chunk: &ledgers::ChunkFigures| (chunk.events, chunk.unpack().unwrap());
        chunks.unwrap().iter().map(unpacked).collect::<Vec<_>>()
    };
    let (first, second) = (
        (2, Unpacked::Figures(b"figures".to_vec())),
        (1, Unpacked::Lines(b"{\"n\":3}\n".to_vec())),
    );
    assert_eq!(read(0, 2).await, [first.clone(), second.clone()]);
    assert_eq!(read(0, 1).await, [first]);
    assert_eq!(read(1, 9).await, [second]);
    assert_eq!(read(2, 9).await, []);
}

#[tokio::test]
async fn a_second_end_with_the_same_ledger_is_late_and_one_with_another_stores_nothing() {
    let database = TestDatabase::create().await;
    let store = database.store();
    submit(store, 0..2).await;
    let lease = claim_one(store).await;
    let head = build(store, &lease, 100).await;
    // Both of one lease at once: the first names chunks that are not there.
    let broken = LedgerHead { chunks: 3, ..head.clone() };
    let ends = [broken, head.clone()].map(|head| finish_with(store, &lease, head));
    let [broken, right] = <[_; 2]>::try_from(futures::future::join_all(ends).await).unwrap();
    assert!(broken.is_err());
    right.unwrap();
    assert_eq!(current(store).await, Some(head.clone()));
    let again = finish_with(store, &lease, head).await;
    assert!(matches!(again, Err(StoreError::LeaseLost { .. })), "{again:?}");
}
