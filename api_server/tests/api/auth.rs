//! Keys of clients over HTTP: who is answered, and what a key is good for.

use std::time::Duration;

use api_server::keys::Secret;
use persistence_layer::Tenant;
use persistence_layer::api_keys::{self, NewKey, Scope};
use reqwest::Method;
use serde_json::{Value, json};
use service_runtime::config::{AuthMode, Settings};
use uuid::Uuid;

use crate::support::{Plan, Reply, TestApp, UNUSED, eventually, reply};

pub fn keyed(settings: &mut Settings) {
    settings.auth.mode = AuthMode::Keys;
}

/// A key of `tenant`; gives its id, too.
pub async fn create(app: &TestApp, tenant: &str, scopes: &[Scope]) -> (Uuid, String) {
    let secret = Secret::generate().unwrap();
    let new = NewKey {
        id: Uuid::now_v7(),
        tenant: tenant.parse().unwrap(),
        name: "a test".to_owned(),
        hash: secret.hash(),
        scopes: scopes.to_vec(),
        valid_for: None,
    };
    api_keys::create(app.database.store(), &new).await.unwrap();
    (new.id, secret.expose().to_owned())
}

async fn ask(app: &TestApp, method: Method, path: &str, key: &str) -> Reply {
    reply(app.request(method, path).bearer_auth(key)).await
}

/// Method, path with something in place of its parameters, and whether the document says that a key is
/// needed, of every route.
pub fn routes() -> Vec<(Method, String, bool)> {
    let document: Value = serde_json::from_str(api_server::openapi::document()).unwrap();
    let mut routes = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let path = path
                .replace("{job_id}", &Uuid::now_v7().to_string())
                .replace("{wallet}", UNUSED)
                .replace("{id}", "none:0:out")
                .replace("{code}", "forbidden");
            routes.push((method, path, operation.get("security").is_some()));
        }
    }
    routes
}

#[tokio::test]
async fn every_route_of_data_wants_a_key_with_the_right_scope_and_no_other_does() {
    let app = TestApp::start(Plan { adjust: keyed, ..Plan::default() }).await;
    let (_, reader) = create(&app, "default", &[Scope::Read]).await;
    let (_, submitter) = create(&app, "default", &[Scope::Submit]).await;
    let (_, admin) = create(&app, "default", &[Scope::Admin]).await;
    let unknown = Secret::generate().unwrap();
    let mut open = Vec::new();
    for (method, path, needs_key) in routes() {
        let none = reply(app.request(method.clone(), &path)).await;
        if !needs_key {
            assert!(none.status.is_success(), "{path}: {}", none.text);
            open.push(path);
            continue;
        }
        none.problem(401, "unauthorized");
        assert_eq!(none.header("www-authenticate"), "Bearer realm=\"pnl-tracker\"");
        let bad = ask(&app, method.clone(), &path, unknown.expose()).await;
        bad.problem(401, "unauthorized");
        assert!(bad.header("www-authenticate").contains("error=\"invalid_token\""));
        let (right, wrong, scope) = match method {
            Method::GET if path.ends_with("/traffic-analysis") => (&reader, &submitter, "read"),
            _ if path.starts_with("/api/services/") || path.starts_with("/api/performance/") => {
                (&admin, &reader, "admin")
            }
            Method::GET => (&reader, &submitter, "read"),
            _ if path.starts_with("/api/v2/wallets/") => (&reader, &submitter, "read"),
            _ => (&submitter, &reader, "submit"),
        };
        let refused = ask(&app, method.clone(), &path, wrong).await;
        refused.problem(403, "forbidden");
        let challenge = refused.header("www-authenticate");
        assert!(challenge.ends_with(&format!("error=\"insufficient_scope\", scope=\"{scope}\"")));
        for key in [right, &admin] {
            let let_in = ask(&app, method.clone(), &path, key).await;
            assert!(!matches!(let_in.status.as_u16(), 401 | 403), "{path}: {}", let_in.text);
            let header = reply(app.request(method.clone(), &path).header("x-api-key", key)).await;
            assert_eq!(header.status, let_in.status, "{path}");
        }
    }
    // Whoever adds an open route says so here.
    assert_eq!(
        open,
        [
            "/api/docs",
            "/api/health",
            "/api/health/db",
            "/api/health/detailed",
            "/api/openapi.json",
            "/api/performance/health-detailed",
            "/health",
            "/problems/forbidden",
        ]
    );
    // A path that is none needs no key either, and a probe looks at none.
    app.get("/nowhere").await.problem(404, "not-found");
    assert_eq!(ask(&app, Method::GET, "/health", "nonsense").await.status, 200);
    ask(&app, Method::GET, "/api/docs", "nonsense").await.problem(401, "unauthorized");
}

#[tokio::test]
async fn where_nobody_is_asked_for_a_key_none_is_looked_at() {
    let app = TestApp::without_worker().await;
    let nonsense = ask(&app, Method::GET, "/api/pnl/batch", "nonsense").await;
    assert_eq!(nonsense.status, 200);
    let results = app.get("/api/pnl/results").await;
    assert!(results.header("cache-control").starts_with("public, "), "{results:?}");
}

#[tokio::test]
async fn what_the_holder_of_a_key_gets_is_nobody_elses() {
    let app = TestApp::start(Plan { adjust: keyed, ..Plan::default() }).await;
    let (id, key) = create(&app, "default", &[Scope::Read, Scope::Submit]).await;
    let body = json!({"wallet_addresses": [UNUSED], "chain": "solana"});
    let submitted = app.request(Method::POST, "/api/pnl/batch/run").bearer_auth(&key).json(&body);
    assert_eq!(reply(submitted).await.status, 202);
    for path in ["/api/pnl/results", "/api/pnl/batch"] {
        let answer = ask(&app, Method::GET, path, &key).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let told = answer.header("cache-control");
        assert!(told.contains("private") || told == "no-store", "{path}: {told}");
    }
    let results = ask(&app, Method::GET, "/api/pnl/results", &key).await;
    assert_eq!(results.header("vary"), "Accept, Accept-Encoding, Authorization, X-API-Key");
    eventually("the use of the key is noted", || async {
        let all = api_keys::list(app.database.store()).await.unwrap();
        all.iter().any(|key| key.id == id && key.last_used_at.is_some())
    })
    .await;
}

#[tokio::test]
async fn a_revoked_or_expired_key_is_refused_and_both_of_a_rotation_are_not() {
    let app = TestApp::start(Plan { adjust: keyed, ..Plan::default() }).await;
    let store = app.database.store();
    let (old, first) = create(&app, "default", &[Scope::Read]).await;
    let status = async |key: &str| ask(&app, Method::GET, "/api/pnl/batch", key).await.status;
    assert_eq!(status(&first).await, 200);
    let second = Secret::generate().unwrap();
    let new = (Uuid::now_v7(), second.hash());
    api_keys::rotate(store, old, new, Duration::from_secs(3600), None).await.unwrap();
    assert_eq!(
        (status(&first).await, status(second.expose()).await),
        (200.try_into().unwrap(), 200.try_into().unwrap())
    );
    api_keys::revoke(store, old).await.unwrap();
    eventually("the revoked key is refused", || async { status(&first).await == 401 }).await;
    assert_eq!(status(second.expose()).await, 200);
    let third = Secret::generate().unwrap();
    let short = NewKey {
        id: Uuid::now_v7(),
        tenant: Tenant::default(),
        name: "short".to_owned(),
        hash: third.hash(),
        scopes: vec![Scope::Read],
        valid_for: Some(Duration::from_millis(800)),
    };
    api_keys::create(store, &short).await.unwrap();
    eventually("a key expires", || async { status(third.expose()).await == 401 }).await;
}

#[tokio::test]
async fn a_key_that_was_valid_is_believed_while_the_database_is_away_and_no_other() {
    let mut app =
        TestApp::start(Plan { adjust: keyed, through_proxy: true, ..Plan::default() }).await;
    let (_, known) = create(&app, "default", &[Scope::Admin]).await;
    let (_, unseen) = create(&app, "default", &[Scope::Admin]).await;
    assert_eq!(ask(&app, Method::GET, "/api/pnl/batch", &known).await.status, 200);
    app.proxy.as_mut().unwrap().cut().await;
    eventually("the process sees that its database is away", || async {
        app.get("/api/health").await.status == 503
    })
    .await;
    ask(&app, Method::GET, "/api/pnl/batch", &known).await.problem(503, "database-unavailable");
    let status = ask(&app, Method::GET, "/api/services/status", &known).await;
    assert_eq!((status.status.as_u16(), status.json()["status"].clone()), (200, json!("down")));
    ask(&app, Method::GET, "/api/services/status", &unseen)
        .await
        .problem(503, "database-unavailable");
}

#[tokio::test]
async fn each_key_is_counted_wherever_it_is_used_and_guesses_for_their_address() {
    fn limited(settings: &mut Settings) {
        keyed(settings);
        settings.limits.unlimited = Vec::new();
        settings.limits.trusted_proxies = vec!["127.0.0.1".to_owned()];
        settings.limits.default_per_minute = 2;
    }
    let app = TestApp::start(Plan { adjust: limited, ..Plan::default() }).await;
    let (_, one) = create(&app, "default", &[Scope::Read]).await;
    let (_, two) = create(&app, "default", &[Scope::Read]).await;
    let from = async |address: &str, key: &str| {
        let request = app.request(Method::GET, "/api/pnl/batch").bearer_auth(key);
        reply(request.header("x-forwarded-for", address)).await.status.as_u16()
    };
    for (address, key, expected) in [
        ("192.0.2.1", &one, 200),
        ("192.0.2.2", &one, 200),
        ("192.0.2.3", &one, 429),
        ("192.0.2.1", &two, 200),
        ("192.0.2.1", &one, 429),
        ("192.0.2.3", &two, 200),
        ("192.0.2.4", &two, 429),
    ] {
        assert_eq!(from(address, key).await, expected, "{address}");
    }
    let wrong = Secret::generate().unwrap();
    for expected in [401, 401, 429] {
        assert_eq!(from("192.0.2.9", wrong.expose()).await, expected);
    }
    assert_eq!(from("192.0.2.9", "nonsense").await, 429);
    assert_eq!(from("192.0.2.8", "nonsense").await, 401);
}
