//! Batches that wait for admission.

use futures::future::join_all;
use persistence_layer::Tenant;
use persistence_layer::batches::{
    self, Admission, BatchId, BatchState, BatchStatus, Counts, NewBatch, Retried, Submitted,
};
use persistence_layer::queue_report;
use persistence_layer::test_util::TestDatabase;
use persistence_layer::wallet_tasks::{self, WorkerId};
use sqlx::Executor;

use crate::support::{batch, claim, claim_one, everybodys, failed, finish, new_batch, transition};

const ONE_AND_TWO: Admission = Admission { max_concurrent: 1, queue_limit: 2 };

async fn submit(
    database: &TestDatabase,
    wallets: impl IntoIterator<Item = usize>,
    admission: Admission,
) -> BatchId {
    let new = new_batch(wallets);
    let submitted = batches::submit(database.store(), &new, admission).await.unwrap();
    assert_eq!(submitted, Submitted::Accepted);
    new.id
}

#[tokio::test]
async fn a_batch_beyond_the_limit_waits_and_nobody_claims_it() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let first = submit(&database, 0..2, ONE_AND_TWO).await;
    let second = submit(&database, 10..12, ONE_AND_TWO).await;
    assert!(batch(store, first).await.waiting_since.is_none());
    let waiting = batch(store, second).await;
    assert!(waiting.waiting_since.is_some());
    assert_eq!(waiting.status(), BatchStatus::Queued);
    assert_eq!(waiting.counts, Counts { queued: 2, ..Counts::default() });
    let held = claim(store, &WorkerId::generate(), 9).await;
    assert!(held.len() == 2 && held.iter().all(|lease| lease.batch == first));
    // What a program of the first schema does to find due tasks.
    let mut connection = database.connection().await;
    let promoted = connection
        .execute(
            "update wallet_tasks set state = 'queued', run_at = null
             where state = 'delayed' and run_at <= now()",
        )
        .await
        .unwrap();
    assert_eq!(promoted.rows_affected(), 0);
}

#[tokio::test]
async fn the_end_of_a_batch_admits_the_one_that_waits_longest() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let first = submit(&database, 0..1, ONE_AND_TWO).await;
    let second = submit(&database, 1..2, ONE_AND_TWO).await;
    let third = submit(&database, 2..3, ONE_AND_TWO).await;
    let refused = batches::submit(store, &new_batch(3..4), ONE_AND_TWO).await.unwrap();
    assert_eq!(refused, Submitted::AtCapacity { limit: 1 });
    for (ends, follows) in [(first, Some(second)), (second, Some(third)), (third, None)] {
        let lease = claim_one(store).await;
        assert_eq!(lease.batch, ends);
        finish(store, &lease).await;
        assert_eq!(batch(store, ends).await.state, BatchState::Completed);
        if let Some(next) = follows {
            assert!(batch(store, next).await.waiting_since.is_none());
        }
    }
    assert!(claim(store, &WorkerId::generate(), 5).await.is_empty());
}

#[tokio::test]
async fn however_a_batch_ends_the_next_one_is_admitted() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let mut running = submit(&database, 0..1, ONE_AND_TWO).await;
    for end in ["failed", "cancelled", "cancelled while running", "crashed"] {
        let next = submit(&database, 0..1, ONE_AND_TWO).await;
        match end {
            "failed" => transition(store, &claim_one(store).await, &failed()).await,
            "cancelled" => drop(batches::cancel(store, &everybodys(running)).await.unwrap()),
            "cancelled while running" => {
                let lease = claim_one(store).await;
                batches::cancel(store, &everybodys(running)).await.unwrap();
                assert!(batch(store, next).await.waiting_since.is_some());
                let obeyed = wallet_tasks::Transition::End {
                    state: wallet_tasks::EndState::Cancelled,
                    error: None,
                };
                transition(store, &lease, &obeyed).await;
            }
            _ => {
                crate::support::claim_and_die(store).await;
                wallet_tasks::sweep(store, 1).await.unwrap();
            }
        }
        assert!(batch(store, running).await.state.is_terminal(), "{end}");
        assert!(batch(store, next).await.waiting_since.is_none(), "{end}");
        running = next;
    }
}

#[tokio::test]
async fn a_waiting_batch_can_be_cancelled_and_leaves_its_place_in_the_queue() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let first = submit(&database, 0..1, ONE_AND_TWO).await;
    let second = submit(&database, 1..3, ONE_AND_TWO).await;
    let third = submit(&database, 3..4, ONE_AND_TWO).await;
    let cancelled = batches::cancel(store, &everybodys(second)).await.unwrap().unwrap();
    assert_eq!(cancelled.state, BatchState::Cancelled);
    assert_eq!(cancelled.counts, Counts { cancelled: 2, ..Counts::default() });
    assert!(batch(store, third).await.waiting_since.is_some(), "no place became free");
    submit(&database, 4..5, ONE_AND_TWO).await;
    finish(store, &claim_one(store).await).await;
    assert_eq!(batch(store, first).await.state, BatchState::Completed);
    assert_eq!(claim_one(store).await.batch, third);
}

#[tokio::test]
async fn a_retried_batch_waits_behind_the_others() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let retried = submit(&database, 0..2, ONE_AND_TWO).await;
    let held = claim(store, &WorkerId::generate(), 2).await;
    finish(store, &held[0]).await;
    transition(store, &held[1], &failed()).await;
    submit(&database, 2..3, ONE_AND_TWO).await;
    let ahead = submit(&database, 3..4, ONE_AND_TWO).await;
    assert_eq!(
        batches::retry(store, &everybodys(retried), ONE_AND_TWO).await.unwrap(),
        Retried::Requeued(1)
    );
    let again = batch(store, retried).await;
    assert!(again.waiting_since.is_some() && again.status() == BatchStatus::Queued);
    assert_eq!(again.counts, Counts { queued: 1, done: 1, ..Counts::default() });
    let full = Admission { queue_limit: 2, ..ONE_AND_TWO };
    let refused = batches::submit(store, &new_batch(5..6), full).await.unwrap();
    assert_eq!(refused, Submitted::AtCapacity { limit: 1 });
    finish(store, &claim_one(store).await).await;
    let lease = claim_one(store).await;
    assert_eq!(lease.batch, ahead);
    finish(store, &lease).await;
    let lease = claim_one(store).await;
    assert_eq!((lease.batch, lease.fence), (retried, 2));
    finish(store, &lease).await;
    assert_eq!(batch(store, retried).await.state, BatchState::Completed);
}

#[tokio::test]
async fn a_sweep_gives_on_what_a_process_left_that_does_not_know_of_waiting() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let first = submit(&database, 0..1, ONE_AND_TWO).await;
    let second = submit(&database, 1..2, ONE_AND_TWO).await;
    // The task ends and nobody looks at the batch, as a death in between or an older program leaves it.
    let lease = claim_one(store).await;
    let mut connection = database.connection().await;
    sqlx::query(
        "update wallet_tasks
         set state = 'done', worker = null, lease_until = null, finished_at = now() where id = $1",
    )
    .bind(lease.task_id)
    .execute(&mut connection)
    .await
    .unwrap();
    assert_eq!(batch(store, first).await.state, BatchState::Active);
    wallet_tasks::sweep(store, 20).await.unwrap();
    assert_eq!(batch(store, first).await.state, BatchState::Completed);
    assert_eq!(claim_one(store).await.batch, second);
    // The same after the end was written whole but the place was not given on.
    let third = submit(&database, 2..3, ONE_AND_TWO).await;
    connection
        .execute(
            "update wallet_tasks
             set state = 'done', worker = null, lease_until = null, finished_at = now()
             where state = 'running';
             update batches
             set state = 'completed', finished_at = now(), done = 1, failed = 0, timed_out = 0,
                 cancelled = 0
             where state = 'active' and waiting_since is null",
        )
        .await
        .unwrap();
    assert!(claim(store, &WorkerId::generate(), 5).await.is_empty());
    wallet_tasks::sweep(store, 20).await.unwrap();
    assert_eq!(claim_one(store).await.batch, third);
}

#[tokio::test]
async fn a_batch_that_cannot_be_closed_stands_in_nobodys_way() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let two = Admission { max_concurrent: 2, queue_limit: 2 };
    let broken = submit(&database, 0..1, two).await;
    let left = submit(&database, 1..2, two).await;
    let waits = submit(&database, 2..3, two).await;
    let mut connection = database.connection().await;
    connection
        .execute(
            "update wallet_tasks set state = 'done', finished_at = now() where state = 'queued'",
        )
        .await
        .unwrap();
    // More wallets than it has: its end does not add up, and the schema refuses it.
    sqlx::query("update batches set total = 5 where id = $1")
        .bind(broken.0)
        .execute(&mut connection)
        .await
        .unwrap();
    wallet_tasks::sweep(store, 20).await.unwrap();
    assert_eq!(batch(store, broken).await.state, BatchState::Active);
    assert_eq!(batch(store, left).await.state, BatchState::Completed);
    assert_eq!(claim_one(store).await.batch, waits);
}

#[tokio::test]
async fn who_admits_others_wakes_the_workers_also_when_refused() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let one = Admission { max_concurrent: 1, queue_limit: 1 };
    submit(&database, 0..1, one).await;
    let waits = submit(&database, 1..2, one).await;
    let mut wakeups = store.wakeups().await.unwrap();
    // With more places the waiting one is admitted; waiting is off, and there is none left.
    let refused = batches::submit(store, &new_batch(2..3), Admission::rejecting(2)).await.unwrap();
    assert_eq!(refused, Submitted::AtCapacity { limit: 2 });
    assert!(batch(store, waits).await.waiting_since.is_none());
    tokio::time::timeout(std::time::Duration::from_secs(20), wakeups.next()).await.unwrap();
}

#[tokio::test]
async fn without_waiting_nobody_overtakes_those_who_still_wait() {
    let database = TestDatabase::create().await;
    let store = database.store();
    submit(&database, 0..1, ONE_AND_TWO).await;
    let waits = submit(&database, 1..2, ONE_AND_TWO).await;
    let rejecting = Admission::rejecting(1);
    let refused = batches::submit(store, &new_batch(5..6), rejecting).await.unwrap();
    assert_eq!(refused, Submitted::AtCapacity { limit: 1 });
    finish(store, &claim_one(store).await).await;
    let refused = batches::submit(store, &new_batch(5..6), rejecting).await.unwrap();
    assert_eq!(refused, Submitted::AtCapacity { limit: 1 });
    assert_eq!(claim_one(store).await.batch, waits);
}

#[tokio::test]
async fn of_a_hundred_submits_through_three_processes_three_run_and_ten_wait() {
    let database = TestDatabase::create().await;
    let stores =
        [database.store().clone(), database.second_store().await, database.second_store().await];
    let admission = Admission { max_concurrent: 3, queue_limit: 10 };
    let all: Vec<NewBatch> = (0..100).map(|n| new_batch(n * 10..n * 10 + 2)).collect();
    let outcomes = join_all(
        all.iter().enumerate().map(|(n, new)| batches::submit(&stores[n % 3], new, admission)),
    )
    .await;
    let accepted =
        outcomes.iter().filter(|outcome| *outcome.as_ref().unwrap() == Submitted::Accepted).count();
    assert_eq!(accepted, 13);
    let report = queue_report::read(&stores[1], 10).await.unwrap();
    assert_eq!((report.batches_admitted, report.batches_waiting), (3, 10));
    // Three workers work them off; never are there more than three at a time.
    let worked = join_all(stores.iter().map(async |store| {
        let worker = WorkerId::generate();
        let mut finished = 0;
        loop {
            let held = claim(store, &worker, 1).await;
            let report = queue_report::read(store, 10).await.unwrap();
            assert!(report.batches_admitted <= 3, "{report:?}");
            for lease in &held {
                finish(store, lease).await;
                finished += 1;
            }
            if held.is_empty() && report.batches_admitted == 0 {
                return finished;
            }
        }
    }))
    .await;
    assert_eq!(worked.iter().sum::<usize>(), 26);
    let ended = batches::list(
        &stores[2],
        &Tenant::default(),
        Some(BatchStatus::Completed),
        None,
        None,
        100,
    )
    .await
    .unwrap();
    assert_eq!(ended.len(), 13);
    let [_, second, third] = stores;
    second.close().await;
    third.close().await;
}
