//! Thin handlers: decode, call one function, encode.

pub mod admin;
pub mod batches;
pub mod best;
pub mod continuous;
pub mod diff;
pub mod disposals;
pub mod docs;
pub mod exports;
pub mod group;
pub mod health;
mod keep;
pub mod latest;
pub mod live;
pub mod performance;
pub mod problems;
pub mod profile;
mod question;
pub mod reports;
pub mod results;
pub mod series;
pub mod services;
pub mod signed;
pub mod wallets;
pub mod watched;
pub mod webhooks;
pub mod what_if;

use axum::Json;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::error::ApiError;
use crate::json::shown;
use crate::problems::FOREIGN_ORIGIN;

use keep::Keep;

/// How often a client should ask for the status of a job that is not done, in seconds.
const POLL_SECONDS: (HeaderName, HeaderValue) =
    (header::RETRY_AFTER, HeaderValue::from_static("2"));

/// The same of a refusal.
const POLL_AFTER_SECONDS: u32 = 2;

/// Refuses pages of other hosts: browsers do not, where it is about a WebSocket or a request without a body.
/// Programs send no Origin.
fn same_origin(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or_default();
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let (_, from) = origin.split_once("://").unwrap_or_default();
    if !from.is_empty() && from.eq_ignore_ascii_case(host) {
        return Ok(());
    }
    let detail = format!("The Origin {} is not the host of the request.", shown(origin));
    Err(ApiError::new(FOREIGN_ORIGIN, detail))
}

/// `body` as JSON that may be kept so long.
fn value<T: Serialize>(keep: Keep, body: &T) -> Response {
    ([keep.header()], Json(body)).into_response()
}

/// `body`, an answer about one wallet.
fn of_wallet<T: Serialize>(body: &T) -> Response {
    value(Keep::OF_WALLET, body)
}

/// `body` as JSON that nobody may keep.
fn fresh_json<T: Serialize>(body: &T) -> Response {
    value(Keep::Not, body)
}
