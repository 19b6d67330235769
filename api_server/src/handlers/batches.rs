//! Batch jobs: submit, list, status, cancel, retry, purge.

use std::time::Duration;

use axum::extract::{Extension, FromRequest, Request, State};
use axum::http::HeaderName;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use job_orchestrator::batch::{IdempotencyKey, NewBatchRequest};
use job_orchestrator::estimate::estimate;
use persistence_layer::Tenant;
use persistence_layer::batches::{self, BatchId, BatchRef, BatchStatus};
use serde::Serialize;
use serde_json::Value;

use crate::app::AppState;
use crate::cursor;
use crate::dto::batch::CreateBatch;
use crate::dto::batch_lines;
use crate::dto::estimate::DryRun;
use crate::dto::job::{JobView, Origin};
use crate::error::ApiError;
use crate::extract::{
    JobId, JsonBody, Lines, NoBody, Params, check_accept, idempotency_key, is_ndjson, job_id,
    preferred_wait,
};
use crate::handlers::{Keep, POLL_SECONDS, fresh_json};
use crate::json::{Json, fingerprint};
use crate::keys::Caller;
use crate::middleware::context::RequestContext;
use crate::middleware::deadline::Due;
use crate::middleware::validators::asked_with;
use crate::problems;
use crate::waiting::Place;

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
    request: Request,
) -> Result<Response, ApiError> {
    let body = Body::receive(request, &app).await?;
    check_accept(&headers, "application/json")?;
    params.finish()?;
    let key = idempotency_key(&headers)?;
    let (request, fingerprint) = body.read(&app).await?;
    if request.dry_run {
        let (chain, wallets, time) = (request.chain, &request.wallets, due.leaves() / 2);
        let found = estimate(&app.store, &caller.tenant, chain, wallets, time).await?;
        let paces = app.paces.get(&chain).map_or(&[][..], Vec::as_slice);
        return Ok(fresh_json(&DryRun::of(&request, found, paces)));
    }
    let accepted = app
        .batches
        .submit(NewBatchRequest {
            tenant: caller.tenant.clone(),
            chain: request.chain,
            wallets: request.wallets,
            duplicates_removed: request.duplicates_removed,
            analysis: request.analysis,
            idempotency: key.map(|key| IdempotencyKey { key, fingerprint }),
            webhook: request.webhook,
            trace_id: context.trace_id.to_string(),
        })
        .await?;
    // A submission that finds no place to wait is answered at once: it has been stored.
    let waits = preferred_wait(&headers)
        .filter(|_| !app.is_draining())
        .and_then(|wait| Some((wait.min(due.leaves()), app.waiting.place()?)));
    let applied =
        waits.as_ref().and_then(|(wait, _)| format!("wait={}", wait.as_secs()).parse().ok());
    let mut response = match end_within(&app, waits, caller.tenant, &accepted.body).await {
        Some(job) => job_answer(StatusCode::OK, &job),
        None => {
            (StatusCode::ACCEPTED, [Keep::Not.header(), POLL_SECONDS], axum::Json(&accepted.body))
                .into_response()
        }
    };
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

/// The body of a submission, in either of its forms.
enum Body {
    Whole(Json),
    Lines(Lines),
}

impl Body {
    async fn receive(request: Request, app: &AppState) -> Result<Self, ApiError> {
        if is_ndjson(request.headers()) {
            return Lines::of(request).map(Self::Lines);
        }
        JsonBody::from_request(request, app).await.map(|JsonBody(body)| Self::Whole(body))
    }

    /// The request, and the fingerprint that tells it from others.
    async fn read(self, app: &AppState) -> Result<(CreateBatch, String), ApiError> {
        let rules = app.submit_rules();
        match self {
            Self::Whole(body) => {
                let request = CreateBatch::read(&body, &rules)?;
                Ok((request, fingerprint("POST", RUN, &body)))
            }
            Self::Lines(lines) => batch_lines::read(lines, &rules, RUN).await,
        }
    }
}

/// The job of an accepted submission that waits for its end, when it ends in time.
async fn end_within(
    app: &AppState,
    waits: Option<(Duration, Place)>,
    tenant: Tenant,
    accepted: &Value,
) -> Option<JobView> {
    let (wait, place) = waits?;
    let id = accepted.get("job_id").and_then(Value::as_str).and_then(job_id)?;
    let job = BatchRef { tenant, id };
    let ended = app.waiting.until(place, &job, wait, |look| look.batch.state.is_terminal()).await?;
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
    let origin = params.one_of("origin", &Origin::ALL);
    let limit = params.limit();
    let cursor = params.text("cursor");
    params.finish()?;
    let is_round = origin.map(|origin| origin == Origin::Continuous);
    let of_origin = is_round.map_or("", |is| if is { " continuous" } else { " client" });
    let scope = format!("jobs {}{of_origin}", status.map_or("", BatchStatus::as_str));
    let after = cursor.map(|cursor| position(&scope, &cursor)).transpose()?;
    let mut jobs = batches::list(&app.store, &tenant, status, is_round, after, limit + 1).await?;
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
    let Some(wait) = wait.filter(|_| !view.is_done()) else {
        return Ok(job_answer(StatusCode::OK, &view));
    };
    let tag = view.tag();
    if headers.contains_key(header::IF_NONE_MATCH) && asked_with(&headers, &tag).is_none() {
        return Ok(job_answer(StatusCode::OK, &view));
    }
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

/// `DELETE /api/pnl/batch/{job_id}`
pub async fn purge(
    State(app): State<AppState>,
    params: Params,
    JobId(job): JobId,
    NoBody: NoBody,
) -> Result<Response, ApiError> {
    params.finish()?;
    app.batches.purge(&job).await?;
    Ok((StatusCode::NO_CONTENT, [Keep::Not.header()]).into_response())
}

/// A status body; with the pace of polling while the job is not done.
fn job_answer(status: StatusCode, job: &JobView) -> Response {
    let mut response = (status, [Keep::Not.header()], axum::Json(job)).into_response();
    if !job.is_done() {
        let (name, value) = POLL_SECONDS;
        response.headers_mut().insert(name, value);
    }
    response
}
