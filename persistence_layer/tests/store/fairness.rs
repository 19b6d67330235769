//! Shares of the slots between batches.

use persistence_layer::test_util::TestDatabase;
use persistence_layer::wallet_tasks::{self, WaitReason, WorkerId};

use crate::support::{LONG, batch, claim, finish, requeue, submit, transition};

#[tokio::test]
async fn a_small_batch_behind_a_large_one_takes_every_second_slot() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let large = submit(store, 0..20_000).await;
    let worker = WorkerId::generate();
    let mut taken = 0;
    while taken < 5_000 {
        taken += wallet_tasks::claim(store, &worker, 500, LONG, &[]).await.unwrap().len();
    }
    let small = submit(store, 30_000..30_100).await;
    let mut order = Vec::new();
    for _ in 0..201 {
        order.push(claim(store, &worker, 1).await[0].batch);
    }
    let of = |id| order.iter().filter(|batch| **batch == id).count();
    assert_eq!((of(large), of(small)), (101, 100));
    assert!(
        order[..200].windows(2).all(|pair| pair[0] != pair[1]),
        "the two take turns while both have something to do"
    );
    assert_eq!(batch(store, small).await.counts.running, 100);
}

#[tokio::test]
async fn a_wallet_of_many_attempts_takes_turns_with_later_batches() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let heavy = submit(store, 0..1).await;
    let worker = WorkerId::generate();
    let mut lease = claim(store, &worker, 1).await.remove(0);
    let light = submit(store, 10..13).await;
    let mut order = Vec::new();
    for _ in 0..4 {
        transition(store, &lease, &requeue(WaitReason::Continued)).await;
        loop {
            let next = claim(store, &worker, 1).await.remove(0);
            order.push(next.batch);
            if next.batch == heavy {
                lease = next;
                break;
            }
            finish(store, &next).await;
        }
    }
    let position = order.iter().position(|batch| *batch == light).unwrap();
    assert!(position <= 1, "the light batch waits for one attempt at most: {order:?}");
    assert_eq!(order[..6].iter().filter(|batch| **batch == light).count(), 3, "{order:?}");
}

#[tokio::test]
async fn a_batch_submitted_while_nothing_is_ready_does_not_overtake_what_comes_back() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let first = submit(store, 0..100).await;
    let worker = WorkerId::generate();
    let held = claim(store, &worker, 100).await;
    let second = submit(store, 200..300).await;
    for lease in &held[90..] {
        transition(store, lease, &requeue(WaitReason::Released)).await;
    }
    let next = claim(store, &worker, 22).await;
    let of_first = next.iter().filter(|lease| lease.batch == first).count();
    assert_eq!(of_first, 10, "what was given back is claimed again within its turns");
    assert!(next.iter().any(|lease| lease.batch == second));
}
