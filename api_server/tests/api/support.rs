//! A service in this process: its own database, a free port, a chain that answers from memory.

use std::net::SocketAddr;
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use api_server::front::Front;
use api_server::listener::{self, Rules};
use api_server::router;
use api_server::serve::{Assembled, assemble};
use load_tests::{RecordedChain, RecordedNode, SyntheticPlan};
use persistence_layer::test_util::TestDatabase;
use persistence_layer::{Store, StoreSettings};
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use service_runtime::config::{
    PriceSource, ProviderKind, ProviderSettings, Role, SecretUrl, Settings,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::contract;

/// An address that no recorded transaction names.
pub const UNUSED: &str = "Config1111111111111111111111111111111111111";

/// The chain of the demo: swaps, transfers, stakes and fees, with prices.
const DEMO_CHAIN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../load-tests/demo-chain");

/// The wallets of the demo.
pub fn demo_wallets() -> Vec<String> {
    let list = std::fs::read_to_string(format!("{DEMO_CHAIN}/wallets.txt")).unwrap();
    list.lines().map(str::to_owned).collect()
}

/// Longest wait for something that is bound to happen.
const PATIENCE: Duration = Duration::from_secs(60);

static TLS: Once = Once::new();

/// How a test wants its service.
pub struct Plan {
    /// With a worker or without.
    pub role: Role,
    /// What the chain answers from.
    pub chain: RecordedChain,
    /// Whether the chain's Ethereum is configured, a node and an explorer.
    pub ethereum: bool,
    /// Changes to the default settings.
    pub adjust: fn(&mut Settings),
    /// Whether the database is reached through a proxy that can be cut.
    pub through_proxy: bool,
    /// Whether that proxy is cut before the service starts.
    pub away: bool,
    /// Whether the database takes no writes from the service.
    pub read_only: bool,
    /// Whether Redis is configured, that of the tests.
    pub redis: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            role: Role::Api,
            chain: RecordedChain::from_folder(DEMO_CHAIN).unwrap().with_synthetic(SyntheticPlan {
                wallets: 3,
                transactions_each: 40,
                ..SyntheticPlan::default()
            }),
            ethereum: false,
            adjust: |_| {},
            through_proxy: false,
            away: false,
            read_only: false,
            redis: false,
        }
    }
}

/// A running service.
pub struct TestApp {
    /// Where clients talk to.
    pub address: SocketAddr,
    admin: SocketAddr,
    client: reqwest::Client,
    /// The chain.
    pub node: Arc<RecordedNode>,
    /// The database, past any proxy.
    pub database: Arc<TestDatabase>,
    /// Between the service and its database, when asked for.
    pub proxy: Option<Proxy>,
    /// Tells the process to stop, as the first signal does.
    pub drain: CancellationToken,
    closing: CancellationToken,
}

/// An answer, read completely.
#[derive(Debug)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub text: String,
}

impl Reply {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    /// A header's text, empty when absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Checks that this is a problem of `status` and `code` with everything a problem has, and
    /// gives its body.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text);
        let body = self.json();
        assert_eq!(body["code"], code, "{body}");
        assert_eq!(body["type"], format!("/problems/{code}"), "{body}");
        assert_eq!(body["status"], status, "{body}");
        assert_eq!(body["error"], body["detail"], "{body}");
        assert!(!body["detail"].as_str().unwrap().is_empty(), "{body}");
        assert!(!body["title"].as_str().unwrap().is_empty(), "{body}");
        assert_eq!(body["trace_id"].as_str().unwrap().len(), 32, "{body}");
        assert!(body["instance"].as_str().unwrap().starts_with('/'), "{body}");
        assert!(body["errors"].is_array(), "{body}");
        if status == 503 {
            let seconds: u32 = self.header("retry-after").parse().unwrap();
            assert!(seconds > 0);
        }
        body
    }
}

impl TestApp {
    /// A service that accepts jobs and works on none.
    pub async fn without_worker() -> Self {
        Self::start(Plan::default()).await
    }

    /// A service as `serve` runs it.
    pub async fn with_worker() -> Self {
        Self::start(Plan { role: Role::All, ..Plan::default() }).await
    }

    /// The same, whose wallets fail at the first refusal.
    pub async fn without_patience() -> Self {
        let adjust = |settings: &mut Settings| {
            settings.worker.call_tries = 1;
            settings.worker.max_attempts = 1;
        };
        Self::start(Plan { role: Role::All, adjust, ..Plan::default() }).await
    }

    /// A service as `plan` says.
    pub async fn start(mut plan: Plan) -> Self {
        TLS.call_once(|| {
            let _ = rustls::crypto::ring::default_provider().install_default();
        });
        let chain = std::mem::take(&mut plan.chain);
        let node = RecordedNode::start(chain, "127.0.0.1:0").await.unwrap();
        let database = TestDatabase::create().await;
        Self::on(Arc::new(node), Arc::new(database), plan).await
    }

    /// A second process on the database and the chain of `other`.
    pub async fn beside(other: &Self, plan: Plan) -> Self {
        Self::on(Arc::clone(&other.node), Arc::clone(&other.database), plan).await
    }

    async fn on(node: Arc<RecordedNode>, database: Arc<TestDatabase>, plan: Plan) -> Self {
        let mut settings = settings(&node);
        if plan.ethereum {
            settings.chains.ethereum.providers = vec![
                provider("explorer", ProviderKind::Etherscan, node.explorer_url("ethereum")),
                provider("node", ProviderKind::EvmRpc, node.evm_url("ethereum")),
            ];
        }
        if plan.redis {
            settings.redis.url = SecretUrl::new(redis_url());
        }
        (plan.adjust)(&mut settings);
        let (store, proxy) = if plan.through_proxy {
            let mut proxy = Proxy::start(database.url()).await;
            let store = connect(&proxy.url).await;
            if plan.away {
                proxy.cut().await;
            }
            (store, Some(proxy))
        } else if plan.read_only {
            (connect(&read_only(database.url())).await, None)
        } else {
            (database.second_store().await, None)
        };
        let (drain, closing) = (CancellationToken::new(), CancellationToken::new());
        let store = store.keeping_replaced_ledgers(settings.retention.replaced_ledgers());
        let Assembled { app, .. } =
            assemble(&settings, plan.role, store, drain.clone(), &closing).await.unwrap();
        let rules = Rules {
            max_connections: settings.api.max_connections,
            head_timeout: settings.api.request_timeout(),
            grace: Duration::from_secs(1),
            metrics: Some(app.http_metrics.clone()),
        };
        let of_operators = Rules {
            max_connections: listener::MAX_ADMIN_CONNECTIONS,
            metrics: None,
            ..rules.clone()
        };
        let (socket, public) = listener::bind("127.0.0.1", 0).await.unwrap();
        let front = Front::new(app.clone(), router::public(&app, plan.role));
        tokio::spawn(listener::serve(socket, front, rules, closing.clone()));
        let (socket, admin) = listener::bind("127.0.0.1", 0).await.unwrap();
        tokio::spawn(listener::serve(socket, router::admin(&app), of_operators, closing.clone()));
        let client = reqwest::Client::builder().timeout(PATIENCE).no_gzip().build().unwrap();
        Self { address: public, admin, client, node, database, proxy, drain, closing }
    }

    /// A request to the public listener, to be completed.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address))
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Reply {
        reply(self.request(Method::GET, path)).await
    }

    /// GET at the admin listener.
    pub async fn admin_get(&self, path: &str) -> Reply {
        reply(self.client.get(format!("http://{}{path}", self.admin))).await
    }

    /// The same in a media type.
    pub async fn admin_get_as(&self, path: &str, accept: &str) -> Reply {
        let request = self.client.get(format!("http://{}{path}", self.admin));
        reply(request.header("accept", accept)).await
    }

    /// POST without a body.
    pub async fn post(&self, path: &str) -> Reply {
        reply(self.request(Method::POST, path)).await
    }

    /// POST of a JSON text to the submission.
    pub async fn submit_text(&self, body: impl Into<String>) -> Reply {
        let request = self
            .request(Method::POST, "/api/pnl/batch/run")
            .header("content-type", "application/json")
            .body(body.into());
        reply(request).await
    }

    /// POST of a JSON value to the submission.
    pub async fn submit(&self, body: &Value) -> Reply {
        self.submit_text(body.to_string()).await
    }

    /// The same with an `Idempotency-Key`.
    pub async fn submit_once(&self, key: &str, body: &str) -> Reply {
        let request = self
            .request(Method::POST, "/api/pnl/batch/run")
            .header("content-type", "application/json")
            .header("idempotency-key", key)
            .body(body.to_owned());
        reply(request).await
    }

    /// Submits wallets with the defaults; gives the job id.
    pub async fn accepted(&self, wallets: &[String]) -> String {
        let reply = self.submit(&json!({"wallet_addresses": wallets, "chain": "solana"})).await;
        assert_eq!(reply.status, 202, "{}", reply.text);
        reply.json()["job_id"].as_str().unwrap().to_owned()
    }

    /// Waits until the job has ended; gives its status body.
    pub async fn ended(&self, job: &str) -> Value {
        let begun = Instant::now();
        loop {
            let status = self.get(&format!("/api/pnl/batch/status/{job}")).await.json();
            if status["done"] == true {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "still not done: {status}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Submits and waits; gives the job id.
    pub async fn completed(&self, wallets: &[String]) -> String {
        let job = self.accepted(wallets).await;
        let status = self.ended(&job).await;
        if status["status"] != "completed" {
            let results = self.get(&format!("/api/pnl/batch/results/{job}")).await.text;
            panic!("{status}\n{results}");
        }
        job
    }

    /// Waits until the process has found its Redis.
    pub async fn sees_redis(&self) {
        eventually("the process sees Redis", || async {
            let status = self.get("/api/health/detailed").await.json();
            let mut checks = status["checks"].as_array().unwrap().iter();
            checks.any(|check| check["name"] == "redis" && check["state"] == "up")
        })
        .await;
    }

    /// The jobs that are stored.
    pub async fn jobs(&self) -> Vec<Value> {
        self.get("/api/pnl/batch").await.json()["data"].as_array().unwrap().clone()
    }

    /// Writes raw bytes to the public listener and reads until it closes or `wait` is over.
    pub async fn raw(&self, bytes: &[u8], wait: Duration) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(wait, stream.read_to_end(&mut answer)).await;
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.drain.cancel();
        self.closing.cancel();
    }
}

/// Sends a request and reads its answer, which must be as the document of the interface says.
pub async fn reply(request: reqwest::RequestBuilder) -> Reply {
    let (client, request) = request.build_split();
    let request = request.unwrap();
    let (method, path) = (request.method().clone(), request.url().path().to_owned());
    let response = client.execute(request).await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let text = response.text().await.unwrap();
    let reply = Reply { status, headers, text };
    contract::check(&method, &path, &reply);
    reply
}

/// Keeps everybody from the results of wallets until [`release`]; the task ends with an error then.
pub async fn hold_results(app: &TestApp) -> JoinHandle<u64> {
    hold(app, "pnl_results").await
}

/// Keeps everybody from a table, likewise.
pub async fn hold(app: &TestApp, table: &str) -> JoinHandle<u64> {
    let database = Arc::clone(&app.database);
    let lock = format!(
        "do $$ begin lock table {table} in access exclusive mode; perform pg_sleep(600); end $$"
    );
    let holder = tokio::spawn(async move { database.execute(&lock).await });
    // It sleeps as soon as it has the lock.
    let held = "select count(*) from pg_stat_activity
        where wait_event = 'PgSleep' and datname = current_database()";
    eventually("the table is locked", || async { app.database.number(held).await > 0 }).await;
    holder
}

/// Lets everybody at the table again.
pub async fn release(app: &TestApp) {
    let end = "select count(pg_terminate_backend(pid)) from pg_stat_activity
        where wait_event = 'PgSleep' and datname = current_database()";
    assert_eq!(app.database.number(end).await, 1);
}

/// How many sessions wait for a lock.
pub async fn waiting_for_locks(app: &TestApp) -> u64 {
    let waiting = "select count(*) from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'";
    app.database.number(waiting).await.unsigned_abs()
}

/// Waits for `is_so`, which is asked again and again.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < PATIENCE, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn settings(node: &RecordedNode) -> Settings {
    let mut settings = Settings::default();
    settings.chains.solana.providers =
        vec![provider("recorded", ProviderKind::SolanaRpc, node.solana_url())];
    settings.prices.sources =
        vec![PriceSource::Csv { path: format!("{DEMO_CHAIN}/prices").into() }];
    // Tests change rows behind the service's back.
    settings.cache.memory_mb = 0;
    settings.cache.warm_up_answers = 0;
    settings.worker.poll_interval_ms = 50;
    settings.worker.backoff_seconds = 1;
    settings.worker.shutdown_grace_seconds = 1;
    settings
}

/// The Redis of the tests.
pub fn redis_url() -> String {
    std::env::var("TEST_REDIS_URL").expect("TEST_REDIS_URL names a Redis for tests")
}

fn provider(name: &str, kind: ProviderKind, url: String) -> ProviderSettings {
    let url = SecretUrl::new(url);
    ProviderSettings {
        name: name.to_owned(),
        kind,
        url,
        requests_per_second: 1000,
        price_per_thousand_calls_usd: String::new(),
    }
}

/// A pool of five connections.
pub async fn connect(url: &str) -> Store {
    Store::connect(&StoreSettings {
        url: url.to_owned(),
        max_connections: 5,
        min_connections: 1,
        acquire_timeout: Duration::from_secs(30),
        idle_timeout: Duration::from_secs(600),
        max_lifetime: Duration::from_secs(1800),
        statement_timeout: Duration::from_secs(60),
    })
    .await
    .unwrap()
}

/// The same database for sessions that only read.
pub fn read_only(url: &str) -> String {
    let mark = if url.contains('?') { '&' } else { '?' };
    format!("{url}{mark}options[default_transaction_read_only]=on")
}

/// A TCP proxy in front of the database: what a network between them can do.
pub struct Proxy {
    /// URL of the database through this proxy.
    pub url: String,
    target: String,
    address: SocketAddr,
    running: Option<JoinHandle<()>>,
    frozen: watch::Sender<bool>,
}

impl Proxy {
    /// Passes nothing on in either direction, and keeps all connections: a server that was stopped
    /// looks like that.
    pub fn freeze(&self, frozen: bool) {
        self.frozen.send_replace(frozen);
    }

    async fn start(url: &str) -> Self {
        let (scheme, rest) = url.split_once("://").unwrap();
        let (authority, path) = rest.split_once('/').unwrap();
        let (user, target) = authority.rsplit_once('@').unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let url = format!("{scheme}://{user}@{address}/{path}");
        let target = target.to_owned();
        let frozen = watch::Sender::new(false);
        let running = Some(tokio::spawn(forward(listener, target.clone(), frozen.subscribe())));
        Self { url, target, address, running, frozen }
    }

    /// Cuts every connection and refuses new ones.
    pub async fn cut(&mut self) {
        if let Some(running) = self.running.take() {
            running.abort();
            let _ = running.await;
        }
    }

    /// Lets connections through again.
    pub async fn mend(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.running =
            Some(tokio::spawn(forward(listener, self.target.clone(), self.frozen.subscribe())));
    }
}

async fn forward(listener: TcpListener, target: String, frozen: watch::Receiver<bool>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((mut client, _)) = listener.accept().await {
        let (target, mut frozen) = (target.clone(), frozen.clone());
        connections.spawn(async move {
            let Ok(mut server) = TcpStream::connect(target).await else { return };
            loop {
                // A copy that is dropped has written all it has read, or waits for more.
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut client, &mut server) => return,
                    _ = frozen.wait_for(|frozen| *frozen) => {}
                }
                if frozen.wait_for(|frozen| !*frozen).await.is_err() {
                    return;
                }
            }
        });
    }
}
