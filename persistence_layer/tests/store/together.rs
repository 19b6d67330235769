//! Writes that come at the same time.

use persistence_layer::StoreError;
use persistence_layer::batches;
use persistence_layer::chain_data::{SignatureRow, put_whole_list, scan};
use persistence_layer::test_util::TestDatabase;
use persistence_layer::wallet_tasks::{self, Lease, WorkerId};
use pnl_core::{Chain, TxId};

use crate::support::{LONG, everybodys, finished, requeue, submit, transition};

/// Claims so many tasks at once.
async fn claim(database: &TestDatabase, count: u32) -> Vec<Lease> {
    let worker = WorkerId::generate();
    let held = wallet_tasks::claim(database.store(), &worker, count, LONG, &[]).await.unwrap();
    assert_eq!(held.len(), count as usize);
    held
}

/// How many transactions have written the rows of a table.
async fn transactions(database: &TestDatabase, table: &str) -> i64 {
    let sql = sqlx::AssertSqlSafe(format!("select count(distinct xmin::text) from {table}"));
    sqlx::query_scalar(sql).fetch_one(&mut database.connection().await).await.unwrap()
}

#[tokio::test]
async fn results_that_come_at_once_share_transactions_and_each_is_stored() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let id = submit(store, 0..60).await;
    let held = claim(&database, 50).await;
    let ends = held.iter().map(|lease| wallet_tasks::finish(store, lease, finished()));
    for end in futures::future::join_all(ends).await {
        end.unwrap();
    }
    let batch = batches::get(store, &everybodys(id)).await.unwrap().unwrap();
    assert_eq!((batch.counts.done, batch.counts.queued), (50, 10));
    // The first goes at once, what came meanwhile with the next.
    let transactions = transactions(&database, "pnl_results").await;
    assert!(transactions <= 5, "{transactions} transactions");
}

#[tokio::test]
async fn the_last_results_of_a_batch_close_it_once() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let id = submit(store, 0..20).await;
    let held = claim(&database, 20).await;
    let ends = held.iter().map(|lease| wallet_tasks::finish(store, lease, finished()));
    for end in futures::future::join_all(ends).await {
        end.unwrap();
    }
    let batch = batches::get(store, &everybodys(id)).await.unwrap().unwrap();
    assert!(batch.state.is_terminal() && batch.finished_at.is_some());
    assert_eq!(batch.counts.done, 20);
}

#[tokio::test]
async fn a_lost_lease_takes_no_other_result_with_it() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let id = submit(store, 0..30).await;
    let held = claim(&database, 20).await;
    for lost in &held[5..8] {
        transition(store, lost, &requeue(wallet_tasks::WaitReason::Released)).await;
    }
    let ends = held.iter().map(|lease| wallet_tasks::finish(store, lease, finished()));
    for (place, end) in futures::future::join_all(ends).await.into_iter().enumerate() {
        if (5..8).contains(&place) {
            let task = held[place].task_id;
            assert!(matches!(end, Err(StoreError::LeaseLost { task: of }) if of == task));
        } else {
            end.unwrap();
        }
    }
    let batch = batches::get(store, &everybodys(id)).await.unwrap().unwrap();
    assert_eq!((batch.counts.done, batch.counts.queued), (17, 13));
}

#[tokio::test]
async fn a_caller_that_went_away_leaves_the_others_their_turn() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let id = submit(store, 0..30).await;
    let held = claim(&database, 20).await;
    let mut ends: Vec<_> =
        held.iter().map(|lease| Box::pin(wallet_tasks::finish(store, lease, finished()))).collect();
    // All have come; the first has begun to write. It and some that wait give up.
    for end in &mut ends {
        assert!(futures::poll!(end.as_mut()).is_pending());
    }
    drop(ends.drain(..4));
    for end in futures::future::join_all(ends).await {
        end.unwrap();
    }
    let batch = batches::get(store, &everybodys(id)).await.unwrap().unwrap();
    assert!((16..=20).contains(&batch.counts.done), "{:?}", batch.counts);
    // Whoever comes later has its turn, too.
    let next = claim(&database, 1).await;
    wallet_tasks::finish(store, &next[0], finished()).await.unwrap();
}

#[tokio::test]
async fn whole_lists_that_come_at_once_are_stored_each_under_its_own_lease() {
    let database = TestDatabase::create().await;
    let store = database.store();
    submit(store, 0..20).await;
    let held = claim(&database, 20).await;
    transition(store, &held[3], &requeue(wallet_tasks::WaitReason::Released)).await;
    let page = |lease: &Lease| -> Vec<SignatureRow> {
        // As many rows as the number of the wallet says.
        (0..lease.ordinal)
            .map(|row| SignatureRow {
                tx_id: TxId::new(&format!("{}-{row}", lease.ordinal)),
                slot: 100 - u64::from(row),
                block_time: None,
                failed: false,
            })
            .collect()
    };
    let lists = held.iter().map(async |lease| {
        put_whole_list(store, lease, &lease.wallet.address, &page(lease), 200, None).await
    });
    let stored = futures::future::join_all(lists).await;
    for (lease, stored) in held.iter().zip(stored) {
        let scan = scan(store, Chain::Solana, &lease.wallet.address).await.unwrap();
        if lease.task_id == held[3].task_id {
            assert!(matches!(stored, Err(StoreError::LeaseLost { .. })));
            assert!(scan.is_none());
        } else {
            assert_eq!(stored.unwrap().unwrap().progress, u64::from(lease.ordinal) + 1);
            let newest = page(lease).first().map(|row| row.tx_id.clone());
            assert_eq!(scan.unwrap().covered_until, newest);
        }
    }
    let counted: i64 = sqlx::query_scalar("select sum(progress)::bigint from wallet_tasks")
        .fetch_one(&mut database.connection().await)
        .await
        .unwrap();
    let all: i64 = (0..20).map(|ordinal| ordinal + 1).sum();
    assert_eq!(counted, all - i64::from(held[3].ordinal) - 1);
}

#[tokio::test]
async fn a_late_end_beside_the_right_one_takes_nothing_from_it() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let id = submit(store, 0..6).await;
    let held = claim(&database, 2).await;
    let late = held[0].clone();
    transition(store, &late, &requeue(wallet_tasks::WaitReason::Released)).await;
    let again = claim(&database, 3).await;
    let right = again.iter().find(|lease| lease.task_id == late.task_id).unwrap();
    // The first is under way while the two others come: they are stored together.
    let ends = [&held[1], &late, right].map(|lease| wallet_tasks::finish(store, lease, finished()));
    let [other, late, right] = <[_; 3]>::try_from(futures::future::join_all(ends).await).unwrap();
    other.unwrap();
    assert!(matches!(late, Err(StoreError::LeaseLost { .. })));
    right.unwrap();
    let batch = batches::get(store, &everybodys(id)).await.unwrap().unwrap();
    assert_eq!((batch.counts.done, batch.counts.running), (2, 2));
}

#[tokio::test]
async fn a_claim_says_whether_anybody_has_asked_for_the_list_of_the_wallet() {
    let database = TestDatabase::create().await;
    let store = database.store();
    submit(store, 0..2).await;
    let held = claim(&database, 1).await;
    assert!(held[0].is_unlisted);
    put_whole_list(store, &held[0], &held[0].wallet.address, &[], 100, None).await.unwrap();
    transition(store, &held[0], &requeue(wallet_tasks::WaitReason::Released)).await;
    for lease in claim(&database, 2).await {
        assert_eq!(lease.is_unlisted, lease.task_id != held[0].task_id);
    }
}
