//! The keys of the service itself, their types and their defaults. `config.toml` explains each for
//! operators; the keys of chain endpoints and prices are in [`super::endpoints`].

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::auth::AuthSettings;
use super::continuous::ContinuousSettings;
use super::endpoints::{Chains, PriceSettings};
use super::limits::LimitSettings;
use super::live::LiveSettings;
use super::secret::SecretUrl;
use super::signing::SigningSettings;
use super::slow_log::SlowLogSettings;
use super::webhooks::WebhookSettings;

/// All settings of one process, validated.
///
/// [`Settings::load`] is the way to get them; [`Settings::default`] are the documented defaults.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What this process does.
    pub service: ServiceSettings,
    /// The public listener.
    pub api: ApiSettings,
    /// The listener of operators: metrics.
    pub admin: AdminSettings,
    /// Who may ask.
    pub auth: AuthSettings,
    /// Results that others can check.
    pub signing: SigningSettings,
    /// Log lines.
    pub log: LogSettings,
    /// Requests that are told of because they took long.
    pub slow_log: SlowLogSettings,
    /// PostgreSQL.
    pub database: DatabaseSettings,
    /// Redis.
    pub redis: RedisSettings,
    /// Answers that are kept.
    pub cache: CacheSettings,
    /// How much each client may ask.
    pub limits: LimitSettings,
    /// Clients that wait for a job or follow one.
    pub live: LiveSettings,
    /// Receivers that are told of the end of jobs.
    pub webhooks: WebhookSettings,
    /// Admission of batches.
    pub batch: BatchSettings,
    /// Wallets that are analyzed again and again.
    pub continuous: ContinuousSettings,
    /// How long what is stored stays.
    pub retention: RetentionSettings,
    /// The work on wallets.
    pub worker: WorkerSettings,
    /// Chain endpoints.
    pub chains: Chains,
    /// Price sources and par values.
    pub prices: PriceSettings,
}

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Answers requests and works on wallets.
    #[default]
    All,
    /// Answers requests only.
    Api,
    /// Works on wallets only; the public listener answers the health paths.
    Worker,
}

/// The text names no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown role {0:?}; known are all, api, worker")]
pub struct UnknownRole(pub String);

impl Role {
    /// The name, as in configuration and `--role`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Api => "api",
            Self::Worker => "worker",
        }
    }

    /// Whether this process answers requests of clients.
    pub const fn serves_requests(self) -> bool {
        matches!(self, Self::All | Self::Api)
    }

    /// Whether this process claims wallets.
    pub const fn works_on_wallets(self) -> bool {
        matches!(self, Self::All | Self::Worker)
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        match text {
            "all" => Ok(Self::All),
            "api" => Ok(Self::Api),
            "worker" => Ok(Self::Worker),
            other => Err(UnknownRole(other.to_owned())),
        }
    }
}

/// `[service]`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServiceSettings {
    /// What this process does; `--role` overrides it.
    pub role: Role,
}

/// `[api]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApiSettings {
    /// Address to listen on.
    pub host: String,
    /// Port to listen on; 0 takes a free one.
    pub port: u16,
    /// Longest time for one answer, in seconds.
    pub request_timeout_seconds: u64,
    /// Connections of clients that are kept open at a time.
    pub max_connections: u32,
    /// Origins whose pages may read answers in browsers.
    pub cors_origins: Vec<String>,
    /// Largest request body, in bytes.
    pub max_body_bytes: u64,
    /// Most wallets of one batch, counted before duplicates are removed.
    pub max_wallets: u32,
    /// Most requests that read which are worked on at a time; 0: no limit.
    pub max_at_work: u32,
    /// Most files of results that are sent at a time.
    pub max_files: u32,
    /// Wallets of one batch that is submitted as lines.
    pub max_streamed_wallets: u32,
    /// Smallest answer that is compressed, in bytes; 0: none is.
    pub compression_min_bytes: u64,
}

impl Default for ApiSettings {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 8080,
            request_timeout_seconds: 30,
            max_connections: 4096,
            cors_origins: Vec::new(),
            max_body_bytes: 2_097_152,
            max_wallets: 10_000,
            max_at_work: 256,
            max_files: 16,
            max_streamed_wallets: 100_000,
            compression_min_bytes: 1024,
        }
    }
}

impl ApiSettings {
    /// Longest time for one answer.
    pub const fn request_timeout(&self) -> Duration {
        Duration::from_secs(self.request_timeout_seconds)
    }
}

/// `[admin]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdminSettings {
    /// Address to listen on.
    pub host: String,
    /// Port to listen on; 0 takes a free one.
    pub port: u16,
    /// Whether profiles of the processor may be taken there.
    pub profiling: bool,
}

impl Default for AdminSettings {
    fn default() -> Self {
        Self { host: "127.0.0.1".to_owned(), port: 9090, profiling: false }
    }
}

/// Form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSettings {
    /// Form of the lines.
    pub format: LogFormat,
    /// Which lines: directives of `tracing_subscriber::EnvFilter`.
    pub filter: String,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".to_owned() }
    }
}

/// `[database]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatabaseSettings {
    /// PostgreSQL to use; empty: an own cluster below [`DatabaseSettings::data_dir`].
    pub postgres_url: SecretUrl,
    /// Folder of the own cluster.
    pub data_dir: PathBuf,
    /// Folder of the PostgreSQL server programs; empty: they are searched for.
    pub bin_dir: PathBuf,
    /// Most connections of this process.
    pub max_connections: u32,
    /// Connections kept open.
    pub min_connections: u32,
    /// Longest wait for a free connection, in seconds.
    pub acquire_timeout_seconds: u64,
    /// An idle connection above the minimum is closed after so many seconds.
    pub idle_timeout_seconds: u64,
    /// A connection is replaced after so many seconds.
    pub max_lifetime_seconds: u64,
    /// Longest time of one statement, in seconds.
    pub statement_timeout_seconds: u64,
    /// The same of one that reads for an answer.
    pub request_statement_timeout_seconds: u64,
    /// The same of one that reads for a file of results.
    pub export_statement_timeout_seconds: u64,
    /// The server itself, past a connection pooler; empty: [`DatabaseSettings::postgres_url`] leads there.
    pub direct_url: SecretUrl,
    /// A streaming replica that is read from; empty: none.
    pub read_url: SecretUrl,
    /// Most connections of this process to the replica.
    pub read_max_connections: u32,
    /// A replica that is further behind, in seconds, is not read from.
    pub read_max_lag_seconds: u64,
}

impl Default for DatabaseSettings {
    fn default() -> Self {
        Self {
            postgres_url: SecretUrl::default(),
            data_dir: PathBuf::from("./data"),
            bin_dir: PathBuf::new(),
            max_connections: 100,
            min_connections: 20,
            acquire_timeout_seconds: 30,
            idle_timeout_seconds: 600,
            max_lifetime_seconds: 1800,
            statement_timeout_seconds: 60,
            request_statement_timeout_seconds: 5,
            export_statement_timeout_seconds: 300,
            direct_url: SecretUrl::default(),
            read_url: SecretUrl::default(),
            read_max_connections: 50,
            read_max_lag_seconds: 5,
        }
    }
}

impl DatabaseSettings {
    /// Longest wait for a free connection.
    pub const fn acquire_timeout(&self) -> Duration {
        Duration::from_secs(self.acquire_timeout_seconds)
    }

    /// Idle time after which a connection above the minimum is closed.
    pub const fn idle_timeout(&self) -> Duration {
        Duration::from_secs(self.idle_timeout_seconds)
    }

    /// Age at which a connection is replaced.
    pub const fn max_lifetime(&self) -> Duration {
        Duration::from_secs(self.max_lifetime_seconds)
    }

    /// How far behind a replica may be that is read from.
    pub const fn read_max_lag(&self) -> Duration {
        Duration::from_secs(self.read_max_lag_seconds)
    }

    /// Longest time of one statement.
    pub const fn statement_timeout(&self) -> Duration {
        Duration::from_secs(self.statement_timeout_seconds)
    }

    /// Longest time of a statement that reads for an answer.
    pub const fn request_statement_timeout(&self) -> Duration {
        Duration::from_secs(self.request_statement_timeout_seconds)
    }

    /// Longest time of a statement that reads for a file of results.
    pub const fn export_statement_timeout(&self) -> Duration {
        Duration::from_secs(self.export_statement_timeout_seconds)
    }
}

/// `[redis]`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedisSettings {
    /// Redis to use; empty: none. What is kept there can be lost at any time.
    pub url: SecretUrl,
}

/// `[cache]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CacheSettings {
    /// Most memory for answers that are kept, in MiB; 0: none is kept.
    pub memory_mb: u32,
    /// How long a process may give a kept answer again without asking the database whether it still holds, in
    /// milliseconds.
    pub version_ms: u16,
    /// Most answers that a process makes ahead after its start; 0: none.
    pub warm_up_answers: u32,
    /// Pause between two refreshes of the summary statistics by the fleet, in seconds.
    pub summary_refresh_seconds: u64,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self { memory_mb: 64, version_ms: 100, warm_up_answers: 100, summary_refresh_seconds: 300 }
    }
}

impl CacheSettings {
    /// Pause between two refreshes of the summary statistics.
    pub const fn summary_refresh(&self) -> Duration {
        Duration::from_secs(self.summary_refresh_seconds)
    }
}

/// What happens to a batch beyond the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Admission {
    /// It is refused with 503 and `Retry-After`.
    #[default]
    Reject,
    /// It waits for a place, as far as `batch.queue_limit` lets it; then it is refused.
    Queue,
}

/// `[batch]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BatchSettings {
    /// Most batches at a time that have not ended, over all processes of one database.
    pub max_concurrent: u32,
    /// What happens to the next one.
    pub admission: Admission,
    /// With [`Admission::Queue`]: how many batches may wait behind those worked on.
    pub queue_limit: u32,
    /// How long an `Idempotency-Key` is remembered, in hours.
    pub idempotency_hours: u32,
}

impl Default for BatchSettings {
    fn default() -> Self {
        Self {
            max_concurrent: 3,
            admission: Admission::Reject,
            queue_limit: 100,
            idempotency_hours: 24,
        }
    }
}

impl BatchSettings {
    /// How long an `Idempotency-Key` is remembered.
    pub fn idempotency(&self) -> Duration {
        Duration::from_secs(u64::from(self.idempotency_hours) * 3600)
    }

    /// Batches that may wait behind those worked on; none when the next one is rejected.
    pub const fn waiting_batches(&self) -> u32 {
        match self.admission {
            Admission::Reject => 0,
            Admission::Queue => self.queue_limit,
        }
    }
}

/// `[retention]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionSettings {
    /// Days that raw transactions and signature lists are kept after their last use; 0: for ever.
    pub raw_transactions_days: u32,
    /// Days that a job and its results are kept after its end; 0: for ever.
    pub results_days: u32,
    /// Hours that a round of continuous mode is kept after its end, once newer ones have replaced it.
    pub rounds_hours: u32,
    /// Hours that a replaced ledger is kept while a result names it; 0: ten minutes.
    pub replaced_ledgers_hours: u32,
    /// Pause between two runs of the fleet, in minutes.
    pub interval_minutes: u32,
    /// Most rows removed in one transaction.
    pub rows_per_step: u32,
}

impl Default for RetentionSettings {
    fn default() -> Self {
        Self {
            raw_transactions_days: 0,
            results_days: 0,
            rounds_hours: 24,
            replaced_ledgers_hours: 168,
            interval_minutes: 60,
            rows_per_step: 1000,
        }
    }
}

impl RetentionSettings {
    /// How long unused chain data is kept; `None`: for ever.
    pub fn raw_transactions(&self) -> Option<Duration> {
        days(self.raw_transactions_days)
    }

    /// How long ended jobs are kept; `None`: for ever.
    pub fn results(&self) -> Option<Duration> {
        days(self.results_days)
    }

    /// How long a round of continuous mode is kept once newer ones have replaced it.
    pub fn rounds(&self) -> Duration {
        Duration::from_secs(u64::from(self.rounds_hours) * 3600)
    }

    /// How long a replaced ledger is kept while a result names it.
    pub fn replaced_ledgers(&self) -> Duration {
        Duration::from_secs(u64::from(self.replaced_ledgers_hours) * 3600)
    }

    /// Pause between two runs of the fleet.
    pub fn interval(&self) -> Duration {
        Duration::from_secs(u64::from(self.interval_minutes) * 60)
    }
}

fn days(days: u32) -> Option<Duration> {
    (days > 0).then(|| Duration::from_secs(u64::from(days) * 86_400))
}

/// `[worker]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkerSettings {
    /// Wallets worked on at a time by this process.
    pub wallet_permits: u32,
    /// Longest time of one attempt at a wallet, in seconds.
    pub wallet_timeout_seconds: u64,
    /// A claim lapses when it was not renewed for so many seconds; it is renewed every third.
    pub lease_seconds: u64,
    /// Pause between two looks for work when no notification came, in milliseconds.
    pub poll_interval_ms: u64,
    /// Time that running wallets get after a request to stop, in seconds.
    pub shutdown_grace_seconds: u64,
    /// Longest time of one call of a provider, in seconds.
    pub call_timeout_seconds: u64,
    /// Tries of one call before the attempt counts as failed.
    pub call_tries: u32,
    /// Failed attempts before a wallet is given up.
    pub max_attempts: u32,
    /// Attempts that ended at the time limit with progress, before a wallet is given up.
    pub max_continuations: u32,
    /// Times a wallet's worker may die without progress before the wallet is parked as failed.
    pub max_takeovers: u32,
    /// How long a chain whose providers are all down is waited for, in minutes.
    pub outage_limit_minutes: u64,
    /// Pause before the second attempt, in seconds; doubles from there, with jitter.
    pub backoff_seconds: u64,
    /// Token accounts of one wallet that are followed; more cut the history to the newest.
    pub max_token_accounts: u32,
    /// Transactions of one wallet that are read; more cut the history to the newest.
    pub max_transactions: u32,
    /// Calls in flight for one wallet.
    pub fetch_concurrency: u32,
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self {
            wallet_permits: 5,
            wallet_timeout_seconds: 180,
            lease_seconds: 30,
            poll_interval_ms: 1000,
            shutdown_grace_seconds: 30,
            call_timeout_seconds: 60,
            call_tries: 5,
            max_attempts: 3,
            max_continuations: 1000,
            max_takeovers: 20,
            outage_limit_minutes: 60,
            backoff_seconds: 5,
            max_token_accounts: 1000,
            max_transactions: 200_000,
            fetch_concurrency: 8,
        }
    }
}

impl WorkerSettings {
    /// Longest time of one attempt at a wallet.
    pub const fn wallet_timeout(&self) -> Duration {
        Duration::from_secs(self.wallet_timeout_seconds)
    }

    /// Life of a claim that is not renewed.
    pub const fn lease(&self) -> Duration {
        Duration::from_secs(self.lease_seconds)
    }

    /// Pause between two renewals: a third of the lease.
    pub fn heartbeat(&self) -> Duration {
        self.lease() / 3
    }

    /// Pause between two looks for work.
    pub const fn poll_interval(&self) -> Duration {
        Duration::from_millis(self.poll_interval_ms)
    }

    /// Time that running wallets get after a request to stop.
    pub const fn shutdown_grace(&self) -> Duration {
        Duration::from_secs(self.shutdown_grace_seconds)
    }

    /// Longest time of one call of a provider.
    pub const fn call_timeout(&self) -> Duration {
        Duration::from_secs(self.call_timeout_seconds)
    }

    /// How long a chain whose providers are all down is waited for.
    pub const fn outage_limit(&self) -> Duration {
        Duration::from_secs(self.outage_limit_minutes * 60)
    }

    /// Pause before the second attempt.
    pub const fn backoff(&self) -> Duration {
        Duration::from_secs(self.backoff_seconds)
    }
}
