//! `[live]`: clients that wait for a job or follow one.

use serde::{Deserialize, Serialize};

/// `[live]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LiveSettings {
    /// Requests that wait for a job at a time, in this process.
    pub max_waiting: u32,
    /// Clients that follow a job at a time, at this process.
    pub max_streams: u32,
}

impl Default for LiveSettings {
    fn default() -> Self {
        Self { max_waiting: 1000, max_streams: 2000 }
    }
}
