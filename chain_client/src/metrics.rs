//! What this crate counts. No metric name of it stands anywhere else.

use std::time::Duration;

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry};

/// Buckets of a call's duration in seconds: from a local answer to the longest timeout.
const DURATION_BUCKETS: [f64; 10] = [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 60.0];

/// Metrics of all providers of a process. A clone counts into the same numbers.
///
/// Labels: `provider` is a configured name, `method` and `outcome` come from fixed lists.
#[derive(Debug, Clone)]
pub struct ClientMetrics {
    calls: IntCounterVec,
    duration: HistogramVec,
    throttled: IntCounterVec,
    up: IntGaugeVec,
}

impl ClientMetrics {
    /// Makes the metrics and registers them.
    ///
    /// # Errors
    /// When `registry` has metrics of these names already.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let calls = IntCounterVec::new(
            Opts::new("provider_calls_total", "Calls to a provider by method and outcome"),
            &["provider", "method", "outcome"],
        )?;
        let duration = HistogramVec::new(
            HistogramOpts::new(
                "provider_call_duration_seconds",
                "Time from sending a call to its last byte, without the wait for the budget",
            )
            .buckets(DURATION_BUCKETS.to_vec()),
            &["provider", "method"],
        )?;
        let throttled = IntCounterVec::new(
            Opts::new("provider_throttled_total", "Calls that a provider put off (429)"),
            &["provider"],
        )?;
        let up = IntGaugeVec::new(
            Opts::new("provider_up", "1 while the provider's endpoint answers, else 0"),
            &["provider"],
        )?;
        registry.register(Box::new(calls.clone()))?;
        registry.register(Box::new(duration.clone()))?;
        registry.register(Box::new(throttled.clone()))?;
        registry.register(Box::new(up.clone()))?;
        Ok(Self { calls, duration, throttled, up })
    }

    pub(crate) fn call(&self, provider: &str, method: &str, outcome: &str, took: Duration) {
        self.calls.with_label_values(&[provider, method, outcome]).inc();
        self.duration.with_label_values(&[provider, method]).observe(took.as_secs_f64());
    }

    pub(crate) fn throttled(&self, provider: &str) {
        self.throttled.with_label_values(&[provider]).inc();
    }

    pub(crate) fn up(&self, provider: &str, up: bool) {
        self.up.with_label_values(&[provider]).set(i64::from(up));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_registered_under_its_documented_name() {
        let registry = Registry::new();
        let metrics = ClientMetrics::register(&registry).unwrap();
        metrics.call("public", "getSlot", "ok", Duration::from_millis(20));
        metrics.throttled("public");
        metrics.up("public", true);
        let names: Vec<String> = registry.gather().iter().map(|f| f.name().to_owned()).collect();
        assert_eq!(
            names,
            [
                "provider_call_duration_seconds",
                "provider_calls_total",
                "provider_throttled_total",
                "provider_up"
            ]
        );
        assert!(ClientMetrics::register(&registry).is_err());
    }
}
