//! One wallet of a job as the results route shows it.

use persistence_layer::batches::BatchId;
use persistence_layer::results::ResultRow;
use persistence_layer::wallet_tasks::{TaskError, TaskState};
use pnl_core::Chain;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::dto::time::rfc3339;

/// The row. `result` passes through byte for byte.
#[derive(Debug, Serialize)]
pub struct WalletRow {
    wallet: String,
    chain: &'static str,
    status: &'static str,
    result: Option<Box<RawValue>>,
    error: Option<TaskError>,
    run: RunView,
}

/// What differs between two runs over equal inputs.
#[derive(Debug, Serialize)]
struct RunView {
    attempts: u32,
    started_at: Option<String>,
    finished_at: Option<String>,
    calls: Value,
}

/// The group of a job; its result comes behind it.
#[derive(Debug, Serialize)]
pub struct GroupRow {
    job_id: String,
    chain: &'static str,
    status: &'static str,
    error: Option<TaskError>,
    run: RunView,
    result: Option<Box<RawValue>>,
}

impl GroupRow {
    /// The view of a stored row.
    ///
    /// # Errors
    /// When the stored report is no JSON.
    pub fn of(job: BatchId, row: ResultRow, chain: Chain) -> Result<Self, serde_json::Error> {
        let run = RunView::of(&row);
        Ok(Self {
            job_id: job.to_string(),
            chain: chain.as_str(),
            status: wallet_status(row.state),
            error: row.error,
            run,
            result: row.report_json.map(RawValue::from_string).transpose()?,
        })
    }
}

impl RunView {
    fn of(row: &ResultRow) -> Self {
        Self {
            attempts: row.attempts,
            started_at: row.started_at.map(rfc3339),
            finished_at: row.finished_at.map(rfc3339),
            calls: row.calls.clone().unwrap_or_else(|| Value::Object(serde_json::Map::new())),
        }
    }
}

impl WalletRow {
    /// The view of a stored row.
    ///
    /// # Errors
    /// When the stored report is no JSON.
    pub fn of(row: ResultRow, chain: Chain) -> Result<Self, serde_json::Error> {
        let run = RunView::of(&row);
        Ok(Self {
            wallet: row.wallet.to_string(),
            chain: chain.as_str(),
            status: wallet_status(row.state),
            result: row.report_json.map(RawValue::from_string).transpose()?,
            error: row.error,
            run,
        })
    }
}

/// Every status of a wallet that clients see.
pub const WALLET_STATUSES: [&str; 6] =
    ["queued", "running", "done", "failed", "timed_out", "cancelled"];

/// The status clients see: a delayed wallet is a queued one.
pub const fn wallet_status(state: TaskState) -> &'static str {
    match state {
        TaskState::Queued | TaskState::Delayed => "queued",
        TaskState::Running => "running",
        TaskState::Done => "done",
        TaskState::Failed => "failed",
        TaskState::TimedOut => "timed_out",
        TaskState::Cancelled => "cancelled",
    }
}
