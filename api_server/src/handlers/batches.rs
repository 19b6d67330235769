//! Batch jobs: submit, list, status, cancel, retry.

use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, http::HeaderName};
use job_orchestrator::batch::{IdempotencyKey, NewBatchRequest};
use persistence_layer::batches::{self, BatchId, BatchStatus};
use serde::Serialize;
use serde_json::Value;

use crate::app::AppState;
use crate::cursor;
use crate::dto::batch::CreateBatch;
use crate::dto::job::JobView;
use crate::error::ApiError;
use crate::extract::{JobId, JsonBody, NoBody, Params, check_accept, idempotency_key};
use crate::handlers::{Keep, POLL_SECONDS, fresh_json};
use crate::json::fingerprint;
use crate::middleware::context::RequestContext;
use crate::problems;

/// Path of the submission; part of its idempotency fingerprint.
pub const RUN: &str = "/api/pnl/batch/run";

const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// `POST /api/pnl/batch/run`
pub async fn run(
    State(app): State<AppState>,
    Extension(context): Extension<RequestContext>,
    headers: HeaderMap,
    params: Params,
    JsonBody(body): JsonBody,
) -> Result<Response, ApiError> {
    check_accept(&headers, "application/json")?;
    params.finish()?;
    let key = idempotency_key(&headers)?;
    let request = CreateBatch::read(&body, &app.submit_rules())?;
    let accepted = app
        .batches
        .submit(NewBatchRequest {
            chain: request.chain,
            wallets: request.wallets,
            duplicates_removed: request.duplicates_removed,
            analysis: request.analysis,
            idempotency: key
                .map(|key| IdempotencyKey { key, fingerprint: fingerprint("POST", RUN, &body) }),
            trace_id: context.trace_id.to_string(),
        })
        .await?;
    let mut response =
        (StatusCode::ACCEPTED, [Keep::Not.header(), POLL_SECONDS], Json(&accepted.body))
            .into_response();
    let location = accepted.body.get("status_url").and_then(Value::as_str);
    if let Some(location) = location.and_then(|url| HeaderValue::from_str(url).ok()) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    if accepted.replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

#[derive(Serialize)]
struct JobList {
    data: Vec<JobView>,
    next_cursor: Option<String>,
    has_more: bool,
}

/// `GET /api/pnl/batch`
pub async fn list(
    State(app): State<AppState>,
    headers: HeaderMap,
    mut params: Params,
) -> Result<Response, ApiError> {
    check_accept(&headers, "application/json")?;
    let statuses = BatchStatus::ALL.map(|status| (status.as_str(), status));
    let status = params.one_of("status", &statuses);
    let limit = params.limit();
    let cursor = params.text("cursor");
    params.finish()?;
    let scope = format!("jobs {}", status.map_or("", BatchStatus::as_str));
    let after = cursor.map(|cursor| position(&scope, &cursor)).transpose()?;
    let mut jobs = batches::list(&app.store, status, after, limit + 1).await?;
    let has_more = jobs.len() > limit as usize;
    jobs.truncate(limit as usize);
    let next_cursor =
        jobs.last().filter(|_| has_more).map(|job| cursor::encode(&scope, &job.id.to_string()));
    let data = jobs.iter().map(JobView::of).collect();
    Ok(fresh_json(&JobList { data, next_cursor, has_more }))
}

fn position(scope: &str, cursor: &str) -> Result<BatchId, ApiError> {
    let text = cursor::decode(scope, cursor)?;
    text.parse().map_err(|_| cursor::names_no("job"))
}

/// `GET /api/pnl/batch/status/{job_id}`
pub async fn status(
    State(app): State<AppState>,
    headers: HeaderMap,
    params: Params,
    JobId(id): JobId,
) -> Result<Response, ApiError> {
    check_accept(&headers, "application/json")?;
    params.finish()?;
    let batch = app.batches.status(id).await?;
    Ok(job_answer(StatusCode::OK, &JobView::of(&batch)))
}

/// `POST /api/pnl/batch/{job_id}/cancel`
pub async fn cancel(
    State(app): State<AppState>,
    headers: HeaderMap,
    params: Params,
    JobId(id): JobId,
    NoBody: NoBody,
) -> Result<Response, ApiError> {
    check_accept(&headers, "application/json")?;
    params.finish()?;
    let batch = app.batches.cancel(id).await?;
    Ok(job_answer(StatusCode::ACCEPTED, &JobView::of(&batch)))
}

/// `POST /api/pnl/batch/{job_id}/retry`
pub async fn retry(
    State(app): State<AppState>,
    headers: HeaderMap,
    params: Params,
    JobId(id): JobId,
    NoBody: NoBody,
) -> Result<Response, ApiError> {
    check_accept(&headers, "application/json")?;
    params.finish()?;
    if app.batches.retry(id).await? == 0 {
        let detail = "No wallet of the job failed or timed out.";
        return Err(ApiError::new(problems::NOTHING_TO_RETRY, detail));
    }
    let batch = app.batches.status(id).await?;
    Ok(job_answer(StatusCode::ACCEPTED, &JobView::of(&batch)))
}

/// A status body; with the pace of polling while the job is not done.
fn job_answer(status: StatusCode, job: &JobView) -> Response {
    let mut response = (status, [Keep::Not.header()], Json(job)).into_response();
    if !job.is_done() {
        let (name, value) = POLL_SECONDS;
        response.headers_mut().insert(name, value);
    }
    response
}
