//! Batch jobs: submit, list, status, cancel, retry.

use std::time::Duration;

use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, http::HeaderName};
use job_orchestrator::batch::{IdempotencyKey, NewBatchRequest};
use persistence_layer::Tenant;
use persistence_layer::batches::{self, BatchId, BatchRef, BatchStatus};
use serde::Serialize;
use serde_json::Value;

use crate::app::AppState;
use crate::cursor;
use crate::dto::batch::CreateBatch;
use crate::dto::job::JobView;
use crate::error::ApiError;
use crate::extract::{
    JobId, JsonBody, NoBody, Params, check_accept, idempotency_key, job_id, preferred_wait,
};
use crate::handlers::{Keep, POLL_SECONDS, fresh_json};
use crate::json::fingerprint;
use crate::keys::Caller;
use crate::middleware::context::RequestContext;
use crate::middleware::deadline::Due;
use crate::middleware::validators::asked_with;
use crate::problems;

/// Path of the submission; part of its idempotency fingerprint.
pub const RUN: &str = "/api/pnl/batch/run";

const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// `POST /api/pnl/batch/run`
pub async fn run(
    State(app): State<AppState>,
    Extension(context): Extension<RequestContext>,
    Extension(due): Extension<Due>,
    caller: Caller,
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
            tenant: caller.tenant.clone(),
            chain: request.chain,
            wallets: request.wallets,
            duplicates_removed: request.duplicates_removed,
            analysis: request.analysis,
            idempotency: key
                .map(|key| IdempotencyKey { key, fingerprint: fingerprint("POST", RUN, &body) }),
            trace_id: context.trace_id.to_string(),
        })
        .await?;
    let wait = preferred_wait(&headers).map(|wait| wait.min(due.leaves()));
    let mut response = match end_within(&app, wait, caller.tenant, &accepted.body).await {
        Some(job) => job_answer(StatusCode::OK, &job),
        None => (StatusCode::ACCEPTED, [Keep::Not.header(), POLL_SECONDS], Json(&accepted.body))
            .into_response(),
    };
    let applied = wait.and_then(|wait| format!("wait={}", wait.as_secs()).parse().ok());
    response.headers_mut().extend(applied.map(|applied| (PREFERENCE_APPLIED, applied)));
    let location = accepted.body.get("status_url").and_then(Value::as_str);
    if let Some(location) = location.and_then(|url| HeaderValue::from_str(url).ok()) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    if accepted.replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// The job of an accepted submission, when it ends in time. A submission that finds no place to wait is
/// answered at once: it has been stored.
async fn end_within(
    app: &AppState,
    wait: Option<Duration>,
    tenant: Tenant,
    accepted: &Value,
) -> Option<JobView> {
    let id = accepted.get("job_id").and_then(Value::as_str).and_then(job_id)?;
    let wait = wait?;
    let place = app.waiting.place()?;
    let ended = app
        .waiting
        .until(place, &BatchRef { tenant, id }, wait, |look| look.batch.state.is_terminal())
        .await?;
    Some(JobView::of(&ended.batch))
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
    Caller { tenant, .. }: Caller,
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
    let mut jobs = batches::list(&app.store, &tenant, status, after, limit + 1).await?;
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
    Extension(due): Extension<Due>,
    headers: HeaderMap,
    mut params: Params,
    JobId(job): JobId,
) -> Result<Response, ApiError> {
    check_accept(&headers, "application/json")?;
    let wait = params.wait();
    params.finish()?;
    let view = JobView::of(&app.batches.status(&job).await?);
    let tag = view.tag();
    let is_news =
        headers.contains_key(header::IF_NONE_MATCH) && asked_with(&headers, &tag).is_none();
    let Some(wait) = wait.filter(|_| !view.is_done() && !is_news) else {
        return Ok(job_answer(StatusCode::OK, &view));
    };
    if app.is_draining() {
        let detail = "The process is about to stop; wait at another one.";
        return Err(ApiError::new(problems::NOT_READY, detail));
    }
    let place = app.waiting.place().ok_or_else(|| {
        let detail = "So many requests wait for jobs that this one cannot.";
        ApiError::new(problems::TOO_MANY_WAITING, detail)
    })?;
    let wait = wait.min(due.leaves());
    let changed = app.waiting.until(place, &job, wait, |look| *look.tag != *tag).await;
    let view = changed.map_or(view, |look| JobView::of(&look.batch));
    Ok(job_answer(StatusCode::OK, &view))
}

/// `POST /api/pnl/batch/{job_id}/cancel`
pub async fn cancel(
    State(app): State<AppState>,
    headers: HeaderMap,
    params: Params,
    JobId(job): JobId,
    NoBody: NoBody,
) -> Result<Response, ApiError> {
    check_accept(&headers, "application/json")?;
    params.finish()?;
    let batch = app.batches.cancel(&job).await?;
    Ok(job_answer(StatusCode::ACCEPTED, &JobView::of(&batch)))
}

/// `POST /api/pnl/batch/{job_id}/retry`
pub async fn retry(
    State(app): State<AppState>,
    headers: HeaderMap,
    params: Params,
    JobId(job): JobId,
    NoBody: NoBody,
) -> Result<Response, ApiError> {
    check_accept(&headers, "application/json")?;
    params.finish()?;
    if app.batches.retry(&job).await? == 0 {
        let detail = "No wallet of the job failed or timed out.";
        return Err(ApiError::new(problems::NOTHING_TO_RETRY, detail));
    }
    let batch = app.batches.status(&job).await?;
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
