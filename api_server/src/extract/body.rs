//! Request bodies: read completely, within bounds, as JSON.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Body;
use axum::extract::{FromRef, FromRequest, Request};
use axum::http::{HeaderMap, header};
use futures::StreamExt;

use crate::error::{ApiError, FieldErrors};
use crate::extract::Limits;
use crate::json::{Json, shown};
use crate::problems;

/// JSON values that a body may always have, whatever the limit of wallets is.
const MIN_JSON_VALUES: usize = 100_000;

/// Tells the deadline middleware whether the request's body is still arriving.
#[derive(Debug, Clone, Default)]
pub struct BodyPhase(Arc<AtomicBool>);

impl BodyPhase {
    /// Whether the body is being read.
    pub fn is_reading(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn set_reading(&self, reading: bool) {
        self.0.store(reading, Ordering::Relaxed);
    }
}

/// A JSON body, read completely.
pub struct JsonBody(pub Json);

impl<S> FromRequest<S> for JsonBody
where
    S: Send + Sync,
    Limits: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let limits = Limits::from_ref(state);
        check_content_type(request.headers())?;
        let bytes = read(request, limits).await?;
        parse(&bytes, limits).map(Self)
    }
}

/// The body of a request that takes none: absent, or an object without members.
///
/// Whoever sends more believes in an effect that there is not, so that is refused.
pub struct NoBody;

impl<S> FromRequest<S> for NoBody
where
    S: Send + Sync,
    Limits: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let limits = Limits::from_ref(state);
        let headers = request.headers().clone();
        let bytes = read(request, limits).await?;
        if bytes.is_empty() {
            return Ok(Self);
        }
        check_content_type(&headers)?;
        let mut errors = FieldErrors::default();
        match parse(&bytes, limits)? {
            Json::Object(object) => object.check_names("", &[], &mut errors),
            other => errors.push(String::new, "wrong-type", || {
                format!("this route takes no body, or an empty object, not {}", other.type_name())
            }),
        }
        errors.into_result().map(|()| Self)
    }
}

fn parse(bytes: &[u8], limits: Limits) -> Result<Json, ApiError> {
    Json::read(bytes, MIN_JSON_VALUES.max(limits.max_wallets.saturating_mul(2)))
}

fn check_content_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let refuse = |detail: String| Err(ApiError::new(problems::UNSUPPORTED_MEDIA_TYPE, detail));
    let as_text =
        |value: &axum::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let Some(named) = headers.get(header::CONTENT_TYPE).map(as_text) else {
        return refuse("The header Content-Type: application/json is missing.".to_owned());
    };
    let essence = essence(&named);
    let is_json = essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"));
    if !is_json {
        return refuse(format!(
            "The Content-Type is {}; send the body as application/json.",
            shown(&named)
        ));
    }
    check_encoding(headers)
}

/// The media type without its parameters.
pub(super) fn essence(named: &str) -> String {
    named.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Refuses a body that is compressed.
pub(super) fn check_encoding(headers: &HeaderMap) -> Result<(), ApiError> {
    let coding = headers.get(header::CONTENT_ENCODING).map(axum::http::HeaderValue::as_bytes);
    let coding = String::from_utf8_lossy(coding.unwrap_or(b"identity"));
    if coding.eq_ignore_ascii_case("identity") {
        return Ok(());
    }
    let detail = format!("The Content-Encoding is {}; send the body without one.", shown(&coding));
    Err(ApiError::new(problems::UNSUPPORTED_MEDIA_TYPE, detail))
}

/// The refusal of a body that cannot be read to its end.
pub(super) fn broken_off() -> ApiError {
    let detail = "The body broke off before its end, or its chunks are not well-formed.";
    ApiError::new(problems::UNREADABLE_BODY, detail)
}

/// The bytes of the body, marked as being read while they come in.
async fn read(request: Request, limits: Limits) -> Result<Vec<u8>, ApiError> {
    let (parts, body) = request.into_parts();
    let phase = parts.extensions.get::<BodyPhase>().cloned().unwrap_or_default();
    phase.set_reading(true);
    let bytes = collect(&parts.headers, body, limits.max_body_bytes).await;
    phase.set_reading(false);
    bytes
}

async fn collect(headers: &HeaderMap, body: Body, max_bytes: usize) -> Result<Vec<u8>, ApiError> {
    let too_large = || {
        let detail = format!(
            "The body is larger than {max_bytes} bytes (api.max_body_bytes); split the wallets \
             over several jobs."
        );
        ApiError::new(problems::BODY_TOO_LARGE, detail)
    };
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > max_bytes as u64) {
        return Err(too_large());
    }
    let mut chunks = body.into_data_stream();
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| broken_off())?;
        if bytes.len() + chunk.len() > max_bytes {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::tests::headers;
    use super::*;

    #[test]
    fn a_body_is_json_by_its_content_type() {
        let check = |value: &str| check_content_type(&headers(&[("content-type", value)]));
        for good in
            ["application/json", "Application/JSON; charset=utf-8", "application/vnd.x+json"]
        {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in ["text/plain", "application/x-www-form-urlencoded", "", "json"] {
            assert!(check(bad).is_err(), "{bad}");
        }
        assert!(check_content_type(&HeaderMap::new()).is_err());
        let zipped = headers(&[("content-type", "application/json"), ("content-encoding", "gzip")]);
        assert!(check_content_type(&zipped).is_err());
    }
}
