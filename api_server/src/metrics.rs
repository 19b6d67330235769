//! The metrics of the HTTP interface, and the text that a scrape gets.
//!
//! Labels come from small sets: the method, the matched route (never the path: paths carry wallets
//! and job ids) and the status. What other crates count stands in their own `metrics` modules; all
//! of it is gathered from one registry.

mod answered;
mod dropped;
mod exemplars;
mod fleet;
pub mod open;
mod warm_up;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

pub use self::answered::Answered;
pub use self::fleet::{FleetFigures, QueueMetrics};

pub use self::dropped::DroppedMetrics;
use self::exemplars::Exemplars;
pub use self::warm_up::WarmUpMetrics;
use crate::answers::Found;
use crate::limiter::Class;
use crate::live::{Dropped, Transport};
use crate::load::{Cost, FILE};
use crate::performance::memory::Memory;
use crate::performance::traffic::Traffic;
use crate::slo::RouteClass;

/// The label of requests whose path matches no route.
pub const UNMATCHED: &str = "unmatched";

/// The label of requests whose head could not be read.
pub const UNPARSED: &str = "unparsed";

/// What goes on at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// Requests being answered.
    pub in_flight: i64,
    /// Those of them that wait for a job.
    pub waiting: i64,
    /// Open connections of clients.
    pub connections: i64,
    /// Answers that are kept until now, in the order of [`Found::ALL`]; both hits have the same.
    pub kept_answers: [u64; Found::ALL.len()],
}

/// What the HTTP interface counts as it happens.
#[derive(Clone)]
pub struct HttpMetrics {
    requests: IntCounterVec,
    duration: HistogramVec,
    exemplars: Arc<Exemplars>,
    late: IntCounterVec,
    in_flight: IntGauge,
    connections: IntGauge,
    connections_waited: IntCounter,
    waiting: IntGauge,
    rate_limited: IntCounterVec,
    /// In the order of [`Found::ALL`].
    kept_answers: [IntCounter; Found::ALL.len()],
    kept_hits: IntCounterVec,
    shed: IntCounterVec,
    places: IntGauge,
    traffic: Arc<Traffic>,
}

/// The time that answers take.
const DURATION: &str = "http_request_duration_seconds";

/// Bounds of its buckets, in seconds. Every target of a class is one.
const BOUNDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0];

/// What requests are told apart by there.
const LABELS: [&str; 3] = ["method", "route", "class"];

/// Layers that keep answers: this process, and Redis behind it.
const LAYERS: [&str; 2] = ["process", "redis"];

impl HttpMetrics {
    /// Registers the metrics.
    ///
    /// # Errors
    /// When one of the names is registered already.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let kept_answers = IntCounterVec::new(
            Opts::new(
                "http_kept_answers_total",
                "Answers that are kept, by where they were found.",
            ),
            &["found"],
        )?;
        registry.register(Box::new(kept_answers.clone()))?;
        let metrics = Self {
            requests: IntCounterVec::new(
                Opts::new("http_requests_total", "Requests answered, by matched route and status."),
                &["method", "route", "status"],
            )?,
            duration: HistogramVec::new(
                HistogramOpts::new(
                    DURATION,
                    "Time from the head of a request to the head of its answer.",
                )
                .buckets(BOUNDS.to_vec()),
                &LABELS,
            )?,
            exemplars: Arc::default(),
            late: IntCounterVec::new(
                Opts::new(
                    "http_late_answers_total",
                    "Answers that came later than the target of their class.",
                ),
                &["class"],
            )?,
            in_flight: IntGauge::new("http_requests_in_flight", "Requests being answered now.")?,
            connections: IntGauge::new("http_connections", "Open connections of clients.")?,
            connections_waited: IntCounter::new(
                "http_connections_waited_total",
                "Connections of clients that came while as many as may be were open, and waited.",
            )?,
            waiting: IntGauge::new("http_requests_waiting", "Requests that wait for a job now.")?,
            rate_limited: IntCounterVec::new(
                Opts::new(
                    "http_rate_limited_total",
                    "Requests beyond the limit of their client, by class.",
                ),
                &["class"],
            )?,
            kept_hits: IntCounterVec::new(
                Opts::new(
                    "http_kept_hits_total",
                    "Hits among answers that are kept, by the layer that had them.",
                ),
                &["layer"],
            )?,
            shed: IntCounterVec::new(
                Opts::new(
                    "http_shed_total",
                    "Requests refused because the process works on as much as it can, by cost.",
                ),
                &["cost"],
            )?,
            places: IntGauge::new(
                "http_places",
                "Requests that may be worked on at a time now; 0: no limit.",
            )?,
            kept_answers: Found::ALL
                .map(|found| kept_answers.with_label_values(&[&found.as_str().to_lowercase()])),
            traffic: Arc::default(),
        };
        registry.register(Box::new(metrics.requests.clone()))?;
        registry.register(Box::new(metrics.duration.clone()))?;
        registry.register(Box::new(metrics.late.clone()))?;
        registry.register(Box::new(metrics.in_flight.clone()))?;
        registry.register(Box::new(metrics.connections.clone()))?;
        registry.register(Box::new(metrics.connections_waited.clone()))?;
        registry.register(Box::new(metrics.waiting.clone()))?;
        registry.register(Box::new(metrics.rate_limited.clone()))?;
        registry.register(Box::new(metrics.kept_hits.clone()))?;
        for layer in LAYERS {
            metrics.kept_hits.with_label_values(&[layer]);
        }
        registry.register(Box::new(metrics.shed.clone()))?;
        registry.register(Box::new(metrics.places.clone()))?;
        for cost in Cost::ALL.map(Cost::as_str).into_iter().chain([FILE]) {
            metrics.shed.with_label_values(&[cost]);
        }
        for class in RouteClass::ALL.into_iter().filter(|class| class.target().is_some()) {
            metrics.late.with_label_values(&[class.as_str()]);
        }
        for class in Class::ALL {
            metrics.rate_limited.with_label_values(&[class.as_str()]);
        }
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

    /// Counts a connection that waits until another one is closed.
    pub fn connection_waits(&self) {
        self.connections_waited.inc();
    }

    /// Counts a request that waits for a job in until the guard is dropped.
    pub fn waits(&self) -> GaugeGuard {
        GaugeGuard::new(&self.waiting)
    }

    /// Counts a request beyond the limit of its client.
    pub fn refused(&self, class: Class) {
        self.rate_limited.with_label_values(&[class.as_str()]).inc();
    }

    /// Counts a request beyond what the process can work on: of a [`Cost`], or [`FILE`].
    pub fn shed(&self, cost: &'static str) {
        self.shed.with_label_values(&[cost]).inc();
    }

    /// How many requests may be worked on at a time; none: there is no limit.
    pub fn places(&self, limit: Option<u32>) {
        self.places.set(limit.unwrap_or(0).into());
    }

    /// Counts an answer that is kept.
    pub fn cached(&self, found: Found) {
        self.kept_answers[found as usize].inc();
        let layer = match found {
            Found::Hit | Found::Awaited => LAYERS[0],
            Found::SharedHit => LAYERS[1],
            Found::Miss | Found::Stale | Found::Bypass => return,
        };
        self.kept_hits.with_label_values(&[layer]).inc();
    }

    /// Counts an answered request.
    pub fn end(&self, answered: &Answered<'_>) {
        let Answered { method, route, class, status, took, .. } = *answered;
        self.requests.with_label_values(&[method, route, &status.to_string()]).inc();
        let duration = self.duration.with_label_values(&[method, route, class.as_str()]);
        duration.observe(took.as_secs_f64());
        self.exemplars.note(answered);
        if class.is_late(took) {
            self.late.with_label_values(&[class.as_str()]).inc();
        }
        self.traffic.note(answered);
    }

    /// The same requests by time and tenant.
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// What goes on now.
    pub fn now(&self) -> Now {
        Now {
            in_flight: self.in_flight.get(),
            waiting: self.waiting.get(),
            connections: self.connections.get(),
            kept_answers: self.kept_answers.each_ref().map(IntCounter::get),
        }
    }
}

/// Clients that follow jobs.
#[derive(Clone)]
pub struct LiveMetrics {
    streams: IntGaugeVec,
    messages: IntCounterVec,
    dropped: IntCounterVec,
    delay: HistogramVec,
}

impl LiveMetrics {
    /// Registers the metrics.
    ///
    /// # Errors
    /// When one of the names is registered already.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            streams: IntGaugeVec::new(
                Opts::new("live_streams", "Clients that follow a job now."),
                &["transport"],
            )?,
            messages: IntCounterVec::new(
                Opts::new("live_messages_total", "Messages to clients that follow a job."),
                &["transport"],
            )?,
            dropped: IntCounterVec::new(
                Opts::new(
                    "live_dropped_total",
                    "Clients that were let go of before their job was over, by reason.",
                ),
                &["transport", "reason"],
            )?,
            delay: HistogramVec::new(
                HistogramOpts::new(
                    "live_event_delay_seconds",
                    "Time from an event, by the clock of the database, to its message to a client that is up to date.",
                )
                .buckets(vec![
                    0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
                ]),
                &["transport"],
            )?,
        };
        registry.register(Box::new(metrics.streams.clone()))?;
        registry.register(Box::new(metrics.messages.clone()))?;
        registry.register(Box::new(metrics.dropped.clone()))?;
        registry.register(Box::new(metrics.delay.clone()))?;
        for transport in Transport::ALL.map(Transport::as_str) {
            metrics.streams.with_label_values(&[transport]);
            metrics.messages.with_label_values(&[transport]);
            metrics.delay.with_label_values(&[transport]);
            for reason in Dropped::ALL {
                metrics.dropped.with_label_values(&[transport, reason.as_str()]);
            }
        }
        Ok(metrics)
    }

    /// Counts a client in until the guard is dropped.
    pub fn follows(&self, transport: Transport) -> GaugeGuard {
        GaugeGuard::new(&self.streams.with_label_values(&[transport.as_str()]))
    }

    /// Counts a message, and how long after its event it comes.
    pub fn sent(&self, transport: Transport, delay: Option<Duration>) {
        self.messages.with_label_values(&[transport.as_str()]).inc();
        if let Some(delay) = delay {
            let delays = self.delay.with_label_values(&[transport.as_str()]);
            delays.observe(delay.as_secs_f64());
        }
    }

    /// Counts a client that is let go of.
    pub fn dropped(&self, transport: Transport, reason: Dropped) {
        self.dropped.with_label_values(&[transport.as_str(), reason.as_str()]).inc();
    }
}

/// The memory of this process, looked up at scrape; beside what the collector of the library has.
#[derive(Clone)]
pub struct MemoryMetrics {
    peak: IntGauge,
    anonymous: IntGauge,
    limit: IntGauge,
}

impl MemoryMetrics {
    /// Registers the metrics.
    ///
    /// # Errors
    /// When one of the names is registered already.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        Ok(Self {
            peak: gauge(
                "process_memory_peak_bytes",
                "The most memory that the process ever had resident.",
            )?,
            anonymous: gauge(
                "process_memory_anonymous_bytes",
                "Resident memory that backs no file: what the allocator holds, and stacks.",
            )?,
            limit: gauge(
                "process_memory_limit_bytes",
                "Memory the process may have: of its control group, else of the machine.",
            )?,
        })
    }

    /// Takes over the figures of now; 0 where the kernel does not tell.
    pub fn observe(&self, memory: &Memory) {
        for (gauge, bytes) in [
            (&self.peak, memory.peak_bytes),
            (&self.anonymous, memory.anonymous_bytes),
            (&self.limit, memory.limit_bytes),
        ] {
            gauge.set(bytes.and_then(|bytes| i64::try_from(bytes).ok()).unwrap_or(0));
        }
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

/// The same in the text format of OpenMetrics, with requests that stand for those of their bucket.
///
/// # Errors
/// When a collector gives families of a type that none here has.
pub fn open_scrape(registry: &Registry, http: &HttpMetrics) -> Result<String, fmt::Error> {
    // Before the counts, which then have all of them.
    let exemplars = http.exemplars.snapshot();
    open::write(&registry.gather(), |family, metric, bucket| {
        (family.name() == DURATION).then(|| exemplars.of(metric, bucket)).flatten()
    })
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
        let answered = |took| Answered {
            method: "GET",
            route: "/health",
            class: RouteClass::Health,
            status: 200,
            took,
            tenant: None,
            trace_id: None,
        };
        metrics.end(&answered(Duration::from_millis(100)));
        metrics.end(&answered(Duration::from_millis(101)));
        drop(guard);
        let text = String::from_utf8(scrape(&registry).unwrap()).unwrap();
        for line in [
            "http_requests_total{method=\"GET\",route=\"/health\",status=\"200\"} 2",
            "http_request_duration_seconds_count{class=\"health\",method=\"GET\",route=\"/health\"} 2",
            "http_request_duration_seconds_bucket{class=\"health\",method=\"GET\",route=\"/health\",le=\"0.1\"} 1",
            "http_late_answers_total{class=\"health\"} 1",
            "http_late_answers_total{class=\"export\"} 0",
            "http_requests_in_flight 0",
            "http_connections 0",
            "http_connections_waited_total 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
