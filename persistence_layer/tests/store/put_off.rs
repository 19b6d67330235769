//! How long a wallet has been put off at no cost, as the next attempts read it.

use std::time::Duration;

use persistence_layer::batches::{self, Admission};
use persistence_layer::prices::{HourAsk, PriceAnswer};
use persistence_layer::test_util::TestDatabase;
use persistence_layer::wallet_tasks::{
    Lease, PutOff, Transition, WaitReason, note_progress, put_off,
};
use persistence_layer::{Store, prices};

use crate::support::{claim_one, everybodys, failed, requeue, submit, task_error, transition};

const HOUR: Duration = Duration::from_secs(3600);

/// Time passes for what is stored.
async fn an_hour_later(database: &TestDatabase) {
    database
        .execute(
            "update wallet_tasks set put_off_since = put_off_since - interval '1 hour',
                 started_at = started_at - interval '1 hour'",
        )
        .await;
    database
        .execute(
            "update wallet_attempts
             set started = started - interval '1 hour', ended = ended - interval '1 hour'",
        )
        .await;
}

/// Ends an attempt and claims the task again.
async fn again(store: &Store, lease: &Lease, end: &Transition) -> Lease {
    transition(store, lease, end).await;
    claim_one(store).await
}

async fn of(store: &Store, lease: &Lease) -> Option<PutOff> {
    put_off(store, lease).await.unwrap()
}

#[tokio::test]
async fn it_lasts_over_processes_and_other_ends_until_something_is_stored() {
    let database = TestDatabase::create().await;
    let store = database.store();
    submit(store, 0..1).await;
    let lease = claim_one(store).await;
    assert_eq!(of(store, &lease).await, None);
    let lease = again(store, &lease, &requeue(WaitReason::Released)).await;
    assert_eq!(of(store, &lease).await, None, "a shutdown is nobody's fault");

    let slow = Transition::Requeue {
        delay: Duration::ZERO,
        reason: WaitReason::Released,
        costs_attempt: false,
        error: Some(task_error("database-timeout")),
    };
    let failing = Transition::Requeue {
        delay: Duration::ZERO,
        reason: WaitReason::Released,
        costs_attempt: false,
        error: Some(task_error("database-failing")),
    };
    let mut lease = again(store, &lease, &requeue(WaitReason::ProviderThrottled)).await;
    an_hour_later(&database).await;
    for end in [requeue(WaitReason::Outage), requeue(WaitReason::Released), slow, failing] {
        lease = again(store, &lease, &end).await;
    }
    let lasting = of(store, &lease).await.unwrap();
    assert!(lasting.lasting >= HOUR && lasting.times == 4, "{lasting:?}");

    // Progress of the attempt under way counts at once, and the next time begins anew.
    let ask = HourAsk { coin: "c".to_owned(), at_hour: 0 };
    let answer = PriceAnswer { ask, quote: None };
    prices::put(store, &lease, "s", &[answer]).await.unwrap();
    assert_eq!(of(store, &lease).await, None);
    let lease = again(store, &lease, &requeue(WaitReason::Outage)).await;
    let anew = of(store, &lease).await.unwrap();
    assert!(anew.lasting < HOUR && anew.times == 1, "{anew:?}");
    // So does what was stored without the lease, when it is told.
    note_progress(store, &lease).await.unwrap();
    assert_eq!(of(store, &lease).await, None);
    again(store, &lease, &requeue(WaitReason::Outage)).await;
    assert!(note_progress(store, &lease).await.is_err(), "not by one who lost the lease");
}

#[tokio::test]
async fn a_retry_begins_it_anew_also_by_a_version_that_does_not_know_it() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let id = submit(store, 0..1).await;
    let lease = again(store, &claim_one(store).await, &requeue(WaitReason::Outage)).await;
    an_hour_later(&database).await;
    assert!(of(store, &lease).await.is_some());
    transition(store, &lease, &failed()).await;
    // No statement of a retry names the columns.
    batches::retry(store, &everybodys(id), Admission::rejecting(3)).await.unwrap();
    let lease = claim_one(store).await;
    assert_eq!(of(store, &lease).await, None);
    let lease = again(store, &lease, &requeue(WaitReason::ProviderThrottled)).await;
    let anew = of(store, &lease).await.unwrap();
    assert!(anew.lasting < HOUR && anew.times == 1, "{anew:?}");
}

#[tokio::test]
async fn a_night_in_which_nobody_works_is_not_counted() {
    let database = TestDatabase::create().await;
    let store = database.store();
    submit(store, 0..1).await;
    let lease = again(store, &claim_one(store).await, &requeue(WaitReason::Outage)).await;
    transition(store, &lease, &requeue(WaitReason::Outage)).await;
    an_hour_later(&database).await;
    let lease = claim_one(store).await;
    assert_eq!(of(store, &lease).await, None);
    let lease = again(store, &lease, &requeue(WaitReason::Outage)).await;
    let anew = of(store, &lease).await.unwrap();
    assert!(anew.lasting < HOUR && anew.times == 1, "{anew:?}");
}
