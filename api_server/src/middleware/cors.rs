//! Which pages of other hosts may read what browsers get here (Fetch standard, section 3.2).
//!
//! Both ways to an answer use this: the router and what is at hand before it ([`crate::front`]). So it is not a service
//! around one of them. Credentials are never allowed: keys come in headers that a page sets itself.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::app::AppState;

/// What pages may read beside the headers that they always may.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "Accept-Ranges, Age, Allow, Content-Disposition, Content-Range, Deprecation, Digest, ETag, Idempotent-Replayed, Link, \
     Location, Preference-Applied, RateLimit, RateLimit-Policy, Repr-Digest, Retry-After, WWW-Authenticate, X-Cache, X-Request-Id, \
     X-Row-Count, traceparent",
);

/// Methods of the interface.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, DELETE");

/// Headers that requests are looked at for.
const HEADERS: HeaderValue = HeaderValue::from_static(
    "Accept, Authorization, Cache-Control, Content-Type, Idempotency-Key, If-None-Match, If-Range, Last-Event-ID, \
     Prefer, Range, X-API-Key, X-No-Compression, X-Request-Id, traceparent",
);

/// Seconds for which a browser need not ask again.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// The origins that are listed; none: answers say nothing of origins.
#[derive(Debug, Clone)]
pub struct Cors(Vec<HeaderValue>);

impl Cors {
    /// With these origins, as browsers write them.
    pub fn new(origins: &[String]) -> Self {
        Self(origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect())
    }

    /// Says on an answer who may read it, to who asked with the headers `asked`.
    pub fn on(&self, asked: &HeaderMap, told: &mut HeaderMap) {
        if self.0.is_empty() {
            return;
        }
        // Also for those who named none: another one may be given what was kept on the way.
        told.append(header::VARY, HeaderValue::from_name(header::ORIGIN));
        if let Some(origin) = self.listed(asked) {
            told.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            told.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
    }

    /// The origin of a request, when it is listed.
    fn listed(&self, asked: &HeaderMap) -> Option<&HeaderValue> {
        let origin = asked.get(header::ORIGIN)?;
        self.0.iter().find(|listed| *listed == origin)
    }
}

/// The layer itself. A question before a request is answered to pages of listed origins alone; everybody else's is an
/// `OPTIONS` like any other, which allows nothing.
pub async fn around(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let asked = origin_of(&request);
    let is_before_another = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if is_before_another && app.cors.listed(&asked).is_some() {
        let allowed: [(HeaderName, HeaderValue); 4] = [
            (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS),
            (header::ACCESS_CONTROL_MAX_AGE, MAX_AGE),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ];
        (StatusCode::NO_CONTENT, allowed).into_response()
    } else {
        next.run(request).await
    };
    app.cors.on(&asked, response.headers_mut());
    response
}

/// The header of a request that is needed when it is gone.
fn origin_of(request: &Request) -> HeaderMap {
    let origin = request.headers().get(header::ORIGIN).cloned();
    origin.map(|origin| (header::ORIGIN, origin)).into_iter().collect()
}
