//! Results of one job, as pages.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::Utc;
use persistence_layer::batches::{self, Batch, BatchRef};
use persistence_layer::results::{
    self, JobList, JobPage, JobPlace, JobSort, JobStart, LatestSort, ResultRow,
};
use persistence_layer::wallet_tasks::TaskState;
use persistence_layer::{Store, StoreError};
use serde::Serialize;

use crate::app::{App, AppState};
use crate::cursor;
use crate::dto::job::GroupStatus;
use crate::dto::result::{WALLET_STATUSES, WalletRow, wallet_status};
use crate::error::ApiError;
use crate::export::is_unbroken;
use crate::extract::{JobId, Params, check_accept};
use crate::handlers::latest::{Totals, sort};
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
    let list = list(&mut params);
    params.finish()?;
    let scope = scope(&job, &list);
    let after = cursor.map(|cursor| place(&scope, &list, &cursor)).transpose()?;
    let mut batch = app.batches.status(&job).await?;
    let is_sorted = list.sort.is_some();
    if after.as_ref().is_some_and(|after| !is_sorted && after.tie >= i64::from(batch.total)) {
        return Err(cursor::names_no("row"));
    }
    let (rows, next) = loop {
        let order = order(&app, &job, &batch, &list, &scope).await?;
        let reader = Reader { store: &app.store, job: &job, batch: &batch, list: &list, order };
        let read = reader.page(after.clone(), limit).await?;
        if batch.finished_at.is_none()
            || batches::ended(&app.store, &job).await? == batch.finished_at
        {
            break read;
        }
        // It was retried in between. Another round needs another retry in just this moment.
        batch = app.batches.status(&job).await?;
    };
    if list == JobList::default() {
        let last = after.and_then(|after| u32::try_from(after.tie).ok());
        let first = last.map_or(0, |ordinal| ordinal.saturating_add(1));
        if first < batch.total && !is_unbroken(&rows, first) {
            // Its time was over while we read it: that is the answer, not the rows that are left.
            app.batches.status(&job).await?;
            return Err(ApiError::internal());
        }
    }
    let next_cursor = next.map(|JobPlace { key, tie }| {
        let key = key.map(|key| format!(" {key}")).unwrap_or_default();
        cursor::encode(&scope, &format!("{tie}{key}"))
    });
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
        has_more: next_cursor.is_some(),
        next_cursor,
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

/// Filters and order.
fn list(params: &mut Params) -> JobList {
    let statuses = WALLET_STATUSES.map(|status| (status, status));
    let status = params.one_of("status", &statuses);
    let error_code = params.read("error_code", "is no code of a wallet", error_code);
    let Totals { profitable, min_pnl, max_pnl } = Totals::read(params);
    let sort = sort(params, &LatestSort::FIGURES).map(|(by, ascending)| JobSort { by, ascending });
    let states = TaskState::ALL
        .into_iter()
        .filter(|state| status.is_some_and(|status| wallet_status(*state) == status))
        .collect();
    let list = JobList { states, error_code, profitable, min_pnl, max_pnl, sort };
    if list.wants_figures() {
        let has_figures = status.is_none_or(|status| status == wallet_status(TaskState::Done));
        for (name, is_possible) in
            [("status", has_figures), ("error_code", list.error_code.is_none())]
        {
            if !is_possible {
                let detail = "sort, profitable, min_pnl and max_pnl are about wallets that are done; \
                              leave out status and error_code, or these";
                params.contradict(name, detail);
            }
        }
    }
    list
}

/// A text that can be the code of an error.
fn error_code(text: &str) -> Option<String> {
    const MAX_CODE: usize = 64;
    let is_code = (1..=MAX_CODE).contains(&text.len())
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    is_code.then(|| text.to_owned())
}

/// The list and its filters, as cursors are bound to them.
fn scope(job: &BatchRef, list: &JobList) -> String {
    let JobList { states, error_code, profitable, min_pnl, max_pnl, sort } = list;
    let mut scope = format!("results {job}");
    for (name, filter) in [
        ("status", states.first().map(|state| wallet_status(*state).to_owned())),
        ("error_code", error_code.clone()),
        ("profitable", profitable.map(|is| is.to_string())),
        ("min_pnl", min_pnl.map(|usd| usd.to_string())),
        ("max_pnl", max_pnl.map(|usd| usd.to_string())),
        ("sort", sort.map(|sort| format!("{} {}", sort.by.as_str(), sort.ascending))),
    ] {
        scope.extend(filter.map(|filter| format!(" {name}={filter}")));
    }
    scope
}

/// The check value of a cursor can be computed by anybody, so each part is read as what it must be.
fn place(scope: &str, list: &JobList, cursor: &str) -> Result<JobPlace, ApiError> {
    let position = cursor::decode(scope, cursor)?;
    let place = match list.sort {
        Some(sort) => position.split_once(' ').and_then(|(tie, key)| {
            Some(JobPlace { key: Some(sort.by.read_key(key)?), tie: tie.parse().ok()? })
        }),
        None => {
            let ordinal = position.parse::<u32>();
            ordinal.ok().map(|ordinal| JobPlace { key: None, tie: i64::from(ordinal) })
        }
    };
    place.ok_or_else(|| cursor::names_no("row"))
}

/// The order of the list, where it is by a figure that no index has and does not change any more.
async fn order(
    app: &App,
    job: &BatchRef,
    batch: &Batch,
    list: &JobList,
    scope: &str,
) -> Result<Option<Arc<[i64]>>, ApiError> {
    let sort = list.sort.filter(|sort| sort.by != LatestSort::TotalPnl);
    let ended = batch.finished_at.filter(|_| app.knows_what_is_kept());
    let (Some(sort), Some(ended)) = (sort, ended) else { return Ok(None) };
    // A retry takes the end away, and gives another one.
    let name = format!("{scope} {}", ended.timestamp_micros());
    let read = results::order(&app.store, job, batch.chain, list, sort);
    app.orders.of(name, read).await.map(Some).map_err(|error| (&*error).into())
}

/// Reads a list.
struct Reader<'a> {
    store: &'a Store,
    job: &'a BatchRef,
    batch: &'a Batch,
    list: &'a JobList,
    order: Option<Arc<[i64]>>,
}

impl Reader<'_> {
    /// Up to `limit` rows of the list behind `after`, fewer when they are large, and where to go on.
    async fn page(
        &self,
        after: Option<JobPlace>,
        limit: u32,
    ) -> Result<(Vec<ResultRow>, Option<JobPlace>), StoreError> {
        let mut rows: Vec<ResultRow> = Vec::new();
        let (mut bytes, mut next) = (0usize, after);
        while rows.len() < limit as usize && bytes < MAX_PAGE_BYTES {
            let wanted = (limit - rows.len() as u32).min(ROWS_AT_ONCE);
            let more = self.some(next.as_ref(), wanted).await?;
            let is_empty = more.rows.is_empty();
            let reports = more.rows.iter().filter_map(|row| row.report_json.as_deref());
            bytes += reports.map(str::len).sum::<usize>();
            rows.extend(more.rows);
            next = more.next;
            if is_empty || next.is_none() {
                break;
            }
        }
        Ok((rows, next))
    }

    /// As many of them as are read at once.
    async fn some(&self, after: Option<&JobPlace>, limit: u32) -> Result<JobPage, StoreError> {
        let Self { store, job, batch, list, .. } = *self;
        if *list != JobList::default() {
            return results::listed(store, job, batch.chain, list, self.start(after), limit).await;
        }
        let after = after.and_then(|place| u32::try_from(place.tie).ok());
        // Ordinals are the places in the submission, from 0 and without gaps.
        if after.is_some_and(|ordinal| ordinal + 1 >= batch.total) {
            return Ok(JobPage { rows: Vec::new(), next: None });
        }
        let rows = results::page(store, job, after, limit).await?;
        // Where rows are missing the job is gone: a walk ends behind its last wallet alone, and else goes on to be told so.
        let last = rows.last().map(|row| row.ordinal).or(after);
        let next = last
            .filter(|last| last + 1 < batch.total)
            .map(|last| JobPlace { key: None, tie: i64::from(last) });
        Ok(JobPage { rows, next })
    }

    fn start<'a>(&'a self, after: Option<&'a JobPlace>) -> JobStart<'a> {
        let behind = after.map_or(JobStart::First, JobStart::Behind);
        let Some(order) = &self.order else { return behind };
        let Some(after) = after else { return JobStart::Next(order) };
        // A cursor that was made up can name a wallet that is not there.
        let at = order.iter().position(|task| *task == after.tie);
        at.map_or(behind, |at| JobStart::Next(&order[at + 1..]))
    }
}

pub(super) fn unreadable(error: &dyn std::error::Error) -> ApiError {
    tracing::error!(error = %service_runtime::telemetry::Chain(error), "a stored report cannot be shown");
    ApiError::internal()
}
