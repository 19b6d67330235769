//! `[slow_log]`: which requests are told of in the log because they took long.

use serde::{Deserialize, Serialize};

/// `[slow_log]`: times in milliseconds by the class of the route; 0: never.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SlowLogSettings {
    /// Probes.
    pub health_ms: u64,
    /// Some rows, found by key.
    pub simple_ms: u64,
    /// Answers that were kept.
    pub kept_ms: u64,
    /// Computations over one history, and many rows.
    pub complex_ms: u64,
    /// One history by all methods.
    pub what_if_ms: u64,
    /// Whole ledgers, and the comparison of two.
    pub report_ms: u64,
    /// Files, until their first byte.
    pub export_ms: u64,
    /// What is posted.
    pub submit_ms: u64,
}

impl Default for SlowLogSettings {
    /// The targets of the classes.
    fn default() -> Self {
        Self {
            health_ms: 100,
            simple_ms: 200,
            kept_ms: 100,
            complex_ms: 2000,
            what_if_ms: 1000,
            report_ms: 10_000,
            export_ms: 1000,
            submit_ms: 1000,
        }
    }
}
