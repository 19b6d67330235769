//! Tenants over HTTP: what one has is to every other as if it was not there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use api_server::signing::Signer;
use persistence_layer::api_keys::Scope;
use reqwest::Method;
use serde_json::{Value, json};
use service_runtime::config::{Role, Settings, SigningSecret};
use uuid::Uuid;

use crate::auth::{create, keyed};
use crate::support::{Plan, Reply, TestApp, UNUSED, demo_wallets, eventually, reply};

/// What a route is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    /// The program itself: no key is asked for.
    Nobody,
    /// The service, for those who operate it.
    Operators,
    /// The same for everybody who has a key.
    Everybody,
    /// A WebSocket about one job of a tenant, which has a test of its own.
    Socket,
    /// All jobs or wallets of a tenant.
    Tenant,
    /// One job of a tenant.
    Job,
    /// A wallet as the jobs of a tenant have left it.
    Wallet,
}

/// Every route. Whoever adds one says here what it is about.
const ROUTES: [(&str, &str, Of); 59] = [
    ("GET", "/health", Of::Nobody),
    ("GET", "/api/health", Of::Nobody),
    ("GET", "/api/health/db", Of::Nobody),
    ("GET", "/api/health/detailed", Of::Nobody),
    ("GET", "/api/performance/health-detailed", Of::Nobody),
    ("GET", "/problems/{code}", Of::Nobody),
    ("GET", "/api/openapi.json", Of::Nobody),
    ("GET", "/api/docs", Of::Nobody),
    ("GET", "/api/services/status", Of::Operators),
    ("GET", "/api/performance/performance-metrics", Of::Operators),
    ("GET", "/api/performance/traffic-analysis", Of::Tenant),
    ("GET", "/api/performance/capacity", Of::Operators),
    ("GET", "/api/performance/cost", Of::Operators),
    ("POST", "/api/performance/optimize", Of::Operators),
    ("POST", "/api/performance/cache/purge", Of::Operators),
    ("POST", "/api/services/continuous/start", Of::Operators),
    ("POST", "/api/services/continuous/stop", Of::Operators),
    ("GET", "/api/signing/key", Of::Everybody),
    ("POST", "/api/pnl/watched/add", Of::Tenant),
    ("GET", "/api/pnl/watched", Of::Tenant),
    ("POST", "/api/pnl/watched/resume", Of::Tenant),
    ("DELETE", "/api/pnl/watched/{wallet}", Of::Wallet),
    ("POST", "/api/pnl/watched/{wallet}/resume", Of::Wallet),
    ("POST", "/api/pnl/batch/run", Of::Tenant),
    ("GET", "/api/pnl/batch", Of::Tenant),
    ("GET", "/api/pnl/results", Of::Tenant),
    ("GET", "/api/leaderboard", Of::Tenant),
    ("GET", "/api/compare", Of::Tenant),
    ("GET", "/api/pnl/batch/status/{job_id}", Of::Job),
    ("GET", "/api/pnl/batch/{job_id}/events", Of::Job),
    ("GET", "/api/events", Of::Job),
    ("GET", "/api/pnl/batch/{job_id}/ws", Of::Socket),
    ("GET", "/api/ws", Of::Socket),
    ("POST", "/api/pnl/batch/{job_id}/cancel", Of::Job),
    ("POST", "/api/pnl/batch/{job_id}/retry", Of::Job),
    ("DELETE", "/api/pnl/batch/{job_id}", Of::Job),
    ("GET", "/api/pnl/batch/{job_id}/webhook", Of::Job),
    ("POST", "/api/pnl/batch/{job_id}/webhook/replay", Of::Job),
    ("GET", "/api/pnl/batch/results/{job_id}", Of::Job),
    ("GET", "/api/pnl/batch/results/{job_id}/export.csv", Of::Job),
    ("GET", "/api/pnl/batch/results/{job_id}/export.ndjson", Of::Job),
    ("GET", "/api/pnl/batch/results/{job_id}/export.parquet", Of::Job),
    ("GET", "/api/pnl/batch/results/{job_id}/export.arrow", Of::Job),
    ("GET", "/api/pnl/batch/results/{job_id}/signed.ndjson", Of::Job),
    ("GET", "/api/pnl/batch/results/{job_id}/group", Of::Job),
    ("GET", "/api/pnl/batch/results/{job_id}/group/ledger", Of::Job),
    ("GET", "/api/v2/wallets/{wallet}/pnl", Of::Wallet),
    ("GET", "/api/v2/wallets/{wallet}/ledger", Of::Wallet),
    ("GET", "/api/v2/wallets/{wallet}/transactions", Of::Wallet),
    ("GET", "/api/v2/wallets/{wallet}/tokens", Of::Wallet),
    ("GET", "/api/v2/wallets/{wallet}/coverage", Of::Wallet),
    ("GET", "/api/v2/wallets/{wallet}/disposals", Of::Wallet),
    ("GET", "/api/v2/wallets/{wallet}/disposals/{id}/explain", Of::Wallet),
    ("GET", "/api/v2/wallets/{wallet}/equity", Of::Wallet),
    ("GET", "/api/v2/wallets/{wallet}/calendar", Of::Wallet),
    ("GET", "/api/v2/wallets/{wallet}/distribution", Of::Wallet),
    ("GET", "/api/v2/wallets/{wallet}/what-if", Of::Wallet),
    ("POST", "/api/v2/wallets/{wallet}/what-if", Of::Wallet),
    // By wallet, and by two jobs.
    ("GET", "/api/v2/wallets/{wallet}/diff", Of::Job),
];

/// Routes that do something else with a query.
const WITH_QUERIES: [(&str, &str, Of); 7] = [
    ("GET", "/api/pnl/batch/status/{job_id}?wait=1", Of::Job),
    ("GET", "/api/pnl/batch/{job_id}/events?after=1", Of::Job),
    ("GET", "/api/pnl/batch/results/{job_id}?status=done", Of::Job),
    ("GET", "/api/pnl/batch/results/{job_id}?sort=-total_pnl_usd", Of::Job),
    ("GET", "/api/pnl/batch/results/{job_id}/export.ndjson?rows=disposals", Of::Job),
    ("GET", "/api/pnl/batch/results/{job_id}/group?include=lots,disposals", Of::Job),
    ("GET", "/api/pnl/batch/results/{job_id}/group/ledger?format=oracle", Of::Job),
];

/// Headers that differ from answer to answer.
const VARYING: [&str; 5] = ["date", "x-request-id", "traceparent", "content-length", "age"];

/// A service that keeps answers, asks for keys, signs and sends webhooks.
fn kept(settings: &mut Settings) {
    static KEY: OnceLock<PathBuf> = OnceLock::new();
    keyed(settings);
    settings.cache.memory_mb = 64;
    settings.webhooks.secrets = vec![SigningSecret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")];
    settings.webhooks.allow_private = true;
    settings.signing.key_file = KEY
        .get_or_init(|| {
            let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("key-of-tenants");
            std::fs::write(&path, Signer::generate().unwrap().secret()).unwrap();
            path
        })
        .clone();
}

/// Who holds a key.
struct Holder<'a> {
    app: &'a TestApp,
    key: String,
}

impl<'a> Holder<'a> {
    async fn of(app: &'a TestApp, tenant: &str, scopes: &[Scope]) -> Self {
        let (_, key) = create(app, tenant, scopes).await;
        Self { app, key }
    }

    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.app.request(method.clone(), path).bearer_auth(&self.key);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        // Questions have a body; actions take one without members, but for the one that says what is forgotten.
        if path == "/api/performance/cache/purge" {
            request = request.json(&json!({"tags": ["everything"]}));
        } else if method == Method::POST {
            request = request.json(&json!({}));
        }
        reply(request).await
    }

    async fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, &[]).await
    }

    async fn submit(&self, body: &Value, idempotency_key: &str) -> Reply {
        let request = self.app.request(Method::POST, "/api/pnl/batch/run").bearer_auth(&self.key);
        reply(request.header("idempotency-key", idempotency_key).json(body)).await
    }

    /// Has wallets watched; as long as continuous mode is off none is analyzed for that.
    async fn watch(&self, wallets: &[String]) {
        let body = json!({"wallet_addresses": wallets, "chain": "solana"});
        let request = self.app.request(Method::POST, "/api/pnl/watched/add").bearer_auth(&self.key);
        let added = reply(request.json(&body)).await;
        assert_eq!(added.json()["added"], wallets.len(), "{}", added.text);
    }

    /// Waits until the job has ended well.
    async fn completed(&self, job: &str) {
        eventually("the job has completed", || async {
            let status = self.get(&format!("/api/pnl/batch/status/{job}")).await.json();
            assert!(status["counts"]["failed"] == 0, "{status}");
            status["status"] == "completed"
        })
        .await;
    }
}

/// What a path is about.
struct Named<'a> {
    job: &'a str,
    wallet: &'a str,
    disposal: &'a str,
}

impl Named<'_> {
    fn path(&self, route: &str) -> String {
        let Self { job, wallet, disposal } = self;
        let path = route.replace("{job_id}", job).replace("{wallet}", wallet);
        let path = path.replace("{id}", disposal);
        match route {
            "/api/events" => format!("{path}?job_id={job}"),
            _ if route.ends_with("/diff") => format!("{path}?chain=solana&from={job}&to={job}"),
            _ if route.contains("{wallet}") => format!("{path}?chain=solana"),
            _ => path,
        }
    }

    /// An answer without what it has of the names it was asked by.
    fn bare(&self, reply: &Reply) -> (u16, BTreeMap<String, String>, String) {
        let unnamed = |text: &str| text.replace(self.job, "JOB").replace(self.wallet, "WALLET");
        let headers = reply.headers.iter().filter(|(name, _)| !VARYING.contains(&name.as_str()));
        let headers = headers
            .map(|(name, value)| (name.to_string(), unnamed(value.to_str().unwrap())))
            .collect();
        let mut body = reply.text.clone();
        if let Ok(mut problem) = serde_json::from_str::<Value>(&body) {
            problem.as_object_mut().unwrap().remove("trace_id");
            body = problem.to_string();
        }
        (reply.status.as_u16(), headers, unnamed(&body))
    }
}

#[test]
fn every_route_says_what_it_is_about() {
    let document: Value = serde_json::from_str(api_server::openapi::document()).unwrap();
    let mut described = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let is_keyed = operation.get("security").is_some();
            described.push((method.to_uppercase(), path.clone(), is_keyed));
        }
    }
    let mut known: Vec<_> = ROUTES
        .iter()
        .map(|(method, path, of)| ((*method).to_owned(), (*path).to_owned(), *of != Of::Nobody))
        .collect();
    described.sort();
    known.sort();
    assert_eq!(known, described);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_tenant_has_is_to_another_as_if_it_was_not_there() {
    let app = TestApp::start(Plan { role: Role::All, adjust: kept, ..Plan::default() }).await;
    let scopes = [Scope::Read, Scope::Submit];
    let owner = Holder::of(&app, "acme", &scopes).await;
    let other = Holder::of(&app, "bolt", &scopes).await;
    let body = json!({"wallet_addresses": demo_wallets(), "chain": "solana", "group": true,
        // Nobody is there.
        "webhook_url": "http://127.0.0.1:9/"});
    let accepted = owner.submit(&body, "once").await;
    assert_eq!(accepted.status, 202, "{}", accepted.text);
    let job = accepted.json()["job_id"].as_str().unwrap().to_owned();
    owner.completed(&job).await;
    owner.watch(&demo_wallets()).await;
    let (wallet, disposal) = wallet_with_a_disposal(&owner).await;
    let theirs = Named { job: &job, wallet: &wallet, disposal: &disposal };
    let nobodys = Named { job: &Uuid::now_v7().to_string(), wallet: UNUSED, disposal: &disposal };
    for (method, route, of) in ROUTES.into_iter().chain(WITH_QUERIES) {
        if matches!(of, Of::Job | Of::Wallet) {
            is_as_unknown(&owner, &other, (method, route), &theirs, &nobodys).await;
        }
    }
    // Jobs that are cancelled, retried or removed by somebody else stay as they are.
    let status = owner.get(&theirs.path("/api/pnl/batch/status/{job_id}")).await.json();
    assert_eq!((&status["status"], &status["done"]), (&json!("completed"), &json!(true)));

    lists_are_empty(&owner, &other).await;

    // A key that somebody else has used is new, and the wallet that somebody else has analyzed is analyzed again.
    let again = owner.submit(&body, "once").await;
    assert_eq!(
        (again.header("idempotent-replayed"), &again.json()["job_id"]),
        ("true", &json!(job))
    );
    let body = json!({"wallet_addresses": [&wallet], "chain": "solana"});
    let accepted = other.submit(&body, "once").await;
    assert_eq!((accepted.status.as_u16(), accepted.header("idempotent-replayed")), (202, ""));
    let own = accepted.json()["job_id"].as_str().unwrap().to_owned();
    assert_ne!(own, job);
    other.completed(&own).await;
    each_has_its_own(&owner, &other, &wallet, (&job, &own)).await;
}

/// The wallet of the demo with a disposal, and that.
async fn wallet_with_a_disposal(owner: &Holder<'_>) -> (String, String) {
    for wallet in demo_wallets() {
        let path = format!("/api/v2/wallets/{wallet}/disposals?chain=solana&limit=1");
        let page = owner.get(&path).await.json();
        if let (Some(id), true) = (page["data"][0]["id"].as_str(), page["has_more"] == true) {
            return (wallet, id.to_owned());
        }
    }
    panic!("the demo sells nothing");
}

/// The owner is answered, and somebody else as about a thing that nobody has, however he asks.
async fn is_as_unknown(
    owner: &Holder<'_>,
    other: &Holder<'_>,
    (method, route): (&str, &str),
    theirs: &Named<'_>,
    nobodys: &Named<'_>,
) {
    let (path, unknown) = (theirs.path(route), nobodys.path(route));
    let is_read = method == "GET";
    let mut tag = "\"0\"".to_owned();
    if is_read {
        // Twice, so that what is kept is kept.
        for _ in 0..2 {
            let answer = owner.get(&path).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.text);
            tag = answer.headers.get("etag").map_or(tag, |tag| tag.to_str().unwrap().to_owned());
        }
    }
    let asked: &[(&str, &[(&str, &str)])] = &[
        (method, &[]),
        (method, &[("cache-control", "no-cache")]),
        (method, &[("if-none-match", &tag)]),
        (method, &[("if-none-match", "*")]),
        (method, &[("last-event-id", "1")]),
        ("HEAD", &[]),
        ("HEAD", &[("if-none-match", &tag)]),
    ];
    for (method, headers) in asked.iter().filter(|(method, _)| is_read || *method != "HEAD") {
        let told = other.ask(method, &path, headers).await;
        assert_eq!(told.status, 404, "{method} {path} {headers:?}: {}", told.text);
        let expected = other.ask(method, &unknown, headers).await;
        assert_eq!(theirs.bare(&told), nobodys.bare(&expected), "{method} {path} {headers:?}");
    }
    if is_read && let Some(cursor) = cursor(owner, &path).await {
        let told = other.get(&with(&path, &format!("cursor={cursor}&limit=1"))).await;
        assert_eq!(told.status, 404, "{path}: {}", told.text);
    }
}

/// Where the owner's second page of one row begins, if the route has pages.
async fn cursor(owner: &Holder<'_>, path: &str) -> Option<String> {
    if path.contains("limit=") {
        return None;
    }
    let page = owner.get(&with(path, "limit=1")).await;
    let page: Value = serde_json::from_str(&page.text).ok()?;
    page["next_cursor"].as_str().map(str::to_owned)
}

fn with(path: &str, query: &str) -> String {
    let mark = if path.contains('?') { '&' } else { '?' };
    format!("{path}{mark}{query}")
}

/// Nothing of the owner's is listed, summed up or counted for somebody else.
async fn lists_are_empty(owner: &Holder<'_>, other: &Holder<'_>) {
    for path in [
        "/api/pnl/batch",
        "/api/pnl/batch?status=completed",
        "/api/pnl/results",
        "/api/pnl/watched",
    ] {
        let full = owner.get(path).await;
        assert!(!full.json()["data"].as_array().unwrap().is_empty(), "{}", full.text);
        let tag = full.header("etag").to_owned();
        let mut asked = vec![path.to_owned()];
        if path != "/api/pnl/batch?status=completed"
            && let Some(cursor) = cursor(owner, path).await
        {
            asked.push(with(path, &format!("cursor={cursor}")));
        }
        for path in &asked {
            let empty = other.ask("GET", path, &[("if-none-match", &tag)]).await;
            assert_eq!(empty.status, 200, "{path}: {}", empty.text);
            let body = empty.json();
            assert_eq!(body["data"], json!([]), "{path}");
            assert_eq!((&body["has_more"], &body["next_cursor"]), (&json!(false), &Value::Null));
            if let Some(summary) = body.get("summary") {
                assert_eq!(summary["total_wallets"], 0, "{summary}");
                assert_eq!(summary["last_updated"], Value::Null, "{summary}");
            }
        }
    }
    let compare = format!("/api/compare?chain=sol&wallets={}", demo_wallets().join(","));
    for path in ["/api/leaderboard", &compare] {
        assert_eq!(
            owner.get(path).await.json()["data"].as_array().unwrap().len(),
            demo_wallets().len()
        );
        let empty = other.get(path).await;
        assert_eq!((empty.status.as_u16(), &empty.json()["data"]), (200, &json!([])), "{path}");
    }
    let numbered = other.get("/api/pnl/results?page=1").await.json();
    assert_eq!(numbered["pagination"]["total"], 0, "{numbered}");
}

/// Of a wallet that two have analyzed each sees what its own job has made.
async fn each_has_its_own(
    owner: &Holder<'_>,
    other: &Holder<'_>,
    wallet: &str,
    (job, own): (&str, &str),
) {
    let ledger = format!("/api/v2/wallets/{wallet}/ledger?chain=solana");
    let cursor = cursor(owner, &ledger).await.expect("a ledger of several events");
    assert_eq!(other.get(&ledger).await.status, 200);
    let foreign = other.get(&with(&ledger, &format!("cursor={cursor}&limit=1"))).await;
    foreign.problem(400, "bad-cursor");
    assert_eq!(owner.get(&with(&ledger, &format!("cursor={cursor}&limit=1"))).await.status, 200);
    for (holder, job, wallets) in [(owner, job, demo_wallets().len()), (other, own, 1)] {
        let latest = holder.get("/api/pnl/results").await.json();
        assert_eq!(latest["summary"]["total_wallets"], wallets, "{latest}");
        let rows = latest["data"].as_array().unwrap();
        assert!(rows.iter().all(|row| row["job_id"] == job), "{latest}");
        let jobs = holder.get("/api/pnl/batch").await.json();
        assert_eq!(jobs["data"].as_array().unwrap().len(), 1, "{jobs}");
    }
    // Each of two jobs has to be the tenant's.
    for (from, to) in [(own, job), (job, own)] {
        let path = format!("/api/v2/wallets/{wallet}/diff?chain=solana&from={from}&to={to}");
        other.get(&path).await.problem(404, "unknown-job");
    }
}

#[tokio::test]
async fn a_job_under_way_is_followed_waited_for_and_stopped_by_its_tenant_alone() {
    let app = TestApp::start(Plan { adjust: kept, ..Plan::default() }).await;
    let scopes = [Scope::Read, Scope::Submit];
    let owner = Holder::of(&app, "acme", &scopes).await;
    let other = Holder::of(&app, "bolt", &scopes).await;
    let body = json!({"wallet_addresses": [UNUSED], "chain": "solana"});
    let job = owner.submit(&body, "once").await.json()["job_id"].as_str().unwrap().to_owned();
    let events = format!("/api/pnl/batch/{job}/events");
    // While the owner follows it, the process knows all about it.
    let follows = app.request(Method::GET, &events).bearer_auth(&owner.key).send().await.unwrap();
    assert_eq!(follows.status(), 200);
    for headers in [&[][..], &[("last-event-id", "0")]] {
        other.ask("GET", &events, headers).await.problem(404, "unknown-job");
    }
    let status = format!("/api/pnl/batch/status/{job}");
    for path in [&status, &format!("{status}?wait=5")] {
        other.get(path).await.problem(404, "unknown-job");
    }
    for what in ["cancel", "retry"] {
        let path = format!("/api/pnl/batch/{job}/{what}");
        other.ask("POST", &path, &[]).await.problem(404, "unknown-job");
    }
    assert_eq!(owner.get(&status).await.json()["status"], "queued");
    // The same key with another request is somebody else's too.
    let more = json!({"wallet_addresses": [demo_wallets()[0]], "chain": "solana"});
    owner.submit(&more, "once").await.problem(422, "idempotency-key-reused");
    assert_eq!(other.submit(&more, "once").await.status, 202);
    let cancelled = owner.ask("POST", &format!("/api/pnl/batch/{job}/cancel"), &[]).await;
    assert_eq!(cancelled.json()["status"], "cancelled", "{}", cancelled.text);
    drop(follows);
}

#[tokio::test]
async fn the_state_of_the_service_is_for_its_operators_and_theirs_is_no_more_than_that() {
    let app = TestApp::start(Plan { adjust: kept, ..Plan::default() }).await;
    let owner = Holder::of(&app, "acme", &[Scope::Read, Scope::Submit]).await;
    let operator = Holder::of(&app, "ops", &[Scope::Admin]).await;
    let body = json!({"wallet_addresses": [UNUSED], "chain": "solana"});
    let job = owner.submit(&body, "once").await.json()["job_id"].as_str().unwrap().to_owned();
    for (method, route, of) in ROUTES {
        if of == Of::Operators {
            owner.ask(method, route, &[]).await.problem(403, "forbidden");
            let state = operator.ask(method, route, &[]).await;
            let expected = if method == "POST" { 202 } else { 200 };
            assert_eq!(state.status, expected, "{}", state.text);
            for secret in [job.as_str(), UNUSED, "acme"] {
                assert!(!state.text.contains(secret), "{route} names {secret}: {}", state.text);
            }
        }
    }
    let status = operator.get(&format!("/api/pnl/batch/status/{job}")).await;
    status.problem(404, "unknown-job");
    assert_eq!(operator.get("/api/pnl/batch").await.json()["data"], json!([]));
}

#[tokio::test]
async fn a_tenant_that_holds_all_places_gets_no_further_one_before_who_was_refused() {
    fn two_places(settings: &mut Settings) {
        keyed(settings);
        settings.batch.max_concurrent = 2;
    }
    let app = TestApp::start(Plan { adjust: two_places, ..Plan::default() }).await;
    let scopes = [Scope::Read, Scope::Submit];
    let greedy = Holder::of(&app, "acme", &scopes).await;
    let modest = Holder::of(&app, "bolt", &scopes).await;
    let wallets = demo_wallets();
    let body = |n: usize| json!({"wallet_addresses": [wallets[n]], "chain": "solana"});
    let mut jobs = Vec::new();
    for n in 0..2 {
        let accepted = greedy.submit(&body(n), &format!("first-{n}")).await;
        jobs.push(accepted.json()["job_id"].as_str().unwrap().to_owned());
    }
    modest.submit(&body(2), "mine").await.problem(503, "capacity-exhausted");
    greedy.ask("POST", &format!("/api/pnl/batch/{}/cancel", jobs[0]), &[]).await;
    greedy.submit(&body(3), "more").await.problem(503, "capacity-exhausted");
    assert_eq!(modest.submit(&body(2), "mine").await.status, 202);
    // Both have one now, and it is first come, first served again.
    greedy.ask("POST", &format!("/api/pnl/batch/{}/cancel", jobs[1]), &[]).await;
    assert_eq!(greedy.submit(&body(3), "more").await.status, 202);
}
