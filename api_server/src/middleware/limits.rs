//! Limits of clients: each request is counted before it is answered, and one beyond the limit is
//! refused. What turns out to be cheap is taken back: 304, and answers from a cache.

use std::net::IpAddr;
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::answers::Found;
use crate::app::{App, AppState};
use crate::client::{self, Client, Peer};
use crate::error::ApiError;
use crate::keys::Caller;
use crate::limiter::{Class, Entry, WINDOW};
use crate::middleware::cached::X_CACHE;
use crate::problems;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// The layer itself.
pub async fn enforce(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let Some(class) = class(&request) else { return next.run(request).await };
    let address = address(&app, &request);
    if app.limiter.is_unlimited(address) {
        return next.run(request).await;
    }
    // Who holds a key is one client, wherever it is used.
    let key = request.extensions().get::<Caller>().and_then(|caller| caller.key);
    let client = key.map_or_else(|| Client::of(address), Client::Key);
    let Some(entry) = app.limiter.enter(client, class).await else {
        return next.run(request).await;
    };
    let told = Told::of(&entry);
    if !entry.window.allowed {
        return refused(&app, &entry);
    }
    let response = next.run(request).await;
    if is_cheap(class, &response) {
        app.limiter.leave(entry).await;
        return told.with_one_more().on(response);
    }
    told.on(response)
}

/// Counts a request that is not known to be anybody's for the address it comes from; `None` when that has
/// no limit.
///
/// # Errors
/// The answer to one beyond the limit.
pub(super) async fn enter_address(
    app: &App,
    address: IpAddr,
) -> Result<Option<Entry>, Box<Response>> {
    if app.limiter.is_unlimited(address) {
        return Ok(None);
    }
    match app.limiter.enter(Client::of(address), Class::Default).await {
        Some(entry) if !entry.window.allowed => Err(Box::new(refused(app, &entry))),
        entry => Ok(entry),
    }
}

/// Where a request is from.
pub(super) fn address(app: &App, request: &Request) -> IpAddr {
    let peer = request.extensions().get::<Peer>().map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.0);
    client::address(peer, request.headers(), app.limiter.proxies())
}

/// Whether nothing was made for it. A wallet's answer was made to find out that it is what the client has,
/// unless it was kept.
fn is_cheap(class: Class, response: &Response) -> bool {
    match response.headers().get(X_CACHE) {
        Some(found) => [Found::Hit, Found::Stale].iter().any(|kept| found == kept.as_str()),
        None => class != Class::Wallets && response.status() == StatusCode::NOT_MODIFIED,
    }
}

/// What the request is counted as; `None` when it is not.
pub(super) fn class(request: &Request) -> Option<Class> {
    if request.method() == Method::OPTIONS {
        return None;
    }
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let route = route.unwrap_or_default();
    if route == "/health"
        || route.starts_with("/api/health")
        || route.starts_with("/api/performance/health")
    {
        return None;
    }
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    Some(if route.starts_with("/api/v2/wallets/") {
        Class::Wallets
    } else if route.starts_with("/api/services/") || route.starts_with("/api/performance/") {
        Class::Services
    } else if is_read
        && (route.starts_with("/api/pnl/results") || route.starts_with("/api/pnl/batch/results"))
    {
        Class::Results
    } else {
        Class::Default
    })
}

fn refused(app: &App, entry: &Entry) -> Response {
    let class = entry.class();
    app.http_metrics.refused(class);
    let seconds = seconds(entry.window.reset);
    let detail = format!(
        "This client has made {} requests of the class {} in the last {} s, which is the most; the next one \
         is answered in {seconds} s.",
        entry.most,
        class.as_str(),
        WINDOW.as_secs(),
    );
    let refusal = ApiError::new(problems::RATE_LIMITED, detail).retry_after(seconds);
    Told::of(entry).on(refusal.into_response())
}

/// Whole seconds, rounded up: never too early.
fn seconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis().div_ceil(1000)).unwrap_or(u32::MAX).max(1)
}

/// What a client is told about its limit (draft-ietf-httpapi-ratelimit-headers-10).
struct Told {
    class: Class,
    most: u32,
    remaining: u32,
    reset_seconds: u32,
}

impl Told {
    fn of(entry: &Entry) -> Self {
        let window = entry.window;
        Self {
            class: entry.class(),
            most: entry.most,
            remaining: window.remaining,
            reset_seconds: seconds(window.reset),
        }
    }

    fn with_one_more(mut self) -> Self {
        self.remaining = (self.remaining + 1).min(self.most);
        self
    }

    fn on(&self, mut response: Response) -> Response {
        let Self { class, most, remaining, reset_seconds } = self;
        let class = class.as_str();
        for (name, text) in [
            (POLICY, format!("\"{class}\";q={most};w={}", WINDOW.as_secs())),
            (LIMIT, format!("\"{class}\";r={remaining};t={reset_seconds}")),
        ] {
            if let Ok(value) = HeaderValue::from_str(&text) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}
