//! Deliveries of webhooks: made with the end of a job, claimed by one, gone with their job.

use std::time::Duration;

use persistence_layer::Tenant;
use persistence_layer::batches::{self, Admission, BatchId, BatchRef, BatchState, NewBatch};
use persistence_layer::job_events::Number;
use persistence_layer::retention::{Run, prune};
use persistence_layer::test_util::{TestDatabase, retention_rules};
use persistence_layer::webhooks::{self, AttemptEnd, Claimed, DeliveryState, Payload};

use crate::support::{everybodys, new_batch};

const LEASE: Duration = Duration::from_secs(60);

async fn submitted_by(database: &TestDatabase, tenant: &Tenant) -> BatchRef {
    let webhook = Some("https://example.org/hook".to_owned());
    let new = NewBatch { webhook, tenant: tenant.clone(), ..new_batch(0..2) };
    batches::submit(database.store(), &new, Admission::rejecting(1000)).await.unwrap();
    BatchRef { tenant: tenant.clone(), id: new.id }
}

async fn submitted(database: &TestDatabase) -> BatchId {
    submitted_by(database, &Tenant::default()).await.id
}

/// A job with a webhook that has ended.
async fn ended(database: &TestDatabase) -> BatchId {
    let id = submitted(database).await;
    batches::cancel(database.store(), &everybodys(id)).await.unwrap();
    id
}

async fn claim_one(database: &TestDatabase, lease: Duration) -> Claimed {
    webhooks::claim(database.store(), 10, lease).await.unwrap().remove(0)
}

#[tokio::test]
async fn a_delivery_comes_with_each_end_of_a_job_that_has_a_webhook() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let (job, plain) = (submitted(&database).await, new_batch(5..6));
    batches::submit(store, &plain, Admission::rejecting(1000)).await.unwrap();
    batches::cancel(store, &everybodys(plain.id)).await.unwrap();
    assert!(webhooks::claim(store, 10, LEASE).await.unwrap().is_empty());
    assert_eq!(webhooks::get(store, &everybodys(plain.id)).await.unwrap(), None);

    batches::cancel(store, &everybodys(job)).await.unwrap();
    assert_eq!(webhooks::waiting(store).await.unwrap(), 1);
    let claimed = claim_one(&database, LEASE).await;
    assert_eq!((claimed.job.id, claimed.attempt, claimed.payload.clone()), (job, 1, None));
    let told = Payload { number: Number(3), body: "{}".to_owned() };
    assert!(webhooks::keep_body(store, &claimed, &told, LEASE).await.unwrap());
    let webhook = webhooks::get(store, &everybodys(job)).await.unwrap().unwrap();
    let [delivery] = &webhook.deliveries[..] else { panic!("{webhook:?}") };
    assert_eq!((delivery.number, delivery.end), (Some(Number(3)), BatchState::Cancelled));
    assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Waiting, 1));
}

#[tokio::test]
async fn who_has_lost_its_claim_changes_nothing() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let job = everybodys(ended(&database).await);
    let slow = claim_one(&database, Duration::ZERO).await;
    let quick = claim_one(&database, LEASE).await;
    assert_eq!(quick.attempt, 2);
    assert!(webhooks::claim(store, 10, LEASE).await.unwrap().is_empty());
    let told = Payload { number: Number(1), body: "slow".to_owned() };
    assert!(!webhooks::keep_body(store, &slow, &told, LEASE).await.unwrap());
    assert!(
        !webhooks::end_attempt(store, &slow, &AttemptEnd::Gone, Some(410), None).await.unwrap()
    );
    let again = AttemptEnd::Again(Duration::ZERO);
    assert!(webhooks::end_attempt(store, &quick, &again, Some(500), Some("no")).await.unwrap());
    let last = claim_one(&database, LEASE).await;
    assert_eq!(last.attempt, 3);
    // Whoever asks for it again takes the claim away, and begins with the first attempt.
    assert!(webhooks::replay(store, &job).await.unwrap());
    assert!(!webhooks::end_attempt(store, &last, &AttemptEnd::Failed, None, None).await.unwrap());
    let anew = claim_one(&database, LEASE).await;
    assert_eq!(anew.attempt, 1);
    assert!(
        webhooks::end_attempt(store, &anew, &AttemptEnd::Delivered, Some(204), None).await.unwrap()
    );
    let delivery = webhooks::get(store, &job).await.unwrap().unwrap().deliveries.remove(0);
    assert_eq!((delivery.state, delivery.last_status), (DeliveryState::Delivered, Some(204)));
    assert_eq!((delivery.due_at, delivery.last_error), (None, None));
}

#[tokio::test]
async fn of_several_that_look_at_once_each_gets_others() {
    let database = TestDatabase::create().await;
    let mut jobs = Vec::new();
    for _ in 0..12 {
        jobs.push(ended(&database).await);
    }
    let looks = (0..4).map(|_| webhooks::claim(database.store(), 5, LEASE));
    let mut claimed: Vec<BatchId> = futures::future::join_all(looks)
        .await
        .into_iter()
        .flat_map(|claimed| claimed.unwrap())
        .map(|one| one.job.id)
        .collect();
    claimed.extend(
        webhooks::claim(database.store(), 20, LEASE).await.unwrap().iter().map(|one| one.job.id),
    );
    claimed.sort();
    jobs.sort();
    assert_eq!(claimed, jobs);
}

#[tokio::test]
async fn many_deliveries_of_one_tenant_do_not_hold_up_another_one() {
    let database = TestDatabase::create().await;
    let mut jobs = Vec::new();
    for name in ["many", "many", "many", "few", "a"] {
        let job = submitted_by(&database, &name.parse().unwrap()).await;
        batches::cancel(database.store(), &job).await.unwrap();
        jobs.push(job.id);
    }
    for turn in [vec![0, 3, 4], vec![1, 2], vec![]] {
        let claimed = webhooks::claim(database.store(), 3, LEASE).await.unwrap();
        let mut claimed: Vec<_> = claimed.into_iter().map(|one| one.job.id).collect();
        let mut expected: Vec<_> = turn.into_iter().map(|job: usize| jobs[job]).collect();
        claimed.sort();
        expected.sort();
        assert_eq!(claimed, expected);
    }
}

#[tokio::test]
async fn also_where_one_is_taken_at_a_time() {
    let database = TestDatabase::create().await;
    for name in ["many"; 40].into_iter().chain(["few"]) {
        let job = submitted_by(&database, &name.parse().unwrap()).await;
        batches::cancel(database.store(), &job).await.unwrap();
    }
    // By age it would be the last one. That chance takes each of the others before has a probability of 2^-40.
    for _ in 0..40 {
        let claimed = webhooks::claim(database.store(), 1, LEASE).await.unwrap();
        if claimed[0].job.tenant.as_str() == "few" {
            return;
        }
    }
    panic!("the tenant with one delivery was not served before the forty of the other one");
}

#[tokio::test]
async fn what_is_handed_back_was_no_attempt() {
    let database = TestDatabase::create().await;
    let store = database.store();
    ended(&database).await;
    let claimed = claim_one(&database, LEASE).await;
    webhooks::hand_back(store, &claimed, Duration::ZERO).await.unwrap();
    assert_eq!(claim_one(&database, LEASE).await.attempt, 1);
    // The claim of before is no claim any more.
    webhooks::hand_back(store, &claimed, Duration::ZERO).await.unwrap();
    assert!(webhooks::claim(store, 10, LEASE).await.unwrap().is_empty());
}

#[tokio::test]
async fn deliveries_go_with_their_job() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let job = everybodys(ended(&database).await);
    let rules = retention_rules(100);
    for older in [
        "update batches set finished_at = finished_at - interval '1000 days'",
        "update expired_batches set expired_at = expired_at - interval '10 minutes'",
    ] {
        database.execute(older).await;
        let run = prune(store, &rules, Duration::ZERO, |_, _| {}).await.unwrap();
        assert_eq!(run, Run::Finished);
        // From the first run on nobody sees the job, and nobody is told of it.
        assert_eq!(webhooks::get(store, &job).await.unwrap(), None);
        assert!(webhooks::claim(store, 10, LEASE).await.unwrap().is_empty());
    }
    let left =
        "select (select count(*) from job_webhooks) + (select count(*) from webhook_deliveries)";
    assert_eq!(database.number(left).await, 0);
}
