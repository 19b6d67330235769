//! Continuous mode over HTTP: watched wallets are analyzed again and again.

use std::time::Duration;

use load_tests::{FaultKind, Faults};
use persistence_layer::continuous::{self, ContinuousFigures};
use reqwest::Method;
use serde_json::{Value, json};
use service_runtime::config::{Role, Settings};

use crate::support::{Plan, Reply, TestApp, UNUSED, demo_wallets, eventually, reply};

/// Rounds as soon as may be, and no patience.
fn eager(settings: &mut Settings) {
    settings.continuous.least_interval_seconds = 1;
    settings.worker.call_tries = 1;
    settings.worker.max_attempts = 1;
}

async fn watch(app: &TestApp, body: &Value) -> Reply {
    reply(app.request(Method::POST, "/api/pnl/watched/add").json(body)).await
}

async fn added(app: &TestApp, wallets: &[String]) -> Value {
    let body = json!({"wallet_addresses": wallets, "chain": "solana", "every_seconds": 1});
    let added = watch(app, &body).await;
    assert_eq!(added.status, 200, "{}", added.text);
    added.json()
}

async fn switch(app: &TestApp, order: &str) -> Value {
    let switched = app.post(&format!("/api/services/continuous/{order}")).await;
    assert_eq!(switched.status, 202, "{}", switched.text);
    switched.json()["continuous"].clone()
}

async fn look(app: &TestApp, wallet: &str) -> Value {
    let rows = app.get("/api/pnl/watched").await.json();
    let mut rows = rows["data"].as_array().unwrap().iter();
    rows.find(|row| row["wallet"] == wallet).expect("it is watched").clone()
}

/// As the database has them: the state of the service may be some seconds old.
async fn figures(app: &TestApp) -> ContinuousFigures {
    let patience = Duration::from_secs(10);
    continuous::figures(app.database.store(), patience).await.unwrap()
}

/// In the state of the service.
async fn shown(app: &TestApp) -> Value {
    let request = app.request(Method::GET, "/api/services/status");
    reply(request.header("cache-control", "no-cache")).await.json()["continuous"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_fails_is_parked_while_the_others_go_on_until_it_is_let_go_on() {
    let app = TestApp::start(Plan { role: Role::All, adjust: eager, ..Plan::default() }).await;
    let (bad, good) = (demo_wallets()[0].clone(), demo_wallets()[1].clone());
    let faults = Faults::always(FaultKind::RpcError);
    app.node.set_faults(Faults { only: Some(bad.clone()), ..faults });
    let list = [bad.clone(), good.clone(), good.clone()];
    let answer = added(&app, &list).await;
    assert_eq!((&answer["added"], &answer["duplicates_removed"]), (&json!(2), &json!(1)));
    assert_eq!(shown(&app).await["enabled"], false);
    assert_eq!(look(&app, &good).await["last_round"], Value::Null);
    assert_eq!(switch(&app, "start").await["enabled"], true);
    assert_eq!(shown(&app).await["enabled"], true, "what was kept is forgotten");

    eventually("it is parked", || async { look(&app, &bad).await["state"] == "parked" }).await;
    let parked = look(&app, &bad).await;
    // Such a failure may be that of all: it is parked once the other one has ended well meanwhile.
    let failures = parked["failures"].as_u64().unwrap();
    assert!(failures >= 3, "{parked}");
    assert_eq!(parked["last_round"]["status"], "failed", "{parked}");
    assert!(parked["last_round"]["error"]["code"].is_string(), "{parked}");
    let first = look(&app, &good).await["last_round"]["job_id"].clone();
    eventually("the other one goes on", || async {
        let round = look(&app, &good).await["last_round"].clone();
        round["status"] == "done" && round["job_id"] != first
    })
    .await;
    let page = app.get("/api/pnl/watched?state=parked&chain=sol").await.json();
    assert_eq!(page["data"].as_array().unwrap().len(), 1, "{page}");
    let now = figures(&app).await;
    assert_eq!((now.enabled, now.failed, now.parked), (true, failures, 1));
    assert!(now.processed >= 2, "{now:?}");

    // A round is a job of its tenant.
    let job = look(&app, &good).await["last_round"]["job_id"].as_str().unwrap().to_owned();
    let status = app.get(&format!("/api/pnl/batch/status/{job}")).await.json();
    assert_eq!((&status["origin"], &status["counts"]["done"]), (&json!("continuous"), &json!(1)));
    let own = app.get("/api/pnl/batch?origin=client").await.json();
    assert_eq!(own["data"], json!([]));
    let latest = app.get("/api/pnl/results").await.json();
    assert_eq!(latest["data"][0]["wallet"], good, "{latest}");

    app.node.set_faults(Faults::default());
    let all = app.post("/api/pnl/watched/resume?code=bad-data").await;
    assert_eq!((all.status.as_u16(), all.json()), (202, json!({"resumed": 0})));
    assert_eq!(look(&app, &bad).await["last_done_job_id"], Value::Null);
    let path = format!("/api/pnl/watched/{bad}/resume?chain=solana");
    let resumed = app.post(&path).await;
    assert_eq!((resumed.status.as_u16(), &resumed.json()["failures"]), (202, &json!(0)));
    eventually("it is analyzed", || async {
        look(&app, &bad).await["last_round"]["status"] == "done"
    })
    .await;
    assert_eq!(switch(&app, "stop").await["enabled"], false);
    let actions = "select count(*) from operator_actions where finished_at is not null";
    assert_eq!(app.database.number(actions).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_analyze_each_wallet_once_per_round_and_obey_the_same_order() {
    let plan = || Plan { role: Role::All, adjust: eager, ..Plan::default() };
    let one = TestApp::start(plan()).await;
    let other = TestApp::beside(&one, plan()).await;
    added(&one, &demo_wallets()).await;
    switch(&other, "start").await;
    let rounds = "select coalesce(min(rounds), 0)::bigint from watched_wallets w
        left join lateral (
            select count(*) as rounds from wallet_tasks t where t.wallet = w.wallet and t.state = 'done'
        ) as ended on true";
    eventually("each has had three rounds", || async { one.database.number(rounds).await >= 3 })
        .await;
    assert_eq!(switch(&one, "stop").await["enabled"], false);
    eventually("all have ended", || async { figures(&other).await.running == 0 }).await;
    let at_once = "select count(*) from wallet_tasks a
        join wallet_tasks b on b.wallet = a.wallet and b.id > a.id and b.created_at < a.finished_at";
    assert_eq!(one.database.number(at_once).await, 0, "one round at a time");
    let twice =
        "select count(*) from (select from wallet_attempts group by task having count(*) > 1) x";
    assert_eq!(one.database.number(twice).await, 0, "each of them once");
    let ended = one.database.number("select count(*) from wallet_tasks").await;
    let now = figures(&one).await;
    assert_eq!(now.processed, ended.unsigned_abs());
    // A process that starts now knows it, too.
    let third = TestApp::beside(&one, plan()).await;
    assert_eq!(shown(&third).await["enabled"], false);
}

#[tokio::test]
async fn a_list_is_added_to_changed_paged_and_shortened() {
    fn short(settings: &mut Settings) {
        settings.continuous.max_wallets = 3;
    }
    let app = TestApp::start(Plan { adjust: short, ..Plan::default() }).await;
    let wallets = &demo_wallets()[..3];
    let body = json!({"wallet_addresses": wallets, "chain": "sol", "method": "hifo",
        "options": {"fee_policy": "ignore"}, "every_seconds": 600});
    let first = watch(&app, &body).await.json();
    let counts = |answer: &Value| {
        [&answer["added"], &answer["changed"], &answer["unchanged"]].map(|n| n.as_u64().unwrap())
    };
    assert_eq!((counts(&first), &first["every_seconds"]), ([3, 0, 0], &json!(600)));
    assert_eq!(counts(&watch(&app, &body).await.json()), [0, 0, 3], "twice is once");
    let daily = json!({"wallet_addresses": [wallets[1]], "chain": "solana", "every_seconds": 86_400,
        "time_range": {"from": "2024-01-01T00:00:00Z", "to": "2025-01-01T00:00:00Z"}});
    assert_eq!(counts(&watch(&app, &daily).await.json()), [0, 1, 0]);
    let row = look(&app, &wallets[1]).await;
    assert_eq!((&row["every_seconds"], &row["method"]), (&json!(86_400), &json!("fifo")));
    assert_eq!(row["time_range"], daily["time_range"]);
    assert_eq!(look(&app, &wallets[0]).await["options"], body["options"]);

    let more = json!({"wallet_addresses": [UNUSED], "chain": "solana"});
    watch(&app, &more).await.problem(409, "too-many-watched");
    let page = app.get("/api/pnl/watched?limit=2").await.json();
    assert_eq!((page["data"].as_array().unwrap().len(), &page["has_more"]), (2, &json!(true)));
    let cursor = page["next_cursor"].as_str().unwrap();
    let last = app.get(&format!("/api/pnl/watched?limit=2&cursor={cursor}")).await.json();
    assert_eq!(
        (&last["data"][0]["wallet"], &last["has_more"]),
        (&json!(wallets[2]), &json!(false))
    );
    let other = format!("/api/pnl/watched?chain=sol&cursor={cursor}");
    app.get(&other).await.problem(400, "bad-cursor");

    let path = format!("/api/pnl/watched/{}?chain=solana", wallets[0]);
    assert_eq!(reply(app.request(Method::DELETE, &path)).await.status, 204);
    reply(app.request(Method::DELETE, &path)).await.problem(404, "not-watched");
    assert_eq!(watch(&app, &more).await.json()["every_seconds"], 3600, "the default");
    assert!(app.jobs().await.is_empty(), "nothing was submitted");
}
