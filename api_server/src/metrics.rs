//! The metrics of the HTTP interface, and the text that a scrape gets.
//!
//! Labels come from small sets: the method, the matched route (never the path: paths carry wallets
//! and job ids) and the status. What other crates count stands in their own `metrics` modules; all
//! of it is gathered from one registry.

use std::time::Duration;

use persistence_layer::wallet_tasks::QueueCounts;
use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

/// The label of requests whose path matches no route.
pub const UNMATCHED: &str = "unmatched";

/// The label of requests whose head could not be read.
pub const UNPARSED: &str = "unparsed";

/// What the HTTP interface counts as it happens.
#[derive(Clone)]
pub struct HttpMetrics {
    requests: IntCounterVec,
    duration: HistogramVec,
    in_flight: IntGauge,
    connections: IntGauge,
}

impl HttpMetrics {
    /// Registers the metrics.
    ///
    /// # Errors
    /// When one of the names is registered already.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            requests: IntCounterVec::new(
                Opts::new("http_requests_total", "Requests answered, by matched route and status."),
                &["method", "route", "status"],
            )?,
            duration: HistogramVec::new(
                HistogramOpts::new(
                    "http_request_duration_seconds",
                    "Time from the head of a request to the head of its answer.",
                )
                .buckets(vec![
                    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
                    30.0,
                ]),
                &["method", "route"],
            )?,
            in_flight: IntGauge::new("http_requests_in_flight", "Requests being answered now.")?,
            connections: IntGauge::new("http_connections", "Open connections of clients.")?,
        };
        registry.register(Box::new(metrics.requests.clone()))?;
        registry.register(Box::new(metrics.duration.clone()))?;
        registry.register(Box::new(metrics.in_flight.clone()))?;
        registry.register(Box::new(metrics.connections.clone()))?;
        Ok(metrics)
    }

    /// Counts a request in until the guard is dropped.
    pub fn begin(&self) -> GaugeGuard {
        GaugeGuard::new(&self.in_flight)
    }

    /// Counts a connection in until the guard is dropped.
    pub fn connection(&self) -> GaugeGuard {
        GaugeGuard::new(&self.connections)
    }

    /// Counts an answered request.
    pub fn end(&self, method: &'static str, route: &str, status: u16, elapsed: Duration) {
        self.requests.with_label_values(&[method, route, &status.to_string()]).inc();
        self.duration.with_label_values(&[method, route]).observe(elapsed.as_secs_f64());
    }
}

/// What the database knows about the queue; read at scrape.
#[derive(Clone)]
pub struct QueueMetrics {
    tasks: IntGaugeVec,
    oldest_queued_seconds: IntGauge,
    database_up: IntGauge,
}

impl QueueMetrics {
    /// Registers the metrics.
    ///
    /// # Errors
    /// When one of the names is registered already.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            tasks: IntGaugeVec::new(
                Opts::new("wallet_tasks", "Open wallet tasks of all batches, by state."),
                &["state"],
            )?,
            oldest_queued_seconds: IntGauge::new(
                "wallet_tasks_oldest_queued_seconds",
                "Age of the oldest wallet task that is ready and not claimed; 0 without one.",
            )?,
            database_up: IntGauge::new("database_up", "1 while the database answers.")?,
        };
        registry.register(Box::new(metrics.tasks.clone()))?;
        registry.register(Box::new(metrics.oldest_queued_seconds.clone()))?;
        registry.register(Box::new(metrics.database_up.clone()))?;
        Ok(metrics)
    }

    /// Takes over what the database said. Without an answer the queue's series disappear: an old
    /// value would look like a standing queue.
    pub fn observe(&self, up: bool, queue: Option<(QueueCounts, Option<Duration>)>) {
        self.database_up.set(i64::from(up));
        let Some((counts, oldest)) = queue else {
            self.tasks.reset();
            return;
        };
        for (state, count) in
            [("queued", counts.queued), ("delayed", counts.delayed), ("running", counts.running)]
        {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.tasks.with_label_values(&[state]).set(count);
        }
        let seconds = oldest.map_or(0, |age| age.as_secs());
        self.oldest_queued_seconds.set(i64::try_from(seconds).unwrap_or(i64::MAX));
    }
}

/// One more on a gauge for as long as it lives.
pub struct GaugeGuard(IntGauge);

impl GaugeGuard {
    fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Content type of [`scrape`]: the Prometheus text format.
pub const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Everything in the registry as text.
///
/// # Errors
/// When a collector gives inconsistent families.
pub fn scrape(registry: &Registry) -> Result<Vec<u8>, prometheus::Error> {
    let mut text = Vec::new();
    TextEncoder::new().encode(&registry.gather(), &mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_route_and_the_gauge_follows() {
        let registry = Registry::new();
        let metrics = HttpMetrics::register(&registry).unwrap();
        let guard = metrics.begin();
        assert_eq!(metrics.in_flight.get(), 1);
        metrics.end("GET", "/health", 200, Duration::from_millis(2));
        drop(guard);
        let text = String::from_utf8(scrape(&registry).unwrap()).unwrap();
        for line in [
            "http_requests_total{method=\"GET\",route=\"/health\",status=\"200\"} 1",
            "http_request_duration_seconds_count{method=\"GET\",route=\"/health\"} 1",
            "http_requests_in_flight 0",
            "http_connections 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
