//! What operators look at: reports of processes and of the queue.

use std::time::Duration;

use chrono::{SubsecRound, Utc};
use persistence_layer::batches::{self, Admission};
use persistence_layer::operator_actions::{self, Action, Asked, Purge};
use persistence_layer::processes::{self, ProcessReport};
use persistence_layer::queue_report::{self, AttemptCount};
use persistence_layer::test_util::TestDatabase;
use persistence_layer::wallet_tasks::{self, TaskState, Transition, WaitReason, WorkerId};
use pnl_core::Chain;
use serde_json::json;

use crate::support::{
    LONG, claim, claim_and_die, failed, finish, new_batch, requeue, submit, transition,
};

fn report(id: &str) -> ProcessReport {
    ProcessReport {
        id: id.to_owned(),
        role: "all".to_owned(),
        host: "machine".to_owned(),
        pid: 4711,
        version: "0.1.0".to_owned(),
        started_at: Utc::now().trunc_subsecs(3),
        slots: 5,
        slots_in_use: 2,
        wallets: json!([{"task": 1, "stage": "fetch"}]),
        providers: json!({"solana": [{"name": "main", "state": "up"}]}),
        gates: json!([]),
        redis: "up".to_owned(),
    }
}

#[tokio::test]
async fn a_process_is_seen_as_it_last_said_until_it_stops_or_falls_silent() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let (mut first, second) = (report("a"), report("b"));
    processes::publish(store, &first).await.unwrap();
    processes::publish(store, &second).await.unwrap();
    first.slots_in_use = 5;
    first.wallets = json!([]);
    processes::publish(store, &first).await.unwrap();
    let seen = processes::live(store).await.unwrap();
    assert_eq!(seen.iter().map(|seen| &seen.report).collect::<Vec<_>>(), [&first, &second]);
    assert!(seen.iter().all(|seen| seen.age < processes::GONE_AFTER));
    sqlx::query("update processes set seen_at = seen_at - interval '31 seconds' where id = 'b'")
        .execute(&mut database.connection().await)
        .await
        .unwrap();
    assert_eq!(processes::live(store).await.unwrap().len(), 1);
    processes::remove(store, "a").await.unwrap();
    assert!(processes::live(store).await.unwrap().is_empty());
    let unknown = ProcessReport { role: "other".to_owned(), ..report("c") };
    assert_eq!(processes::publish(store, &unknown).await.unwrap_err().code(), "database-error");
}

#[tokio::test]
async fn what_operators_ask_for_is_noted_and_the_oldest_notes_make_room() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let old = "insert into operator_actions (id, action, trace_id, process)
        select ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'optimize', '', ''
        from generate_series(1, 10000) as n";
    database.execute(old).await;
    let asked = Asked { key: None, trace_id: "abc", process: "p" };
    let id = operator_actions::begin(store, Action::Optimize, asked).await.unwrap();
    let kept = "select count(*) from operator_actions
        where id <> '00000000-0000-7000-8000-000000000001'";
    assert_eq!(database.number(kept).await, 10_000);
    assert_eq!(database.number("select count(*) from operator_actions").await, 10_000);
    for outcome in [json!({"answers": 1}), json!({"answers": 2})] {
        operator_actions::finish(store, id, &outcome).await.unwrap();
    }
    let noted = "select (outcome ->> 'answers')::bigint from operator_actions
        where trace_id = 'abc' and process = 'p' and finished_at >= asked_at";
    assert_eq!(database.number(noted).await, 1, "the first outcome stays");
}

#[tokio::test]
async fn the_newest_purges_of_the_last_while_are_found() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let asked = || Asked { key: None, trace_id: "abc", process: "p" };
    operator_actions::begin(store, Action::Optimize, asked()).await.unwrap();
    let mut ids = Vec::new();
    for tag in ["old", "middle", "new"] {
        let tags = [tag.to_owned(), "x".to_owned()];
        ids.push(operator_actions::begin(store, Action::Purge(&tags), asked()).await.unwrap());
    }
    let aged = format!(
        "update operator_actions set asked_at = asked_at - interval '10 minutes' where id = '{}'",
        ids[0]
    );
    database.execute(&aged).await;
    let found = operator_actions::purges(store, Duration::from_secs(300), 10).await.unwrap();
    let of = |found: &[Purge]| {
        found.iter().map(|purge| (purge.id, purge.tags[0].clone())).collect::<Vec<_>>()
    };
    assert_eq!(of(&found), [(ids[2], "new".to_owned()), (ids[1], "middle".to_owned())]);
    let alone = operator_actions::purge_ids(store, Duration::from_secs(300), 10).await.unwrap();
    assert_eq!(alone, ids[1..].iter().rev().copied().collect::<Vec<_>>());
    assert_eq!(
        operator_actions::purges(store, Duration::from_secs(900), 1).await.unwrap().len(),
        1
    );
    assert_eq!(
        operator_actions::purges(store, Duration::from_secs(900), 9).await.unwrap().len(),
        3
    );
}

#[tokio::test]
async fn an_empty_queue_has_an_empty_report() {
    let database = TestDatabase::create().await;
    let report = queue_report::read(database.store(), 10).await.unwrap();
    assert!(report.tasks.is_empty() && report.running.is_empty() && report.attempts.is_empty());
    assert_eq!((report.oldest_waiting, report.takeovers_kept), (None, 0));
}

#[tokio::test]
async fn the_report_tells_what_waits_for_what_and_what_runs_where() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let admission = Admission { max_concurrent: 1, queue_limit: 1 };
    let first = new_batch(0..6);
    batches::submit(store, &first, admission).await.unwrap();
    let waits = new_batch(10..13);
    batches::submit(store, &waits, admission).await.unwrap();

    claim_and_die(store).await;
    wallet_tasks::sweep(store, 20).await.unwrap();
    let worker = WorkerId::generate();
    let held = claim(store, &worker, 5).await;
    finish(store, &held[0]).await;
    transition(store, &held[1], &requeue(WaitReason::Continued)).await;
    let later = Transition::Requeue {
        delay: LONG,
        reason: WaitReason::Backoff,
        costs_attempt: true,
        error: None,
    };
    transition(store, &held[2], &later).await;
    transition(store, &held[3], &failed()).await;

    let report = queue_report::read(store, 10).await.unwrap();
    let tasks: Vec<(Chain, TaskState, Option<&str>, u64)> = report
        .tasks
        .iter()
        .map(|open| (open.chain, open.state, open.waits_for.as_deref(), open.tasks))
        .collect();
    assert_eq!(
        tasks,
        [
            (Chain::Solana, TaskState::Delayed, Some("admission"), 3),
            (Chain::Solana, TaskState::Delayed, Some("backoff"), 1),
            (Chain::Solana, TaskState::Queued, Some("continued"), 1),
            (Chain::Solana, TaskState::Queued, None, 1),
            (Chain::Solana, TaskState::Running, None, 1),
        ]
    );
    assert_eq!((report.batches_admitted, report.batches_waiting), (1, 1));
    let open = batches::open(store).await.unwrap();
    assert_eq!((open.admitted, open.waiting), (1, 1));
    let oldest = report.oldest_waiting.unwrap();
    assert_eq!(oldest.batch, first.id);
    assert!(oldest.age > Duration::ZERO);
    let [running] = &report.running[..] else { panic!("one runs: {:?}", report.running) };
    assert_eq!((running.task, running.worker.as_str()), (held[4].task_id, worker.as_str()));
    assert_eq!(running.wallet, held[4].wallet);
    assert!(running.lease_left.unwrap() <= LONG);
    assert_eq!((report.takeovers_last_hour, report.takeovers_kept), (1, 1));
    // Of the admitted batch: one for its first attempt, four in it, one in its second; and three
    // that wait for admission.
    let attempts = |attempts, tasks| AttemptCount { attempts, tasks };
    assert_eq!(report.attempts, [attempts(0, 4), attempts(1, 4), attempts(2, 1)]);
    assert!(queue_report::read(store, 0).await.unwrap().running.is_empty());
}

#[tokio::test]
async fn a_lease_that_has_run_out_shows_as_such() {
    let database = TestDatabase::create().await;
    let store = database.store();
    submit(store, 0..1).await;
    claim_and_die(store).await;
    let report = queue_report::read(store, 10).await.unwrap();
    assert_eq!(report.running[0].lease_left, None);
    sqlx::query("update wallet_attempts set started = started - interval '2 hours'")
        .execute(&mut database.connection().await)
        .await
        .unwrap();
    wallet_tasks::sweep(store, 20).await.unwrap();
    sqlx::query("update wallet_attempts set ended = ended - interval '2 hours'")
        .execute(&mut database.connection().await)
        .await
        .unwrap();
    let report = queue_report::read(store, 10).await.unwrap();
    assert_eq!((report.takeovers_last_hour, report.takeovers_kept), (0, 1));
}
