//! Hints that something has happened to a job: who gives them, and how far they go.

use std::time::Duration;

use load_tests::service::RedisServer;
use persistence_layer::batches::{self, Admission, BatchId};
use persistence_layer::bus::{Bus, Hint, Hints};
use persistence_layer::redis::bus::RedisBus;
use persistence_layer::test_util::TestDatabase;
use persistence_layer::wallet_tasks::{self, WorkerId};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::{
    claim, claim_and_die, claim_one, everybodys, failed, finish, submit, transition,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// The hint that comes next, in a test that would else wait for ever.
async fn next(hints: &mut Hints) -> Hint {
    tokio::time::timeout(PATIENCE, hints.next()).await.expect("a hint comes")
}

/// Waits until the hints of all processes come to this one, or do not.
async fn reaches_all(bus: &RedisBus, wanted: bool) {
    let reached = async {
        while bus.reaches_all() != wanted {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, reached).await.expect("the bus gets there");
}

/// Waits until what is told at `from` is heard.
async fn arrives(from: &RedisBus, hints: &mut Hints) {
    let job = BatchId::generate();
    let heard = async {
        loop {
            from.tell(job);
            let wait = Duration::from_millis(50);
            while let Ok(hint) = tokio::time::timeout(wait, hints.next()).await {
                if hint == Hint::Job(job) {
                    return;
                }
            }
        }
    };
    tokio::time::timeout(PATIENCE, heard).await.expect("a hint arrives");
}

#[tokio::test]
async fn whatever_becomes_an_event_is_hinted_at() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let mut hints = store.bus().listen();
    let job = submit(store, 0..4).await;
    assert_eq!(hints.next_here(), None, "a submission is no event");
    let mut hinted = |what: &str| {
        assert_eq!(hints.next_here(), Some(Hint::Job(job)), "{what}");
        while hints.next_here().is_some() {}
    };
    let lease = claim_one(store).await;
    hinted("the start");
    finish(store, &lease).await;
    hinted("a result");
    transition(store, &claim_one(store).await, &failed()).await;
    hinted("a failure");
    claim_and_die(store).await;
    wallet_tasks::sweep(store, 1).await.unwrap();
    hinted("a dead worker");
    batches::cancel(store, &everybodys(job)).await.unwrap();
    hinted("a cancel");
    batches::retry(store, &everybodys(job), Admission::rejecting(9)).await.unwrap();
    hinted("a retry");
    for lease in claim(store, &WorkerId::generate(), 9).await {
        finish(store, &lease).await;
    }
    hinted("the last result");
    // As a process leaves a batch that died behind its last wallet.
    let job = submit(store, 4..5).await;
    database
        .execute(&format!(
            "update wallet_tasks set state = 'done', run_at = null, finished_at = clock_timestamp()
             where batch_id = '{job}'"
        ))
        .await;
    wallet_tasks::sweep(store, 1).await.unwrap();
    assert_eq!(hints.next_here(), Some(Hint::Job(job)), "a batch that was left open");
}

#[tokio::test]
async fn hints_go_to_every_process_once_while_redis_is_there() {
    let mut redis = RedisServer::start().await.unwrap();
    let stop = CancellationToken::new();
    let (one, other) =
        (RedisBus::start(redis.url(), stop.clone()), RedisBus::start(redis.url(), stop.clone()));
    let (mut here, mut there) = (one.listen(), other.listen());
    for (bus, hints) in [(&one, &mut here), (&other, &mut there)] {
        reaches_all(bus, true).await;
        // What was told before may have been missed.
        assert_eq!(next(hints).await, Hint::Any);
    }
    // What is no hint of ours changes nothing.
    for noise in ["", "noise", ":", "x:y", &format!("{}:no-id", Uuid::nil())] {
        redis.command(&["PUBLISH", "pnl:job-events", noise]).await.unwrap();
    }
    let jobs: Vec<_> = (0..100).map(|_| BatchId::generate()).collect();
    jobs.iter().for_each(|job| one.tell(*job));
    let mut heard = Vec::new();
    for job in &jobs {
        assert_eq!(next(&mut here).await, Hint::Job(*job));
        heard.push(next(&mut there).await);
    }
    assert!(jobs.iter().all(|job| heard.contains(&Hint::Job(*job))), "{heard:?}");
    // By now the own hints have come back: they are not told a second time.
    other.tell(jobs[0]);
    assert_eq!(next(&mut here).await, Hint::Job(jobs[0]));
    assert_eq!((here.next_here(), next(&mut there).await), (None, Hint::Job(jobs[0])));

    redis.kill().await.unwrap();
    reaches_all(&other, false).await;
    other.tell(jobs[1]);
    assert_eq!(next(&mut there).await, Hint::Job(jobs[1]), "the process hears itself");
    redis.start_again().await.unwrap();
    reaches_all(&other, true).await;
    assert_eq!(next(&mut there).await, Hint::Any);
    arrives(&one, &mut there).await;
    arrives(&other, &mut here).await;
    stop.cancel();
}

/// A server that stands still closes no connection.
#[tokio::test]
async fn a_redis_that_stands_still_is_noticed() {
    let redis = RedisServer::start().await.unwrap();
    let stop = CancellationToken::new();
    let bus = RedisBus::start(redis.url(), stop.clone());
    reaches_all(&bus, true).await;
    assert!(redis.signal(load_tests::service::Signal::Stop));
    reaches_all(&bus, false).await;
    assert!(redis.signal(load_tests::service::Signal::Cont));
    reaches_all(&bus, true).await;
    stop.cancel();
}
