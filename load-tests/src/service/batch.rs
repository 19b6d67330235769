//! Batch jobs through the HTTP interface.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::http::{Answer, Client};
use super::wait;

/// Rows of one page of results.
const PAGE: usize = 200;

/// A job that was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Job {
    /// Its id.
    pub job_id: String,
    /// Its wallets, duplicates removed.
    pub total_wallets: u64,
}

/// Where a job stands.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct JobStatus {
    /// `queued`, `running`, `completed`, `completed_with_errors`, `failed`, `cancelled`.
    pub status: String,
    /// Whether it has ended.
    pub done: bool,
    /// Wallets by state.
    pub counts: Counts,
}

/// Wallets by state. The parts sum to `total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Counts {
    /// All of them.
    pub total: u64,
    /// Waiting.
    pub queued: u64,
    /// Worked on.
    pub running: u64,
    /// With a result.
    pub done: u64,
    /// Failed.
    pub failed: u64,
    /// Out of time too often.
    pub timed_out: u64,
    /// Cancelled.
    pub cancelled: u64,
}

impl Counts {
    /// Wallets that have ended.
    pub const fn ended(&self) -> u64 {
        self.done + self.failed + self.timed_out + self.cancelled
    }
}

/// One wallet of the results.
#[derive(Debug, Deserialize)]
pub struct Row {
    /// Its address.
    pub wallet: String,
    /// Its state.
    pub status: String,
    /// The result, byte by byte as it was served; `null` when there is none.
    pub result: Box<RawValue>,
    /// Why there is none.
    pub error: Option<RowError>,
    /// What varies from run to run.
    pub run: Value,
}

/// Why a wallet has no result.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RowError {
    /// The stable code.
    pub code: String,
    /// The sentence.
    pub detail: String,
}

impl Row {
    /// The result when there is one.
    pub fn result(&self) -> Option<&str> {
        Some(self.result.get()).filter(|text| *text != "null")
    }
}

/// The body of a submission of Solana wallets.
pub fn submission(wallets: &[String]) -> Value {
    json!({"wallet_addresses": wallets, "chain": "solana"})
}

impl Client {
    /// Submits wallets of Solana, under an idempotency key when one is given.
    ///
    /// # Errors
    /// When no answer came; a refusal is an answer.
    pub async fn try_submit(
        &self,
        wallets: &[String],
        key: Option<&str>,
    ) -> anyhow::Result<Answer> {
        let body = submission(wallets);
        let headers: Vec<_> = key.into_iter().map(|key| ("idempotency-key", key)).collect();
        self.post_with("/api/pnl/batch/run", &headers, &body).await
    }

    /// Submits wallets of Solana.
    ///
    /// # Errors
    /// When they were not accepted.
    pub async fn submit(&self, wallets: &[String]) -> anyhow::Result<Job> {
        self.try_submit(wallets, None).await?.expect(202)?.json()
    }

    /// Where a job stands.
    ///
    /// # Errors
    /// When no status came.
    pub async fn job_status(&self, job_id: &str) -> anyhow::Result<JobStatus> {
        self.get(&format!("/api/pnl/batch/status/{job_id}")).await?.expect(200)?.json()
    }

    /// Waits until a job has ended; its last status. Looks that fail are repeated: the service may
    /// be away for a while.
    ///
    /// # Errors
    /// When it has not ended within `patience`; the message says where it stood.
    pub async fn job_end(&self, job_id: &str, patience: Duration) -> anyhow::Result<JobStatus> {
        let mut last = String::new();
        wait::until(&format!("job {job_id} to end"), patience, async || {
            match self.job_status(job_id).await {
                Ok(status) if status.done => return Ok(Some(status)),
                Ok(status) => last = format!("{:?}", status.counts),
                Err(error) => last = format!("{error:#}"),
            }
            Ok(None)
        })
        .await
        .with_context(|| last.clone())
    }

    /// All rows of a job, in the order of the submission.
    ///
    /// # Errors
    /// When a page does not come.
    pub async fn results(&self, job_id: &str) -> anyhow::Result<Vec<Row>> {
        #[derive(Deserialize)]
        struct Page {
            data: Vec<Row>,
            next_cursor: Option<String>,
            has_more: bool,
        }
        let mut rows = Vec::new();
        let mut cursor = String::new();
        loop {
            let path = format!("/api/pnl/batch/results/{job_id}?limit={PAGE}{cursor}");
            let page: Page = self.get(&path).await?.expect(200)?.json()?;
            rows.extend(page.data);
            match page.next_cursor {
                Some(next) if page.has_more => cursor = format!("&cursor={next}"),
                next => {
                    ensure!(!page.has_more && next.is_none(), "the last page names another one");
                    return Ok(rows);
                }
            }
        }
    }
}
