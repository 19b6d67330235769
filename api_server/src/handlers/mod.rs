//! Thin handlers: decode, call one function, encode.

pub mod admin;
pub mod batches;
pub mod diff;
pub mod disposals;
pub mod docs;
pub mod exports;
pub mod group;
pub mod health;
mod keep;
pub mod latest;
pub mod live;
pub mod problems;
mod question;
pub mod reports;
pub mod results;
pub mod series;
pub mod services;
pub mod signed;
pub mod wallets;
pub mod what_if;

use axum::Json;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use keep::Keep;

/// How often a client should ask for the status of a job that is not done, in seconds.
const POLL_SECONDS: (HeaderName, HeaderValue) =
    (header::RETRY_AFTER, HeaderValue::from_static("2"));

/// The same of a refusal.
const POLL_AFTER_SECONDS: u32 = 2;

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
