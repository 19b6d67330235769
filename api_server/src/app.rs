//! What every handler can reach, behind one cheap clone.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::FromRef;
use chrono::{DateTime, Utc};
use job_orchestrator::Worker;
use job_orchestrator::batch::Batches;
use job_orchestrator::sources::Pace;
use job_orchestrator::wallets::AllWallets;
use job_orchestrator::webhooks::TargetRules;
use persistence_layer::Store;
use persistence_layer::redis_monitor::RedisMonitor;
use pnl_core::Chain;
use prometheus::Registry;
use service_runtime::config::{ContinuousSettings, SlowLogSettings};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::answers::Answers;
use crate::dto::batch::SubmitRules;
use crate::export::Exports;
use crate::extract::Limits;
use crate::handlers::performance::Optimizing;
use crate::keys::Keys;
use crate::limiter::Limiter;
use crate::live::Live;
use crate::load::{Files, Load};
use crate::metrics::{HttpMetrics, MemoryMetrics, QueueMetrics};
use crate::middleware::cors::Cors;
use crate::monitor::DatabaseMonitor;
use crate::orders::Orders;
use crate::performance::vitals::Vitals;
use crate::queue::{ContinuousWatch, QueueWatch};
use crate::signing::Signer;
use crate::versions::Versions;
use crate::waiting::Waiting;

/// Stores and services of the process.
#[derive(Clone)]
pub struct AppState(Arc<App>);

/// The content of [`AppState`].
pub struct App {
    /// The database, for answers.
    pub store: Store,
    /// The same for work that nobody waits for, whose statements may take longer.
    pub work_store: Store,
    /// The same for files of results, whose statements may take longest.
    pub file_store: Store,
    /// Submit, status, cancel, retry.
    pub batches: Batches,
    /// Stored ledgers of single wallets, of all tenants.
    pub wallets: AllWallets,
    /// Whether the database answers.
    pub database: DatabaseMonitor,
    /// Whether Redis answers; none when none is configured.
    pub redis: Option<RedisMonitor>,
    /// The worker of this process, unless its role is `api`.
    pub worker: Option<Worker>,
    /// Chains with a provider.
    pub chains: BTreeSet<Chain>,
    /// What the providers of each chain take.
    pub paces: BTreeMap<Chain, Vec<Pace>>,
    /// Answers that were given already.
    pub answers: Answers,
    /// Looks at what those are made of.
    pub versions: Versions,
    /// Files of results that were made.
    pub exports: Exports,
    /// Orders of results that were read.
    pub orders: Orders,
    /// The keys of clients; none where everybody is answered.
    pub keys: Option<Keys>,
    /// What results are signed with; none where nothing is signed.
    pub signer: Option<Signer>,
    /// Which pages of other hosts may read answers.
    pub cors: Cors,
    /// What wallets are watched under.
    pub continuous: ContinuousSettings,
    /// Where webhooks may go; none where none is sent.
    pub webhooks: Option<TargetRules>,
    /// How much each client may ask.
    pub limiter: Limiter,
    /// How many requests are worked on at a time.
    pub load: Load,
    /// How many files are sent at a time.
    pub files: Files,
    /// Which requests are told of because they took long.
    pub slow_log: SlowLogSettings,
    /// Bounds on requests.
    pub limits: Limits,
    /// Days for which results are kept; 0: for ever.
    pub results_days: u32,
    /// Smallest answer that is compressed, in bytes; 0: none is.
    pub compression_min_bytes: u64,
    /// Longest time for an answer.
    pub request_timeout: Duration,
    /// Cancelled when the process shall stop.
    pub drain: CancellationToken,
    /// All metrics of the process.
    pub registry: Registry,
    /// Those of the HTTP interface.
    pub http_metrics: HttpMetrics,
    /// Those of the queue, read at scrape.
    pub queue_metrics: QueueMetrics,
    /// Those of memory, read at scrape.
    pub memory_metrics: MemoryMetrics,
    /// Clients that follow jobs.
    pub live: Live,
    /// Requests that wait for a job.
    pub waiting: Waiting,
    /// How much waits.
    pub queue: QueueWatch,
    /// How continuous mode stands.
    pub continuous_watch: ContinuousWatch,
    /// How the process has been doing.
    pub vitals: Vitals,
    /// Whether an operator's wish to optimize is being carried out.
    pub optimizing: Optimizing,
    /// Whether profiles may be taken.
    pub profiling: bool,
    /// When and as what the process started.
    pub instance: Instance,
}

/// Identity of a running process.
#[derive(Debug, Clone)]
pub struct Instance {
    /// Random, new at each start; says nothing about the host.
    pub id: String,
    /// Start, by the clock on the wall.
    pub started_at: DateTime<Utc>,
    /// Start, for durations.
    pub started: Instant,
}

impl Instance {
    /// A process that starts now.
    pub fn begin() -> Self {
        let id = Uuid::new_v4().simple().to_string().split_off(20);
        Self { id, started_at: Utc::now(), started: Instant::now() }
    }
}

impl AppState {
    /// Shares `app` between all requests.
    pub fn new(app: App) -> Self {
        Self(Arc::new(app))
    }
}

impl App {
    /// What a submission is checked against.
    pub fn submit_rules(&self) -> SubmitRules {
        SubmitRules {
            max_wallets: self.limits.max_wallets,
            max_streamed_wallets: self.limits.max_streamed_wallets,
            available: self.chains.clone(),
            webhooks: self.webhooks.clone(),
        }
    }

    /// How the process takes requests, as pages name it.
    pub fn mode(&self) -> &'static str {
        if self.is_draining() {
            "draining"
        } else if self.load.is_high() {
            "high_load"
        } else {
            "normal"
        }
    }

    /// Whether what is kept can be told from what is not: the database answers, and purges are heard of.
    pub fn knows_what_is_kept(&self) -> bool {
        self.database.is_up() && self.answers.purges.are_heard()
    }

    /// Whether the process is about to stop.
    pub fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }
}

impl Deref for AppState {
    type Target = App;

    fn deref(&self) -> &App {
        &self.0
    }
}

impl FromRef<AppState> for Limits {
    fn from_ref(app: &AppState) -> Self {
        app.limits
    }
}
