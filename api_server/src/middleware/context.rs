//! The outermost layer: request and trace ids, the access log line, metrics, error bodies.

use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use persistence_layer::Tenant;
use service_runtime::config::SlowLogSettings;
use service_runtime::trace::TraceId;
use tracing::{Instrument, Span};
use uuid::Uuid;

use crate::answers::Found;
use crate::error::{self, ApiError};
use crate::json::printable;
use crate::metrics::{Answered, HttpMetrics, UNMATCHED};
use crate::middleware::rest_of_body::RestOfBody;
use crate::problems;
use crate::routes;
use crate::slo::RouteClass;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Longest path and query that is looked at.
const MAX_URI_BYTES: usize = 8192;

/// Ids of the request at hand; handlers take it as an extension.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// The caller's `x-request-id`, or ours.
    pub request_id: String,
    /// From `traceparent`, or new. Batches keep it.
    pub trace_id: TraceId,
}

impl RequestContext {
    /// Of a request with these headers.
    pub fn of(headers: &HeaderMap) -> Self {
        Self { request_id: request_id(headers), trace_id: trace_id(headers) }
    }

    /// Tells them to who gets the answer with these headers.
    pub fn on(&self, headers: &mut HeaderMap) {
        if let Ok(value) = HeaderValue::from_str(&self.request_id) {
            headers.insert(REQUEST_ID, value);
        }
        if let Ok(value) = HeaderValue::try_from(self.trace_id.traceparent()) {
            headers.insert(TRACEPARENT, value);
        }
    }
}

/// On an answer: whose request it was.
#[derive(Debug, Clone)]
pub struct AskedBy(pub Tenant);

/// How requests are noted.
#[derive(Clone)]
pub struct Noted {
    /// What they are counted in.
    pub metrics: HttpMetrics,
    /// Which are told of because they took long.
    pub slow_log: SlowLogSettings,
}

/// The layer itself.
pub async fn around(State(noted): State<Noted>, request: Request, next: Next) -> Response {
    let (mut request, rest) = RestOfBody::lend(request);
    let started = Instant::now();
    let in_flight = noted.metrics.begin();
    let context = RequestContext::of(request.headers());
    let method = method_label(request.method());
    let uri = request.uri().clone();
    let class = RouteClass::of(&request);
    // Layers of a router run inside of its routing, so the match is known here.
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let route = matched.as_ref().map_or(UNMATCHED, |matched| routes::label_of(matched.as_str()));
    let span = span(&context, method, route, None);
    request.extensions_mut().insert(context.clone());
    let response = match check_head(&request) {
        Err(error) => {
            drop(request);
            error.into_response()
        }
        Ok(()) => next.run(request).instrument(span.clone()).await,
    };
    let tenant = response.extensions().get::<AskedBy>().map(|AskedBy(tenant)| tenant.clone());
    let found = response.extensions().get::<Found>().copied();
    if let Some(found) = found {
        noted.metrics.cached(found);
    }
    let class = class.of_found(found);
    let status = response.status();
    // Of a body that is too slow nothing more is waited for.
    if status.is_client_error() && status != StatusCode::REQUEST_TIMEOUT {
        rest.discard().await;
    }
    let mut response = error::write_body(response, || shown_path(uri.path()), context.trace_id);
    context.on(response.headers_mut());
    drop(in_flight);
    let took = started.elapsed();
    let answered = Answered {
        method,
        route,
        class,
        status: response.status().as_u16(),
        took,
        tenant: tenant.as_ref(),
        trace_id: Some(context.trace_id),
    };
    noted.metrics.end(&answered);
    span.in_scope(|| log(&answered, class.slow_after(&noted.slow_log)));
    response
}

/// The span of a request; the holder of the key may be told later.
fn span(context: &RequestContext, method: &str, route: &str, holder: Option<Uuid>) -> Span {
    tracing::info_span!(
        "request",
        trace_id = %context.trace_id,
        request_id = %context.request_id,
        method,
        route,
        holder = holder.map(tracing::field::display),
    )
}

/// One line per request; none for liveness probes, which would drown the rest. A slow one has another.
fn log(answered: &Answered<'_>, slow_after: Option<Duration>) {
    let Answered { class, status, took, .. } = *answered;
    let duration_ms = milliseconds(took);
    if let Some(slow_after) = slow_after
        && took > slow_after
    {
        let threshold_ms = milliseconds(slow_after);
        let class = class.as_str();
        tracing::warn!(class, status, duration_ms, threshold_ms, "slow request");
    }
    if !answered.is_logged() {
        return;
    }
    tracing::info!(status, duration_ms, "request answered");
}

/// The line of a request that was answered without a span: its fields stand in the line itself. A slow one gets its
/// span after all.
pub fn log_at_once(
    answered: &Answered<'_>,
    context: &RequestContext,
    holder: Option<Uuid>,
    slow_log: &SlowLogSettings,
) {
    let Answered { method, route, class, status, took, .. } = *answered;
    let slow_after = class.slow_after(slow_log);
    if slow_after.is_some_and(|slow_after| took > slow_after) {
        return span(context, method, route, holder).in_scope(|| log(answered, slow_after));
    }
    tracing::info!(
        trace_id = %context.trace_id,
        request_id = %context.request_id,
        method,
        route,
        holder = holder.map(tracing::field::display),
        status,
        duration_ms = milliseconds(took),
        "request answered"
    );
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What HTTP demands of a request head and the parser lets pass.
fn check_head(request: &Request) -> Result<(), ApiError> {
    if uri_length(request.uri()) > MAX_URI_BYTES {
        let detail =
            format!("Path and query of the request are longer than {MAX_URI_BYTES} bytes.");
        return Err(ApiError::new(problems::URI_TOO_LONG, detail));
    }
    // RFC 9112, 3.2: exactly one Host, which HTTP/1.0 may leave out.
    let hosts = request.headers().get_all(header::HOST).iter().count();
    if hosts > 1 || (hosts == 0 && request.version() == Version::HTTP_11) {
        let detail = format!("The request has {hosts} Host headers; HTTP/1.1 takes exactly one.");
        return Err(ApiError::new(problems::BAD_REQUEST, detail));
    }
    Ok(())
}

/// The path as an error shows it: cut, and printable ASCII whatever was sent.
fn shown_path(path: &str) -> String {
    const MAX_SHOWN: usize = 256;
    printable(path).chars().take(MAX_SHOWN).collect()
}

fn uri_length(uri: &Uri) -> usize {
    uri.path().len() + uri.query().map_or(0, |query| query.len() + 1)
}

/// The label of a method: clients may invent methods, labels must stay few.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

/// The caller's id when it is short and harmless to log, else a new one.
fn request_id(headers: &HeaderMap) -> String {
    headers
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .filter(|id| (1..=128).contains(&id.len()) && id.bytes().all(is_harmless))
        .map_or_else(|| Uuid::new_v4().to_string(), ToOwned::to_owned)
}

/// What UUIDs, ULIDs, base64 and the ids of tracing systems are made of. Quotes, brackets and the
/// like could pass for other fields where a line of the log is read as text.
fn is_harmless(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.:=+/@~".contains(&byte)
}

/// The trace id of a valid W3C `traceparent`, else a new one.
fn trace_id(headers: &HeaderMap) -> TraceId {
    TraceId::from_header(headers.get(TRACEPARENT).and_then(|value| value.to_str().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_continued() {
        let mut headers = HeaderMap::new();
        headers.insert(
            TRACEPARENT,
            HeaderValue::from_static("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        );
        assert_eq!(trace_id(&headers).to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert_ne!(trace_id(&HeaderMap::new()), trace_id(&HeaderMap::new()));
    }

    #[test]
    fn a_harmless_request_id_is_kept_and_another_replaced() {
        let read = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_static(value));
            request_id(&headers)
        };
        assert_eq!(read("abc-123"), "abc-123");
        assert_eq!(
            read("Root=1-67891233-abcdef012345678912345678"),
            "Root=1-67891233-abcdef012345678912345678"
        );
        for bad in ["", "two words", "tab\tbed", "a\"b", "{a}", "<script>", "a;b"] {
            assert!(Uuid::parse_str(&read(bad)).is_ok(), "{bad}");
        }
    }
}
