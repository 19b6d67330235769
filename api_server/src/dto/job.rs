//! A job as clients see it: the 202 answer and the status body.

use persistence_layer::batches::{Batch, BatchId};
use pnl_core::Pin;
use serde::Serialize;

use crate::dto::result::wallet_status;
use crate::dto::time::{rfc3339, rfc3339_seconds};
use crate::middleware::validators;

/// Where the state of a job is.
pub fn status_url(job: BatchId) -> String {
    format!("/api/pnl/batch/status/{job}")
}

/// Where the results of a job are.
pub fn results_url(job: BatchId) -> String {
    format!("/api/pnl/batch/results/{job}")
}

/// Who has made a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Whoever submitted it.
    Client,
    /// Continuous mode: it is a round of watched wallets.
    Continuous,
}

impl Origin {
    /// By the names that clients see.
    pub const ALL: [(&'static str, Self); 2] =
        [("client", Self::Client), ("continuous", Self::Continuous)];

    const fn of(batch: &Batch) -> Self {
        if batch.is_round { Self::Continuous } else { Self::Client }
    }
}

/// The status body.
#[derive(Debug, Serialize)]
pub struct JobView {
    job_id: String,
    chain: &'static str,
    origin: Origin,
    status: &'static str,
    done: bool,
    cancel_requested: bool,
    counts: CountsView,
    waiting: WaitingView,
    progress: String,
    eta_seconds: Option<u64>,
    created_at: String,
    started_at: Option<String>,
    updated_at: String,
    finished_at: Option<String>,
    pinned: Option<PinView>,
    results_url: String,
    group: Option<GroupStatus>,
}

/// How the group of a job stands.
#[derive(Debug, Serialize)]
pub struct GroupStatus {
    status: &'static str,
    group_url: String,
}

impl GroupStatus {
    /// That of `batch`; `None` when its wallets are none.
    pub fn of(batch: &Batch) -> Option<Self> {
        let status = wallet_status(batch.group?);
        Some(Self { status, group_url: format!("{}/group", results_url(batch.id)) })
    }
}

#[derive(Debug, Serialize)]
struct CountsView {
    total: u32,
    queued: u32,
    running: u32,
    done: u32,
    failed: u32,
    timed_out: u32,
    cancelled: u32,
}

#[derive(Debug, Serialize)]
struct WaitingView {
    continued: u32,
    provider_throttled: u32,
}

/// The block that a result looks at.
#[derive(Debug, Serialize)]
pub struct PinView {
    block: u64,
    block_time: String,
}

impl PinView {
    /// The view of `pin`.
    pub fn of(pin: Pin) -> Self {
        Self { block: pin.block, block_time: rfc3339_seconds(pin.block_time) }
    }
}

impl JobView {
    /// The view of `batch`: the same as long as nothing changes.
    pub fn of(batch: &Batch) -> Self {
        let counts = &batch.counts;
        let ended = counts.done + counts.failed + counts.timed_out + counts.cancelled;
        let is_done = batch.state.is_terminal();
        Self {
            job_id: batch.id.to_string(),
            chain: batch.chain.as_str(),
            origin: Origin::of(batch),
            status: batch.status().as_str(),
            done: is_done,
            cancel_requested: batch.cancel_requested,
            counts: CountsView {
                total: batch.total,
                queued: counts.queued,
                running: counts.running,
                done: counts.done,
                failed: counts.failed,
                timed_out: counts.timed_out,
                cancelled: counts.cancelled,
            },
            waiting: WaitingView {
                continued: batch.waiting.continued,
                provider_throttled: batch.waiting.provider_throttled,
            },
            progress: progress(ended, batch.total),
            eta_seconds: if is_done {
                None
            } else {
                let until = batch.updated_at;
                batch.started_at.and_then(|started| eta(until - started, ended, batch.total))
            },
            created_at: rfc3339(batch.created_at),
            started_at: batch.started_at.map(rfc3339),
            updated_at: rfc3339(batch.updated_at),
            finished_at: batch.finished_at.map(rfc3339),
            pinned: batch.pin.map(PinView::of),
            results_url: results_url(batch.id),
            group: GroupStatus::of(batch),
        }
    }

    /// The tag of the status body: another one whenever something has changed.
    pub fn tag(&self) -> String {
        // The same bytes as those of the answer; texts and numbers always have some.
        validators::tag_of(&serde_json::to_vec(self).unwrap_or_default())
    }

    /// Whether the job has ended.
    pub fn is_done(&self) -> bool {
        self.done
    }
}

/// Share of ended wallets with two places, rounded down: `1.00` only when all have ended.
pub fn progress(ended: u32, total: u32) -> String {
    let percent = (u64::from(ended) * 100).checked_div(u64::from(total)).unwrap_or(0);
    format!("{}.{:02}", percent / 100, percent % 100)
}

/// Seconds from the last change until the end when the rest takes as long per wallet as what has ended; none before the
/// first wallet has.
fn eta(elapsed: chrono::TimeDelta, ended: u32, total: u32) -> Option<u64> {
    let elapsed_ms = u64::try_from(elapsed.num_milliseconds()).ok()?;
    let left = u64::from(total.saturating_sub(ended));
    let per_wallet_ms = elapsed_ms.checked_div(u64::from(ended))?;
    Some((per_wallet_ms * left).div_ceil(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_rounded_down_to_two_places() {
        assert_eq!(progress(0, 7), "0.00");
        assert_eq!(progress(3, 7), "0.42");
        assert_eq!(progress(9_999, 10_000), "0.99");
        assert_eq!(progress(7, 7), "1.00");
    }

    #[test]
    fn the_rest_is_expected_to_go_on_as_before() {
        let minute = chrono::TimeDelta::seconds(60);
        assert_eq!(eta(minute, 0, 10), None);
        assert_eq!(eta(minute, 6, 10), Some(40));
        assert_eq!(eta(minute, 10, 10), Some(0));
    }
}
