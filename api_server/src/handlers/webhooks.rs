//! The webhook of a job: what was told, and telling it again.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use persistence_layer::batches::BatchRef;
use persistence_layer::webhooks;

use crate::app::AppState;
use crate::dto::webhook::WebhookView;
use crate::error::ApiError;
use crate::extract::{JobId, NoBody, Params, check_accept};
use crate::handlers::{Keep, POLL_AFTER_SECONDS, fresh_json};
use crate::problems;

/// `GET /api/pnl/batch/{job_id}/webhook`
pub async fn log(
    State(app): State<AppState>,
    headers: HeaderMap,
    params: Params,
    JobId(job): JobId,
) -> Result<Response, ApiError> {
    check_accept(&headers, "application/json")?;
    params.finish()?;
    Ok(fresh_json(&view(&app, &job).await?))
}

/// `POST /api/pnl/batch/{job_id}/webhook/replay`
pub async fn replay(
    State(app): State<AppState>,
    headers: HeaderMap,
    params: Params,
    JobId(job): JobId,
    NoBody: NoBody,
) -> Result<Response, ApiError> {
    check_accept(&headers, "application/json")?;
    params.finish()?;
    // First whose job it is.
    view(&app, &job).await?;
    if app.webhooks.is_none() {
        let detail = "This server sends no webhooks: neither webhooks.secrets nor webhooks.root_secrets is set.";
        return Err(ApiError::new(problems::WEBHOOKS_OFF, detail));
    }
    if !webhooks::replay(&app.work_store, &job).await? {
        let detail = "The job has not ended yet, so there is nothing to tell again.";
        return Err(ApiError::new(problems::JOB_RUNNING, detail).retry_after(POLL_AFTER_SECONDS));
    }
    let body = view(&app, &job).await?;
    Ok((StatusCode::ACCEPTED, [Keep::Not.header()], axum::Json(body)).into_response())
}

async fn view(app: &AppState, job: &BatchRef) -> Result<WebhookView, ApiError> {
    if let Some(webhook) = webhooks::get(&app.store, job).await? {
        return Ok(WebhookView::of(job.id, &webhook));
    }
    // A job that is there has none.
    app.batches.status(job).await?;
    let detail = "The job was submitted without webhook_url.";
    Err(ApiError::new(problems::NO_WEBHOOK, detail))
}
