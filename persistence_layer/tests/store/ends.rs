//! How attempts end, and their history.

use std::time::Duration;

use persistence_layer::results::page;
use persistence_layer::test_util::TestDatabase;
use persistence_layer::wallet_tasks::{
    self, EndState, TaskState, Transition, WaitReason, WorkerId, sweep,
};
use persistence_layer::{Store, StoreError, StoreSettings};

use crate::support::{
    LONG, claim_and_die, claim_one, everybodys, failed, finish, finished, requeue, submit,
    task_error, transition,
};

#[tokio::test]
async fn a_result_is_stored_once() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let id = submit(store, 0..1).await;
    let lease = claim_one(store).await;
    finish(store, &lease).await;
    let mut other = finished();
    other.report_json = "{}".to_owned();
    let again = wallet_tasks::finish(store, &lease, other).await;
    assert!(matches!(again, Err(StoreError::LeaseLost { .. })));
    let again = wallet_tasks::transition(store, &lease, &failed()).await;
    assert!(matches!(again, Err(StoreError::LeaseLost { .. })));
    let rows = page(store, &everybodys(id), None, 10).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].state, TaskState::Done);
    assert_eq!(rows[0].report_json, Some(finished().report_json));
    assert_eq!(rows[0].calls, Some(finished().calls));
}

#[tokio::test]
async fn an_end_that_waits_too_long_for_its_batch_stores_nothing_and_can_be_repeated() {
    let database = TestDatabase::create().await;
    let settings = StoreSettings {
        url: database.url().to_owned(),
        max_connections: 1,
        min_connections: 1,
        acquire_timeout: Duration::from_secs(30),
        idle_timeout: Duration::from_secs(600),
        max_lifetime: Duration::from_secs(1800),
        statement_timeout: Duration::from_millis(300),
    };
    let store = Store::connect(&settings).await.unwrap();
    let id = submit(&store, 0..2).await;
    let lease = claim_one(&store).await;
    // As somebody does who may close the batch.
    let mut connection = database.connection().await;
    let mut alone = sqlx::Connection::begin(&mut connection).await.unwrap();
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('batch:' || $1, 0))")
        .bind(id.to_string())
        .execute(&mut *alone)
        .await
        .unwrap();
    let late = wallet_tasks::finish(&store, &lease, finished()).await;
    assert_eq!(late.unwrap_err().code(), "database-timeout");
    alone.rollback().await.unwrap();
    // The only connection is in order again.
    assert!(
        page(&store, &everybodys(id), None, 10)
            .await
            .unwrap()
            .iter()
            .all(|row| row.report_json.is_none())
    );
    finish(&store, &lease).await;
    assert_eq!(page(&store, &everybodys(id), None, 10).await.unwrap()[0].state, TaskState::Done);
    store.close().await;
}

#[tokio::test]
async fn of_two_finishes_at_once_one_stores() {
    let database = TestDatabase::create().await;
    let store = database.store();
    submit(store, 0..1).await;
    let (lease, result) = (claim_one(store).await, finished());
    let both = futures::future::join(
        wallet_tasks::finish(store, &lease, result.clone()),
        wallet_tasks::finish(store, &lease, result.clone()),
    )
    .await;
    assert_eq!([both.0.is_ok(), both.1.is_ok()].iter().filter(|ok| **ok).count(), 1);
}

#[tokio::test]
async fn each_way_back_to_the_queue_costs_what_it_says() {
    let database = TestDatabase::create().await;
    let store = database.store();
    submit(store, 0..1).await;
    for (reason, costs_attempt, attempts, continuations) in [
        (WaitReason::Continued, false, 0, 1),
        (WaitReason::ProviderThrottled, false, 0, 1),
        (WaitReason::Outage, false, 0, 1),
        (WaitReason::Released, false, 0, 1),
        (WaitReason::Backoff, true, 1, 1),
        (WaitReason::Continued, false, 1, 2),
    ] {
        let back =
            Transition::Requeue { delay: Duration::ZERO, reason, costs_attempt, error: None };
        transition(store, &claim_one(store).await, &back).await;
        let next = claim_one(store).await;
        assert_eq!((next.attempts, next.continuations), (attempts, continuations), "{reason:?}");
        transition(store, &next, &requeue(WaitReason::Released)).await;
    }
}

/// fence, worker, ended at or after its start, outcome, error code
type Attempt = (i64, String, bool, Option<String>, Option<String>);

#[tokio::test]
async fn every_attempt_leaves_its_history() {
    let database = TestDatabase::create().await;
    let store = database.store();
    submit(store, 0..1).await;
    let mut workers: Vec<WorkerId> = Vec::new();
    for reason in [WaitReason::Continued, WaitReason::Outage] {
        let lease = claim_one(store).await;
        transition(store, &lease, &requeue(reason)).await;
        workers.push(lease.worker);
    }
    let soon = Transition::Requeue {
        delay: Duration::from_millis(1),
        reason: WaitReason::Backoff,
        costs_attempt: true,
        error: Some(task_error("call-failed")),
    };
    let lease = claim_one(store).await;
    transition(store, &lease, &soon).await;
    workers.push(lease.worker);
    tokio::time::sleep(Duration::from_millis(5)).await;
    workers.push(claim_and_die(store).await.worker);
    sweep(store, 20).await.unwrap();
    let lease = claim_one(store).await;
    finish(store, &lease).await;
    workers.push(lease.worker);

    let mut connection = database.connection().await;
    let history: Vec<Attempt> = sqlx::query_as(
        "select fence, worker, ended >= started, outcome, error_code
         from wallet_attempts order by fence",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    let expected = [
        ("continued", None),
        ("outage", None),
        ("backoff", Some("call-failed")),
        ("lease_expired", None),
        ("done", None),
    ];
    assert_eq!(history.len(), expected.len());
    for (n, (row, (outcome, code))) in history.into_iter().zip(expected).enumerate() {
        let fence = i64::try_from(n).unwrap() + 1;
        let worker = workers[n].to_string();
        let wanted = (fence, worker, true, Some(outcome.to_owned()), code.map(str::to_owned));
        assert_eq!(row, wanted);
    }
}

#[tokio::test]
async fn an_attempt_under_way_has_no_end() {
    let database = TestDatabase::create().await;
    let store = database.store();
    submit(store, 0..1).await;
    let lease = claim_one(store).await;
    let mut connection = database.connection().await;
    let open: (i64, i64, String, bool, bool) = sqlx::query_as(
        "select task, fence, worker, ended is null, outcome is null from wallet_attempts",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!(open, (lease.task_id, lease.fence, lease.worker.to_string(), true, true));
}

#[tokio::test]
async fn the_error_of_an_ended_wallet_is_told_and_that_of_a_waiting_one_is_not() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let id = submit(store, 0..2).await;
    let timed_out =
        Transition::End { state: EndState::TimedOut, error: Some(task_error("timed-out")) };
    transition(store, &claim_one(store).await, &timed_out).await;
    let later = Transition::Requeue {
        delay: LONG,
        reason: WaitReason::Backoff,
        costs_attempt: true,
        error: Some(task_error("call-failed")),
    };
    transition(store, &claim_one(store).await, &later).await;
    let rows = page(store, &everybodys(id), None, 10).await.unwrap();
    assert_eq!(rows[0].state, TaskState::TimedOut);
    assert_eq!(rows[0].error, Some(task_error("timed-out")));
    assert!(rows[0].finished_at.unwrap() >= rows[0].started_at.unwrap());
    assert_eq!((rows[1].state, &rows[1].error), (TaskState::Delayed, &None));
}
