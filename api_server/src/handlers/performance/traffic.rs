//! `GET /api/performance/traffic-analysis`: what was asked of this process.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use persistence_layer::api_keys::Scope;

use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::{Params, check_accept};
use crate::handlers::fresh_json;
use crate::keys::Caller;
use crate::performance::windows::Window;

/// The handler. Who does not operate the service is told of the requests of the own tenant alone.
pub async fn traffic(
    State(app): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    mut params: Params,
) -> Result<Response, ApiError> {
    check_accept(&headers, "application/json")?;
    let window = params.one_of("window", &Window::NAMED).unwrap_or_default();
    params.finish()?;
    let only = (!caller.may(Scope::Admin)).then_some(&caller.tenant);
    Ok(fresh_json(&app.http_metrics.traffic().report(window, only)))
}
