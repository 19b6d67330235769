//! Answers that a process makes after its start, before somebody asks.

use persistence_layer::api_keys::Scope;
use reqwest::Method;
use serde_json::json;
use service_runtime::config::{Role, Settings};

use crate::auth::{create, keyed};
use crate::cache::{is, kept, the_only_wallet_failed};
use crate::support::{Plan, Reply, TestApp, UNUSED, demo_wallets, eventually, reply};

fn warm(settings: &mut Settings) {
    kept(settings);
    settings.cache.warm_up_answers = 100;
}

fn plan(adjust: fn(&mut Settings)) -> Plan {
    Plan { role: Role::All, adjust, ..Plan::default() }
}

/// What a scrape says of a metric.
async fn figure(app: &TestApp, series: &str) -> f64 {
    let scrape = app.admin_get("/metrics").await.text;
    let line = scrape.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{series}\n{scrape}")).parse().unwrap()
}

async fn is_warm(app: &TestApp) {
    eventually("it has ended", || async { figure(app, "warm_up_seconds").await > 0.0 }).await;
}

#[tokio::test]
async fn after_a_restart_the_first_answer_is_at_hand_and_holds_as_long_as_any() {
    let before = TestApp::start(plan(kept)).await;
    let job = before.completed(&[UNUSED.to_owned()]).await;
    let wallet = format!("/api/v2/wallets/{UNUSED}/pnl?chain=solana");
    let results = format!("/api/pnl/batch/results/{job}");
    let of_wallet = is("MISS", before.get(&wallet).await);
    let of_job = is("MISS", before.get(&results).await);

    let app = TestApp::beside(&before, plan(warm)).await;
    drop(before);
    is_warm(&app).await;
    assert_eq!(figure(&app, "warm_up_answers_total{found=\"miss\"}").await, 2.0);
    let scrape = app.admin_get("/metrics").await.text;
    for of_clients in [
        "http_kept_answers_total{found=\"miss\"} 0",
        "http_kept_answers_total{found=\"hit\"} 0",
        "http_requests_in_flight 1",
    ] {
        assert!(scrape.lines().any(|line| line == of_clients), "{of_clients}\n{scrape}");
    }
    assert!(!scrape.contains("route=\"/api/pnl/batch/results/{job_id}\""), "{scrape}");

    for (path, made) in [(&wallet, &of_wallet), (&results, &of_job)] {
        for accepted in ["*/*", "application/json", "text/html, */*;q=0.8"] {
            let request = app.request(Method::GET, path).header("accept", accepted);
            let first = is("HIT", reply(request).await);
            assert_eq!((&first.text, first.header("etag")), (&made.text, made.header("etag")));
        }
    }
    the_only_wallet_failed(&app).await;
    let changed = is("MISS", app.get(&results).await);
    assert_eq!(changed.json()["data"][0]["status"], "failed");
}

#[tokio::test]
async fn what_was_removed_is_not_answered_from_what_was_made_ahead() {
    let before = TestApp::start(plan(kept)).await;
    let job = before.completed(&[UNUSED.to_owned()]).await;
    let app = TestApp::beside(&before, plan(warm)).await;
    is_warm(&app).await;
    let removed = "
        with gone as (
            insert into expired_batches (id, chain, finished_at)
            select id, chain, finished_at from batches returning 1)
        select count(*) from gone";
    assert_eq!(app.database.number(removed).await, 1);
    app.get(&format!("/api/pnl/batch/results/{job}")).await.problem(410, "job-expired");
}

#[tokio::test]
async fn a_tenant_is_answered_what_is_its_own() {
    let keyed_and_kept = |settings: &mut Settings| {
        kept(settings);
        keyed(settings);
    };
    let before = TestApp::start(plan(keyed_and_kept)).await;
    let wallet = &demo_wallets()[0];
    let ask = async |app: &TestApp, path: &str, key: &str| -> Reply {
        reply(app.request(Method::GET, path).bearer_auth(key)).await
    };
    let mut tenants = Vec::new();
    for tenant in ["acme", "bolt"] {
        let (_, key) = create(&before, tenant, &[Scope::Read, Scope::Submit]).await;
        let body = json!({"wallet_addresses": [wallet], "chain": "solana"});
        let submission = before.request(Method::POST, "/api/pnl/batch/run").bearer_auth(&key);
        let reply = reply(submission.json(&body)).await;
        let job = reply.json()["job_id"].as_str().unwrap().to_owned();
        let status = format!("/api/pnl/batch/status/{job}");
        eventually("the job has ended", || async {
            ask(&before, &status, &key).await.json()["status"] == "completed"
        })
        .await;
        tenants.push((key, job));
    }
    // Nobody could read for this one.
    let (_, submitter) = create(&before, "mute", &[Scope::Submit]).await;

    let app = TestApp::beside(
        &before,
        plan(|settings| {
            warm(settings);
            keyed(settings);
        }),
    )
    .await;
    is_warm(&app).await;
    assert_eq!(figure(&app, "warm_up_answers_total{found=\"miss\"}").await, 4.0);
    let path = format!("/api/v2/wallets/{wallet}/pnl?chain=solana");
    let mut texts = Vec::new();
    for (key, job) in &tenants {
        let own = is("HIT", ask(&app, &path, key).await);
        assert!(own.header("cache-control").starts_with("private"), "{own:?}");
        let made = ask(&before, &path, key).await;
        assert_eq!((&own.text, own.header("etag")), (&made.text, made.header("etag")));
        texts.push(own.text);
        for (other, of_other) in &tenants {
            let answer = ask(&app, &format!("/api/pnl/batch/results/{of_other}"), key).await;
            if key == other {
                assert_eq!(is("HIT", answer).json()["job_id"], *job);
            } else {
                answer.problem(404, "unknown-job");
            }
        }
    }
    assert_ne!(texts[0], texts[1], "two analyses of one wallet");
    app.get(&path).await.problem(401, "unauthorized");
    ask(&app, &path, &submitter).await.problem(403, "forbidden");
}

#[tokio::test]
async fn what_another_process_left_in_redis_is_not_made_again() {
    let with_redis = |adjust| Plan { redis: true, ..plan(adjust) };
    let one = TestApp::start(with_redis(kept)).await;
    one.sees_redis().await;
    one.completed(&[UNUSED.to_owned()]).await;
    is("MISS", one.get(&format!("/api/v2/wallets/{UNUSED}/pnl?chain=solana")).await);
    // Nobody waits for Redis, so it may get the answer a moment later.
    eventually("an answer is found there", || async {
        let two = TestApp::beside(&one, with_redis(warm)).await;
        is_warm(&two).await;
        figure(&two, "warm_up_answers_total{found=\"hit\"}").await > 0.0
    })
    .await;
}

#[tokio::test]
async fn a_database_that_is_away_delays_what_is_made_ahead_and_nothing_else() {
    let before = TestApp::start(plan(kept)).await;
    let job = before.completed(&[UNUSED.to_owned()]).await;
    let through = Plan { through_proxy: true, away: true, ..plan(warm) };
    let mut app = TestApp::beside(&before, through).await;
    assert_eq!(app.get("/health").await.status, 200);
    app.get("/api/health").await.problem(503, "not-ready");
    assert_eq!(figure(&app, "warm_up_seconds").await, 0.0);
    app.proxy.as_mut().unwrap().mend().await;
    is_warm(&app).await;
    is("HIT", app.get(&format!("/api/pnl/batch/results/{job}")).await);
}

#[tokio::test]
async fn no_more_is_made_than_wanted() {
    let before = TestApp::start(plan(kept)).await;
    before.completed(&demo_wallets()).await;
    let one = TestApp::beside(
        &before,
        plan(|settings| {
            warm(settings);
            settings.cache.warm_up_answers = 1;
        }),
    )
    .await;
    is_warm(&one).await;
    assert_eq!(figure(&one, "warm_up_answers_total{found=\"miss\"}").await, 1.0);
    // Off, nothing is ever begun.
    for adjust in [kept, (|settings| settings.cache.warm_up_answers = 100) as fn(&mut Settings)] {
        let off = TestApp::beside(&before, plan(adjust)).await;
        assert_eq!(figure(&off, "warm_up_seconds").await, 0.0);
        assert_eq!(figure(&off, "warm_up_answers_total{found=\"miss\"}").await, 0.0);
    }
}
