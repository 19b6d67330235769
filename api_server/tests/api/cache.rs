//! Answers that are kept: found again as long as nothing has changed, by whatever process, and never
//! afterwards.

use persistence_layer::api_keys::Scope;
use reqwest::Method;
use serde_json::json;
use service_runtime::config::{Role, Settings};

use crate::auth::{create, keyed};
use crate::support::{
    Plan, Reply, TestApp, UNUSED, demo_wallets, eventually, hold, release, reply,
};

pub fn kept(settings: &mut Settings) {
    settings.cache.memory_mb = 64;
    settings.cache.version_ms = 0;
}

/// Versions stay fresh, so that answers are at hand before the router.
fn at_hand(settings: &mut Settings) {
    kept(settings);
    settings.cache.version_ms = 10_000;
    settings.api.cors_origins = vec!["https://app.example".to_owned()];
}

async fn worker() -> TestApp {
    TestApp::start(Plan { role: Role::All, adjust: kept, ..Plan::default() }).await
}

/// The answer at `path`, found as expected.
#[track_caller]
pub fn is(found: &str, reply: Reply) -> Reply {
    assert_eq!((reply.status.as_u16(), reply.header("x-cache")), (200, found), "{}", reply.text);
    reply
}

/// As if the wallet of the only job had failed. Nobody is told of it.
pub async fn the_only_wallet_failed(app: &TestApp) {
    let failed = r#"
        with task as (
            update wallet_tasks set state = 'failed', error =
                '{"code": "provider-error", "title": "t", "detail": "d", "retryable": true}'
            returning 1),
        gone as (delete from pnl_results returning 1),
        batch as (update batches set state = 'failed', done = 0, failed = 1 returning 1)
        select count(*) from task, batch"#;
    assert_eq!(app.database.number(failed).await, 1);
}

/// The same question twice: made once, found again with the same bytes.
async fn is_kept(app: &TestApp, path: &str) {
    is_kept_after("MISS", app, path).await;
}

/// The same where what is made is said to be so.
async fn is_kept_after(first: &str, app: &TestApp, path: &str) {
    let made = is(first, app.get(path).await);
    let found = is("HIT", app.get(path).await);
    assert_eq!(found.text, made.text, "{path}");
    for name in ["etag", "content-type", "content-length", "cache-control", "vary"] {
        assert_eq!(found.header(name), made.header(name), "{path}: {name}");
    }
    assert_eq!(made.header("age"), "");
    assert!(found.header("age").parse::<u64>().unwrap() < 600);
    let head = reply(app.request(Method::HEAD, path)).await;
    assert_eq!((head.text.as_str(), head.header("x-cache")), ("", "HIT"));
    let known = app.request(Method::GET, path).header("if-none-match", found.header("etag"));
    let known = reply(known).await;
    assert_eq!(
        (known.status.as_u16(), known.header("x-cache"), known.header("etag")),
        (304, "HIT", found.header("etag"))
    );
    let fresh = app.request(Method::GET, path).header("cache-control", "no-cache");
    assert_eq!(is("BYPASS", reply(fresh).await).text, made.text);
}

#[tokio::test]
async fn answers_are_found_again_by_the_whole_question() {
    let app = worker().await;
    let wallets = demo_wallets();
    let job = app.completed(&wallets).await;
    let wallet = &wallets[0];
    for path in [
        format!("/api/v2/wallets/{wallet}/pnl?chain=solana"),
        format!("/api/v2/wallets/{wallet}/pnl?chain=solana&include=lots"),
        format!("/api/v2/wallets/{wallet}/pnl?chain=solana&method=lifo"),
        format!("/api/v2/wallets/{wallet}/ledger?chain=solana&limit=5"),
        format!("/api/v2/wallets/{wallet}/ledger?chain=solana&limit=50"),
        format!("/api/v2/wallets/{}/tokens?chain=solana", wallets[1]),
        format!("/api/v2/wallets/{wallet}/what-if?chain=solana"),
        format!("/api/pnl/batch/results/{job}"),
        format!("/api/pnl/batch/results/{job}?limit=1"),
    ] {
        is_kept(&app, &path).await;
    }
    // The order of parameters is no part of the question; an alias of the chain is.
    let turned = format!("/api/v2/wallets/{wallet}/pnl?method=lifo&chain=solana");
    is("HIT", app.get(&turned).await);
    // Nor is what else than JSON a client accepts.
    for accepted in ["application/json", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"] {
        let request = app.request(Method::GET, &turned).header("accept", accepted);
        is("HIT", reply(request).await);
    }
    let other = app.request(Method::GET, &turned).header("accept", "text/csv");
    reply(other).await.problem(406, "not-acceptable");
    let scrape = app.admin_get("/metrics").await.text;
    assert!(scrape.contains("http_kept_answers_total{found=\"miss\"} 9"), "{scrape}");
    // Refusals and what changes all the time are not kept.
    for path in [
        format!("/api/v2/wallets/{UNUSED}/pnl?chain=solana"),
        format!("/api/v2/wallets/{wallet}/pnl?chain=solana&limit=1"),
        format!("/api/pnl/batch/status/{job}"),
        "/api/pnl/results?page=0".to_owned(),
    ] {
        for _ in 0..2 {
            assert_eq!(app.get(&path).await.header("x-cache"), "", "{path}");
        }
    }
}

/// As if nothing had been stored for a while, so that lists do not wait for what is still on its way.
async fn all_is_settled(app: &TestApp) {
    let aged = "with aged as (
            update latest_results set analyzed_at = analyzed_at - interval '65 seconds' returning 1)
        select count(*) from aged";
    assert_ne!(app.database.number(aged).await, 0);
}

#[tokio::test]
async fn the_list_of_results_is_kept_until_one_of_its_tenant_is_newer() {
    let app = worker().await;
    let wallets = demo_wallets();
    app.completed(&wallets[..1]).await;
    all_is_settled(&app).await;
    let list = "/api/pnl/results?limit=5";
    is_kept(&app, list).await;
    is_kept(&app, "/api/pnl/results?chain=base").await;
    let numbered = "/api/pnl/results?page=1";
    let made = is("MISS", app.get(numbered).await);
    let found = is("HIT", app.get(numbered).await);
    for name in ["deprecation", "link"] {
        assert_ne!(found.header(name), "");
        assert_eq!(found.header(name), made.header(name));
    }
    // A wallet is there as soon as it has ended, in the rows and in the summary.
    app.completed(&wallets[1..3]).await;
    let after = is("MISS", app.get(list).await).json();
    assert_eq!(after["data"].as_array().unwrap().len(), 3);
    assert_eq!(after["summary"]["total_wallets"], 3);
    // So is one that is analyzed again.
    all_is_settled(&app).await;
    let before = is("MISS", app.get(list).await).json();
    is("HIT", app.get(list).await);
    app.completed(&wallets[1..2]).await;
    let after = is("MISS", app.get(list).await).json();
    assert_ne!(after["data"][0]["analyzed_at"], before["data"][0]["analyzed_at"]);
}

#[tokio::test]
async fn a_result_that_is_seen_late_is_in_the_list_soon() {
    let app = worker().await;
    app.completed(&demo_wallets()).await;
    let list = "/api/pnl/results?limit=5";
    // One that is older than the newest, and comes after the list was read.
    let late = app.database.number(
        "with late as (
            update latest_results set total_pnl_usd = 123456789
            where analyzed_at = (select min(analyzed_at) from latest_results) returning 1)
        select count(*) from late",
    );
    assert_eq!(app.get(list).await.status, 200);
    assert_eq!(late.await, 1);
    eventually("it is there", || async { app.get(list).await.text.contains("\"123456789\"") })
        .await;
}

#[tokio::test]
async fn the_state_of_the_service_is_kept_for_some_seconds_and_for_operators() {
    let app = TestApp::start(Plan {
        role: Role::All,
        adjust: |settings| {
            at_hand(settings);
            keyed(settings);
        },
        ..Plan::default()
    })
    .await;
    let (_, admin) = create(&app, "acme", &[Scope::Admin]).await;
    let (_, reader) = create(&app, "acme", &[Scope::Read]).await;
    let path = "/api/services/status";
    let ask = |key: &str| reply(app.request(Method::GET, path).bearer_auth(key));
    let made = is("MISS", ask(&admin).await);
    for _ in 0..2 {
        let found = is("HIT", ask(&admin).await);
        assert_eq!((&found.text, found.header("etag")), (&made.text, made.header("etag")));
        assert!(found.header("age").parse::<u64>().unwrap() <= 10);
        assert_eq!(found.header("cache-control"), "private, max-age=10");
        ask(&reader).await.problem(403, "forbidden");
        app.get(path).await.problem(401, "unauthorized");
    }
    let known = app.request(Method::GET, path).bearer_auth(&admin);
    let known = reply(known.header("if-none-match", made.header("etag"))).await;
    assert_eq!((known.status.as_u16(), known.header("x-cache")), (304, "HIT"));
    let fresh = app.request(Method::GET, path).bearer_auth(&admin);
    is("BYPASS", reply(fresh.header("cache-control", "no-cache")).await);
}

#[tokio::test]
async fn the_state_of_the_service_tells_of_a_lost_database_at_once() {
    let mut app = TestApp::start(Plan {
        role: Role::All,
        adjust: kept,
        through_proxy: true,
        ..Plan::default()
    })
    .await;
    let path = "/api/services/status";
    let before = is("MISS", app.get(path).await);
    assert_eq!(before.json()["status"], "ok", "{}", before.text);
    app.proxy.as_mut().unwrap().cut().await;
    eventually("the process knows", || async { app.get("/api/health").await.status == 503 }).await;
    assert_eq!(is("MISS", app.get(path).await).json()["status"], "down");
    assert_eq!(is("HIT", app.get(path).await).json()["status"], "down");
}

#[tokio::test]
async fn an_answer_at_hand_is_the_one_that_passes_all_layers() {
    let app = TestApp::start(Plan { role: Role::All, adjust: at_hand, ..Plan::default() }).await;
    let wallets = demo_wallets();
    let job = app.completed(&wallets[..1]).await;
    for path in [
        format!("/api/v2/wallets/{}/ledger?chain=solana&limit=50", wallets[0]),
        format!("/api/pnl/batch/results/{job}"),
    ] {
        // A wish that has to be weighed is weighed in the router.
        let ask = async |all_layers: bool, (name, value): (&str, &str)| {
            let encoding = all_layers.then_some(("accept-encoding", "identity;q=1"));
            let headers = [("x-request-id", "mine"), (name, value)].into_iter().chain(encoding);
            let request = app.request(Method::GET, &path);
            let mut found =
                reply(headers.fold(request, |asked, (name, value)| asked.header(name, value)))
                    .await;
            for name in ["age", "date", "traceparent"] {
                assert_ne!(found.header(name), "", "{name}");
                found.headers.remove(name);
            }
            (found.status.as_u16(), found.headers, found.text)
        };
        let made = is("MISS", app.get(&path).await);
        let tag = made.header("etag").to_owned();
        for (status, condition) in [
            (200, ("if-none-match", "\"other\"")),
            (304, ("if-none-match", tag.as_str())),
            (304, ("if-none-match", "W/\"other\", *")),
            (200, ("accept-language", "en")),
            (200, ("origin", "https://app.example")),
            (200, ("origin", "https://other.example")),
        ] {
            let (all_layers, at_hand) = (ask(true, condition).await, ask(false, condition).await);
            assert_eq!(at_hand, all_layers, "{path}: {condition:?}");
            assert_eq!((at_hand.0, &at_hand.1["x-cache"]), (status, &"HIT".parse().unwrap()));
        }
        // What is compressed is compressed in the router.
        let gzip = app.request(Method::GET, &path).header("accept-encoding", "gzip");
        let gzip = gzip.send().await.unwrap();
        let is_large = made.text.len() >= 1024;
        assert_eq!(gzip.headers().contains_key("content-encoding"), is_large, "{path}");
        assert_eq!(gzip.headers()["x-cache"], "HIT");
        let traced = app.request(Method::GET, &path);
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let traced = reply(traced.header("traceparent", parent)).await;
        assert_eq!(traced.header("traceparent")[..36], parent[..36]);
    }
}

#[tokio::test]
async fn what_is_at_hand_is_given_to_nobody_else() {
    let app = TestApp::start(Plan {
        role: Role::All,
        adjust: |settings| {
            at_hand(settings);
            keyed(settings);
        },
        ..Plan::default()
    })
    .await;
    let (_, submitter) = create(&app, "acme", &[Scope::Submit]).await;
    let (_, reader) = create(&app, "acme", &[Scope::Read]).await;
    let (_, stranger) = create(&app, "bolt", &[Scope::Admin]).await;
    let wallet = &demo_wallets()[0];
    let body = json!({"wallet_addresses": [wallet], "chain": "solana"});
    let submission = app.request(Method::POST, "/api/pnl/batch/run").bearer_auth(&submitter);
    let job = reply(submission.json(&body)).await.json()["job_id"].as_str().unwrap().to_owned();
    let ask = |path: &str, key: &str| reply(app.request(Method::GET, path).bearer_auth(key));
    let status = format!("/api/pnl/batch/status/{job}");
    eventually("the job has ended", || async {
        ask(&status, &reader).await.json()["status"] == "completed"
    })
    .await;
    for (path, code) in [
        (format!("/api/v2/wallets/{wallet}/pnl?chain=solana"), "unknown-wallet"),
        (format!("/api/pnl/batch/results/{job}"), "unknown-job"),
    ] {
        is("MISS", ask(&path, &reader).await);
        for _ in 0..2 {
            let hit = is("HIT", ask(&path, &reader).await);
            assert!(hit.header("cache-control").starts_with("private"), "{hit:?}");
            ask(&path, &stranger).await.problem(404, code);
            ask(&path, &submitter).await.problem(403, "forbidden");
            app.get(&path).await.problem(401, "unauthorized");
            ask(&path, "nonsense").await.problem(401, "unauthorized");
        }
    }
}

#[tokio::test]
async fn a_newer_ledger_is_answered_at_once() {
    let app = worker().await;
    let wallets = demo_wallets();
    app.completed(&wallets[..1]).await;
    let path = format!("/api/v2/wallets/{}/pnl?chain=solana", wallets[0]);
    let before = is("MISS", app.get(&path).await).json();
    is("HIT", app.get(&path).await);
    app.completed(&wallets[..1]).await;
    let after = is("MISS", app.get(&path).await).json();
    assert_ne!(after["analyzed_at"], before["analyzed_at"]);
    // A wallet that was unknown is known when its job has completed.
    let unknown = format!("/api/v2/wallets/{UNUSED}/coverage?chain=solana");
    app.get(&unknown).await.problem(404, "unknown-wallet");
    app.completed(&[UNUSED.to_owned()]).await;
    is("MISS", app.get(&unknown).await);
}

#[tokio::test]
async fn what_was_kept_is_measured_by_itself() {
    let app = worker().await;
    let job = app.completed(&[UNUSED.to_owned()]).await;
    let path = format!("/api/pnl/batch/results/{job}");
    is("MISS", app.get(&path).await);
    is("HIT", app.get(&path).await);
    is("HIT", app.get(&path).await);
    let scrape = app.admin_get("/metrics").await.text;
    let count = |class, times| {
        let route = "/api/pnl/batch/results/{job_id}";
        let name = "http_request_duration_seconds_count";
        format!("{name}{{class=\"{class}\",method=\"GET\",route=\"{route}\"}} {times}\n")
    };
    for line in [count("complex", 1), count("kept", 2)] {
        assert!(scrape.contains(&line), "{line}{scrape}");
    }
}

#[tokio::test]
async fn a_job_that_is_retried_or_removed_is_not_answered_from_before() {
    let app = worker().await;
    let job = app.completed(&[UNUSED.to_owned()]).await;
    let path = format!("/api/pnl/batch/results/{job}");
    is("MISS", app.get(&path).await);
    is("HIT", app.get(&path).await);
    the_only_wallet_failed(&app).await;
    assert_eq!(is("MISS", app.get(&path).await).json()["data"][0]["status"], "failed");
    assert_eq!(app.post(&format!("/api/pnl/batch/{job}/retry")).await.status, 202);
    app.ended(&job).await;
    assert_eq!(is("MISS", app.get(&path).await).json()["data"][0]["status"], "done");
    is("HIT", app.get(&path).await);

    let removed = "
        with gone as (
            insert into expired_batches (id, chain, finished_at)
            select id, chain, finished_at from batches returning 1)
        select count(*) from gone";
    assert_eq!(app.database.number(removed).await, 1);
    app.get(&path).await.problem(410, "job-expired");
}

#[tokio::test]
async fn the_database_is_not_asked_for_each_answer_until_the_process_learns_of_a_change() {
    let app = TestApp::start(Plan { role: Role::All, adjust: at_hand, ..Plan::default() }).await;
    let job = app.completed(&[UNUSED.to_owned()]).await;
    let path = format!("/api/pnl/batch/results/{job}");
    is("MISS", app.get(&path).await);
    the_only_wallet_failed(&app).await;
    assert_eq!(is("HIT", app.get(&path).await).json()["data"][0]["status"], "done");
    assert_eq!(app.post(&format!("/api/pnl/batch/{job}/retry")).await.status, 202);
    assert_eq!(app.get(&path).await.header("x-cache"), "", "the job is running");
}

#[tokio::test]
async fn processes_share_answers_through_redis_and_see_each_others_changes() {
    let one =
        TestApp::start(Plan { role: Role::All, redis: true, adjust: kept, ..Plan::default() })
            .await;
    let two = TestApp::beside(&one, Plan { redis: true, adjust: kept, ..Plan::default() }).await;
    for app in [&one, &two] {
        app.sees_redis().await;
    }
    let wallets = demo_wallets();
    let job = one.completed(&wallets[..1]).await;
    for path in [
        format!("/api/v2/wallets/{}/coverage?chain=solana", wallets[0]),
        format!("/api/pnl/batch/results/{job}"),
    ] {
        let made = is("MISS", one.get(&path).await);
        let found = two.get(&path).await;
        assert_eq!(found.text, made.text);
        assert_eq!(found.header("etag"), made.header("etag"));
    }
    // What one process has computed, the other one answers at once, also where it has an older answer.
    let path = format!("/api/v2/wallets/{}/pnl?chain=solana", wallets[0]);
    let before = two.get(&path).await.json();
    is("HIT", two.get(&path).await);
    one.completed(&wallets[..1]).await;
    let after = two.get(&path).await;
    assert_ne!(after.json()["analyzed_at"], before["analyzed_at"]);
    assert_eq!(one.get(&path).await.text, after.text);
}

#[tokio::test]
async fn an_answer_made_by_one_process_is_a_hit_in_another() {
    let one =
        TestApp::start(Plan { role: Role::All, redis: true, adjust: kept, ..Plan::default() })
            .await;
    let two = TestApp::beside(&one, Plan { redis: true, adjust: kept, ..Plan::default() }).await;
    for app in [&one, &two] {
        app.sees_redis().await;
    }
    let wallets = demo_wallets();
    one.completed(&wallets[..1]).await;
    // Nobody waits for Redis, so some question is put there before the other process asks.
    let mut tries = 0..1000;
    eventually("a hit by way of Redis", || {
        let path = format!(
            "/api/v2/wallets/{}/ledger?chain=solana&limit={}",
            wallets[0],
            tries.next().unwrap() + 1
        );
        let (one, two) = (&one, &two);
        async move {
            let made = is("MISS", one.get(&path).await);
            let found = two.get(&path).await;
            assert_eq!(found.text, made.text);
            found.header("x-cache") == "HIT"
        }
    })
    .await;
}

#[tokio::test]
async fn without_its_redis_a_process_keeps_answers_for_itself() {
    let app = TestApp::start(Plan {
        role: Role::All,
        adjust: |settings| {
            kept(settings);
            settings.redis.url =
                service_runtime::config::SecretUrl::new("redis://127.0.0.1:1".to_owned());
        },
        ..Plan::default()
    })
    .await;
    let wallets = demo_wallets();
    app.completed(&wallets[..1]).await;
    let path = format!("/api/v2/wallets/{}/pnl?chain=solana", wallets[0]);
    is_kept_after("BYPASS", &app, &path).await;
}

#[tokio::test]
async fn while_the_database_is_away_old_answers_stand_in_and_say_so() {
    let mut app = TestApp::start(Plan {
        role: Role::All,
        adjust: kept,
        through_proxy: true,
        ..Plan::default()
    })
    .await;
    let wallets = demo_wallets();
    let job = app.completed(&wallets[..1]).await;
    let paths = [
        format!("/api/v2/wallets/{}/pnl?chain=solana", wallets[0]),
        format!("/api/pnl/batch/results/{job}"),
        "/api/pnl/results".to_owned(),
    ];
    let mut texts = Vec::new();
    for path in &paths {
        texts.push(is("MISS", app.get(path).await).text);
    }
    app.proxy.as_mut().unwrap().cut().await;
    for (path, text) in paths.iter().zip(texts) {
        let stale = is("STALE", app.get(path).await);
        assert_eq!(stale.text, text);
        assert!(stale.header("age").parse::<u64>().unwrap() < 600);
    }
    let never_asked = format!("/api/v2/wallets/{}/tokens?chain=solana", wallets[0]);
    eventually("the process knows", || async { app.get("/api/health").await.status == 503 }).await;
    app.get(&never_asked).await.problem(503, "database-unavailable");
    for path in &paths {
        is("STALE", app.get(path).await);
    }
    app.proxy.as_mut().unwrap().mend().await;
    eventually("the database is back", || async {
        app.get(&paths[0]).await.header("x-cache") == "HIT"
    })
    .await;
}

#[tokio::test]
async fn answers_from_the_cache_are_not_counted() {
    let app = TestApp::start(Plan {
        role: Role::All,
        adjust: |settings| {
            kept(settings);
            settings.limits.unlimited = Vec::new();
            settings.limits.default_per_minute = 0;
            settings.limits.wallets_per_minute = 3;
        },
        ..Plan::default()
    })
    .await;
    let wallets = demo_wallets();
    app.completed(&wallets[..1]).await;
    let path =
        |limit: u32| format!("/api/v2/wallets/{}/ledger?chain=solana&limit={limit}", wallets[0]);
    is("MISS", app.get(&path(1)).await);
    for _ in 0..20 {
        let hit = is("HIT", app.get(&path(1)).await);
        assert!(hit.header("ratelimit").starts_with("\"wallets\";r=2;"), "{hit:?}");
    }
    is("MISS", app.get(&path(2)).await);
    is("MISS", app.get(&path(3)).await);
    app.get(&path(4)).await.problem(429, "rate-limited");
    let body = json!({"wallet_addresses": [UNUSED], "chain": "solana"});
    assert_eq!(app.submit(&body).await.status, 202);
}

#[tokio::test]
async fn what_is_kept_is_not_fresh_while_nobody_hears_of_purges() {
    let app = worker().await;
    let wallets = demo_wallets();
    app.completed(&wallets[..1]).await;
    let path = format!("/api/v2/wallets/{}/pnl?chain=solana", wallets[0]);
    let found =
        async |found: &str| app.get(&path).await.headers["x-cache"].to_str().unwrap() == found;
    is("MISS", app.get(&path).await);
    is("HIT", app.get(&path).await);
    // Looks hang, and each is given up.
    let holder = hold(&app, "operator_actions").await;
    eventually("it is not fresh", || found("STALE")).await;
    release(&app).await;
    assert!(holder.await.is_err());
    eventually("it is fresh again", || found("HIT")).await;
}

#[tokio::test]
async fn what_was_repaired_by_hand_is_told_after_a_purge() {
    let app = worker().await;
    let wallets = demo_wallets();
    let job = app.completed(&wallets[..1]).await;
    all_is_settled(&app).await;
    let (list, results) = ("/api/pnl/results", format!("/api/pnl/batch/results/{job}"));
    let file = format!("{results}/export.csv");
    for path in [list, &results] {
        is("MISS", app.get(path).await);
    }
    let before = app.get(&file).await;
    let repair = r#"with result as (
            update pnl_results set report = regexp_replace(
                report::text, '"total_pnl_usd":\s*"[^"]*"', '"total_pnl_usd":"123456789"')::json
            returning 1),
        latest as (update latest_results set total_pnl_usd = 123456789 returning 1)
        select count(*) from result, latest"#;
    assert_eq!(app.database.number(repair).await, 1);
    for path in [list, &results] {
        is("HIT", app.get(path).await);
    }
    let purge = "/api/performance/cache/purge";
    let body =
        json!({"tags": [format!("wallet:solana:{}", wallets[0]), "chain:sol", "chain:solana"]});
    let done = reply(app.request(Method::POST, purge).json(&body)).await;
    assert_eq!(done.status, 202, "{}", done.text);
    let done = done.json();
    let tags = json!(["chain:solana", format!("wallet:solana:{}", wallets[0])]);
    assert_eq!((&done["tags"], &done["evicted"]["answers"]), (&tags, &json!(2)), "{done}");
    for path in [list, &results] {
        assert!(is("MISS", app.get(path).await).text.contains("\"123456789\""), "{path}");
    }
    is("HIT", app.get(list).await);
    assert_ne!(app.get(&file).await.text, before.text, "the file is not sent by its old measure");
    let noted = "select count(*) from operator_actions
        where action = 'purge' and tags[1] = 'chain:solana' and array_length(tags, 1) = 2
            and (outcome ->> 'answers')::int = 2
            and json_array_length(outcome -> 'failed') = 0";
    eventually("what came of it is noted", || async { app.database.number(noted).await == 1 })
        .await;
    let id = done["action_id"].as_str().unwrap();
    let remove = format!("delete from operator_actions where id = '{id}'");
    assert_eq!(app.database.execute(&remove).await, 1, "the answer names its row");
    let scrape = app.admin_get("/metrics").await.text;
    assert!(scrape.contains("http_kept_dropped_total{cause=\"purged\"} 2"), "{scrape}");
}
