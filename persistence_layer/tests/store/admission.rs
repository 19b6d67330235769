//! Submitting: the limit on active batches and idempotency.

use std::time::Duration;

use futures::future::join_all;
use persistence_layer::Tenant;
use persistence_layer::batches::{
    self, Admission, BatchStatus, Counts, IdempotencyClaim, NewBatch, Submitted,
};
use persistence_layer::test_util::TestDatabase;
use pnl_core::Chain;
use serde_json::json;
use sqlx::Connection;

use crate::support::{batch, claim_one, everybodys, finish, listed, new_batch, submit};

const DAY: Duration = Duration::from_secs(86_400);

fn keyed(key: &str, fingerprint: &str, answer: &str) -> NewBatch {
    let mut new = new_batch(0..2);
    new.response = json!({ "job_id": answer });
    new.idempotency = Some(IdempotencyClaim {
        key: key.to_owned(),
        fingerprint: fingerprint.to_owned(),
        keep: DAY,
    });
    new
}

#[tokio::test]
async fn of_a_hundred_submits_at_once_from_two_processes_exactly_three_are_accepted() {
    let database = TestDatabase::create().await;
    let other = database.second_store().await;
    let batches: Vec<NewBatch> = (0..100).map(|_| new_batch(0..3)).collect();
    let outcomes = join_all(batches.iter().enumerate().map(|(n, new)| {
        let store = if n % 2 == 0 { database.store() } else { &other };
        batches::submit(store, new, Admission::rejecting(3))
    }))
    .await;
    let mut accepted = Vec::new();
    for (new, outcome) in batches.iter().zip(outcomes) {
        match outcome.unwrap() {
            Submitted::Accepted => accepted.push(new.id),
            Submitted::AtCapacity { limit } => assert_eq!(limit, 3),
            other => panic!("neither accepted nor refused: {other:?}"),
        }
    }
    assert_eq!(accepted.len(), 3);
    let mut listed: Vec<_> = batches::list(&other, &Tenant::default(), None, None, None, 1000)
        .await
        .unwrap()
        .into_iter()
        .map(|batch| batch.id)
        .collect();
    listed.sort();
    accepted.sort();
    assert_eq!(listed, accepted, "a refused submit stores nothing");
    other.close().await;
}

#[tokio::test]
async fn a_batch_holds_its_place_until_its_last_wallet_has_ended() {
    let database = TestDatabase::create().await;
    let store = database.store();
    submit(store, 0..2).await;
    let next = new_batch(5..6);
    let refused = Submitted::AtCapacity { limit: 1 };
    assert_eq!(batches::submit(store, &next, Admission::rejecting(1)).await.unwrap(), refused);
    finish(store, &claim_one(store).await).await;
    assert_eq!(batches::submit(store, &next, Admission::rejecting(1)).await.unwrap(), refused);
    finish(store, &claim_one(store).await).await;
    assert_eq!(
        batches::submit(store, &next, Admission::rejecting(1)).await.unwrap(),
        Submitted::Accepted
    );
}

#[tokio::test]
async fn a_new_batch_is_queued_with_all_its_wallets() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let new = new_batch(0..4);
    batches::submit(store, &new, Admission::rejecting(3)).await.unwrap();
    let stored = batch(store, new.id).await;
    assert_eq!(stored.chain, Chain::Solana);
    assert_eq!(stored.request, new.request);
    assert_eq!(stored.trace_id, new.trace_id);
    assert_eq!(stored.total, 4);
    assert_eq!(stored.counts, Counts { queued: 4, ..Counts::default() });
    assert_eq!(stored.status(), BatchStatus::Queued);
    assert_eq!((stored.started_at, stored.finished_at, stored.pin), (None, None, None));
    assert!(!stored.cancel_requested);
}

#[tokio::test]
async fn the_same_request_under_the_same_key_gets_the_stored_answer() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let first = keyed("key", "fingerprint", "first");
    assert_eq!(
        batches::submit(store, &first, Admission::rejecting(1)).await.unwrap(),
        Submitted::Accepted
    );
    // There is no room for another batch: a replay does not ask for any.
    let again = keyed("key", "fingerprint", "second");
    let replayed = Submitted::Replayed { body: json!({"job_id": "first"}) };
    assert_eq!(batches::submit(store, &again, Admission::rejecting(1)).await.unwrap(), replayed);
    assert!(batches::get(store, &everybodys(again.id)).await.unwrap().is_none());
}

#[tokio::test]
async fn a_key_of_another_request_is_refused() {
    let database = TestDatabase::create().await;
    let store = database.store();
    batches::submit(store, &keyed("key", "one", "first"), Admission::rejecting(3)).await.unwrap();
    let other = keyed("key", "two", "second");
    assert_eq!(
        batches::submit(store, &other, Admission::rejecting(3)).await.unwrap(),
        Submitted::KeyReused
    );
    assert!(batches::get(store, &everybodys(other.id)).await.unwrap().is_none());
}

#[tokio::test]
async fn a_refused_submit_does_not_use_up_its_key() {
    let database = TestDatabase::create().await;
    let store = database.store();
    submit(store, 0..1).await;
    let new = keyed("key", "fingerprint", "answer");
    let refused = Submitted::AtCapacity { limit: 1 };
    assert_eq!(batches::submit(store, &new, Admission::rejecting(1)).await.unwrap(), refused);
    assert_eq!(
        batches::submit(store, &new, Admission::rejecting(2)).await.unwrap(),
        Submitted::Accepted
    );
}

#[tokio::test]
async fn an_expired_key_counts_as_absent() {
    let database = TestDatabase::create().await;
    let store = database.store();
    batches::submit(store, &keyed("key", "one", "first"), Admission::rejecting(10)).await.unwrap();
    let mut later = keyed("key", "two", "second");
    later.idempotency.as_mut().unwrap().keep = Duration::ZERO;
    assert_eq!(
        batches::submit(store, &later, Admission::rejecting(10)).await.unwrap(),
        Submitted::Accepted
    );
    // The key now belongs to the later one.
    let replay = keyed("key", "two", "third");
    let replayed = Submitted::Replayed { body: json!({"job_id": "second"}) };
    assert_eq!(batches::submit(store, &replay, Admission::rejecting(10)).await.unwrap(), replayed);
}

#[tokio::test]
async fn expired_keys_are_removed_with_later_submits() {
    let database = TestDatabase::create().await;
    let store = database.store();
    batches::submit(store, &keyed("old", "f", "old"), Admission::rejecting(10)).await.unwrap();
    let mut later = keyed("new", "f", "new");
    later.idempotency.as_mut().unwrap().keep = Duration::ZERO;
    batches::submit(store, &later, Admission::rejecting(10)).await.unwrap();
    let mut connection = database.connection().await;
    let keys: Vec<String> = sqlx::query_scalar("select key from idempotency_keys")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    assert_eq!(keys, ["new"]);
}

#[tokio::test]
async fn a_key_that_is_being_stored_is_in_flight() {
    let database = TestDatabase::create().await;
    let store = database.store();
    // Whoever holds the admission row keeps the first submit in the middle of its transaction.
    let mut connection = database.connection().await;
    let mut held = connection.begin().await.unwrap();
    sqlx::query("select id from admission for update").execute(&mut *held).await.unwrap();
    let first = keyed("key", "f", "first");
    let under_way = tokio::spawn({
        let (store, first) = (store.clone(), first.clone());
        async move { batches::submit(&store, &first, Admission::rejecting(3)).await }
    });
    let second = keyed("key", "f", "second");
    loop {
        // Until the first has the key, the second would wait for the admission row itself.
        let waiting: i64 = sqlx::query_scalar(
            "select count(*) from pg_stat_activity
             where datname = current_database() and wait_event_type = 'Lock'",
        )
        .fetch_one(&mut *held)
        .await
        .unwrap();
        if waiting == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(
        batches::submit(store, &second, Admission::rejecting(3)).await.unwrap(),
        Submitted::KeyInFlight
    );
    held.commit().await.unwrap();
    assert_eq!(under_way.await.unwrap().unwrap(), Submitted::Accepted);
    let replayed = Submitted::Replayed { body: json!({"job_id": "first"}) };
    assert_eq!(batches::submit(store, &second, Admission::rejecting(3)).await.unwrap(), replayed);
}

#[tokio::test]
async fn replays_of_an_answered_key_that_come_at_once_are_all_answered() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let first = keyed("key", "f", "first");
    batches::submit(store, &first, Admission::rejecting(3)).await.unwrap();
    let again = (0..30).map(|n| keyed("key", if n % 2 == 0 { "f" } else { "other" }, "again"));
    let again: Vec<NewBatch> = again.collect();
    let answers =
        join_all(again.iter().map(|new| batches::submit(store, new, Admission::rejecting(3))))
            .await;
    for (n, answer) in answers.into_iter().enumerate() {
        let replayed = Submitted::Replayed { body: json!({"job_id": "first"}) };
        let expected = if n % 2 == 0 { replayed } else { Submitted::KeyReused };
        assert_eq!(answer.unwrap(), expected, "{n}");
    }
}

#[tokio::test]
async fn of_many_submits_with_one_key_one_batch_is_made() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let all: Vec<NewBatch> = (0..30).map(|n| keyed("key", "f", &n.to_string())).collect();
    let outcomes =
        join_all(all.iter().map(|new| batches::submit(store, new, Admission::rejecting(100))))
            .await;
    let accepted =
        outcomes.into_iter().filter(|outcome| *outcome.as_ref().unwrap() == Submitted::Accepted);
    assert_eq!(accepted.count(), 1);
    assert_eq!(listed(store).await, 1);
}
