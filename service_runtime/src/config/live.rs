//! `[live]`: clients that wait for a job or follow one.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// `[live]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LiveSettings {
    /// Requests that wait for a job at a time, in this process.
    pub max_waiting: u32,
    /// Clients that follow a job at a time, at this process.
    pub max_streams: u32,
    /// Pause between two pings to a WebSocket, in seconds.
    pub ping_seconds: u64,
    /// How long a WebSocket may take nothing of a message, in seconds.
    pub slow_client_seconds: u64,
}

impl LiveSettings {
    /// See `ping_seconds`.
    pub const fn ping_pause(&self) -> Duration {
        Duration::from_secs(self.ping_seconds)
    }

    /// See `slow_client_seconds`.
    pub const fn patience(&self) -> Duration {
        Duration::from_secs(self.slow_client_seconds)
    }
}

impl Default for LiveSettings {
    fn default() -> Self {
        Self { max_waiting: 1000, max_streams: 2000, ping_seconds: 25, slow_client_seconds: 30 }
    }
}
