//! `[continuous]`: wallets that are analyzed again and again.

use serde::{Deserialize, Serialize};

/// `[continuous]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ContinuousSettings {
    /// From the beginning of a round of a wallet to that of the next where its tenant does not say, in seconds.
    pub default_interval_seconds: u32,
    /// The least that it may say.
    pub least_interval_seconds: u32,
    /// Wallets that each tenant may watch.
    pub max_wallets: u32,
    /// Wallets of a chain under way at a time, over all tenants.
    pub max_under_way: u32,
    /// Rounds in a row without a result after which a wallet is left alone.
    pub park_after: u32,
}

impl Default for ContinuousSettings {
    fn default() -> Self {
        Self {
            default_interval_seconds: 3600,
            least_interval_seconds: 300,
            max_wallets: 100_000,
            max_under_way: 100,
            park_after: 3,
        }
    }
}

impl ContinuousSettings {
    /// The most seconds between two rounds: a year.
    pub const MOST_INTERVAL_SECONDS: u32 = 31_536_000;
}
