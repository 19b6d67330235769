//! Probes and the status of the service.

use utoipa::ToSchema;

use super::Time;
use crate::dto::fleet::SlotsView;
use crate::handlers::continuous::ContinuousView;
use crate::handlers::services::{QueueView, Quota};

/// The process lives.
#[derive(ToSchema)]
pub struct Liveness {
    pub status: String,
}

/// What a probe looked at.
#[derive(ToSchema)]
pub struct Check {
    pub name: String,
    pub state: String,
    pub duration_ms: String,
    #[schema(required = false)]
    pub detail: String,
    pub required: bool,
}

/// The process is ready.
#[derive(ToSchema)]
pub struct Probe {
    pub status: String,
    pub checks: Vec<Check>,
}

/// Connections to the database.
#[derive(ToSchema)]
pub struct Pool {
    pub size: u32,
    pub idle: u32,
    pub max: u32,
}

/// The database, asked now.
#[derive(ToSchema)]
pub struct DatabaseProbe {
    pub state: String,
    pub cause: Option<String>,
    pub since: Time,
    pub ping_ms: Option<String>,
    pub pool: Pool,
}

/// A part of the service.
#[derive(ToSchema)]
pub struct Part {
    pub name: String,
    pub state: String,
    pub since: Time,
    pub detail: Option<String>,
}

/// An endpoint as this process sees it.
#[derive(ToSchema)]
pub struct Provider {
    pub chain: String,
    pub name: String,
    pub kind: String,
    pub state: String,
    pub since: Time,
    pub cause: Option<String>,
    pub breaker: String,
    pub quota: Quota,
    pub calls: u64,
    pub errors: u64,
}

/// An endpoint as another process sees it.
#[derive(ToSchema)]
pub struct SeenProvider {
    pub chain: String,
    pub name: String,
    pub state: String,
    pub since: Option<Time>,
    pub cause: Option<String>,
}

/// A chain that a process has paused.
#[derive(ToSchema)]
pub struct Paused {
    pub chain: String,
    pub since: Option<Time>,
    pub cause: Option<String>,
}

/// A process that shares the database.
#[derive(ToSchema)]
pub struct Process {
    pub id: String,
    pub role: String,
    pub version: String,
    pub started_at: Time,
    pub seen_seconds_ago: u64,
    pub slots: SlotsView,
    pub redis: String,
    pub providers: Vec<SeenProvider>,
    pub paused: Vec<Paused>,
    pub prices_away_since: Option<Time>,
}

/// What runs, how much waits, how the providers are.
#[derive(ToSchema)]
pub struct ServiceStatus {
    pub status: String,
    pub mode: String,
    pub version: String,
    pub instance: String,
    pub uptime: u64,
    pub services: Vec<Part>,
    pub queue: Option<QueueView>,
    pub slots: SlotsView,
    pub providers: Vec<Provider>,
    pub continuous: Option<ContinuousView>,
    pub processes: Option<Vec<Process>>,
}

/// What signatures are checked with.
#[derive(ToSchema)]
pub struct SigningKey {
    pub algorithm: String,
    /// Base64.
    pub public_key: String,
}

/// What every process shall forget.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PurgeRequest {
    /// `everything`, `tenant:NAME`, `chain:NAME`, `wallet:CHAIN:ADDRESS`, `job:ID`.
    #[schema(min_items = 1, max_items = 100)]
    pub tags: Vec<String>,
}
