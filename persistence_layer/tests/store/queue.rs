//! Claims.

use persistence_layer::test_util::TestDatabase;
use persistence_layer::wallet_tasks::WorkerId;

use crate::support::{claim, submit};

#[tokio::test]
async fn tasks_are_claimed_in_order_and_each_once() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let batch = submit(store, 0..5).await;
    let worker = WorkerId::generate();
    let first = claim(store, &worker, 3).await;
    let second = claim(store, &worker, 3).await;
    let ordinals: Vec<u32> = first.iter().chain(&second).map(|lease| lease.ordinal).collect();
    assert_eq!(ordinals, [0, 1, 2, 3, 4]);
    assert!(first.iter().all(|lease| lease.batch == batch && lease.fence == 1));
    assert!(claim(store, &worker, 3).await.is_empty());
}

#[tokio::test]
async fn the_store_can_be_used_from_spawned_tasks() {
    let database = TestDatabase::create().await;
    let store = database.store().clone();
    submit(&store, 0..2).await;
    let claimed = tokio::spawn(async move { claim(&store, &WorkerId::generate(), 2).await.len() });
    assert_eq!(claimed.await.unwrap(), 2);
}
