//! The description of the interface: as OpenAPI 3.1, and as a page.

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};

use crate::openapi;

/// It changes with the version only.
const KEEP: (HeaderName, HeaderValue) =
    (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));

/// `GET /api/openapi.json`
pub async fn document() -> Response {
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    ([kind, KEEP], openapi::document()).into_response()
}

/// `GET /api/docs`
pub async fn page() -> Response {
    // The page needs nothing but itself.
    let policy = (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'"),
    );
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    ([kind, KEEP, policy], openapi::page::html()).into_response()
}
