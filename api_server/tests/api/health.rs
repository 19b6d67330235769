//! Probes and the status page, with a healthy, a missing and a leaving service.

use api_server::monitor;
use persistence_layer::processes::{self, ProcessReport};
use persistence_layer::test_util::TestDatabase;
use reqwest::Method;
use serde_json::{Value, json};
use service_runtime::config::Role;

use crate::support::{Plan, TestApp, UNUSED, connect, eventually, read_only};

fn state_of<'a>(body: &'a Value, check: &str) -> &'a str {
    let checks = body["checks"].as_array().unwrap();
    let found = checks.iter().find(|found| found["name"] == check);
    found.unwrap_or_else(|| panic!("no check {check} in {body}"))["state"].as_str().unwrap()
}

#[tokio::test]
async fn a_healthy_service_says_so_on_every_probe() {
    let app = TestApp::with_worker().await;
    for path in ["/health", "/api/health", "/api/health/db", "/api/health/detailed"] {
        let reply = app.get(path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        assert_eq!(reply.header("cache-control"), "no-store", "{path}");
    }
    let ready = app.get("/api/health").await.json();
    assert_eq!(state_of(&ready, "database"), "up");
    assert_eq!(state_of(&ready, "process"), "up");
    let database = app.get("/api/health/db").await.json();
    assert_eq!(database["state"], "up");
    assert!(database["ping_ms"].is_string() && database["pool"]["max"].is_u64(), "{database}");
    let detailed = app.get("/api/health/detailed").await.json();
    for check in ["database", "worker", "solana"] {
        assert_eq!(state_of(&detailed, check), "up", "{detailed}");
    }
}

#[tokio::test]
async fn without_its_database_the_service_lives_is_not_ready_and_recovers() {
    let mut app = TestApp::start(Plan { through_proxy: true, ..Plan::default() }).await;
    let job = app.accepted(&[UNUSED.to_owned()]).await;
    app.proxy.as_mut().unwrap().cut().await;
    eventually("readiness notices", || async { app.get("/api/health").await.status == 503 }).await;

    assert_eq!(app.get("/health").await.status, 200);
    let problem = app.get("/api/health").await.problem(503, "not-ready");
    assert_eq!(state_of(&problem, "database"), "down");
    assert!(problem["detail"].as_str().unwrap().contains("database"), "{problem}");
    let problem = app.get("/api/health/db").await.problem(503, "database-unavailable");
    assert_eq!(problem["state"], "down");
    app.get("/api/health/detailed").await.problem(503, "not-ready");
    // Requests are refused at once, without internals, and not after the acquire timeout.
    let begun = std::time::Instant::now();
    let body = json!({"wallet_addresses": [UNUSED], "chain": "solana"});
    for reply in [
        app.submit(&body).await,
        app.get(&format!("/api/pnl/batch/status/{job}")).await,
        app.get("/api/pnl/results").await,
        app.get(&format!("/api/v2/wallets/{UNUSED}/pnl?chain=sol")).await,
    ] {
        let problem = reply.problem(503, "database-unavailable").to_string();
        for internal in ["sqlx", "127.0.0.1", "refused", "pool"] {
            assert!(!problem.contains(internal), "{problem}");
        }
    }
    assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
    let status = app.get("/api/services/status").await.json();
    assert_eq!(status["status"], "down", "{status}");
    let scrape = app.admin_get("/metrics").await;
    assert!(scrape.text.lines().any(|line| line == "database_up 0"), "{}", scrape.text);
    assert!(!scrape.text.contains("wallet_tasks{"), "no stale queue: {}", scrape.text);

    app.proxy.as_mut().unwrap().mend().await;
    eventually("readiness returns", || async { app.get("/api/health").await.status == 200 }).await;
    assert_eq!(app.get(&format!("/api/pnl/batch/status/{job}")).await.status, 200);
}

#[tokio::test]
async fn a_database_that_stands_still_is_told_although_every_connection_waits_for_it() {
    let app = TestApp::start(Plan { through_proxy: true, ..Plan::default() }).await;
    app.proxy.as_ref().unwrap().freeze(true);
    // More requests than connections: all of them are in use now, and stay so.
    let stuck: Vec<_> =
        (0..10).map(|_| app.request(Method::GET, "/api/pnl/batch").send()).collect();
    let stuck = tokio::spawn(futures::future::join_all(stuck));
    eventually("readiness notices", || async { app.get("/api/health").await.status == 503 }).await;
    let status = app.get("/api/services/status").await.json();
    assert_eq!(status["status"], "down", "{status}");
    let database = &status["services"][1];
    assert_eq!(database["name"], "database");
    assert!(database["detail"].is_string() && database["since"].is_string(), "{database}");
    let problem = app.get("/api/health/db").await.problem(503, "database-unavailable");
    assert_eq!(problem["cause"], "database-no-answer", "{problem}");
    app.get("/api/health/detailed").await.problem(503, "not-ready");
    assert_eq!(app.get("/health").await.status, 200);
    let body = json!({"wallet_addresses": [UNUSED], "chain": "solana"});
    app.submit(&body).await.problem(503, "database-unavailable");
    assert_eq!(app.admin_get("/metrics").await.status, 200);

    app.proxy.as_ref().unwrap().freeze(false);
    eventually("readiness returns", || async { app.get("/api/health").await.status == 200 }).await;
    assert!(app.jobs().await.is_empty(), "a refused submission is not stored later");
    stuck.abort();
}

#[tokio::test]
async fn a_database_without_writes_is_told_and_goes_on_being_read() {
    let database = TestDatabase::create().await;
    let store = connect(&read_only(database.url())).await;
    let answer = monitor::ask(&store, true).await;
    assert!(answer.up && !answer.takes_writes, "{answer:?}");
    assert_eq!(answer.code, Some("database-read-only"));
    let answer = monitor::ask(database.store(), true).await;
    assert_eq!((answer.up, answer.takes_writes, answer.code), (true, true, None));
}

#[tokio::test]
async fn a_service_whose_database_takes_no_writes_is_not_ready_and_goes_on_answering() {
    let app = TestApp::start(Plan { read_only: true, ..Plan::default() }).await;
    let problem = app.get("/api/health").await.problem(503, "not-ready");
    assert_eq!(state_of(&problem, "database"), "degraded", "{problem}");
    assert_eq!(problem["checks"][1]["detail"], "database-read-only", "{problem}");
    app.get("/api/health/detailed").await.problem(503, "not-ready");
    assert_eq!(app.get("/api/health/db").await.json()["state"], "degraded");
    let body = json!({"wallet_addresses": [UNUSED], "chain": "solana"});
    let refused = app.submit(&body).await.problem(503, "database-unavailable");
    assert!(refused["error"].as_str().unwrap().contains("no writes"), "{refused}");
    assert!(app.jobs().await.is_empty());
    let status = app.get("/api/services/status").await.json();
    assert_eq!(status["status"], "degraded", "{status}");
    assert_eq!(status["services"][1]["detail"], "database-read-only", "{status}");
}

#[tokio::test]
async fn a_service_is_ready_again_when_its_database_takes_writes_again() {
    let app = TestApp::without_worker().await;
    app.database.set_read_only(true).await;
    takes_no_writes(&app, "database-read-only").await;
    app.database.set_read_only(false).await;
    takes_writes_again(&app).await;
}

#[tokio::test]
async fn a_service_whose_database_is_full_is_not_ready_until_there_is_room_again() {
    let app = TestApp::without_worker().await;
    // What the server says when a table cannot grow.
    let full = "raise exception 'could not extend file: No space left on device'
                    using errcode = 'disk_full'";
    refuse(&app, full, &["batches", "care_runs"]).await;
    takes_no_writes(&app, "database-full").await;
    app.database.execute("drop function refuse cascade").await;
    takes_writes_again(&app).await;
}

#[tokio::test]
async fn a_write_that_is_refused_for_whatever_reason_is_told() {
    let app = TestApp::without_worker().await;
    // A disk that is broken, and one that stands still.
    for (does, cause) in [
        ("raise exception 'invalid page' using errcode = 'data_corrupted'", "database-error"),
        ("perform pg_sleep(600)", "database-timeout"),
    ] {
        refuse(&app, does, &["care_runs"]).await;
        is_told(&app, cause).await;
        app.database.execute("drop function refuse cascade").await;
        eventually("readiness returns", || async { app.get("/api/health").await.status == 200 })
            .await;
    }
}

/// Rows of these tables are not taken: `does` happens instead.
async fn refuse(app: &TestApp, does: &str, tables: &[&str]) {
    let triggers: String = tables
        .iter()
        .map(|table| {
            format!(
                "create trigger refuse before insert on {table}
                     for each row execute function refuse();"
            )
        })
        .collect();
    let sql = format!(
        "do $do$ begin
            create function refuse() returns trigger language plpgsql as $$ begin {does}; end $$;
            {triggers}
        end $do$"
    );
    app.database.execute(&sql).await;
}

#[tokio::test]
async fn however_many_ask_for_health_one_question_is_under_way() {
    let app = TestApp::without_worker().await;
    let probes = "select sum(calls)::bigint from counted_probes";
    app.database.execute("create table counted_probes (calls int)").await;
    app.database
        .execute(
            "do $do$ begin
                create function count_probe() returns trigger language plpgsql as $$ begin
                    insert into counted_probes values (1);
                    return new;
                end $$;
                create trigger count_probe before insert on care_runs
                    for each row execute function count_probe();
            end $do$",
        )
        .await;
    let asked = (0..100).map(|_| app.get("/api/health/db"));
    for answer in futures::future::join_all(asked).await {
        assert_eq!(answer.json()["state"], "up");
    }
    let probed = app.database.number(probes).await;
    assert!((1..=10).contains(&probed), "{probed} probes for 100 questions");
}

/// The service says that it takes no jobs because of its database, and goes on being read.
async fn takes_no_writes(app: &TestApp, cause: &str) {
    is_told(app, cause).await;
    let body = json!({"wallet_addresses": [UNUSED], "chain": "solana"});
    let refused = app.submit(&body).await.problem(503, "database-unavailable");
    assert!(refused["error"].as_str().unwrap().contains("no writes"), "{refused}");
    assert!(app.jobs().await.is_empty());
    let text = app.admin_get("/metrics").await.text;
    assert!(text.contains("database_takes_writes 0"), "{text}");
}

/// Readiness says that the database takes no writes, and why.
async fn is_told(app: &TestApp, cause: &str) {
    eventually("the service notices", || async { app.get("/api/health").await.status == 503 })
        .await;
    eventually("the cause is named", || async {
        let problem = app.get("/api/health").await.problem(503, "not-ready");
        state_of(&problem, "database") == "degraded" && problem["checks"][1]["detail"] == cause
    })
    .await;
}

/// Readiness comes back by itself, and with it the first job.
async fn takes_writes_again(app: &TestApp) {
    eventually("readiness returns", || async { app.get("/api/health").await.status == 200 }).await;
    app.accepted(&[UNUSED.to_owned()]).await;
    assert_eq!(app.jobs().await.len(), 1, "a refused submission is not stored later");
}

#[tokio::test]
async fn a_process_without_worker_shows_the_others_and_how_their_providers_are() {
    let app = TestApp::without_worker().await;
    app.accepted(&[UNUSED.to_owned()]).await;
    eventually("it sees itself", || async {
        let status = app.get("/api/services/status").await.json();
        status["processes"].as_array().is_some_and(|all| all.len() == 1)
    })
    .await;
    let status = app.get("/api/services/status").await.json();
    assert_eq!(status["processes"][0]["role"], "api", "{status}");
    let services = status["services"].as_array().unwrap();
    let worker = services.iter().find(|one| one["name"] == "worker").unwrap();
    assert_eq!(worker["state"], "down", "wallets wait: {worker}");
    assert_eq!(status["status"], "degraded");

    let report = ProcessReport {
        id: "another".to_owned(),
        role: "worker".to_owned(),
        host: "machine-7".to_owned(),
        pid: 4711,
        version: "0.9.0".to_owned(),
        started_at: chrono::Utc::now(),
        slots: 5,
        slots_in_use: 1,
        wallets: json!([]),
        providers: json!({"solana": [{"name": "main", "state": "down",
            "since": "2026-01-01T00:00:00.000Z", "detail": "HTTP 503: see http://10.1.2.3/why"}]}),
        gates: json!([]),
        redis: "up".to_owned(),
    };
    processes::publish(app.database.store(), &report).await.unwrap();
    let reply = app.get("/api/services/status").await;
    let status = reply.json();
    let other = &status["processes"][1];
    assert_eq!(other["version"], "0.9.0", "{status}");
    assert_eq!(other["slots"], json!({"in_use": 1, "total": 5}));
    assert_eq!(
        other["providers"],
        json!([{"chain": "solana", "name": "main", "state": "down",
            "since": "2026-01-01T00:00:00.000Z", "cause": "HTTP 503"}])
    );
    for secret in ["machine-7", "10.1.2.3", "4711"] {
        assert!(!reply.text.contains(secret), "{secret} in {}", reply.text);
    }
    let services = status["services"].as_array().unwrap();
    let worker = services.iter().find(|one| one["name"] == "worker").unwrap();
    assert_eq!((&worker["state"], &status["status"]), (&json!("absent"), &json!("degraded")));
}

#[tokio::test]
async fn a_leaving_service_is_not_ready_and_still_answers() {
    let app = TestApp::without_worker().await;
    app.drain.cancel();
    let problem = app.get("/api/health").await.problem(503, "not-ready");
    assert_eq!(state_of(&problem, "process"), "draining");
    assert_eq!(app.get("/health").await.status, 200);
    assert_eq!(app.get("/api/pnl/batch").await.status, 200);
    assert_eq!(app.get("/api/services/status").await.json()["mode"], "draining");
}

#[tokio::test]
async fn the_status_page_shows_queue_slots_and_providers_and_no_address() {
    let app = TestApp::with_worker().await;
    app.completed(&app.node.chain().synthetic_wallets()).await;
    let reply = app.get("/api/services/status").await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("cache-control"), "max-age=10");
    let status = reply.json();
    assert_eq!(status["status"], "ok", "{status}");
    assert_eq!(status["mode"], "normal");
    assert_eq!(status["slots"], json!({"in_use": 0, "total": 5}));
    assert_eq!(status["queue"]["queued"], 0);
    let provider = &status["providers"][0];
    assert_eq!(provider["name"], "recorded");
    assert_eq!(provider["state"], "ok");
    assert!(provider["calls"].as_u64().unwrap() > 0);
    assert_eq!(provider["breaker"], "closed");
    assert_eq!(provider["quota"], json!({"requests_per_second": 1000, "paused_seconds": 0}));
    assert!(status["uptime"].is_u64() && status["version"].is_string());
    for name in ["api", "database", "worker"] {
        let services = status["services"].as_array().unwrap();
        let service = services.iter().find(|service| service["name"] == name).unwrap();
        assert_eq!(service["state"], "up", "{service}");
        assert!(service["since"].as_str().unwrap().ends_with('Z'), "{service}");
    }
    for secret in ["127.0.0.1", "http", "postgres:", "localhost"] {
        assert!(!reply.text.contains(secret), "{secret} in {}", reply.text);
    }
}

#[tokio::test]
async fn a_worker_process_answers_probes_only() {
    let app = TestApp::start(Plan { role: Role::Worker, ..Plan::default() }).await;
    assert_eq!(app.get("/health").await.status, 200);
    assert_eq!(app.get("/api/health").await.status, 200);
    app.get("/api/pnl/batch").await.problem(404, "not-found");
}
