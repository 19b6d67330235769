//! Probes and the status of the service.

use utoipa::ToSchema;

use super::Time;

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

/// Open wallets.
#[derive(ToSchema)]
pub struct Queue {
    pub queued: u64,
    pub delayed: u64,
    pub running: u64,
    pub oldest_queued_seconds: Option<u64>,
}

/// Working slots.
#[derive(ToSchema)]
pub struct Slots {
    pub in_use: u32,
    pub total: u32,
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
    pub slots: Slots,
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
    pub queue: Option<Queue>,
    pub slots: Slots,
    pub providers: Vec<Provider>,
    pub processes: Option<Vec<Process>>,
}

/// What signatures are checked with.
#[derive(ToSchema)]
pub struct SigningKey {
    pub algorithm: String,
    /// Base64.
    pub public_key: String,
}
