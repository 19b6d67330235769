//! Submitting, idempotency, capacity, listing, cancelling and retrying.

use std::time::Duration;

use load_tests::{FaultKind, Faults};
use persistence_layer::Tenant;
use persistence_layer::batches::{self, BatchRef};
use persistence_layer::retention::{self, RetentionRules};
use reqwest::Method;
use serde_json::{Value, json};
use service_runtime::config::{Admission, Role, Settings};

use crate::support::{Plan, Reply, TestApp, UNUSED, eventually, reply};

fn body() -> String {
    json!({"wallet_addresses": [UNUSED], "chain": "solana"}).to_string()
}

#[tokio::test]
async fn an_accepted_job_says_where_everything_is() {
    let app = TestApp::without_worker().await;
    let usdc = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v";
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let request = app
        .request(Method::POST, "/api/pnl/batch/run")
        .header("content-type", "application/json")
        .header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"))
        .body(json!({"wallet_addresses": [UNUSED, usdc, UNUSED], "chain": "sol"}).to_string());
    let accepted = reply(request).await;
    assert_eq!(accepted.status, 202, "{}", accepted.text);
    let answer = accepted.json();
    let job = answer["job_id"].as_str().unwrap();
    assert_eq!(answer["status"], "queued");
    assert_eq!(answer["chain"], "solana");
    assert_eq!(answer["total_wallets"], 2);
    assert_eq!(answer["duplicates_removed"], 1);
    assert_eq!(answer["status_url"], format!("/api/pnl/batch/status/{job}"));
    assert_eq!(answer["results_url"], format!("/api/pnl/batch/results/{job}"));
    assert_eq!(answer["cancel_url"], format!("/api/pnl/batch/{job}/cancel"));
    assert!(answer["created_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(accepted.header("location"), answer["status_url"].as_str().unwrap());
    assert_eq!(accepted.header("cache-control"), "no-store");
    assert_eq!(accepted.header("retry-after"), "2");
    assert_eq!(accepted.header("idempotent-replayed"), "");

    let status = app.get(answer["status_url"].as_str().unwrap()).await;
    assert_eq!(status.status, 200);
    assert_eq!(status.header("cache-control"), "no-store");
    assert_eq!(status.header("retry-after"), "2");
    let status = status.json();
    let expected = json!({
        "job_id": job, "chain": "solana", "status": "queued", "done": false,
        "cancel_requested": false,
        "counts": {"total": 2, "queued": 2, "running": 0, "done": 0, "failed": 0, "timed_out": 0,
                   "cancelled": 0},
        "waiting": {"continued": 0, "provider_throttled": 0},
        "progress": "0.00", "eta_seconds": null, "started_at": null, "finished_at": null,
        "pinned": null, "results_url": format!("/api/pnl/batch/results/{job}"),
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&status[name], value, "{name}");
    }

    let results = app.get(answer["results_url"].as_str().unwrap()).await.json();
    assert_eq!(results["partial"], true);
    assert_eq!(results["has_more"], false);
    let wallets: Vec<_> = results["data"].as_array().unwrap().iter().collect();
    assert_eq!(wallets.len(), 2);
    for (row, wallet) in wallets.into_iter().zip([UNUSED, usdc]) {
        assert_eq!(row["wallet"], wallet);
        assert_eq!(row["status"], "queued");
        assert_eq!((&row["result"], &row["error"]), (&Value::Null, &Value::Null));
        assert_eq!(row["run"]["attempts"], 0);
    }
    let job_ref = BatchRef { tenant: Tenant::default(), id: job.parse().unwrap() };
    let stored = batches::get(app.database.store(), &job_ref).await.unwrap().unwrap();
    assert_eq!(stored.trace_id, trace);
}

#[tokio::test]
async fn a_repeated_key_gets_the_first_answer_again() {
    let app = TestApp::without_worker().await;
    let first = app.submit_once("key-1", &body()).await;
    assert_eq!(first.status, 202);
    let spaced = format!("{{ \"chain\" : \"solana\",\n\"wallet_addresses\":[ \"{UNUSED}\" ] }}");
    for repeated in
        [app.submit_once("key-1", &body()).await, app.submit_once("key-1", &spaced).await]
    {
        assert_eq!(repeated.status, 202);
        assert_eq!(repeated.json(), first.json());
        assert_eq!(repeated.header("idempotent-replayed"), "true");
        assert_eq!(repeated.header("location"), first.header("location"));
    }
    let other = json!({"wallet_addresses": [UNUSED], "chain": "solana", "time_range": "7d"});
    app.submit_once("key-1", &other.to_string()).await.problem(422, "idempotency-key-reused");
    assert_eq!(app.jobs().await.len(), 1);
    let second = app.submit_once("key-2", &body()).await;
    assert_ne!(second.json()["job_id"], first.json()["job_id"]);
    for bad in ["two words", &"k".repeat(256)] {
        app.submit_once(bad, &body()).await.problem(400, "bad-idempotency-key");
    }
}

#[tokio::test]
async fn of_equal_submissions_at_once_one_job_comes() {
    let app = TestApp::without_worker().await;
    let text = body();
    let submissions = (0..20).map(|_| app.submit_once("storm", &text));
    let replies = futures::future::join_all(submissions).await;
    let mut jobs = std::collections::BTreeSet::new();
    for reply in &replies {
        if reply.status == 202 {
            jobs.insert(reply.json()["job_id"].to_string());
        } else {
            reply.problem(409, "idempotency-key-in-flight");
        }
    }
    assert_eq!(jobs.len(), 1);
    assert_eq!(app.jobs().await.len(), 1);
}

#[tokio::test]
async fn a_refused_submission_does_not_use_its_key() {
    let app = TestApp::without_worker().await;
    let bad = json!({"wallet_addresses": ["wallet1"], "chain": "solana"}).to_string();
    app.submit_once("key", &bad).await.problem(422, "validation-failed");
    assert_eq!(app.submit_once("key", &body()).await.status, 202);
}

#[tokio::test]
async fn the_fourth_job_gets_the_sentence_that_clients_know() {
    let app = TestApp::without_worker().await;
    let mut jobs = Vec::new();
    for _ in 0..3 {
        jobs.push(app.accepted(&[UNUSED.to_owned()]).await);
    }
    let refused = app.submit_once("fourth", &body()).await;
    let problem = refused.problem(503, "capacity-exhausted");
    assert_eq!(
        problem["error"],
        "System is currently processing maximum concurrent batch jobs (3). \
         Please try again in a few minutes."
    );
    assert_eq!(app.jobs().await.len(), 3);
    let cancelled = app.post(&format!("/api/pnl/batch/{}/cancel", jobs[0])).await;
    assert_eq!(cancelled.status, 202, "{}", cancelled.text);
    assert_eq!(app.submit_once("fourth", &body()).await.status, 202);
}

#[tokio::test]
async fn many_submissions_at_once_never_exceed_the_capacity() {
    let app = TestApp::without_worker().await;
    let text = body();
    let replies = futures::future::join_all((0..30).map(|_| app.submit_text(text.clone()))).await;
    let accepted = replies.iter().filter(|reply| reply.status == 202).count();
    let refused = replies.iter().filter(|reply| reply.status == 503).count();
    assert_eq!((accepted, refused), (3, 27));
}

#[tokio::test]
async fn jobs_beyond_the_capacity_wait_where_they_may_and_only_the_next_is_refused() {
    let app = TestApp::start(Plan {
        adjust: |settings| {
            settings.batch.admission = Admission::Queue;
            settings.batch.max_concurrent = 2;
            settings.batch.queue_limit = 2;
        },
        ..Plan::default()
    })
    .await;
    let mut jobs = Vec::new();
    for key in ["a", "b", "c", "d"] {
        let accepted = app.submit_once(key, &body()).await;
        assert_eq!(accepted.status, 202, "{}", accepted.text);
        assert_eq!(accepted.json()["status"], "queued");
        jobs.push(accepted.json()["job_id"].as_str().unwrap().to_owned());
    }
    let problem = app.submit_once("e", &body()).await.problem(503, "capacity-exhausted");
    assert_eq!(
        problem["error"],
        "System is currently processing maximum concurrent batch jobs (2). \
         Please try again in a few minutes."
    );
    for job in &jobs {
        let status = app.get(&format!("/api/pnl/batch/status/{job}")).await.json();
        assert_eq!((&status["status"], &status["done"]), (&json!("queued"), &json!(false)));
        assert_eq!(status["counts"]["queued"], 1, "{status}");
    }
    assert_eq!(
        app.get("/api/pnl/batch?status=queued").await.json()["data"].as_array().unwrap().len(),
        4
    );
    let in_place = "select count(*) from batches where state = 'active' and waiting_since is null";
    assert_eq!(app.database.number(in_place).await, 2);
    // One that waits can be cancelled; one that ends makes room for the oldest that waits.
    for job in [&jobs[3], &jobs[0]] {
        let cancelled = app.post(&format!("/api/pnl/batch/{job}/cancel")).await;
        assert_eq!(cancelled.json()["status"], "cancelled", "{}", cancelled.text);
    }
    eventually("the oldest that waits takes the place", || async {
        app.database.number(in_place).await == 2
    })
    .await;
    assert_eq!(app.submit_once("e", &body()).await.status, 202);
}

#[tokio::test]
async fn a_job_whose_time_is_over_answers_410_on_each_of_its_routes() {
    let app = TestApp::without_worker().await;
    let job = app.accepted(&[UNUSED.to_owned()]).await;
    assert_eq!(app.post(&format!("/api/pnl/batch/{job}/cancel")).await.status, 202);
    let aged = "with aged as (
            update batches set created_at = created_at - interval '3 days',
                finished_at = finished_at - interval '3 days' returning 1)
        select count(*) from aged";
    assert_eq!(app.database.number(aged).await, 1);
    prune(&app, Some(Duration::from_secs(86_400))).await;
    is_gone(&app, &job).await;
    let unknown = "01890000-0000-7000-8000-000000000000";
    app.get(&format!("/api/pnl/batch/status/{unknown}")).await.problem(404, "unknown-job");
}

/// A run of retention that keeps results for so long.
async fn prune(app: &TestApp, results: Option<Duration>) {
    let rules = RetentionRules {
        raw_transactions: None,
        results,
        rounds: Duration::from_secs(86_400),
        replaced_ledgers: Duration::ZERO,
        idempotency: Duration::from_secs(3600),
        rows_per_step: 10,
    };
    let run =
        retention::prune(app.database.store(), &rules, Duration::ZERO, |_, _| {}).await.unwrap();
    assert_eq!(run, retention::Run::Finished);
}

/// Every route of the job says that it was removed, and no list has it.
async fn is_gone(app: &TestApp, job: &str) {
    for path in [
        format!("/api/pnl/batch/status/{job}"),
        format!("/api/pnl/batch/{job}/events"),
        format!("/api/pnl/batch/results/{job}"),
        format!("/api/pnl/batch/results/{job}?sort=trades"),
        format!("/api/pnl/batch/results/{job}/export.csv"),
        format!("/api/pnl/batch/results/{job}/export.csv?partial=true"),
    ] {
        let problem = app.get(&path).await.problem(410, "job-expired");
        assert!(problem["detail"].as_str().unwrap().contains("removed"), "{problem}");
    }
    for action in ["cancel", "retry"] {
        app.post(&format!("/api/pnl/batch/{job}/{action}")).await.problem(410, "job-expired");
    }
    delete(app, job).await.problem(410, "job-expired");
    assert!(app.jobs().await.is_empty());
}

async fn delete(app: &TestApp, job: &str) -> Reply {
    reply(app.request(Method::DELETE, &format!("/api/pnl/batch/{job}"))).await
}

#[tokio::test]
async fn a_job_that_has_ended_is_removed_with_all_that_it_made() {
    let adjust = |settings: &mut Settings| settings.cache.memory_mb = 16;
    let app = TestApp::start(Plan { role: Role::All, adjust, ..Plan::default() }).await;
    let job = app.completed(&app.node.chain().synthetic_wallets()).await;
    // It is kept when it goes.
    let results = format!("/api/pnl/batch/results/{job}");
    for _ in 0..2 {
        assert_eq!(app.get(&results).await.status, 200);
    }
    let removed = delete(&app, &job).await;
    assert_eq!((removed.status.as_u16(), removed.text.as_str()), (204, ""));
    assert_eq!(removed.header("cache-control"), "no-store");
    is_gone(&app, &job).await;

    // Its rows go with a later run of retention, also where results are kept for ever.
    let aged = "with aged as (
            update expired_batches set expired_at = expired_at - interval '1 hour' returning 1)
        select count(*) from aged";
    assert_eq!(app.database.number(aged).await, 1);
    prune(&app, None).await;
    let left = "select (select count(*) from batches) + (select count(*) from wallet_tasks)
        + (select count(*) from pnl_results) + (select count(*) from latest_results)
        + (select count(*) from job_events)";
    assert_eq!(app.database.number(left).await, 0);
    assert_eq!(app.database.number("select count(*) from raw_transactions").await, 120);
    is_gone(&app, &job).await;
}

#[tokio::test]
async fn a_job_that_has_not_ended_is_not_removed() {
    let app = TestApp::without_worker().await;
    let job = app.accepted(&[UNUSED.to_owned()]).await;
    let refused = delete(&app, &job).await;
    refused.problem(409, "job-running");
    assert_eq!(refused.header("retry-after"), "2");
    let unknown = "01890000-0000-7000-8000-000000000000";
    for unknown in [unknown, "no-id"] {
        delete(&app, unknown).await.problem(404, "unknown-job");
    }
    assert_eq!(app.jobs().await.len(), 1);
    assert_eq!(app.post(&format!("/api/pnl/batch/{job}/cancel")).await.status, 202);
    assert_eq!(delete(&app, &job).await.status, 204);
    is_gone(&app, &job).await;
}

#[tokio::test]
async fn a_cancelled_job_ends_and_cancelling_again_changes_nothing() {
    let app = TestApp::without_worker().await;
    let job = app.accepted(&app.node.chain().synthetic_wallets()).await;
    let path = format!("/api/pnl/batch/{job}/cancel");
    let first = app.post(&path).await;
    assert_eq!(first.status, 202, "{}", first.text);
    let status = first.json();
    assert_eq!(status["status"], "cancelled");
    assert_eq!(status["done"], true);
    assert_eq!(status["cancel_requested"], true);
    assert_eq!(status["counts"]["cancelled"], 3);
    assert_eq!(status["progress"], "1.00");
    let again = app.post(&path).await;
    assert_eq!(again.json()["finished_at"], status["finished_at"]);
    let results = app.get(&format!("/api/pnl/batch/results/{job}")).await.json();
    assert_eq!(results["partial"], false);
    assert_eq!(results["data"][2]["status"], "cancelled");
    app.post(&format!("/api/pnl/batch/{job}/retry")).await.problem(409, "nothing-to-retry");
}

#[tokio::test]
async fn a_running_job_is_cancelled_at_its_next_heartbeat() {
    let app = TestApp::start(Plan {
        role: Role::All,
        adjust: |settings| settings.worker.lease_seconds = 3,
        ..Plan::default()
    })
    .await;
    app.node.set_faults(Faults::always(FaultKind::Hang));
    let job = app.accepted(&app.node.chain().synthetic_wallets()).await;
    let status = format!("/api/pnl/batch/status/{job}");
    eventually("the job runs", || async {
        app.get(&status).await.json()["counts"]["running"].as_u64() > Some(0)
    })
    .await;
    app.post(&format!("/api/pnl/batch/{job}/retry")).await.problem(409, "job-running");
    app.get(&format!("/api/pnl/batch/results/{job}/export.csv")).await.problem(409, "job-running");
    assert_eq!(app.post(&format!("/api/pnl/batch/{job}/cancel")).await.status, 202);
    let ended = app.ended(&job).await;
    assert_eq!(ended["status"], "cancelled", "{ended}");
}

#[tokio::test]
async fn failed_wallets_are_tried_again_in_the_same_job_at_the_same_pin() {
    let app = TestApp::without_patience().await;
    let wallets = app.node.chain().synthetic_wallets();
    let faults = Faults::always(FaultKind::RpcError);
    app.node.set_faults(Faults { only: Some("getTransaction".into()), ..faults });
    let job = app.accepted(&wallets).await;
    let failed = app.ended(&job).await;
    assert_eq!(failed["status"], "failed", "{failed}");
    let results = app.get(&format!("/api/pnl/batch/results/{job}")).await.json();
    let row = &results["data"][0];
    assert_eq!(row["status"], "failed", "{row}");
    for member in ["code", "title", "detail"] {
        assert!(row["error"][member].is_string(), "{row}");
    }
    assert!(row["error"]["retryable"].is_boolean(), "{row}");

    app.node.set_faults(Faults::default());
    let retried = app.post(&format!("/api/pnl/batch/{job}/retry")).await;
    assert_eq!(retried.status, 202, "{}", retried.text);
    let completed = app.ended(&job).await;
    assert_eq!(completed["status"], "completed", "{completed}");
    assert_eq!(completed["counts"]["done"], 3);
    assert_eq!(completed["pinned"], failed["pinned"]);
}

#[tokio::test]
async fn jobs_are_listed_newest_first_in_pages_and_by_status() {
    let app = TestApp::start(Plan {
        adjust: |settings| settings.batch.max_concurrent = 10,
        ..Plan::default()
    })
    .await;
    let mut jobs = Vec::new();
    for _ in 0..5 {
        jobs.push(app.accepted(&[UNUSED.to_owned()]).await);
    }
    jobs.reverse();
    app.post(&format!("/api/pnl/batch/{}/cancel", jobs[1])).await;
    let ids = |page: &Value| -> Vec<String> {
        let rows = page["data"].as_array().unwrap();
        rows.iter().map(|row| row["job_id"].as_str().unwrap().to_owned()).collect()
    };
    let mut found = Vec::new();
    let mut path = "/api/pnl/batch?limit=2".to_owned();
    loop {
        let page = app.get(&path).await.json();
        found.extend(ids(&page));
        let Some(cursor) = page["next_cursor"].as_str() else {
            assert_eq!(page["has_more"], false);
            break;
        };
        assert_eq!(page["has_more"], true);
        path = format!("/api/pnl/batch?limit=2&cursor={cursor}");
    }
    assert_eq!(found, jobs);
    assert_eq!(ids(&app.get("/api/pnl/batch?status=cancelled").await.json()), jobs[1..2]);
    assert_eq!(ids(&app.get("/api/pnl/batch?status=queued").await.json()).len(), 4);
    assert!(ids(&app.get("/api/pnl/batch?status=completed").await.json()).is_empty());
}
