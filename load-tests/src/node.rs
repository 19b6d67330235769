//! The server.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures::{StreamExt as _, stream};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::task::{JoinHandle, JoinSet};
use tower::ServiceExt as _;

use crate::chain::RecordedChain;
use crate::evm::EvmChain;
use crate::faults::{Fate, FaultKind, Faults, Verdict};
use crate::rpc::{self, Strike};
use crate::stats::Stats;

/// The largest request that is read.
const LARGEST_REQUEST_BYTES: usize = 1 << 24;
/// How long a hanging request hangs.
const HANG: Duration = Duration::from_secs(3600);
const SOLANA: &str = "/solana";
const LLAMA: &str = "/llama";

/// A running node. It stops, with all its connections, when this is dropped.
#[derive(Debug)]
pub struct RecordedNode {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    chain: RecordedChain,
    evm: Mutex<BTreeMap<String, Arc<EvmChain>>>,
    fate: Mutex<Fate>,
    stats: Mutex<Stats>,
}

impl Shared {
    fn evm(&self, name: &str) -> Option<Arc<EvmChain>> {
        self.evm.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    // A panic elsewhere leaves counters and dice as usable as before.
    fn fate(&self) -> MutexGuard<'_, Fate> {
        self.fate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stats(&self) -> MutexGuard<'_, Stats> {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RecordedNode {
    /// Serves `chain` on `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn start(chain: RecordedChain, address: impl ToSocketAddrs) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let evm = chain.evm.iter().map(|(name, chain)| (name.clone(), Arc::new(chain.clone())));
        let shared = Arc::new(Shared {
            evm: Mutex::new(evm.collect()),
            chain,
            fate: Mutex::new(Fate::new(Faults::default())),
            stats: Mutex::default(),
        });
        let server = tokio::spawn(serve(listener, router(Arc::clone(&shared))));
        Ok(Self { address, shared, server })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://HOST:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The Solana JSON-RPC endpoint.
    pub fn solana_url(&self) -> String {
        self.url() + SOLANA
    }

    /// The JSON-RPC endpoint of an EVM chain.
    pub fn evm_url(&self, chain: &str) -> String {
        format!("{}/evm/{chain}", self.url())
    }

    /// The explorer of an EVM chain, or of all of them under `v2`.
    pub fn explorer_url(&self, chain: &str) -> String {
        format!("{}/etherscan/{chain}/api", self.url())
    }

    /// Serves another EVM chain under this name from now on.
    pub fn set_evm(&self, name: &str, chain: EvmChain) {
        self.shared
            .evm
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_owned(), chain.into());
    }

    /// The base of the price API.
    pub fn llama_url(&self) -> String {
        self.url() + LLAMA
    }

    /// The chain it serves.
    pub fn chain(&self) -> &RecordedChain {
        &self.shared.chain
    }

    /// What it was asked so far.
    pub fn stats(&self) -> Stats {
        self.shared.stats().clone()
    }

    /// Sets all counts to zero.
    pub fn reset(&self) {
        *self.shared.stats() = Stats::default();
    }

    /// Misbehaves from now on as told. `Faults::default()` ends it.
    pub fn set_faults(&self, faults: Faults) {
        *self.shared.fate() = Fate::new(faults);
    }

    /// Stops it and waits until its port is free.
    pub async fn stop(mut self) {
        self.server.abort();
        // The task was aborted: that is its result.
        let _ = (&mut self.server).await;
    }
}

impl Drop for RecordedNode {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn router(shared: Arc<Shared>) -> Router {
    let faulty = Router::new()
        .route(SOLANA, post(solana))
        .route("/evm/{chain}", post(evm))
        .route("/etherscan/{chain}/api", get(explorer))
        .route("/llama/prices/historical/{at}/{coins}", get(price_at))
        .route("/llama/prices/current/{coins}", get(newest_price))
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), misbehave));
    Router::new()
        .route("/_stats", get(async |State(s): State<Arc<Shared>>| json_of(&s.stats().clone())))
        .route("/_reset", post(reset))
        .route("/_faults", post(set_faults))
        .merge(faulty)
        .with_state(shared)
}

async fn serve(listener: TcpListener, router: Router) {
    // Dropped with this task, and all connections with it.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => {
                connections.spawn(serve_connection(stream, router.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve_connection(stream: TcpStream, router: Router) {
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let router = router.clone();
        async move {
            let response = router.oneshot(request.map(Body::new)).await;
            let response = response.unwrap_or_else(|never: Infallible| match never {});
            // An error makes hyper close the connection without writing anything.
            if response.extensions().get::<Severed>().is_some() {
                Err(Severed)
            } else {
                Ok(response)
            }
        }
    });
    // A connection that ends badly is the client's business, or a fault of ours.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// Marks a response in place of which the connection is closed.
#[derive(Debug, Clone, Copy)]
struct Severed;

impl std::fmt::Display for Severed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection is closed on purpose")
    }
}

impl std::error::Error for Severed {}

/// Counts the request, then lets it fail as it is fated to.
async fn misbehave(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, LARGEST_REQUEST_BYTES).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let path = parts.uri.path().to_owned();
    let is_json_rpc = parts.method == Method::POST;
    let endpoint = if path.starts_with(LLAMA) { LLAMA } else { path.as_str() };
    let calls = if is_json_rpc { rpc::count_calls(&body) } else { 1 };
    let asked =
        if is_json_rpc { &body[..] } else { parts.uri.query().unwrap_or_default().as_bytes() };
    let verdict = shared.fate().judge(&path, asked);
    // The latency is that of the way here: a call arrives behind it.
    tokio::time::sleep(verdict.latency).await;
    shared.stats().arrived(endpoint, calls);
    if verdict.down {
        shared.stats().struck("down");
        return severed();
    }
    let Some(kind) = verdict.kind else {
        return next.run(Request::from_parts(parts, Body::from(body))).await;
    };
    shared.stats().struck(kind.as_str());
    if let Some(status) = kind.status() {
        return refusal(status, &verdict);
    }
    match kind {
        FaultKind::Hang => {
            tokio::time::sleep(HANG).await;
            severed()
        }
        FaultKind::Reset => severed(),
        FaultKind::Garbage => "<html>bad gateway</html>".into_response(),
        FaultKind::EmptyBody => json_text(String::new()),
        _ => {
            let mut request = Request::from_parts(parts, Body::from(body));
            request.extensions_mut().insert(verdict);
            let response = next.run(request).await;
            if kind == FaultKind::Truncated { truncated(response).await } else { response }
        }
    }
}

fn severed() -> Response {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(Severed);
    response
}

fn refusal(status: u16, verdict: &Verdict) -> Response {
    let status = StatusCode::from_u16(status).expect("a kind names a valid status");
    let too_many = status == StatusCode::TOO_MANY_REQUESTS;
    let body = if too_many {
        r#"{"jsonrpc":"2.0","error":{"code":429,"message":"Too many requests"},"id":null}"#
    } else {
        r#"{"error":"refused on purpose"}"#
    };
    let mut response = (status, json_text(body.to_owned())).into_response();
    if too_many
        && let Ok(wait) = HeaderValue::from_str(&verdict.retry_after)
        && !wait.is_empty()
    {
        response.headers_mut().insert(RETRY_AFTER, wait);
    }
    response
}

/// The first half of a response that promised all of it.
async fn truncated(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let Ok(body) = axum::body::to_bytes(body, usize::MAX).await else { return severed() };
    parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    let half = body.slice(..body.len() / 2);
    // The pause lets what was written leave before the connection is cut.
    let cut = stream::once(async { Ok(half) }).chain(stream::once(async {
        tokio::task::yield_now().await;
        Err(Severed)
    }));
    Response::from_parts(parts, Body::from_stream(cut))
}

type JsonText = ([(HeaderName, &'static str); 1], String);

fn json_text(text: String) -> Response {
    let answer: JsonText = ([(CONTENT_TYPE, "application/json")], text);
    answer.into_response()
}

fn json_of(value: &impl serde::Serialize) -> Response {
    json_text(serde_json::to_string(value).expect("counts and faults are plain JSON"))
}

async fn solana(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let verdict = request.extensions().get::<Verdict>().cloned();
    let Ok(body) = axum::body::to_bytes(request.into_body(), LARGEST_REQUEST_BYTES).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let strike = strikes(&shared, verdict, &body);
    let answered = |method: &str| shared.stats().answered(SOLANA, method);
    let forgotten = shared.fate().faults().forgets.clone();
    json_text(rpc::answer(&shared.chain, forgotten.as_deref(), &body, strike, answered))
}

/// Whether the fault of a request takes a call of it.
fn strikes(
    shared: &Shared,
    verdict: Option<Verdict>,
    body: &[u8],
) -> impl FnMut() -> Option<Strike> {
    let is_batch = body.trim_ascii_start().starts_with(b"[");
    move || {
        let verdict = verdict.as_ref()?;
        let strike = match verdict.kind? {
            FaultKind::RpcError => Strike::Error(verdict.rpc_code),
            FaultKind::NullResult => Strike::Null,
            _ => return None,
        };
        (!is_batch || shared.fate().coin()).then_some(strike)
    }
}

async fn evm(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    let verdict = request.extensions().get::<Verdict>().cloned();
    let Ok(body) = axum::body::to_bytes(request.into_body(), LARGEST_REQUEST_BYTES).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let chain = shared.evm(&name);
    let Some(chain) = chain else { return StatusCode::NOT_FOUND.into_response() };
    if rpc::count_calls(&body) > chain.max_batch() {
        return json_text(rpc::error_text("null", -32600, "batch too large"));
    }
    let strike = strikes(&shared, verdict, &body);
    let endpoint = format!("/evm/{name}");
    let answered = |method: &str| shared.stats().answered(&endpoint, method);
    let dispatch = |method: &str, params: &[Value]| {
        let result = chain.call(method, params)?;
        Ok(RawValue::from_string(result.to_string()).expect("a value is valid JSON"))
    };
    json_text(rpc::answer_by(dispatch, &body, strike, answered))
}

async fn explorer(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let name = match (name.as_str(), query.get("chainid").map(String::as_str)) {
        ("v2", Some("1")) => "ethereum",
        ("v2", Some("8453")) => "base",
        ("v2", Some("56")) => "binance-smart-chain",
        (name, _) => name,
    };
    let chain = shared.evm(name);
    let Some(chain) = chain else { return StatusCode::NOT_FOUND.into_response() };
    let action = query.get("action").map_or("", String::as_str);
    shared.stats().answered(&format!("/etherscan/{name}"), action);
    json_text(chain.explored(&query).to_string())
}

async fn price_at(
    State(shared): State<Arc<Shared>>,
    Path((at, coins)): Path<(i64, String)>,
) -> Response {
    price_answer(&shared, &coins, Some(at))
}

async fn newest_price(State(shared): State<Arc<Shared>>, Path(coins): Path<String>) -> Response {
    price_answer(&shared, &coins, None)
}

fn price_answer(shared: &Shared, coins: &str, at: Option<i64>) -> Response {
    let Some(prices) = &shared.chain.prices else {
        return StatusCode::NOT_FOUND.into_response();
    };
    shared.stats().answered(LLAMA, "prices");
    json_text(prices.answer(coins, at))
}

async fn reset(State(shared): State<Arc<Shared>>) -> Response {
    *shared.stats() = Stats::default();
    json_text("{}".to_owned())
}

async fn set_faults(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let body = if body.is_empty() { Bytes::from_static(b"{}") } else { body };
    match serde_json::from_slice::<Faults>(&body) {
        Ok(faults) => {
            let mut fate = shared.fate();
            *fate = Fate::new(faults);
            json_of(fate.faults())
        }
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}
