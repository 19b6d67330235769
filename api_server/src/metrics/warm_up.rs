//! What the process makes ahead of its clients.

use std::time::Duration;

use prometheus::{Gauge, IntCounterVec, Opts, Registry};

use crate::answers::Found;

/// Answers that the process makes before clients ask for them.
#[derive(Clone)]
pub struct WarmUpMetrics {
    answers: IntCounterVec,
    seconds: Gauge,
}

impl WarmUpMetrics {
    /// Registers the metrics.
    ///
    /// # Errors
    /// When one of the names is registered already.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            answers: IntCounterVec::new(
                Opts::new(
                    "warm_up_answers_total",
                    "Answers that the process keeps since its start before somebody asked, by where they were found.",
                ),
                &["found"],
            )?,
            seconds: Gauge::new(
                "warm_up_seconds",
                "Time that making answers ahead took; 0: it has not ended, or is off.",
            )?,
        };
        registry.register(Box::new(metrics.answers.clone()))?;
        registry.register(Box::new(metrics.seconds.clone()))?;
        for found in [Found::Hit, Found::Miss] {
            metrics.answers.with_label_values(&[&found.as_str().to_lowercase()]);
        }
        Ok(metrics)
    }

    /// Counts an answer.
    pub fn warmed(&self, found: Found) {
        self.answers.with_label_values(&[&found.as_str().to_lowercase()]).inc();
    }

    /// Notes the end.
    pub fn ended(&self, took: Duration) {
        self.seconds.set(took.as_secs_f64());
    }
}
