//! What operators ask of a running process.

use std::collections::BTreeMap;

use persistence_layer::api_keys::Scope;
use persistence_layer::redis::Redis;
use reqwest::Method;
use serde_json::{Value, json};
use service_runtime::config::{Role, SecretUrl, Settings};
use uuid::Uuid;

use crate::auth::{create, keyed};
use crate::support::{Plan, Reply, TestApp, UNUSED, demo_wallets, eventually, redis_url, reply};

const METRICS: &str = "/api/performance/performance-metrics";
const TRAFFIC: &str = "/api/performance/traffic-analysis";
const CAPACITY: &str = "/api/performance/capacity";
const COST: &str = "/api/performance/cost";
const PURGE: &str = "/api/performance/cache/purge";
const OPTIMIZE: &str = "/api/performance/optimize";

async fn with_key(app: &TestApp, method: Method, path: &str, key: &str) -> Reply {
    reply(app.request(method, path).bearer_auth(key)).await
}

#[tokio::test]
async fn one_look_shows_load_memory_pools_slots_queue_and_cache() {
    let app = TestApp::with_worker().await;
    app.completed(&demo_wallets()).await;
    let answer = app.get(METRICS).await;
    assert_eq!(answer.header("cache-control"), "no-store");
    let body = answer.json();
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!((&body["mode"], &body["slots"]["total"]), (&json!("normal"), &json!(5)));
    assert!(body["memory"]["resident_bytes"].as_u64().unwrap() > 1 << 20, "{body}");
    assert!(body["processor"]["cores"].as_u64().unwrap() > 0, "{body}");
    assert_eq!(body["places"], json!({"light": 0, "expensive": 0, "limit": 256}));
    assert_eq!(body["requests"]["in_flight"], 1, "this one");
    assert!(body["database_pool"]["size"].as_u64().unwrap() > 0, "{body}");
    assert_eq!(body["queue"]["queued"], 0);
    assert_eq!((&body["cache"]["is_on"], &body["cache"]["redis"]), (&json!(false), &Value::Null));
    for secret in ["127.0.0.1", "http", "postgres:"] {
        assert!(!answer.text.contains(secret), "{secret} in {}", answer.text);
    }
}

#[tokio::test]
async fn detailed_health_is_the_same_under_both_names() {
    let app = TestApp::with_worker().await;
    let checks = |reply: Reply| {
        let mut body = reply.json();
        for check in body["checks"].as_array_mut().unwrap() {
            check.as_object_mut().unwrap().remove("duration_ms");
        }
        body
    };
    let one = checks(app.get("/api/health/detailed").await);
    assert_eq!(checks(app.get("/api/performance/health-detailed").await), one);
}

/// Requests of a scrape by method, route and first digit of the status.
fn scraped(text: &str) -> BTreeMap<(String, String, String), u64> {
    let mut all = BTreeMap::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("http_requests_total{")) {
        let (labels, count) = line.split_once("} ").unwrap();
        let label = |name: &str| {
            let found = labels.split("\",").find_map(|one| one.strip_prefix(name));
            found.unwrap().trim_matches(['=', '"']).to_owned()
        };
        let status = format!("{}xx", &label("status")[..1]);
        *all.entry((label("method"), label("route"), status)).or_default() +=
            count.parse::<u64>().unwrap();
    }
    all
}

/// The same of the analysis.
fn analyzed(body: &Value) -> BTreeMap<(String, String, String), u64> {
    let mut all = BTreeMap::new();
    for route in body["routes"].as_array().unwrap() {
        for (status, count) in route["by_status"].as_object().unwrap() {
            let text = |name: &str| route[name].as_str().unwrap().to_owned();
            all.insert((text("method"), text("route"), status.clone()), count.as_u64().unwrap());
        }
    }
    all
}

#[tokio::test]
async fn traffic_is_counted_as_the_metrics_count_it() {
    let app = TestApp::without_worker().await;
    let job = app.accepted(&[UNUSED.to_owned()]).await;
    for _ in 0..3 {
        app.get(&format!("/api/pnl/batch/status/{job}")).await;
        app.get("/api/pnl/batch/status/none").await;
    }
    app.get("/nowhere").await;
    app.get("/health").await;
    app.raw(b"BAD\r\n\r\n", std::time::Duration::from_secs(5)).await;
    let before = scraped(&app.admin_get("/metrics").await.text);
    let body = app.admin_get(TRAFFIC).await.json();
    let mut found = analyzed(&body);
    // The scrape was counted behind its own text.
    assert_eq!(found.remove(&("GET".into(), "/metrics".into(), "2xx".into())), Some(1));
    assert_eq!(found, before, "{body}");
    let sum: u64 = found.values().sum();
    assert_eq!(body["requests"], sum + 1);
    for member in ["by_status", "by_class"] {
        let counts = body[member].as_object().unwrap().values();
        let counted: u64 = counts
            .map(|count| count.as_u64().or_else(|| count["requests"].as_u64()).unwrap())
            .sum();
        assert_eq!(counted, sum + 1, "{member}");
    }
    assert_eq!(body["routes"][0]["route"], "/api/pnl/batch/status/{job_id}");
    for window in ["1h", "24h", "7d"] {
        let body = app.get(&format!("{TRAFFIC}?window={window}")).await.json();
        assert_eq!(body["window"], window);
        assert!(body["requests"].as_u64().unwrap() > sum, "{body}");
    }
    app.get(&format!("{TRAFFIC}?window=2h")).await.problem(400, "bad-query");
}

#[tokio::test]
async fn a_tenant_sees_its_own_requests_and_operators_all() {
    let app = TestApp::start(Plan { adjust: keyed, ..Plan::default() }).await;
    let (_, acme) = create(&app, "acme", &[Scope::Read]).await;
    let (_, bolt) = create(&app, "bolt", &[Scope::Read, Scope::Submit]).await;
    let (_, admin) = create(&app, "default", &[Scope::Admin]).await;
    for _ in 0..3 {
        with_key(&app, Method::GET, "/api/pnl/batch", &acme).await;
    }
    with_key(&app, Method::GET, "/api/pnl/results", &bolt).await;
    let own = with_key(&app, Method::GET, TRAFFIC, &acme).await.json();
    assert_eq!(
        (&own["requests"], &own["routes"][0]["route"]),
        (&json!(3), &json!("/api/pnl/batch"))
    );
    assert_eq!(own["tenants"], json!([{"tenant": "acme", "requests": 3}]));
    let all = with_key(&app, Method::GET, TRAFFIC, &admin).await.json();
    let tenants = all["tenants"].as_array().unwrap();
    for (tenant, requests) in [("acme", 4), ("bolt", 1)] {
        let of = json!({"tenant": tenant, "requests": requests});
        assert!(tenants.contains(&of), "{all}");
    }
    for path in [METRICS, CAPACITY, COST] {
        with_key(&app, Method::GET, path, &bolt).await.problem(403, "forbidden");
        app.get(path).await.problem(401, "unauthorized");
        assert_eq!(with_key(&app, Method::GET, path, &admin).await.status, 200, "{path}");
    }
    for path in [OPTIMIZE, PURGE] {
        with_key(&app, Method::POST, path, &bolt).await.problem(403, "forbidden");
        app.post(path).await.problem(401, "unauthorized");
    }
    assert_eq!(with_key(&app, Method::POST, OPTIMIZE, &admin).await.status, 202);
    let notes = "select count(*) from operator_actions a join api_keys k on k.id = a.key_id
        where k.scopes = array['admin']";
    assert_eq!(app.database.number(notes).await, 1, "of those who were refused there is none");
    // The listener of operators asks for no key.
    assert_eq!(app.admin_get(CAPACITY).await.status, 200);
}

#[tokio::test]
async fn without_keys_only_this_machine_is_answered() {
    fn behind_a_proxy(settings: &mut Settings) {
        settings.limits.trusted_proxies = vec!["127.0.0.1".to_owned()];
    }
    for adjust in [(|_| {}) as fn(&mut Settings), behind_a_proxy] {
        let app = TestApp::start(Plan { adjust, ..Plan::default() }).await;
        for (method, path) in [
            (Method::GET, METRICS),
            (Method::GET, TRAFFIC),
            (Method::GET, CAPACITY),
            (Method::GET, COST),
            (Method::POST, OPTIMIZE),
        ] {
            for name in ["x-forwarded-for", "forwarded"] {
                let request = app.request(method.clone(), path).header(name, "203.0.113.9");
                reply(request).await.problem(403, "forbidden");
            }
            let status = reply(app.request(method, path)).await.status;
            assert!(status.is_success(), "{path}: {status}");
        }
        let all = json!({"tags": ["everything"]});
        for path in [OPTIMIZE, PURGE] {
            let page = app.request(Method::POST, path).header("origin", "http://evil.example");
            let page = if path == PURGE { page.json(&all) } else { page };
            reply(page).await.problem(403, "foreign-origin");
        }
        let probe = "/api/performance/health-detailed";
        let probe = app.request(Method::GET, probe).header("x-forwarded-for", "203.0.113.9");
        assert_eq!(reply(probe).await.status, 200);
    }
}

#[tokio::test]
async fn capacity_names_no_gate_when_idle_and_plans_by_the_formula() {
    let app = TestApp::without_worker().await;
    let body = app.get(CAPACITY).await.json();
    let measures: Vec<_> = body["gates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|gate| gate["measure"].as_str().unwrap())
        .collect();
    assert_eq!(measures, ["cpu", "database_pool", "p95", "errors"]);
    assert_eq!(body["gates"][2]["gates"], json!(["0.3", "0.5", "0.8"]));
    let plan = app.get(&format!("{CAPACITY}?rps=5000&latency_ms=201")).await.json()["plan"].clone();
    assert_eq!(
        (&plan["requests_per_second"], &plan["latency_ms"], &plan["at_a_time"], &plan["instances"]),
        (&json!("5000"), &json!("201"), &json!(100), &json!(11))
    );
    assert_eq!(plan["cores"], 11);
    assert!(plan["memory_bytes"].as_u64().unwrap() >= 22_000_000_000, "{plan}");
    // Every answer but the present one was 503: the highest gate of errors.
    let job = Uuid::now_v7();
    app.drain.cancel();
    for _ in 0..20 {
        app.get(&format!("/api/pnl/batch/{job}/events")).await.problem(503, "not-ready");
    }
    let body = app.get(CAPACITY).await.json();
    assert_eq!((&body["reached"], &body["gates"][3]["reached"]), (&json!(3), &json!(3)), "{body}");
    let why = body["why"].as_array().unwrap();
    assert!(why.iter().any(|why| why.as_str().unwrap().starts_with("errors is 0.")), "{body}");
    for query in ["rps=0", "rps=x", "rps=1000001", "latency_ms=600001", "window=1h"] {
        app.get(&format!("{CAPACITY}?{query}")).await.problem(400, "bad-query");
    }
}

/// A database of Redis that no other test has.
fn own_redis() -> String {
    format!("{}/9", redis_url())
}

/// A thousandth of the price, so often, exactly.
fn cents_of(calls: u64) -> String {
    let text = format!("{}.{:05}", calls / 20_000, calls % 20_000 * 5);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[tokio::test]
async fn calls_cost_what_is_configured_to_the_last_place() {
    let priced = |settings: &mut Settings| {
        let provider = &mut settings.chains.solana.providers[0];
        provider.price_per_thousand_calls_usd = "0.05".to_owned();
    };
    let app = TestApp::start(Plan { role: Role::All, adjust: priced, ..Plan::default() }).await;
    let none = app.get(COST).await.json();
    let job = app.completed(&demo_wallets()).await;
    let body = app.get(&format!("{COST}?job_id={job}")).await.json();
    let calls = body["calls"].as_u64().unwrap();
    let by_method: u64 =
        body["calls_by_method"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    assert!(calls > 0 && calls == by_method, "{body}");
    for member in ["cost_usd_min", "cost_usd_max"] {
        assert_eq!(body[member], cents_of(calls), "{body}");
    }
    assert_eq!(body["providers"][0]["price_per_thousand_calls_usd"], "0.05");
    let window = app.get(&format!("{COST}?window=24h")).await.json();
    let made = app.get("/api/services/status").await.json()["providers"][0]["calls"].clone();
    assert_eq!((&window["window"], &window["calls"]), (&json!("24h"), &made), "{window}");
    assert!(made.as_u64().unwrap() >= calls, "pins and lists are of no wallet");
    assert_eq!(window["cost_usd_max"], cents_of(made.as_u64().unwrap()));
    assert!(none["calls"].as_u64().unwrap() <= made.as_u64().unwrap());
    let unknown = Uuid::now_v7();
    app.get(&format!("{COST}?job_id={unknown}")).await.problem(404, "unknown-job");
    app.get(&format!("{COST}?job_id=none")).await.problem(400, "bad-query");
    app.get(&format!("{COST}?job_id={job}&window=1h")).await.problem(400, "bad-query");

    let other = TestApp::with_worker().await;
    let job = other.completed(&demo_wallets()).await;
    let body = other.get(&format!("{COST}?job_id={job}")).await.json();
    assert_eq!((&body["cost_usd_min"], &body["calls"]), (&Value::Null, &json!(calls)), "no price");
}

#[tokio::test]
async fn optimizing_forgets_answers_and_leaves_jobs_as_they_are() {
    fn kept(settings: &mut Settings) {
        settings.cache.memory_mb = 64;
        // Answers of other tests shall stay where they are.
        settings.redis.url = SecretUrl::new(own_redis());
    }
    let app =
        TestApp::start(Plan { role: Role::All, redis: true, adjust: kept, ..Plan::default() })
            .await;
    app.sees_redis().await;
    let job = app.completed(&demo_wallets()).await;
    let waiting = app.accepted(&[UNUSED.to_owned()]).await;
    app.ended(&waiting).await;
    let stays = [
        "/api/pnl/batch".to_owned(),
        format!("/api/pnl/batch/status/{job}"),
        "/api/pnl/results".to_owned(),
    ];
    let results = format!("/api/pnl/batch/results/{job}");
    let first = app.get(&results).await;
    eventually("the answer is in Redis", || async {
        let other =
            TestApp::beside(&app, Plan { redis: true, adjust: kept, ..Plan::default() }).await;
        other.sees_redis().await;
        other.get(&results).await.header("x-cache") == "HIT"
    })
    .await;
    assert_eq!(app.get(&results).await.header("x-cache"), "HIT");
    let mut before = Vec::new();
    for path in &stays {
        before.push(app.get(path).await.text);
    }
    let redis = Redis::connect(&own_redis()).await.unwrap();
    let window = format!("pnl:rate:test:{}", Uuid::new_v4());
    redis.put(&window, b"1", std::time::Duration::from_secs(60)).await.unwrap();
    let analyzed = "select count(*) from pg_stat_user_tables where last_analyze is not null
        and relname in ('wallet_tasks', 'pnl_results_solana', 'prices')";
    assert_eq!(app.database.number(analyzed).await, 0);

    let done = app.post(OPTIMIZE).await;
    assert_eq!(done.status, 202, "{}", done.text);
    let body = done.json();
    assert_eq!(body["evicted"]["redis_prefix"], "pnl:answer:", "{body}");
    assert!(body["analyzes"].as_array().unwrap().contains(&json!("wallet_tasks")), "{body}");
    // Asked again and again it does the same again.
    eventually("it is carried out", || async {
        app.post(OPTIMIZE).await.json()["already_running"] == false
    })
    .await;
    eventually("tables are analyzed", || async { app.database.number(analyzed).await == 3 }).await;
    let whole = "select count(*) from operator_actions
        where action = 'optimize' and key_id is null and length(trace_id) = 32
            and finished_at >= asked_at and (outcome ->> 'summary_scopes')::int = 2
            and json_array_length(outcome -> 'analyzed') = 10
            and json_array_length(outcome -> 'failed') = 0";
    eventually("what came of it is noted", || async { app.database.number(whole).await > 0 }).await;
    let refreshed = "select count(*) from pnl_summary_stats where scope = 'all' and wallets = 5";
    assert_eq!(app.database.number(refreshed).await, 1);
    let id = body["action_id"].as_str().unwrap();
    let remove = format!("delete from operator_actions where id = '{id}'");
    assert_eq!(app.database.execute(&remove).await, 1, "the answer names its row");
    let again = app.get(&results).await;
    assert_eq!((again.header("x-cache"), &again.text), ("MISS", &first.text));
    for (path, before) in stays.iter().zip(&before) {
        assert_eq!(&app.get(path).await.text, before, "{path}");
    }
    assert_eq!(redis.get(&window).await.unwrap().unwrap(), b"1", "limits are no answers");
}
