//! The group of a job: its result with the records behind it, and its merged ledger.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::Utc;
use job_orchestrator::request::Analysis;
use job_orchestrator::wallets::{GroupRef, Include};
use persistence_layer::batches::{Batch, BatchId};
use persistence_layer::groups;
use persistence_layer::wallet_tasks::TaskState;

use crate::app::AppState;
use crate::dto::result::GroupRow;
use crate::error::ApiError;
use crate::extract::{JobId, Params, check_accept};
use crate::handlers::results::unreadable;
use crate::handlers::wallets::{LedgerFormat, include, page, streamed};
use crate::handlers::{Keep, POLL_SECONDS, value};
use crate::problems;

/// `GET /api/pnl/batch/results/{job_id}/group`
pub async fn result(
    State(app): State<AppState>,
    headers: HeaderMap,
    mut params: Params,
    JobId(job): JobId,
) -> Result<Response, ApiError> {
    check_accept(&headers, "application/json")?;
    let include = include(&mut params);
    params.finish()?;
    let batch = app.batches.status(&job).await?;
    let keep = Keep::results_of(&batch, app.results_days, Utc::now());
    let row = groups::result(&app.store, &job).await?.ok_or_else(|| no_group(job.id))?;
    let state = row.state;
    let view = GroupRow::of(job.id, row, batch.chain).map_err(|error| unreadable(&error))?;
    if state == TaskState::Done && include != Include::default() {
        let mut head = serde_json::to_string(&view).map_err(|error| unreadable(&error))?;
        // The result is its last member: what is left out closes it and the answer.
        let tail = head.split_off(head.len().saturating_sub(2));
        let group = group_ref(&batch)?;
        let pieces = app.wallets.of(job.tenant).group_records(&group, include, head, tail).await?;
        return Ok(streamed(keep, pieces.ok_or_else(|| no_group(job.id))?));
    }
    let mut response = value(keep, &view);
    if !batch.state.is_terminal() {
        let (name, value) = POLL_SECONDS;
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}

/// `GET /api/pnl/batch/results/{job_id}/group/ledger`
pub async fn ledger(
    State(app): State<AppState>,
    headers: HeaderMap,
    mut params: Params,
    JobId(job): JobId,
) -> Result<Response, ApiError> {
    check_accept(&headers, "application/json")?;
    let format = LedgerFormat::of(&mut params);
    let is_json = format == LedgerFormat::Json;
    let page_of = is_json.then(|| (params.limit(), params.text("cursor")));
    params.finish()?;
    let batch = app.batches.status(&job).await?;
    if batch.group != Some(TaskState::Done) {
        return Err(no_group(job.id));
    }
    let keep = Keep::results_of(&batch, app.results_days, Utc::now());
    let group = group_ref(&batch)?;
    let wallets = app.wallets.of(job.tenant);
    match page_of {
        Some((limit, cursor)) => page(&wallets, keep, &group.owner(), cursor, limit).await,
        None => {
            let pieces = wallets.group_document(&group).await?;
            Ok(streamed(keep, pieces.ok_or_else(|| no_group(job.id))?))
        }
    }
}

fn group_ref(batch: &Batch) -> Result<GroupRef, ApiError> {
    let analysis = Analysis::of_batch(&batch.request).map_err(|error| unreadable(&error))?;
    Ok(GroupRef { batch: batch.id, chain: batch.chain, analysis })
}

fn no_group(id: BatchId) -> ApiError {
    let detail = format!("The job {id} is no group, or its group has no result.");
    ApiError::new(problems::NO_GROUP, detail)
}
