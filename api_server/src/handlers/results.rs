//! Results of one job, as pages or as a CSV stream.

use std::io;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use persistence_layer::batches::{BatchId, BatchRef};
use persistence_layer::results::{self, ResultRow};
use persistence_layer::{Store, StoreError};
use pnl_core::Chain;
use serde::Serialize;

use crate::app::AppState;
use crate::cursor;
use crate::dto::csv::{self, CsvError, CsvRow};
use crate::dto::job::GroupStatus;
use crate::dto::result::{WalletRow, wallet_status};
use crate::error::ApiError;
use crate::extract::{JobId, Params, check_accept};
use crate::handlers::{Keep, POLL_SECONDS, value};
use crate::problems;

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
    let batch = app.batches.status(&job).await?;
    if after.is_some_and(|ordinal| ordinal >= batch.total) {
        return Err(cursor::names_no("row"));
    }
    let (rows, has_more) = read_page(&app.store, &job, batch.total, after, limit).await?;
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
    while rows.len() < limit as usize && bytes < MAX_PAGE_BYTES {
        let wanted = (limit - rows.len() as u32).min(ROWS_AT_ONCE);
        let more = results::page(store, job, after, wanted).await?;
        let is_end = more.len() < wanted as usize;
        bytes +=
            more.iter().filter_map(|row| row.report_json.as_deref()).map(str::len).sum::<usize>();
        after = more.last().map(|row| row.ordinal).or(after);
        rows.extend(more);
        if is_end {
            break;
        }
    }
    // Ordinals are the places in the submission, from 0 and without gaps.
    let has_more = after.is_some_and(|ordinal| ordinal + 1 < total);
    Ok((rows, has_more))
}

/// Whether `rows` are those from `first` on, with none left out: every wallet has a row from the
/// submission to the day the job is removed.
fn is_unbroken(rows: &[ResultRow], first: u32) -> bool {
    !rows.is_empty() && rows.iter().zip(first..).all(|(row, ordinal)| row.ordinal == ordinal)
}

/// `GET /api/pnl/batch/results/{job_id}/export.csv`
pub async fn export_csv(
    State(app): State<AppState>,
    mut params: Params,
    JobId(job): JobId,
) -> Result<Response, ApiError> {
    // The path names the format; what the client accepts by habit does not matter.
    let partial = params.flag("partial");
    params.finish()?;
    let batch = app.batches.status(&job).await?;
    if !batch.state.is_terminal() && !partial {
        let detail = "The job has not ended; ?partial=true exports what is there.";
        return Err(ApiError::new(problems::JOB_RUNNING, detail).retry_after(POLL_AFTER_SECONDS));
    }
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8; header=present")),
        Keep::results_of(&batch, app.results_days, Utc::now()).header(),
        (header::CONTENT_DISPOSITION, disposition(job.id)),
    ];
    let lines = csv_stream(app.store.clone(), job, batch.chain, batch.total)?;
    Ok((headers, Body::from_stream(lines)).into_response())
}

const POLL_AFTER_SECONDS: u32 = 2;

fn disposition(id: BatchId) -> HeaderValue {
    HeaderValue::from_str(&format!("attachment; filename=\"pnl-{id}.csv\""))
        .expect("a UUID has no character that a header refuses")
}

/// Header and rows, read page by page as the client takes them. An error ends the stream as an
/// error, which aborts the connection: a file that ends cleanly is complete.
fn csv_stream(
    store: Store,
    job: BatchRef,
    chain: Chain,
    total: u32,
) -> Result<impl Stream<Item = io::Result<Bytes>>, ApiError> {
    let header = csv::header().map_err(|error| unreadable(&error))?;
    let pages = stream::try_unfold(0, move |next: u32| {
        let (store, job) = (store.clone(), job.clone());
        async move {
            if next >= total {
                return Ok::<_, ExportError>(None);
            }
            let rows = results::page(&store, &job, next.checked_sub(1), ROWS_AT_ONCE).await?;
            if !is_unbroken(&rows, next) {
                return Err(ExportError::Removed);
            }
            let mut lines = Vec::new();
            for row in &rows {
                lines.extend(csv::line(csv_row(row, chain))?);
            }
            Ok(Some((Bytes::from(lines), next + rows.len() as u32)))
        }
    });
    let all = stream::once(async { Ok(Bytes::from(header)) }).chain(pages);
    Ok(all.map_err(|error| {
        tracing::error!(%error, code = error.code(), "a CSV export was aborted");
        io::Error::other("the export failed")
    }))
}

/// The CSV form of a stored row.
pub fn csv_row(row: &ResultRow, chain: Chain) -> CsvRow<'_> {
    CsvRow {
        wallet: row.wallet.as_str(),
        chain: chain.as_str(),
        status: wallet_status(row.state),
        error_code: row.error.as_ref().map(|error| error.code.as_str()),
        report: row.report_json.as_deref(),
    }
}

/// Why an export broke off.
#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Row(#[from] CsvError),
    #[error("the job was removed meanwhile")]
    Removed,
}

impl ExportError {
    fn code(&self) -> &'static str {
        match self {
            Self::Store(error) => error.code(),
            Self::Row(_) => "store-corrupt",
            Self::Removed => problems::JOB_EXPIRED.code,
        }
    }
}

pub(super) fn unreadable(error: &dyn std::error::Error) -> ApiError {
    tracing::error!(error = %service_runtime::telemetry::Chain(error), "a stored report cannot be shown");
    ApiError::internal()
}

#[cfg(test)]
mod tests {
    use persistence_layer::Tenant;
    use persistence_layer::batches::{self, NewBatch};
    use persistence_layer::test_util::TestDatabase;
    use pnl_core::Address;
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn an_export_that_loses_its_database_ends_with_an_error() {
        let database = TestDatabase::create().await;
        let id = BatchId::generate();
        let wallet = |n: u32| Address::from_chain_data(&format!("wallet{n}"));
        let tenant = Tenant::default();
        let job = BatchRef { tenant: tenant.clone(), id };
        let batch = NewBatch {
            id,
            tenant,
            chain: Chain::Solana,
            wallets: (0..2 * ROWS_AT_ONCE + 1).map(wallet).collect(),
            request: json!({}),
            trace_id: "0af7651916cd43dd8448eb211c80319c".to_owned(),
            created_at: chrono::Utc::now(),
            idempotency: None,
            response: json!({}),
        };
        batches::submit(database.store(), &batch, batches::Admission::rejecting(1)).await.unwrap();
        let total = 2 * ROWS_AT_ONCE + 1;
        let whole =
            csv_stream(database.store().clone(), job.clone(), Chain::Solana, total).unwrap();
        let whole: Vec<_> = whole.map(Result::unwrap).collect().await;
        let lines = |pieces: &[Bytes]| pieces.concat().split(|byte| *byte == b'\n').count() - 1;
        assert_eq!(lines(&whole), 1 + 2 * ROWS_AT_ONCE as usize + 1);

        let store = database.second_store().await;
        let mut broken =
            Box::pin(csv_stream(store.clone(), job.clone(), Chain::Solana, total).unwrap());
        for _ in ["header", "first page"] {
            broken.next().await.unwrap().unwrap();
        }
        store.close().await;
        broken.next().await.unwrap().unwrap_err();

        // And so does one that loses its job.
        let mut broken = Box::pin(
            csv_stream(database.store().clone(), job.clone(), Chain::Solana, total).unwrap(),
        );
        for _ in ["header", "first page"] {
            broken.next().await.unwrap().unwrap();
        }
        let left = "with removed as (delete from wallet_tasks where ordinal >= 100 returning 1)
            select count(*) from removed";
        assert_eq!(database.number(left).await, i64::from(total - 100));
        broken.next().await.unwrap().unwrap_err();
    }
}
