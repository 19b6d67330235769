//! What clients that follow a job are told: CloudEvents 1.0 as JSON.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use persistence_layer::batches::{Batch, BatchState, Counts};
use persistence_layer::job_events::{Event, Kind, Number, Snapshot};
use persistence_layer::wallet_tasks::TaskState;
use serde::Serialize;
use uuid::Uuid;

use crate::dto::job::{self, GroupStatus, JobView};
use crate::dto::result::wallet_status;
use crate::dto::time::rfc3339;

/// What the type of every event begins with.
const TYPE_PREFIX: &str = "com.pnl.";

/// One message, in the same words for all clients. A cheap clone.
#[derive(Debug, Clone)]
pub struct Message {
    /// The event of the log up to which a client has everything; none in a message that is not of the
    /// log.
    pub number: Option<Number>,
    /// The last part of its type.
    pub name: &'static str,
    /// The event.
    pub json: Arc<str>,
    /// When it happened, if it is told as it happens and not out of the log.
    pub happened: Option<DateTime<Utc>>,
}

#[derive(Serialize)]
struct CloudEvent<'a, T> {
    specversion: &'static str,
    id: String,
    source: String,
    r#type: String,
    subject: String,
    time: String,
    traceid: &'a str,
    /// The same as W3C Trace Context has it; the job is the span.
    traceparent: &'a str,
    /// What a client that has this message sends to go on behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    lasteventid: Option<String>,
    data: T,
}

#[derive(Serialize)]
struct WalletData<'a> {
    wallet: &'a str,
    status: &'static str,
    error_code: Option<&'a str>,
}

#[derive(Serialize)]
struct GroupData<'a> {
    status: &'static str,
    error_code: Option<&'a str>,
}

#[derive(Serialize)]
struct JobData {
    status: &'static str,
}

/// The end of a job for who does not follow it.
#[derive(Serialize)]
struct EndData {
    status: &'static str,
    counts: ProgressCounts,
    status_url: String,
    results_url: String,
    group: Option<GroupStatus>,
}

#[derive(Serialize)]
struct ProgressData {
    counts: ProgressCounts,
    progress: String,
}

#[derive(Serialize)]
struct ProgressCounts {
    total: u32,
    open: u32,
    done: u32,
    failed: u32,
    timed_out: u32,
    cancelled: u32,
}

/// What stands in every message of a job.
#[derive(Debug, Clone)]
pub struct Subject {
    job: String,
    trace_id: String,
    traceparent: String,
}

impl Subject {
    /// That of `batch`.
    pub fn of(batch: &Batch) -> Self {
        let job = batch.id.0.simple().to_string();
        // The second half of a UUID is never zero, which would be no span: it has the variant.
        let traceparent = format!("00-{}-{}-01", batch.trace_id, &job[16..]);
        Self { job: batch.id.to_string(), trace_id: batch.trace_id.clone(), traceparent }
    }

    /// How the job stands after its last event. Two snapshots behind one event may differ in what is no
    /// event, such as running wallets, so each has an id of its own.
    pub fn snapshot(&self, snapshot: &Snapshot) -> Message {
        let batch = &snapshot.batch;
        let id = format!("{}-snapshot-{}", snapshot.last, Uuid::new_v4().simple());
        let data = JobView::of(batch);
        self.message(Some(snapshot.last), id, "job.snapshot", rfc3339(batch.updated_at), data)
    }

    /// How many wallets have ended after the event `last`, at the time `at`.
    pub fn progress(&self, last: Number, at: String, total: u32, counts: &Counts) -> Message {
        let counts = ProgressCounts::of(total, counts);
        let progress = job::progress(total - counts.open, total);
        let data = ProgressData { counts, progress };
        self.message(None, format!("{last}-progress"), "job.progress", at, data)
    }

    /// The end of `batch` as a webhook tells it: the event of the log, with what those who follow the job know
    /// already.
    fn end(&self, batch: &Batch, event: &Event, state: BatchState) -> Message {
        let data = EndData {
            status: state.as_str(),
            counts: ProgressCounts::of(batch.total, &batch.counts),
            status_url: job::status_url(batch.id),
            results_url: job::results_url(batch.id),
            group: GroupStatus::of(batch),
        };
        let (id, time) = (event.number.to_string(), rfc3339(event.at));
        self.message(Some(event.number), id, name(&event.kind), time, data)
    }

    /// An event of the log.
    pub fn event(&self, event: &Event) -> Message {
        let number = event.number;
        let name = name(&event.kind);
        let (id, time) = (number.to_string(), rfc3339(event.at));
        match &event.kind {
            Kind::WalletEnded { wallet, state, error_code } => {
                let error_code = error_code.as_deref();
                let data = WalletData { wallet, status: wallet_status(*state), error_code };
                self.message(Some(number), id, name, time, data)
            }
            Kind::GroupEnded { state, error_code } => {
                let error_code = error_code.as_deref();
                let data = GroupData { status: wallet_status(*state), error_code };
                self.message(Some(number), id, name, time, data)
            }
            Kind::JobStarted => {
                self.message(Some(number), id, name, time, JobData { status: "running" })
            }
            Kind::JobRetried => {
                self.message(Some(number), id, name, time, JobData { status: "queued" })
            }
            Kind::JobEnded(state) => {
                self.message(Some(number), id, name, time, JobData { status: state.as_str() })
            }
        }
    }

    fn message<T: Serialize>(
        &self,
        number: Option<Number>,
        id: String,
        name: &'static str,
        time: String,
        data: T,
    ) -> Message {
        let event = CloudEvent {
            specversion: "1.0",
            id,
            source: format!("/api/pnl/batch/{}", self.job),
            r#type: format!("{TYPE_PREFIX}{name}"),
            subject: self.job.clone(),
            time,
            traceid: &self.trace_id,
            traceparent: &self.traceparent,
            lasteventid: number.map(|number| number.to_string()),
            data,
        };
        // Texts and numbers always have a JSON.
        let json = serde_json::to_string(&event).unwrap_or_default();
        Message { number, name, json: json.into(), happened: None }
    }
}

impl ProgressCounts {
    fn of(total: u32, counts: &Counts) -> Self {
        let ended = counts.done + counts.failed + counts.timed_out + counts.cancelled;
        Self {
            total,
            open: total.saturating_sub(ended),
            done: counts.done,
            failed: counts.failed,
            timed_out: counts.timed_out,
            cancelled: counts.cancelled,
        }
    }
}

/// What a webhook is sent of `event`, an end of `batch`.
pub fn webhook_body(batch: &Batch, event: &Event) -> String {
    let subject = Subject::of(batch);
    let message = match event.kind {
        Kind::JobEnded(state) => subject.end(batch, event, state),
        _ => subject.event(event),
    };
    message.json.as_ref().to_owned()
}

/// The type of the event that ends a job so.
pub fn type_of_end(state: BatchState) -> String {
    format!("{TYPE_PREFIX}{}", name(&Kind::JobEnded(state)))
}

const fn name(kind: &Kind) -> &'static str {
    match kind {
        Kind::WalletEnded { state, .. } => match state {
            TaskState::Done => "wallet.completed",
            TaskState::TimedOut => "wallet.timed_out",
            TaskState::Cancelled => "wallet.cancelled",
            // Only ends are in the log.
            TaskState::Failed | TaskState::Queued | TaskState::Delayed | TaskState::Running => {
                "wallet.failed"
            }
        },
        Kind::GroupEnded { state, .. } => match state {
            TaskState::Done => "group.completed",
            TaskState::TimedOut => "group.timed_out",
            TaskState::Cancelled => "group.cancelled",
            TaskState::Failed | TaskState::Queued | TaskState::Delayed | TaskState::Running => {
                "group.failed"
            }
        },
        Kind::JobStarted => "job.started",
        Kind::JobRetried | Kind::JobEnded(BatchState::Active) => "job.retried",
        Kind::JobEnded(BatchState::Completed) => "job.completed",
        Kind::JobEnded(BatchState::CompletedWithErrors) => "job.completed_with_errors",
        Kind::JobEnded(BatchState::Failed) => "job.failed",
        Kind::JobEnded(BatchState::Cancelled) => "job.cancelled",
    }
}
