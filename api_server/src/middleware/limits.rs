//! Limits of clients: a request is counted where something has to be made for it, and one beyond the limit is
//! refused there. Answers from a cache never come so far, and what turns out to be a 304 without anything expensive is taken back.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use persistence_layer::redis::rate::Window;

use crate::answers::Found;
use crate::app::{App, AppState};
use crate::client::{self, Client, Peer};
use crate::error::ApiError;
use crate::keys::Caller;
use crate::limiter::{Class, Counted, Entry, WINDOW};
use crate::problems;
use crate::slo::RouteClass;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// A request of a client that has a limit, on its way.
#[derive(Clone)]
struct Asked {
    client: Client,
    class: Class,
    /// Set by the layer that counts it.
    entry: Arc<OnceLock<Entry>>,
}

impl Asked {
    /// Counts it, once; gives what it found when it is beyond the limit.
    async fn enter(&self, app: &App) -> Option<&Entry> {
        let entry = app.limiter.enter(self.client.clone(), self.class, Counted::Made).await?;
        Some(self.entry.get_or_init(|| entry)).filter(|entry| !entry.window.allowed)
    }
}

/// The layer around everything: finds out whose request it is, and tells the client of its limit.
pub async fn enforce(State(app): State<AppState>, mut request: Request, next: Next) -> Response {
    let Some(class) = class(&request) else { return next.run(request).await };
    let address = address(&app, &request);
    if app.limiter.is_unlimited(address) || !app.limiter.has_limit(class) {
        return next.run(request).await;
    }
    // Who holds a key is one client, wherever it is used.
    let key = request.extensions().get::<Caller>().and_then(|caller| caller.key);
    let client = key.map_or_else(|| Client::of(address), Client::Key);
    let may_be_known = may_be_known(class, &request);
    let asked = Asked { client, class, entry: Arc::default() };
    request.extensions_mut().insert(asked.clone());
    let mut response = next.run(request).await;
    let is_free = is_free(&response, may_be_known);
    if asked.entry.get().is_none()
        && !is_free
        && let Some(entry) = asked.enter(&app).await
    {
        response = refused(&app, entry);
    }
    match asked.entry.get() {
        Some(entry) if is_free && entry.window.allowed => {
            app.limiter.leave(entry).await;
            Told::of(entry).with_one_more().on(response)
        }
        Some(entry) => Told::of(entry).on(response),
        None => {
            let (window, most) = app.limiter.look(asked.client, class).await;
            Told::new(class, most, window).on(response)
        }
    }
}

/// The layer inside of those that answer from what is kept: counts, and refuses what is beyond the limit. What does not
/// come so far - refused for another reason, or of no route - is counted by [`enforce`].
pub async fn count(State(app): State<AppState>, request: Request, next: Next) -> Response {
    // What the process makes for itself is nobody's.
    let Some(asked) = request.extensions().get::<Asked>().cloned() else {
        return next.run(request).await;
    };
    let Some(entry) = asked.enter(&app).await else { return next.run(request).await };
    // Not what `enforce` found: an answer that is made for all has lost the condition of this client on its way here,
    // and would be made only to be refused.
    if !may_be_known(asked.class, &request) {
        return refused(&app, entry);
    }
    // Whether the client has the answer is known when that is made, which must not be had without end by guessing.
    let Asked { client, class, .. } = &asked;
    let guess = app.limiter.enter(client.clone(), *class, Counted::Guessed).await;
    let Some(guess) = guess.filter(|guess| guess.window.allowed) else {
        return refused(&app, entry);
    };
    let response = next.run(request).await;
    if response.status() != StatusCode::NOT_MODIFIED {
        return refused(&app, entry);
    }
    app.limiter.leave(&guess).await;
    response
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
    match app.limiter.enter(Client::of(address), Class::Default, Counted::Made).await {
        Some(entry) if !entry.window.allowed => {
            Err(Box::new(Told::of(&entry).on(refused(app, &entry))))
        }
        entry => Ok(entry),
    }
}

/// Where a request is from.
pub(super) fn address(app: &App, request: &Request) -> IpAddr {
    let peer = request.extensions().get::<Peer>().map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.0);
    client::address(peer, request.headers(), app.limiter.proxies())
}

/// Whether nothing was made for it. What a cache was asked for and did not have was made, also to find out that the
/// client has it.
fn is_free(response: &Response, may_be_known: bool) -> bool {
    match response.extensions().get::<Found>() {
        Some(found) => found.is_kept(),
        None => may_be_known && response.status() == StatusCode::NOT_MODIFIED,
    }
}

/// Whether it costs little to find out that the client has what it asks for, and it says what it has. What is said of a
/// wallet is computed for that, and all ledgers of a job are looked up for a file.
fn may_be_known(class: Class, request: &Request) -> bool {
    class != Class::Wallets
        && RouteClass::of(request) != RouteClass::Export
        && names_a_tag(request.headers())
}

/// Whether the client names answers that it has, and nothing else: `*` is every answer.
fn names_a_tag(headers: &HeaderMap) -> bool {
    let lists = headers.get_all(header::IF_NONE_MATCH).iter();
    let mut named = lists.flat_map(|list| list.as_bytes().split(|byte| *byte == b',')).peekable();
    named.peek().is_some() && named.all(|tag| tag.contains(&b'"'))
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
        && (route.starts_with("/api/pnl/results")
            || route.starts_with("/api/pnl/batch/results")
            || matches!(route, "/api/leaderboard" | "/api/compare"))
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
    ApiError::new(problems::RATE_LIMITED, detail).retry_after(seconds).into_response()
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
        Self::new(entry.class(), entry.most, entry.window)
    }

    fn new(class: Class, most: u32, window: Window) -> Self {
        Self { class, most, remaining: window.remaining, reset_seconds: seconds(window.reset) }
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
