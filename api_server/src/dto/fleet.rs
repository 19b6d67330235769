//! Processes and queue as operators see them.

use chrono::{DateTime, Utc};
use persistence_layer::queue_report::{OldestTask, QueueReport, RunningTask};
use serde::Serialize;
use utoipa::ToSchema;

use crate::dto::time::rfc3339;
use crate::fleet::{Paused, Process, Provider};

/// A process: neither its machine nor the wallets it works on.
#[derive(Debug, Serialize)]
pub struct ProcessView {
    id: String,
    role: String,
    version: String,
    started_at: String,
    seen_seconds_ago: u64,
    slots: SlotsView,
    redis: String,
    providers: Vec<Provider>,
    paused: Vec<Paused>,
    prices_away_since: Option<String>,
}

/// Working slots.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Slots)]
pub struct SlotsView {
    /// Those with a wallet.
    pub in_use: u32,
    /// All.
    pub total: u32,
}

impl ProcessView {
    /// The view for anybody: of causes only what we say ourselves, not the words of an endpoint,
    /// which may name machines.
    pub fn public(process: &Process) -> Self {
        let mut view = Self::of(process);
        let providers = view.providers.iter_mut().map(|one| &mut one.cause);
        for cause in providers.chain(view.paused.iter_mut().map(|one| &mut one.cause)) {
            *cause = cause.as_deref().map(own_words);
        }
        view
    }

    /// The view of `process`.
    fn of(process: &Process) -> Self {
        let report = &process.seen.report;
        Self {
            id: report.id.clone(),
            role: report.role.clone(),
            version: report.version.clone(),
            started_at: rfc3339(report.started_at),
            seen_seconds_ago: process.seen.age.as_secs(),
            slots: SlotsView { in_use: report.slots_in_use, total: report.slots },
            redis: report.redis.clone(),
            providers: process.providers.clone(),
            paused: process.paused.clone(),
            prices_away_since: process.prices_away_since.clone(),
        }
    }
}

/// What we say of a failure, without what an endpoint said: `HTTP 503`, `cannot connect`.
pub fn own_words(failure: &str) -> String {
    failure.split(':').next().unwrap_or_default().to_owned()
}

/// Everything that an operator at the machine may see.
#[derive(Debug, Serialize)]
pub struct FleetView {
    alarms: Vec<String>,
    batches: BatchesView,
    tasks: Vec<TasksView>,
    oldest_waiting: Option<OldestView>,
    attempts: Vec<AttemptsView>,
    takeovers: TakeoversView,
    running: Vec<RunningView>,
    processes: Vec<OwnProcessView>,
    retention: RetentionView,
}

#[derive(Debug, Serialize)]
struct BatchesView {
    admitted: u32,
    waiting: u32,
}

#[derive(Debug, Serialize)]
struct TasksView {
    chain: &'static str,
    state: &'static str,
    waits_for: Option<String>,
    wallets: u64,
}

#[derive(Debug, Serialize)]
struct OldestView {
    job_id: String,
    wallet: String,
    chain: &'static str,
    state: &'static str,
    waits_for: Option<String>,
    age_seconds: u64,
}

#[derive(Debug, Serialize)]
struct AttemptsView {
    attempts: u32,
    wallets: u64,
}

#[derive(Debug, Serialize)]
struct TakeoversView {
    last_hour: u64,
    kept: u64,
}

#[derive(Debug, Serialize)]
struct RunningView {
    job_id: String,
    wallet: String,
    chain: &'static str,
    stage: Option<String>,
    age_seconds: u64,
    worker: String,
    lease_left_seconds: Option<u64>,
    attempts: u32,
    continuations: u32,
    takeovers: u32,
    claims: u64,
    progress: u64,
}

#[derive(Debug, Serialize)]
struct OwnProcessView {
    #[serde(flatten)]
    public: ProcessView,
    host: String,
    pid: u32,
}

#[derive(Debug, Serialize)]
struct RetentionView {
    last_run: Option<String>,
}

impl FleetView {
    /// The view of a moment.
    pub fn of(
        alarms: Vec<String>,
        queue: &QueueReport,
        processes: &[Process],
        last_retention: Option<DateTime<Utc>>,
    ) -> Self {
        Self {
            alarms,
            batches: BatchesView {
                admitted: queue.batches_admitted,
                waiting: queue.batches_waiting,
            },
            tasks: queue
                .tasks
                .iter()
                .map(|open| TasksView {
                    chain: open.chain.as_str(),
                    state: open.state.as_str(),
                    waits_for: open.waits_for.clone(),
                    wallets: open.tasks,
                })
                .collect(),
            oldest_waiting: queue.oldest_waiting.as_ref().map(OldestView::of),
            attempts: queue
                .attempts
                .iter()
                .map(|count| AttemptsView { attempts: count.attempts, wallets: count.tasks })
                .collect(),
            takeovers: TakeoversView {
                last_hour: queue.takeovers_last_hour,
                kept: queue.takeovers_kept,
            },
            running: queue.running.iter().map(|one| RunningView::of(one, processes)).collect(),
            processes: processes
                .iter()
                .map(|process| OwnProcessView {
                    public: ProcessView::of(process),
                    host: process.seen.report.host.clone(),
                    pid: process.seen.report.pid,
                })
                .collect(),
            retention: RetentionView { last_run: last_retention.map(rfc3339) },
        }
    }
}

impl OldestView {
    fn of(task: &OldestTask) -> Self {
        Self {
            job_id: task.batch.to_string(),
            wallet: task.wallet.address.to_string(),
            chain: task.wallet.chain.as_str(),
            state: task.state.as_str(),
            waits_for: task.waits_for.clone(),
            age_seconds: task.age.as_secs(),
        }
    }
}

impl RunningView {
    fn of(task: &RunningTask, processes: &[Process]) -> Self {
        let holder = processes.iter().find(|process| process.seen.report.id == task.worker);
        Self {
            job_id: task.batch.to_string(),
            wallet: task.wallet.address.to_string(),
            chain: task.wallet.chain.as_str(),
            stage: holder.and_then(|process| process.stage(task.task)),
            age_seconds: task.age.as_secs(),
            worker: task.worker.clone(),
            lease_left_seconds: task.lease_left.map(|left| left.as_secs()),
            attempts: task.attempts,
            continuations: task.continuations,
            takeovers: task.takeovers,
            claims: task.claims,
            progress: task.progress,
        }
    }
}
