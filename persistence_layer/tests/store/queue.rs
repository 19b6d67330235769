//! Claims: order, exclusions, one fetch per wallet at a time.

use std::collections::HashSet;
use std::time::Duration;

use futures::future::join_all;
use persistence_layer::StoreError;
use persistence_layer::batches::{self, Admission, NewBatch};
use persistence_layer::test_util::TestDatabase;
use persistence_layer::wallet_tasks::{
    self, QueueCounts, Transition, WaitReason, WorkerId, queue_figures,
};
use pnl_core::Chain;
use sqlx::{Connection, Executor};

use crate::support::{
    LONG, batch, claim, claim_one, failed, finish, new_batch, requeue, submit, transition,
};

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
    assert!(first.iter().all(|lease| lease.worker == worker));
    assert!(claim(store, &worker, 3).await.is_empty());
    assert!(claim(store, &worker, 0).await.is_empty());
}

#[tokio::test]
async fn the_store_can_be_used_from_spawned_tasks() {
    let database = TestDatabase::create().await;
    let store = database.store().clone();
    submit(&store, 0..2).await;
    let claimed = tokio::spawn(async move { claim(&store, &WorkerId::generate(), 2).await.len() });
    assert_eq!(claimed.await.unwrap(), 2);
}

#[tokio::test]
async fn many_workers_at_once_claim_every_task_once() {
    let database = TestDatabase::create().await;
    let store = database.store();
    submit(store, 0..200).await;
    let workers: Vec<WorkerId> = (0..8).map(|_| WorkerId::generate()).collect();
    let claimed = join_all(workers.iter().map(async |worker| {
        let mut tasks = Vec::new();
        loop {
            let some = claim(store, worker, 5).await;
            if some.is_empty() {
                return tasks;
            }
            tasks.extend(some.into_iter().map(|lease| lease.task_id));
        }
    }))
    .await;
    let all: Vec<i64> = claimed.into_iter().flatten().collect();
    assert_eq!(all.len(), 200);
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), 200);
}

#[tokio::test]
async fn a_wallet_of_several_batches_runs_one_at_a_time() {
    let database = TestDatabase::create().await;
    let store = database.store();
    // Wallet 0 three times, and others behind it.
    for others in [1..3, 3..5, 5..7] {
        submit(store, std::iter::once(0).chain(others)).await;
    }
    let worker = WorkerId::generate();
    let held = claim(store, &worker, 9).await;
    let of_wallet_0 = |leases: &[wallet_tasks::Lease]| {
        leases.iter().filter(|lease| lease.wallet.address.as_str() == "wallet0").count()
    };
    assert_eq!(held.len(), 7, "the two that wait do not block the others");
    assert_eq!(of_wallet_0(&held), 1);
    assert!(claim(store, &worker, 9).await.is_empty());
    // Each end lets the next one in.
    let first = held.iter().find(|lease| lease.wallet.address.as_str() == "wallet0").unwrap();
    finish(store, first).await;
    let second = claim(store, &worker, 9).await;
    assert_eq!((second.len(), of_wallet_0(&second)), (1, 1));
    transition(store, &second[0], &failed()).await;
    let third = claim(store, &worker, 9).await;
    assert_eq!((third.len(), of_wallet_0(&third)), (1, 1));
}

#[tokio::test]
async fn batches_of_the_same_wallets_do_not_leave_slots_empty() {
    let database = TestDatabase::create().await;
    let store = database.store();
    for _ in 0..3 {
        submit(store, 0..10).await;
    }
    let held = claim(store, &WorkerId::generate(), 5).await;
    let wallets: HashSet<String> = held.iter().map(|lease| lease.wallet.to_string()).collect();
    assert_eq!((held.len(), wallets.len()), (5, 5));
}

#[tokio::test]
async fn a_claim_is_quick_on_a_long_queue_without_statistics() {
    let database = TestDatabase::create().await;
    let store = database.store();
    // Paused chains, other batches of the same wallets: what a careless plan reads whole.
    for _ in 0..3 {
        submit(store, 0..10_000).await;
    }
    let worker = WorkerId::generate();
    claim(store, &worker, 100).await;
    let mut connection = database.connection().await;
    store.close().await;
    let before = rows_read(&mut connection).await;
    let second = database.second_store().await;
    for _ in 0..20 {
        assert_eq!(claim(&second, &worker, 5).await.len(), 5);
        let paused = [Chain::Solana];
        let none = wallet_tasks::claim(&second, &worker, 5, LONG, &paused).await.unwrap();
        assert!(none.is_empty());
    }
    second.close().await;
    let rows = rows_read(&mut connection).await - before;
    // Up to three statements a claim, each passing over some 400 waiting tasks of running wallets
    // at the head and asking for each whether its wallet runs. Reading the queue whole even once a
    // claim would be 1,200,000.
    assert!((100..150_000).contains(&rows), "{rows} rows were read");
}

/// Rows of the queue read so far, once the sessions of all stores have ended: they report then.
async fn rows_read(connection: &mut sqlx::PgConnection) -> i64 {
    loop {
        let sessions: i64 = sqlx::query_scalar(
            "select count(*) from pg_stat_activity
             where datname = current_database() and application_name = 'pnl-tracker'",
        )
        .fetch_one(&mut *connection)
        .await
        .unwrap();
        if sessions == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    sqlx::query_scalar(
        "select coalesce(idx_tup_fetch, 0) + seq_tup_read from pg_stat_user_tables
         where relname = 'wallet_tasks'",
    )
    .fetch_one(connection)
    .await
    .unwrap()
}

#[tokio::test]
async fn workers_that_race_for_the_same_wallets_never_run_one_twice() {
    let database = TestDatabase::create().await;
    let store = database.store();
    for _ in 0..4 {
        submit(store, 0..20).await;
    }
    let running: std::sync::Mutex<HashSet<String>> = std::sync::Mutex::default();
    let workers: Vec<WorkerId> = (0..6).map(|_| WorkerId::generate()).collect();
    let done = join_all(workers.iter().map(async |worker| {
        let (mut done, mut idle) = (0, 0);
        while idle < 20 {
            let held = claim(store, worker, 4).await;
            if held.is_empty() {
                idle += 1;
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            }
            idle = 0;
            for lease in &held {
                let new = running.lock().unwrap().insert(lease.wallet.to_string());
                assert!(new, "{} runs twice", lease.wallet);
            }
            for lease in &held {
                // The next holder may have it as soon as the end is committed.
                running.lock().unwrap().remove(&lease.wallet.to_string());
                // A delayed end meets the promotion of others in their claims.
                if lease.fence == 1 && lease.ordinal % 3 == 0 {
                    let soon = Transition::Requeue {
                        delay: Duration::from_millis(5),
                        reason: WaitReason::Backoff,
                        costs_attempt: true,
                        error: None,
                    };
                    transition(store, lease, &soon).await;
                } else {
                    finish(store, lease).await;
                    done += 1;
                }
            }
        }
        done
    }))
    .await;
    assert_eq!(done.iter().sum::<usize>(), 80);
}

#[tokio::test]
async fn a_delayed_task_waits_for_its_time() {
    let database = TestDatabase::create().await;
    let store = database.store();
    submit(store, 0..2).await;
    let later = Transition::Requeue {
        delay: Duration::from_millis(300),
        reason: WaitReason::Backoff,
        costs_attempt: true,
        error: None,
    };
    transition(store, &claim_one(store).await, &later).await;
    let counts = queue_figures(store, LONG).await.unwrap().tasks;
    assert_eq!(counts, QueueCounts { queued: 1, delayed: 1, running: 0 });
    assert_eq!(claim_one(store).await.ordinal, 1);
    let worker = WorkerId::generate();
    assert!(claim(store, &worker, 1).await.is_empty());
    tokio::time::sleep(Duration::from_millis(350)).await;
    let due = claim(store, &worker, 1).await;
    assert_eq!((due[0].ordinal, due[0].attempts, due[0].fence), (0, 1, 2));
}

#[tokio::test]
async fn tasks_of_paused_chains_are_passed_over() {
    let database = TestDatabase::create().await;
    let store = database.store();
    submit(store, 0..3).await;
    let base = NewBatch { chain: Chain::Base, ..new_batch(0..1) };
    batches::submit(store, &base, Admission::rejecting(10)).await.unwrap();
    let worker = WorkerId::generate();
    let held = wallet_tasks::claim(store, &worker, 9, LONG, &[Chain::Solana]).await.unwrap();
    assert_eq!(held.len(), 1);
    assert_eq!(held[0].wallet.chain, Chain::Base);
    assert_eq!(claim(store, &worker, 9).await.len(), 3);
}

#[tokio::test]
async fn the_age_of_the_queue_is_that_of_its_oldest_batch() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let oldest = async || queue_figures(store, LONG).await.unwrap().oldest_queued;
    assert_eq!(oldest().await, None);
    let id = submit(store, 0..1).await;
    tokio::time::sleep(Duration::from_millis(30)).await;
    let age = oldest().await.unwrap();
    assert!(age >= Duration::from_millis(30), "{age:?}");
    let lease = claim_one(store).await;
    assert_eq!(oldest().await, None);
    transition(store, &lease, &requeue(WaitReason::Released)).await;
    assert!(oldest().await.is_some());
    assert!(batch(store, id).await.started_at.is_some());
}

#[tokio::test]
async fn figures_that_take_too_long_are_given_up_by_the_server() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let mut connection = database.connection().await;
    let mut holder = connection.begin().await.unwrap();
    holder.execute("lock table wallet_tasks in access exclusive mode").await.unwrap();
    let figures = queue_figures(store, Duration::from_millis(50)).await;
    assert!(matches!(figures, Err(StoreError::Timeout(_))), "{figures:?}");
    holder.rollback().await.unwrap();
    // The limit ends with the transaction.
    assert!(queue_figures(store, LONG).await.is_ok());
}

#[tokio::test]
async fn submits_and_ends_wake_the_workers() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let mut wakeups = store.wakeups().await.unwrap();
    let heard = async |wakeups: &mut persistence_layer::wakeups::Wakeups| {
        tokio::time::timeout(Duration::from_secs(20), wakeups.next()).await.is_ok()
    };
    submit(store, 0..2).await;
    assert!(heard(&mut wakeups).await, "a submit");
    // Somebody waits for the wallet that ends.
    submit(store, 0..1).await;
    assert!(heard(&mut wakeups).await, "another submit");
    finish(store, &claim_one(store).await).await;
    assert!(heard(&mut wakeups).await, "a finish");
    // The listener's connection dies; it comes back and says so.
    let mut connection = database.connection().await;
    sqlx::query(
        "select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and query ilike 'listen%'",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    assert!(heard(&mut wakeups).await, "a lost connection");
    submit(store, 5..6).await;
    assert!(heard(&mut wakeups).await, "a submit after it");
}
