//! Results of one job, as pages.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::Utc;
use persistence_layer::batches::{self, BatchRef};
use persistence_layer::results::{self, ResultRow};
use persistence_layer::{Store, StoreError};
use serde::Serialize;

use crate::app::AppState;
use crate::cursor;
use crate::dto::job::GroupStatus;
use crate::dto::result::WalletRow;
use crate::error::ApiError;
use crate::export::is_unbroken;
use crate::extract::{JobId, Params, check_accept};
use crate::handlers::{Keep, POLL_SECONDS, value};

/// Rows read from the database at a time: a report can be large.
const ROWS_AT_ONCE: u32 = 100;

/// A page ends early when it has become this large, in bytes.
const MAX_PAGE_BYTES: usize = 8 << 20;

#[derive(Serialize)]
struct ResultPage {
    job_id: String,
    status: &'static str,
    partial: bool,
    data: Vec<WalletRow>,
    next_cursor: Option<String>,
    has_more: bool,
    group: Option<GroupStatus>,
}

/// `GET /api/pnl/batch/results/{job_id}`
pub async fn page(
    State(app): State<AppState>,
    headers: HeaderMap,
    mut params: Params,
    JobId(job): JobId,
) -> Result<Response, ApiError> {
    check_accept(&headers, "application/json")?;
    let limit = params.limit();
    let cursor = params.text("cursor");
    params.finish()?;
    let scope = format!("results {job}");
    let after = cursor.map(|cursor| ordinal(&scope, &cursor)).transpose()?;
    let mut batch = app.batches.status(&job).await?;
    if after.is_some_and(|ordinal| ordinal >= batch.total) {
        return Err(cursor::names_no("row"));
    }
    let (rows, has_more) = loop {
        let (rows, has_more) = read_page(&app.store, &job, batch.total, after, limit).await?;
        if batch.finished_at.is_none()
            || batches::ended(&app.store, &job).await? == batch.finished_at
        {
            break (rows, has_more);
        }
        // It was retried in between. Another round needs another retry in just this moment.
        batch = app.batches.status(&job).await?;
    };
    let first = after.map_or(0, |ordinal| ordinal.saturating_add(1));
    if first < batch.total && !is_unbroken(&rows, first) {
        // Its time was over while we read it: that is the answer, not the rows that are left.
        app.batches.status(&job).await?;
        return Err(ApiError::internal());
    }
    let next_cursor = rows
        .last()
        .filter(|_| has_more)
        .map(|row| cursor::encode(&scope, &row.ordinal.to_string()));
    let partial = !batch.state.is_terminal();
    let page = ResultPage {
        job_id: job.to_string(),
        status: batch.status().as_str(),
        partial,
        data: rows
            .into_iter()
            .map(|row| WalletRow::of(row, batch.chain))
            .collect::<Result<_, _>>()
            .map_err(|error| unreadable(&error))?,
        next_cursor,
        has_more,
        group: GroupStatus::of(&batch),
    };
    let keep = Keep::results_of(&batch, app.results_days, Utc::now());
    let mut response = value(keep, &page);
    if partial {
        let (name, value) = POLL_SECONDS;
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}

fn ordinal(scope: &str, cursor: &str) -> Result<u32, ApiError> {
    let position = cursor::decode(scope, cursor)?;
    position.parse().map_err(|_| cursor::names_no("row"))
}

/// Up to `limit` rows behind `after`, fewer when they are large, and whether there are more.
async fn read_page(
    store: &Store,
    job: &BatchRef,
    total: u32,
    after: Option<u32>,
    limit: u32,
) -> Result<(Vec<ResultRow>, bool), StoreError> {
    let mut rows: Vec<ResultRow> = Vec::new();
    let mut bytes = 0usize;
    let mut after = after;
    // Ordinals are the places in the submission, from 0 and without gaps.
    let is_end = |after: Option<u32>| after.is_some_and(|ordinal| ordinal + 1 >= total);
    while rows.len() < limit as usize && bytes < MAX_PAGE_BYTES && !is_end(after) {
        let wanted = (limit - rows.len() as u32).min(ROWS_AT_ONCE);
        let more = results::page(store, job, after, wanted).await?;
        let Some(last) = more.last() else { break };
        after = Some(last.ordinal);
        bytes +=
            more.iter().filter_map(|row| row.report_json.as_deref()).map(str::len).sum::<usize>();
        rows.extend(more);
    }
    Ok((rows, !is_end(after)))
}

pub(super) fn unreadable(error: &dyn std::error::Error) -> ApiError {
    tracing::error!(error = %service_runtime::telemetry::Chain(error), "a stored report cannot be shown");
    ApiError::internal()
}
