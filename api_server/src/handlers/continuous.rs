//! Continuous mode: switching it on and off, and how it stands.

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use persistence_layer::continuous::{self, ContinuousFigures};
use persistence_layer::operator_actions::{self, Action, Asked};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::{NoBody, Params, check_accept};
use crate::handlers::{fresh_json, same_origin};
use crate::keys::Caller;
use crate::middleware::context::RequestContext;
use crate::queue;

/// Continuous mode over all tenants and processes.
#[derive(Serialize, ToSchema)]
#[schema(as = Continuous)]
pub struct ContinuousView {
    /// Whether rounds of watched wallets begin.
    enabled: bool,
    /// Wallets whose rounds have ended with a result, since the first.
    processed: u64,
    /// Wallets whose rounds have ended without one.
    failed: u64,
    /// Wallets whose rounds would begin now, if there was room.
    due: u64,
    /// Wallets whose intervals are not over.
    waiting: u64,
    /// Wallets whose rounds are under way.
    running: u64,
    /// Wallets that are left alone.
    parked: u64,
}

impl ContinuousView {
    /// The view of the figures.
    pub const fn of(figures: ContinuousFigures) -> Self {
        let ContinuousFigures { enabled, processed, failed, due, waiting, running, parked } =
            figures;
        Self { enabled, processed, failed, due, waiting, running, parked }
    }
}

/// What was switched.
#[derive(Serialize, ToSchema)]
#[schema(as = ContinuousSwitch)]
pub struct SwitchView {
    /// Its row in `operator_actions` (`pnl-tracker db report`).
    #[schema(value_type = String, format = "uuid")]
    action_id: Uuid,
    continuous: ContinuousView,
}

/// `POST /api/services/continuous/start`
pub async fn start(
    State(app): State<AppState>,
    caller: Caller,
    Extension(context): Extension<RequestContext>,
    headers: HeaderMap,
    params: Params,
    NoBody: NoBody,
) -> Result<Response, ApiError> {
    check(&headers, params)?;
    switch(&app, &caller, &context, true).await
}

/// `POST /api/services/continuous/stop`
pub async fn stop(
    State(app): State<AppState>,
    caller: Caller,
    Extension(context): Extension<RequestContext>,
    headers: HeaderMap,
    params: Params,
    NoBody: NoBody,
) -> Result<Response, ApiError> {
    check(&headers, params)?;
    switch(&app, &caller, &context, false).await
}

fn check(headers: &HeaderMap, params: Params) -> Result<(), ApiError> {
    check_accept(headers, "application/json")?;
    same_origin(headers)?;
    params.finish()
}

async fn switch(
    app: &AppState,
    caller: &Caller,
    context: &RequestContext,
    enabled: bool,
) -> Result<Response, ApiError> {
    if !app.database.is_up() {
        return Err(ApiError::database_unavailable());
    }
    let store = &app.work_store;
    let trace_id = context.trace_id.to_string();
    let asked = Asked { key: caller.key, trace_id: &trace_id, process: &app.instance.id };
    let action = if enabled { Action::ContinuousStart } else { Action::ContinuousStop };
    // Nothing is done of which there is no note.
    let action_id = operator_actions::begin(store, action, asked).await?;
    continuous::set_enabled(store, enabled).await?;
    tracing::info!(%action_id, enabled, "continuous mode is switched, as an operator asked");
    operator_actions::finish(store, action_id, &json!({ "enabled": enabled })).await?;
    app.continuous_watch.forget().await;
    let figures = continuous::figures(store, queue::PATIENCE).await?;
    let body = SwitchView { action_id, continuous: ContinuousView::of(figures) };
    Ok((StatusCode::ACCEPTED, fresh_json(&body)).into_response())
}
