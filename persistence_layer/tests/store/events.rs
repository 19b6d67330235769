//! Events of jobs: who writes them, and in which order they are read.

use std::collections::HashSet;

use futures::future::join_all;
use persistence_layer::Store;
use persistence_layer::batches::{self, Admission, BatchId, BatchState};
use persistence_layer::job_events::{self, Event, Kind, Number};
use persistence_layer::retention::{self, Kind as Removed};
use persistence_layer::test_util::{TestDatabase, retention_rules};
use persistence_layer::wallet_tasks::{TaskState, WorkerId};
use sqlx::{Connection, Executor};

use crate::support::{claim, claim_one, everybodys, failed, finish, submit, transition, wallet};

/// All events so far, with numbers.
async fn events(store: &Store, job: BatchId) -> Vec<Event> {
    job_events::number(store, &[everybodys(job)]).await.unwrap();
    job_events::after(store, &[(everybodys(job), Number(0))], 100_000).await.unwrap()
}

fn ended(n: usize, state: TaskState, code: Option<&str>) -> Kind {
    let error_code = code.map(str::to_owned);
    Kind::WalletEnded { wallet: wallet(n).to_string(), state, error_code }
}

fn kinds(events: &[Event]) -> Vec<Kind> {
    events.iter().map(|event| event.kind.clone()).collect()
}

#[tokio::test]
async fn every_end_and_every_change_of_a_job_is_an_event() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let job = submit(store, 0..3).await;
    assert_eq!(events(store, job).await, []);
    finish(store, &claim_one(store).await).await;
    transition(store, &claim_one(store).await, &failed()).await;
    batches::cancel(store, &everybodys(job)).await.unwrap();
    assert_eq!(batches::retry(store, &everybodys(job), Admission::rejecting(9)).await.unwrap(), {
        batches::Retried::Requeued(1)
    });
    let again = claim(store, &WorkerId::generate(), 9).await;
    let again = again.iter().find(|lease| lease.batch == job).unwrap();
    finish(store, again).await;
    let found = events(store, job).await;
    assert_eq!(
        kinds(&found),
        [
            Kind::JobStarted,
            ended(0, TaskState::Done, None),
            ended(1, TaskState::Failed, Some("bad-data")),
            ended(2, TaskState::Cancelled, None),
            Kind::JobEnded(BatchState::Cancelled),
            Kind::JobRetried,
            Kind::JobStarted,
            ended(1, TaskState::Done, None),
            Kind::JobEnded(BatchState::CompletedWithErrors),
        ]
    );
    assert!(found.iter().zip(1..).all(|(event, n)| event.number == Number(n) && event.job == job));
    assert!(found.is_sorted_by_key(|event| event.at));
    // Pages of several jobs at once, each behind its own number.
    let other = submit(store, 3..4).await;
    let of_both = [(everybodys(other), Number(0)), (everybodys(job), Number(7))];
    let page = job_events::after(store, &of_both, 1).await.unwrap();
    assert_eq!(page, found[7..8]);
}

#[tokio::test]
async fn what_commits_late_is_numbered_late() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let job = submit(store, 0..2).await;
    let leases = claim(store, &WorkerId::generate(), 2).await;
    // A program that knows nothing of events has written first, and commits last.
    let mut slow = database.connection().await;
    let mut slow = slow.begin().await.unwrap();
    slow.execute(sqlx::AssertSqlSafe(format!(
        "update wallet_tasks set state = 'failed', lease_until = null, worker = null,
             error = '{{\"code\": \"x\"}}', finished_at = clock_timestamp()
         where id = {}",
        leases[0].task_id
    )))
    .await
    .unwrap();
    finish(store, &leases[1]).await;
    let before = events(store, job).await;
    assert_eq!(kinds(&before), [Kind::JobStarted, ended(1, TaskState::Done, None)]);
    slow.commit().await.unwrap();
    let after = events(store, job).await;
    assert_eq!(after[..2], before);
    assert_eq!(kinds(&after[2..]), [ended(0, TaskState::Failed, Some("x"))]);
}

#[tokio::test]
async fn several_jobs_are_numbered_at_once_but_for_those_that_another_process_numbers() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let jobs = [submit(store, 0..2).await, submit(store, 2..4).await, submit(store, 4..6).await];
    for lease in claim(store, &WorkerId::generate(), 9).await {
        finish(store, &lease).await;
    }
    let mut other = database.connection().await;
    let key = format!("hashtextextended('events:{}', 0)", jobs[1]);
    let lock = format!("select pg_advisory_lock({key})");
    other.execute(sqlx::AssertSqlSafe(lock)).await.unwrap();
    let all = jobs.map(everybodys);
    assert_eq!(job_events::number(store, &all).await.unwrap(), [jobs[1]]);
    let behind = all.clone().map(|job| (job, Number(0)));
    let numbers = async || {
        let found = job_events::after(store, &behind, 100).await.unwrap();
        let of =
            |job| found.iter().filter(move |event| event.job == job).map(|event| event.number.0);
        jobs.map(|job| of(job).collect::<Vec<_>>())
    };
    assert_eq!(numbers().await, [vec![1, 2, 3, 4], vec![], vec![1, 2, 3, 4]]);
    let unlock = format!("select pg_advisory_unlock({key})");
    other.execute(sqlx::AssertSqlSafe(unlock)).await.unwrap();
    assert_eq!(job_events::number(store, &all).await.unwrap(), []);
    assert_eq!(numbers().await, [vec![1, 2, 3, 4], vec![1, 2, 3, 4], vec![1, 2, 3, 4]]);
}

#[tokio::test]
async fn many_readers_number_each_event_once_while_wallets_end() {
    const WALLETS: usize = 120;
    let database = TestDatabase::create().await;
    let store = database.store();
    let job = submit(store, 0..WALLETS).await;
    let work = join_all((0..3).map(async |_| {
        let worker = WorkerId::generate();
        loop {
            let leases = claim(store, &worker, 4).await;
            if leases.is_empty() {
                return;
            }
            join_all(leases.iter().map(|lease| finish(store, lease))).await;
        }
    }));
    let read = join_all((0..3).map(async |reader| {
        let mut seen: Vec<Event> = Vec::new();
        loop {
            if reader == 0 {
                // The state of a job is that after its last event.
                let snapshot =
                    job_events::snapshot(store, &everybodys(job)).await.unwrap().unwrap();
                let known = [(everybodys(job), Number(0))];
                let mut until = job_events::after(store, &known, 100_000).await.unwrap();
                until.retain(|event| event.number <= snapshot.last);
                let ends = until.iter().filter(|e| matches!(e.kind, Kind::WalletEnded { .. }));
                assert_eq!(ends.count(), snapshot.batch.counts.done as usize);
                let is_over = until.iter().any(|e| matches!(e.kind, Kind::JobEnded(_)));
                assert_eq!(is_over, snapshot.batch.state.is_terminal());
            } else {
                job_events::number(store, &[everybodys(job)]).await.unwrap();
            }
            let last = seen.last().map_or(Number(0), |event| event.number);
            seen.extend(job_events::after(store, &[(everybodys(job), last)], 7).await.unwrap());
            if seen.last().is_some_and(|event| matches!(event.kind, Kind::JobEnded(_))) {
                return seen;
            }
        }
    }));
    let (_, read) = tokio::join!(work, read);
    for seen in read {
        assert_eq!(seen.len(), WALLETS + 2);
        assert!(seen.iter().zip(1..).all(|(event, n)| event.number == Number(n)));
        let wallets: HashSet<_> = seen.iter().map(|event| format!("{:?}", event.kind)).collect();
        assert_eq!(wallets.len(), WALLETS + 2, "each once");
    }
}

#[tokio::test]
async fn events_go_with_their_job() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let jobs = [submit(store, 0..7).await, submit(store, 7..8).await, submit(store, 8..9).await];
    for lease in claim(store, &WorkerId::generate(), 9).await {
        finish(store, &lease).await;
    }
    events(store, jobs[0]).await;
    let count = "select count(*) from job_events";
    assert_eq!(database.number(count).await, 9 + 2 * 3);
    // As an older program removes a job.
    let removed = format!("delete from batches where id = '{}'", jobs[1]);
    assert_eq!(database.execute(&removed).await, 1);
    assert_eq!(database.number(count).await, 9 + 3);
    let old = format!(
        "update batches set finished_at = now() - interval '31 days' where id = '{}'",
        jobs[0]
    );
    assert_eq!(database.execute(&old).await, 1);
    let rules = retention_rules(3);
    let pause = std::time::Duration::ZERO;
    retention::prune(store, &rules, pause, |_, _| {}).await.unwrap();
    // Clients no longer see it; its rows stay for answers that are under way.
    assert!(job_events::snapshot(store, &everybodys(jobs[0])).await.unwrap().is_none());
    database.execute("update expired_batches set expired_at = now() - interval '1 hour'").await;
    let mut steps = Vec::new();
    retention::prune(store, &rules, pause, |kind, rows| steps.push((kind, rows))).await.unwrap();
    assert!(steps.iter().all(|(_, rows)| *rows <= 3 + 1), "{steps:?}");
    assert!(steps.iter().any(|(kind, _)| *kind == Removed::Tasks));
    assert_eq!(database.number(count).await, 3);
    assert_eq!(events(store, jobs[2]).await.len(), 3);
}
