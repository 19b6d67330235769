//! `GET /debug/profile` of the admin listener, where `admin.profiling` is on.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};

use tokio::sync::Mutex;

use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::{Params, check_accept};
use crate::performance::profile;
use crate::problems;

const DEFAULT_SECONDS: u64 = 10;

/// Longest profile, where requests may take so long.
const MOST_SECONDS: u64 = 60;

/// Held while a profile is taken.
#[derive(Clone, Default)]
pub struct Alone(Arc<Mutex<()>>);

/// The handler.
pub async fn profile(
    State(app): State<AppState>,
    Extension(alone): Extension<Alone>,
    headers: HeaderMap,
    mut params: Params,
) -> Result<Response, ApiError> {
    check_accept(&headers, "text/plain")?;
    // The answer must be there before requests are given up.
    let most = (app.request_timeout.as_secs() * 4 / 5).clamp(1, MOST_SECONDS);
    let complaint = format!("is no whole number of seconds from 1 to {most}");
    let seconds = params.read("seconds", &complaint, |text| {
        text.parse::<u64>().ok().filter(|seconds| (1..=most).contains(seconds))
    });
    params.finish()?;
    let alone = alone.0.try_lock_owned().map_err(|_| {
        let detail = "A profile of this process is being taken; ask again when it is done.";
        ApiError::new(problems::PROFILE_RUNNING, detail)
    })?;
    let length = Duration::from_secs(seconds.unwrap_or(DEFAULT_SECONDS.min(most)));
    tracing::info!(seconds = length.as_secs(), "a profile of this process is taken");
    let stop = app.drain.clone();
    let taken = tokio::task::spawn_blocking(move || {
        // Held here: whoever asked may go away before the end.
        let _alone = alone;
        profile::folded(length, &stop)
    });
    let text = taken.await.map_err(|_| ApiError::internal())?.map_err(|error| {
        tracing::error!(%error, "no profile");
        ApiError::internal()
    })?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, text).into_response())
}
