//! The one error type of the HTTP interface and its `application/problem+json` body.
//!
//! A handler returns [`ApiError`]; it travels as an extension of an empty response to the outermost
//! middleware, which knows the request's path and trace id and writes the body. Errors that the
//! framework made (unknown route, wrong method) take the same way, so that there is one form only.

use std::borrow::Cow;
use std::sync::Arc;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use job_orchestrator::batch::BatchError;
use persistence_layer::{Cause, StoreError};
use serde::Serialize;
use serde_json::{Map, Value};
use service_runtime::telemetry::Chain;
use service_runtime::trace::TraceId;

use crate::dto::time::rfc3339;
use crate::json::printable;
use crate::problems::{self, Problem};

/// How many field errors a body shows; the rest is counted.
pub const MAX_SHOWN_ERRORS: usize = 100;

/// Seconds a client should wait before it tries a full or unreachable server again.
const RETRY_AFTER_SECONDS: u32 = 5;

/// Seconds to wait when all batch slots are taken: jobs take minutes, not seconds.
pub const CAPACITY_RETRY_AFTER_SECONDS: u32 = 30;

/// One invalid field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// JSON pointer (RFC 6901) into the body; `?name` for a query parameter.
    pub pointer: String,
    /// One of [`problems::FIELD_CODES`].
    pub code: &'static str,
    /// In words.
    pub detail: String,
}

/// An error answer.
#[derive(Debug, Clone)]
pub struct ApiError {
    problem: &'static Problem,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    members: Map<String, Value>,
    retry_after_seconds: Option<u32>,
}

impl ApiError {
    /// An error with a text for this occurrence. The text goes to the client: no internals.
    pub fn new(problem: &'static Problem, detail: impl Into<Cow<'static, str>>) -> Self {
        let retry_after_seconds =
            (problem.status == StatusCode::SERVICE_UNAVAILABLE).then_some(RETRY_AFTER_SECONDS);
        Self {
            problem,
            detail: detail.into(),
            errors: Vec::new(),
            members: Map::new(),
            retry_after_seconds,
        }
    }

    /// With the invalid fields behind it.
    #[must_use]
    fn with_errors(mut self, errors: FieldErrors) -> Self {
        self.members.insert("errors_total".to_owned(), errors.total.into());
        self.errors = errors.shown;
        self
    }

    /// With further members of the body, such as the checks of a probe.
    #[must_use]
    pub fn with_members(mut self, members: Map<String, Value>) -> Self {
        self.members = members;
        self
    }

    /// With the seconds after which another try makes sense.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }

    /// A defect of ours. The cause belongs into the log, not into the answer.
    pub fn internal() -> Self {
        Self::new(problems::INTERNAL, "The server failed to answer; the log has the details.")
    }

    /// The database cannot be reached.
    pub fn database_unavailable() -> Self {
        Self::new(
            problems::DATABASE_UNAVAILABLE,
            "The database cannot be reached at the moment. Please try again.",
        )
    }

    /// What kind of problem this is.
    pub fn problem(&self) -> &'static Problem {
        self.problem
    }

    /// The invalid fields.
    pub fn errors(&self) -> &[FieldError] {
        &self.errors
    }

    /// The body for the request at `instance` with `trace_id`.
    pub fn body<'a>(&'a self, instance: &'a str, trace_id: TraceId) -> ProblemBody<'a> {
        ProblemBody {
            type_: format!("/problems/{}", self.problem.code),
            code: self.problem.code,
            title: self.problem.title,
            status: self.problem.status.as_u16(),
            detail: &self.detail,
            instance,
            error: &self.detail,
            errors: &self.errors,
            trace_id,
            members: &self.members,
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        (&error).into()
    }
}

impl From<&StoreError> for ApiError {
    /// What the database said goes into the log; the client learns whether to try again.
    fn from(error: &StoreError) -> Self {
        let answer = match error {
            StoreError::Unavailable(_) | StoreError::NoConnection(_) | StoreError::Redis(_) => {
                match error.cause() {
                    Some(Cause::ReadOnly | Cause::Full) => Self::new(
                        problems::DATABASE_UNAVAILABLE,
                        "The database takes no writes at the moment. Please try again.",
                    ),
                    _ => Self::database_unavailable(),
                }
            }
            StoreError::Timeout(_) => {
                Self::new(problems::DATABASE_TIMEOUT, "The database did not answer in time.")
            }
            StoreError::LeaseLost { .. }
            | StoreError::Conflict(_)
            | StoreError::Corrupt(_)
            | StoreError::OutOfRange(_)
            | StoreError::Migration(_)
            | StoreError::Settings(_)
            | StoreError::Database(_) => Self::internal(),
        };
        tracing::error!(error = %Chain(error), code = error.code(), "the request failed");
        answer
    }
}

impl From<BatchError> for ApiError {
    fn from(error: BatchError) -> Self {
        // No wildcard arm: a new variant must choose its answer here.
        match error {
            BatchError::AtCapacity { .. } => {
                Self::new(problems::CAPACITY_EXHAUSTED, error.to_string())
                    .retry_after(CAPACITY_RETRY_AFTER_SECONDS)
            }
            BatchError::KeyReused => Self::new(
                problems::IDEMPOTENCY_KEY_REUSED,
                "The Idempotency-Key was used for a request with other content.",
            ),
            BatchError::KeyInFlight => Self::new(
                problems::IDEMPOTENCY_KEY_IN_FLIGHT,
                "The first request with this Idempotency-Key is still being processed.",
            )
            .retry_after(1),
            BatchError::ChainUnavailable { .. } => {
                Self::new(problems::CHAIN_UNAVAILABLE, error.to_string())
            }
            BatchError::Unknown => Self::new(
                problems::UNKNOWN_JOB,
                "There is no job with the id in the path; GET /api/pnl/batch lists the jobs.",
            ),
            BatchError::Expired { at } => Self::new(
                problems::JOB_EXPIRED,
                format!("The job was removed with its results at {}.", rfc3339(at)),
            ),
            BatchError::Busy => Self::new(
                problems::JOB_BUSY,
                "So much happens in the job that its state could not be read; please try again.",
            ),
            BatchError::NotTerminal => {
                Self::new(problems::JOB_RUNNING, "The job has not ended yet.").retry_after(2)
            }
            BatchError::Store(error) => error.into(),
        }
    }
}

/// The wire form of an error (RFC 9457 with our extension members).
#[derive(Debug, Serialize)]
pub struct ProblemBody<'a> {
    #[serde(rename = "type")]
    type_: String,
    code: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    instance: &'a str,
    /// The same as `detail`, for clients that read only this member.
    error: &'a str,
    errors: &'a [FieldError],
    trace_id: TraceId,
    #[serde(flatten)]
    members: &'a Map<String, Value>,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.problem.status.into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(Carried(Arc::new(self)));
        response
    }
}

/// An [`ApiError`] on its way to the middleware that writes the body.
#[derive(Debug, Clone)]
struct Carried(Arc<ApiError>);

/// Gives an error response its body; leaves every other response as it is.
///
/// Error responses that nobody of us made are taken by their status, so that no error leaves the
/// service in another form.
pub fn write_body(
    response: Response,
    instance: impl FnOnce() -> String,
    trace_id: TraceId,
) -> Response {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let (mut parts, _) = response.into_parts();
    let error = match parts.extensions.remove::<Carried>() {
        Some(Carried(error)) => error,
        None => Arc::new(from_status(status)),
    };
    // The path is shown, never the query string: it may carry what does not belong into logs.
    let body = to_ascii_json(&error.body(&instance(), trace_id));
    parts.status = error.problem.status;
    parts
        .headers
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    parts.headers.insert(
        HeaderName::from_static("x-content-type-options"),
        HeaderValue::from_static("nosniff"),
    );
    Response::from_parts(parts, body.into())
}

/// JSON in ASCII: a name that a client made up may hold characters that turn or hide text where an
/// answer is shown.
pub fn to_ascii_json(body: &ProblemBody<'_>) -> String {
    let json = serde_json::to_string(body).expect("strings, numbers and lists always serialize");
    if json.is_ascii() {
        return json;
    }
    let mut ascii = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii() {
            ascii.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                ascii.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    ascii
}

/// The error for a status that the framework chose.
fn from_status(status: StatusCode) -> ApiError {
    let problem = match status {
        StatusCode::NOT_FOUND => problems::NOT_FOUND,
        StatusCode::METHOD_NOT_ALLOWED => problems::METHOD_NOT_ALLOWED,
        StatusCode::PAYLOAD_TOO_LARGE => problems::BODY_TOO_LARGE,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => problems::UNSUPPORTED_MEDIA_TYPE,
        status if status.is_client_error() => problems::BAD_REQUEST,
        _ => problems::INTERNAL,
    };
    ApiError::new(problem, problem.title)
}

/// Collects invalid fields: keeps the first [`MAX_SHOWN_ERRORS`], counts all.
#[derive(Debug, Default)]
pub struct FieldErrors {
    shown: Vec<FieldError>,
    total: usize,
}

impl FieldErrors {
    /// Notes an invalid field. `detail` is only rendered when it will be shown.
    pub fn push<D: Into<String>>(
        &mut self,
        pointer: impl FnOnce() -> String,
        code: &'static str,
        detail: impl FnOnce() -> D,
    ) {
        debug_assert!(problems::FIELD_CODES.iter().any(|(known, _)| *known == code), "{code}");
        self.total += 1;
        if self.shown.len() < MAX_SHOWN_ERRORS {
            self.shown.push(FieldError { pointer: pointer(), code, detail: detail().into() });
        }
    }

    /// Takes over what is wrong with one line of a body; its pointers begin with the number of the line.
    pub fn take_of_line(&mut self, number: u64, mut wrong: Self) {
        for error in &mut wrong.shown {
            error.pointer = format!("line:{number}{}", error.pointer);
        }
        self.take(wrong);
    }

    /// Takes over what is wrong with a part.
    pub fn take(&mut self, wrong: Self) {
        self.total += wrong.total;
        let room = MAX_SHOWN_ERRORS.saturating_sub(self.shown.len());
        self.shown.extend(wrong.shown.into_iter().take(room));
    }

    /// Whether nothing was noted.
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// The 422 answer, when anything was noted.
    ///
    /// A chain without a provider as the only complaint has a problem code of its own, because the
    /// request itself is fine.
    pub fn into_result(self) -> Result<(), ApiError> {
        match (self.total, self.shown.first()) {
            (0, _) => Ok(()),
            (1, Some(only)) if only.code == problems::CHAIN_UNAVAILABLE.code => {
                let detail = only.detail.clone();
                Err(ApiError::new(problems::CHAIN_UNAVAILABLE, detail).with_errors(self))
            }
            (total, _) => {
                let detail = summary(total, &self.shown);
                Err(ApiError::new(problems::VALIDATION_FAILED, detail).with_errors(self))
            }
        }
    }

    /// The 400 answer for a query string, when anything was noted.
    pub fn into_query_result(self) -> Result<(), ApiError> {
        if self.is_empty() {
            return Ok(());
        }
        let detail = summary(self.total, &self.shown);
        Err(ApiError::new(problems::BAD_QUERY, detail).with_errors(self))
    }
}

fn summary(total: usize, shown: &[FieldError]) -> String {
    match (total, shown.first()) {
        // The pointer of the whole body is empty.
        (1, Some(only)) if only.pointer.is_empty() => only.detail.clone(),
        (1, Some(only)) => format!("{}: {}", printable(&only.pointer), only.detail),
        (total, _) if total > shown.len() => {
            format!("{total} fields are not valid; the first {} are listed.", shown.len())
        }
        (total, _) => format!("{total} fields are not valid."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_hundred_field_errors_are_shown_and_all_are_counted() {
        let mut errors = FieldErrors::default();
        for n in 0..250 {
            errors.push(|| format!("/wallet_addresses/{n}"), "bad-address", || "no");
        }
        let error = errors.into_result().unwrap_err();
        assert_eq!(error.errors().len(), MAX_SHOWN_ERRORS);
        assert_eq!(error.errors()[99].pointer, "/wallet_addresses/99");
        assert_eq!(error.detail, "250 fields are not valid; the first 100 are listed.");
    }

    #[test]
    fn a_body_is_ascii_and_means_the_same() {
        let mut errors = FieldErrors::default();
        errors.push(|| "/na\u{202e}me\u{1f600}".to_owned(), "unknown-field", || "unknown field");
        let error = errors.into_result().unwrap_err();
        let json = to_ascii_json(&error.body("/x", TraceId::generate()));
        assert!(json.is_ascii(), "{json}");
        let body: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(body["errors"][0]["pointer"], "/na\u{202e}me\u{1f600}");
        assert_eq!(body["detail"], "/na\\u{202e}me\\u{1f600}: unknown field");
    }

    #[test]
    fn a_status_of_the_framework_becomes_a_problem_of_that_status() {
        let response = StatusCode::NOT_FOUND.into_response();
        let response = write_body(response, || "/nowhere".to_owned(), TraceId::generate());
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    }

    #[test]
    fn an_answer_that_is_no_error_passes_unchanged() {
        let response = write_body("fine".into_response(), String::new, TraceId::generate());
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/plain; charset=utf-8");
    }
}
