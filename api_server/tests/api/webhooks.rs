//! Webhooks: the end of a job as a receiver hears of it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use persistence_layer::api_keys::Scope;
use persistence_layer::webhooks;
use reqwest::Method;
use serde_json::{Value, json};
use service_runtime::config::{Role, Settings, SigningSecret, WebhookTenant};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::auth::{create, keyed};
use crate::cache::the_only_wallet_failed;
use crate::support::{Plan, Reply, TestApp, UNUSED, eventually, reply};

/// The key is 24 bytes, and another one of 32.
const SECRETS: [&str; 2] = [
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
];

fn public_only(settings: &mut Settings) {
    settings.webhooks.secrets = SECRETS.map(SigningSecret::new).to_vec();
}

fn anywhere(settings: &mut Settings) {
    public_only(settings);
    settings.webhooks.allow_private = true;
}

async fn service(role: Role) -> TestApp {
    TestApp::start(Plan { role, adjust: anywhere, ..Plan::default() }).await
}

/// What was received.
#[derive(Debug, Clone)]
struct Received {
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Received {
    fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A receiver that answers as it was told to, then 204.
struct Receiver {
    url: String,
    seen: Arc<Mutex<Vec<Received>>>,
    answers: Arc<Mutex<VecDeque<u16>>>,
}

impl Receiver {
    async fn answering(answers: impl IntoIterator<Item = u16>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook?token=s3cret", listener.local_addr().unwrap());
        let seen = Arc::<Mutex<Vec<Received>>>::default();
        let answers = Arc::new(Mutex::new(VecDeque::from_iter(answers)));
        let (noted, next) = (Arc::clone(&seen), Arc::clone(&answers));
        let take = async move |uri: Uri, headers: HeaderMap, body: Bytes| -> Response {
            let path = uri.path().to_owned();
            noted.lock().unwrap().push(Received { path, headers, body });
            let status = next.lock().unwrap().pop_front().unwrap_or(204);
            let status = StatusCode::from_u16(status).unwrap();
            (status, [(header::LOCATION, "/elsewhere")]).into_response()
        };
        let routes = Router::new().fallback(take);
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { url, seen, answers }
    }

    fn seen(&self) -> Vec<Received> {
        self.seen.lock().unwrap().clone()
    }

    fn answers_next(&self, status: u16) {
        self.answers.lock().unwrap().push_back(status);
    }
}

/// HMAC by its definition (RFC 2104).
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    let hash = |pad: u8, rest: &[u8]| {
        let mut hash = Sha256::new();
        hash.update(block.map(|byte| byte ^ pad));
        hash.update(rest);
        hash.finalize().to_vec()
    };
    hash(0x5c, &hash(0x36, text))
}

fn expected_signature(secret: &str, received: &Received) -> String {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let (id, at) = (received.header("webhook-id"), received.header("webhook-timestamp"));
    let text = [format!("{id}.{at}.").as_bytes(), &received.body].concat();
    format!("v1,{}", STANDARD.encode(hmac(&key, &text)))
}

fn submission(url: &str) -> Value {
    json!({"wallet_addresses": [UNUSED], "chain": "solana", "webhook_url": url})
}

async fn submitted(app: &TestApp, url: &str) -> String {
    let accepted = app.submit(&submission(url)).await;
    assert_eq!(accepted.status, 202, "{}", accepted.text);
    accepted.json()["job_id"].as_str().unwrap().to_owned()
}

/// A job that has ended without anybody working on it.
async fn cancelled(app: &TestApp, url: &str) -> String {
    let job = submitted(app, url).await;
    assert_eq!(app.post(&format!("/api/pnl/batch/{job}/cancel")).await.status, 202);
    job
}

async fn log(app: &TestApp, job: &str) -> Value {
    let log = app.get(&format!("/api/pnl/batch/{job}/webhook")).await;
    assert_eq!(log.status, 200, "{}", log.text);
    log.json()
}

/// Waits until the only delivery of a job looks so; gives it.
async fn delivery(app: &TestApp, job: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    eventually("the delivery is as expected", || async {
        is_so(&log(app, job).await["deliveries"][0])
    })
    .await;
    let log = log(app, job).await;
    assert_eq!(log["deliveries"].as_array().unwrap().len(), 1, "{log}");
    log["deliveries"][0].clone()
}

async fn replay(app: &TestApp, job: &str) -> Reply {
    app.post(&format!("/api/pnl/batch/{job}/webhook/replay")).await
}

/// What waits for its next attempt, or for a claim to lapse, is tried now.
async fn hurry(app: &TestApp) {
    let sql = "update webhook_deliveries set due_at = now() where state = 'waiting'";
    app.database.execute(sql).await;
}

#[tokio::test]
async fn the_end_of_a_job_is_told_once_signed_as_the_event_of_its_stream() {
    let receiver = Receiver::answering([]).await;
    let app = service(Role::All).await;
    let other =
        TestApp::beside(&app, Plan { role: Role::All, adjust: anywhere, ..Plan::default() }).await;
    let body = submission(&receiver.url).to_string();
    let accepted = app.submit_once("told-once", &body).await;
    let job = accepted.json()["job_id"].as_str().unwrap().to_owned();
    app.ended(&job).await;
    let again = other.submit_once("told-once", &body).await;
    assert_eq!((again.header("idempotent-replayed"), &again.json()), ("true", &accepted.json()));
    let elsewhere = submission("https://example.org/").to_string();
    app.submit_once("told-once", &elsewhere).await.problem(422, "idempotency-key-reused");

    let told = delivery(&app, &job, |one| one["state"] == "delivered").await;
    let seen = receiver.seen();
    let [received] = &seen[..] else { panic!("{seen:?}") };
    for part in received.header("webhook-signature").split(' ').zip(SECRETS) {
        assert_eq!(part.0, expected_signature(part.1, received));
    }
    let id = received.header("webhook-id");
    assert_eq!(received.header("content-type"), "application/cloudevents+json");
    assert!(received.body.len() < 2_000);
    assert_eq!(
        (&told["webhook_id"], &told["attempts"], &told["last_status"], &told["last_error"]),
        (&json!(id), &json!(1), &json!(204), &Value::Null)
    );
    let log = log(&app, &job).await;
    let origin = receiver.url.strip_suffix("/hook?token=s3cret").unwrap();
    assert_eq!((&log["origin"], &log["gone_at"]), (&json!(origin), &Value::Null));

    // A WebSocket would tell the same.
    let stream = app.get(&format!("/api/pnl/batch/{job}/events?after=0")).await.text;
    let mut events = stream.lines().filter_map(|line| line.strip_prefix("data: "));
    let mut event: Value = serde_json::from_str(events.next_back().unwrap()).unwrap();
    assert_eq!(event["type"], "com.pnl.job.completed");
    assert_eq!(id, format!("{job}-{}", event["id"].as_str().unwrap()));
    event["data"] = json!({
        "status": "completed",
        "counts": {"total": 1, "open": 0, "done": 1, "failed": 0, "timed_out": 0, "cancelled": 0},
        "status_url": format!("/api/pnl/batch/status/{job}"),
        "results_url": format!("/api/pnl/batch/results/{job}"),
        "group": null,
    });
    assert_eq!(received.json(), event);
}

#[tokio::test]
async fn what_is_not_taken_is_tried_again_and_redirects_lead_nowhere() {
    let receiver = Receiver::answering([500, 302]).await;
    let app = service(Role::All).await;
    let job = cancelled(&app, &receiver.url).await;
    for (tries, status) in [(1, 500), (2, 302)] {
        let refused =
            delivery(&app, &job, |one| one["last_status"] == status && one["attempts"] == tries);
        let refused = refused.await;
        assert_eq!(refused["state"], "waiting", "{refused}");
        assert!(refused["last_error"].as_str().unwrap().contains(&status.to_string()));
        assert!(refused["next_try_at"].is_string());
        hurry(&app).await;
    }
    let taken = delivery(&app, &job, |one| one["state"] == "delivered").await;
    assert_eq!((&taken["attempts"], &taken["next_try_at"]), (&json!(3), &Value::Null));
    let seen = receiver.seen();
    assert_eq!(seen.len(), 3);
    for one in &seen {
        assert_eq!((one.path.as_str(), &one.body), ("/hook", &seen[0].body));
        assert_eq!(one.header("webhook-id"), seen[0].header("webhook-id"));
        assert!(one.header("webhook-signature").starts_with(&expected_signature(SECRETS[0], one)));
    }
    let metrics = app.admin_get("/metrics").await.text;
    for line in [
        "webhook_attempts_total{outcome=\"delivered\"} 1",
        "webhook_attempts_total{outcome=\"retried\"} 2",
        "webhooks_waiting 0",
    ] {
        assert!(metrics.contains(line), "{line}");
    }
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_told_no_more_until_it_is_asked_for() {
    let receiver = Receiver::answering([410]).await;
    let app = service(Role::All).await;
    let job = cancelled(&app, &receiver.url).await;
    let gone = delivery(&app, &job, |one| one["state"] == "gone").await;
    assert_eq!((&gone["last_status"], &gone["next_try_at"]), (&json!(410), &Value::Null));
    assert!(log(&app, &job).await["gone_at"].is_string());
    assert_eq!(receiver.seen().len(), 1);

    receiver.answers_next(200);
    let asked = replay(&app, &job).await;
    assert_eq!(asked.status, 202, "{}", asked.text);
    assert_eq!(asked.json()["deliveries"][0]["ended_at"], Value::Null);
    delivery(&app, &job, |one| one["state"] == "delivered").await;
    assert_eq!(log(&app, &job).await["gone_at"], Value::Null);
    let seen = receiver.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].header("webhook-id"), seen[1].header("webhook-id"));
}

#[tokio::test]
async fn a_later_end_can_be_asked_for_where_the_receiver_was_gone() {
    let receiver = Receiver::answering([410]).await;
    let app = service(Role::All).await;
    let job = submitted(&app, &receiver.url).await;
    delivery(&app, &job, |one| one["state"] == "gone").await;
    the_only_wallet_failed(&app).await;
    let again = app.post(&format!("/api/pnl/batch/{job}/retry")).await;
    assert_eq!(again.status, 202, "{}", again.text);
    app.ended(&job).await;
    let ends = log(&app, &job).await;
    let states: Vec<_> =
        ends["deliveries"].as_array().unwrap().iter().map(|end| &end["state"]).collect();
    assert_eq!(states, ["gone"; 3], "{ends}");
    assert_eq!(receiver.seen().len(), 1);

    assert_eq!(replay(&app, &job).await.status, 202);
    eventually("the second end is told", || async { receiver.seen().len() == 2 }).await;
    let seen = receiver.seen();
    assert_ne!(seen[0].header("webhook-id"), seen[1].header("webhook-id"));
    assert_eq!(seen[1].json()["type"], "com.pnl.job.completed");
}

#[tokio::test]
async fn an_answer_counts_when_its_head_is_there() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let connections = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // The body never comes, and the connection stays.
            let head = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
            let asked = stream.read(&mut [0; 4096]).await.unwrap();
            assert!(asked > 0);
            stream.write_all(head).await.unwrap();
            kept.lock().unwrap().push(stream);
        }
    });
    let adjust: fn(&mut Settings) = |settings| {
        anywhere(settings);
        settings.webhooks.timeout_seconds = 3;
    };
    let app = TestApp::start(Plan { role: Role::All, adjust, ..Plan::default() }).await;
    let job = cancelled(&app, &url).await;
    let taken = delivery(&app, &job, |one| one["state"] == "delivered").await;
    assert_eq!(
        (&taken["state"], &taken["attempts"], &taken["last_status"]),
        (&json!("delivered"), &json!(1), &json!(200))
    );
    assert_eq!(connections.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn what_a_dead_process_was_at_is_told_by_another_one() {
    let receiver = Receiver::answering([]).await;
    let app = service(Role::Api).await;
    let job = cancelled(&app, &receiver.url).await;
    let claimed = webhooks::claim(app.database.store(), 10, Duration::from_secs(600)).await;
    assert_eq!(claimed.unwrap().len(), 1);
    assert!(webhooks::claim(app.database.store(), 10, Duration::ZERO).await.unwrap().is_empty());
    hurry(&app).await;
    let plan = Plan { role: Role::All, adjust: anywhere, ..Plan::default() };
    let _worker = TestApp::beside(&app, plan).await;
    let told = delivery(&app, &job, |one| one["state"] == "delivered").await;
    assert_eq!(told["attempts"], 2);
    assert_eq!(receiver.seen()[0].json()["type"], "com.pnl.job.cancelled");
}

#[tokio::test]
async fn nothing_is_sent_to_an_address_that_is_not_public() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let plan = Plan { role: Role::All, adjust: public_only, ..Plan::default() };
    let app = TestApp::start(plan).await;
    for url in [
        format!("https://127.0.0.1:{port}/"),
        format!("https://[::ffff:7f00:1]:{port}/"),
        "https://169.254.169.254/latest/meta-data".to_owned(),
        "https://0x7f.1/".to_owned(),
        format!("http://localhost:{port}/"),
    ] {
        let refused = app.submit(&submission(&url)).await.problem(422, "validation-failed");
        assert_eq!(refused["errors"][0]["code"], "bad-url", "{refused}");
        assert_eq!(refused["errors"][0]["pointer"], "/webhook_url");
        let detail = refused["detail"].as_str().unwrap();
        assert!(detail.contains("webhooks.allow_private"), "{detail}");
    }
    // A name says nothing of where it leads, until it is looked up.
    let job = cancelled(&app, &format!("https://localhost:{port}/")).await;
    let refused = delivery(&app, &job, |one| one["last_error"].is_string()).await;
    assert!(refused["last_error"].as_str().unwrap().contains("not public"), "{refused}");
    assert_eq!((&refused["state"], &refused["last_status"]), (&json!("waiting"), &Value::Null));
    let connected = tokio::time::timeout(Duration::from_millis(100), listener.accept()).await;
    assert!(connected.is_err(), "somebody has connected");
}

#[tokio::test]
async fn without_secrets_no_webhook_is_taken_and_none_is_told_again() {
    let app = service(Role::Api).await;
    let plain = app.accepted(&[UNUSED.to_owned()]).await;
    for path in ["webhook", "webhook/replay"] {
        let method = if path == "webhook" { Method::GET } else { Method::POST };
        let path = format!("/api/pnl/batch/{plain}/{path}");
        reply(app.request(method, &path)).await.problem(404, "no-webhook");
    }
    let job = submitted(&app, "http://127.0.0.1:9/").await;
    assert_eq!(log(&app, &job).await["deliveries"], json!([]));
    replay(&app, &job).await.problem(409, "job-running");

    let off = TestApp::beside(&app, Plan::default()).await;
    replay(&off, &job).await.problem(409, "webhooks-off");
    let refused = off.submit(&submission("https://example.org/")).await;
    let refused = refused.problem(422, "validation-failed");
    assert_eq!(refused["errors"][0]["code"], "webhooks-off");
    assert!(refused["detail"].as_str().unwrap().contains("webhooks.secrets"), "{refused}");
    for (process, url, code) in
        [(&off, "https://example.org/", "webhooks-off"), (&app, "ftp://example.org/", "bad-url")]
    {
        let lines = format!("{{\"chain\":\"solana\",\"webhook_url\":\"{url}\"}}\n\"{UNUSED}\"\n");
        let request = process
            .request(Method::POST, "/api/pnl/batch/run")
            .header("content-type", "application/x-ndjson")
            .body(lines);
        let refused = reply(request).await.problem(422, "validation-failed");
        let error = &refused["errors"][0];
        assert_eq!(
            (&error["pointer"], &error["code"]),
            (&json!("line:1/webhook_url"), &json!(code))
        );
    }
    assert_eq!(app.jobs().await.len(), 2);
}

#[tokio::test]
async fn each_tenant_is_told_by_secrets_of_its_own() {
    let of_tenants = |settings: &mut Settings| {
        keyed(settings);
        settings.webhooks.root_secrets = vec![SigningSecret::new(SECRETS[0])];
        settings.webhooks.tenants =
            vec![WebhookTenant { name: "acme".to_owned(), generations: vec![2, 1] }];
        settings.webhooks.allow_private = true;
    };
    let app = TestApp::start(Plan { role: Role::All, adjust: of_tenants, ..Plan::default() }).await;
    let root = STANDARD.decode(SECRETS[0].strip_prefix("whsec_").unwrap()).unwrap();
    // As docs/api.md says.
    let secret = |tenant: &str, number: u8| {
        let text = format!("pnl-tracker webhooks\0{tenant}\0\0\0\0{}", char::from(number));
        format!("whsec_{}", STANDARD.encode(hmac(&root, text.as_bytes())))
    };
    for (tenant, numbers) in [("acme", &[2, 1][..]), ("bolt", &[1])] {
        let receiver = Receiver::answering([]).await;
        let (_, key) = create(&app, tenant, &[Scope::Submit]).await;
        let run = app.request(Method::POST, "/api/pnl/batch/run").bearer_auth(key);
        let accepted = reply(run.json(&submission(&receiver.url))).await;
        assert_eq!(accepted.status, 202, "{}", accepted.text);
        eventually("it is told", || async { receiver.seen().len() == 1 }).await;
        let told = &receiver.seen()[0];
        let expected: Vec<_> =
            numbers.iter().map(|n| expected_signature(&secret(tenant, *n), told)).collect();
        assert_eq!(told.header("webhook-signature"), expected.join(" "), "{tenant}");
    }
}
