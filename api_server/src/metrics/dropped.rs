//! Kept answers that a process has let go of before their time.

use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

/// How many, by cause.
#[derive(Debug, Clone)]
pub struct DroppedMetrics {
    /// A newer one stands in their place.
    pub superseded: IntCounter,
    /// An operator wanted them forgotten.
    pub purged: IntCounter,
}

impl DroppedMetrics {
    /// Registers the metrics.
    ///
    /// # Errors
    /// When the name is registered already.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let all = IntCounterVec::new(
            Opts::new(
                "http_kept_dropped_total",
                "Kept answers that the process has let go of before their time, by cause.",
            ),
            &["cause"],
        )?;
        registry.register(Box::new(all.clone()))?;
        Ok(Self {
            superseded: all.with_label_values(&["superseded"]),
            purged: all.with_label_values(&["purged"]),
        })
    }
}
