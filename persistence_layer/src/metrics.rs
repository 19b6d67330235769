//! What the pool and the transactions report. No metric name of this crate appears elsewhere.

use std::time::Duration;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Gauge, IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use sqlx::PgPool;

/// The metrics of a [`crate::Store`]. Gauges of the pool are read when scraped.
#[derive(Debug, Clone)]
pub struct Metrics {
    pool: PgPool,
    size: IntGauge,
    idle: IntGauge,
    max: IntGauge,
    waiting: IntGauge,
    retries: IntCounterVec,
}

impl Metrics {
    pub(crate) fn new(pool: PgPool, max_connections: u32) -> Self {
        let max = gauge("db_pool_max", "Most connections this process may open.");
        max.set(i64::from(max_connections));
        Self {
            pool,
            size: gauge("db_pool_size", "Open connections of this process."),
            idle: gauge("db_pool_idle", "Open connections that nobody uses."),
            max,
            waiting: gauge(
                "db_pool_waiting",
                "Transactions that found no idle connection and wait.",
            ),
            retries: IntCounterVec::new(
                Opts::new(
                    "db_transaction_retries_total",
                    "Transactions repeated because they met another one.",
                ),
                &["transaction"],
            )
            .expect("the name and the label are valid"),
        }
    }

    /// Adds the metrics to a registry.
    ///
    /// # Errors
    /// When they are registered there already.
    pub fn register(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        registry.register(Box::new(self.clone()))
    }

    /// Transactions that wait for a connection now.
    pub fn transactions_waiting(&self) -> u64 {
        u64::try_from(self.waiting.get()).unwrap_or(0)
    }

    /// Counts a transaction as waiting for a connection until the answer is dropped.
    pub(crate) fn waiting(&self) -> Waiting<'_> {
        self.waiting.inc();
        Waiting(&self.waiting)
    }

    pub(crate) fn retried(&self, transaction: &'static str) {
        self.retries.with_label_values(&[transaction]).inc();
    }
}

/// The metrics of a replica that is read from. Gauges of its pool are read when scraped.
#[derive(Debug, Clone)]
pub struct ReplicaMetrics {
    pool: PgPool,
    size: IntGauge,
    idle: IntGauge,
    max: IntGauge,
    in_use: IntGauge,
    lag: Gauge,
    fallbacks: IntCounter,
}

impl ReplicaMetrics {
    pub(crate) fn new(pool: PgPool, max_connections: u32) -> Self {
        let max =
            gauge("db_read_pool_max", "Most connections to the replica this process may open.");
        max.set(i64::from(max_connections));
        let lag = "How far the replica is behind, as far as is known: seconds.";
        Self {
            pool,
            size: gauge("db_read_pool_size", "Open connections to the replica."),
            idle: gauge("db_read_pool_idle", "Open connections to the replica that nobody uses."),
            max,
            in_use: gauge("db_replica_in_use", "1 while reads go to the replica."),
            lag: Gauge::new("db_replica_lag_seconds", lag).expect("the name is valid"),
            fallbacks: IntCounter::new(
                "db_replica_fallbacks_total",
                "Reads that failed at the replica and went to the primary.",
            )
            .expect("the name is valid"),
        }
    }

    /// Adds the metrics to a registry.
    ///
    /// # Errors
    /// When they are registered there already.
    pub fn register(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        registry.register(Box::new(self.clone()))
    }

    /// The last lag that was known stays.
    pub(crate) fn set(&self, is_in_use: bool, lag: Option<Duration>) {
        self.in_use.set(i64::from(is_in_use));
        if let Some(lag) = lag {
            self.lag.set(lag.as_secs_f64());
        }
    }

    pub(crate) fn fell_back(&self) {
        self.fallbacks.inc();
    }

    fn gauges(&self) -> [&IntGauge; 4] {
        [&self.size, &self.idle, &self.max, &self.in_use]
    }
}

impl Collector for ReplicaMetrics {
    fn desc(&self) -> Vec<&Desc> {
        let gauges = self.gauges().into_iter().flat_map(|gauge| gauge.desc());
        gauges.chain(self.lag.desc()).chain(self.fallbacks.desc()).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.size.set(i64::from(self.pool.size()));
        self.idle.set(i64::try_from(self.pool.num_idle()).unwrap_or(i64::MAX));
        let gauges = self.gauges().into_iter().flat_map(|gauge| gauge.collect());
        gauges.chain(self.lag.collect()).chain(self.fallbacks.collect()).collect()
    }
}

/// A transaction that waits for a connection.
pub(crate) struct Waiting<'a>(&'a IntGauge);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Collector for Metrics {
    fn desc(&self) -> Vec<&Desc> {
        [&self.size, &self.idle, &self.max, &self.waiting]
            .into_iter()
            .flat_map(|gauge| gauge.desc())
            .chain(self.retries.desc())
            .collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.size.set(i64::from(self.pool.size()));
        self.idle.set(i64::try_from(self.pool.num_idle()).unwrap_or(i64::MAX));
        let mut families = self.size.collect();
        families.extend(self.idle.collect());
        families.extend(self.max.collect());
        families.extend(self.waiting.collect());
        families.extend(self.retries.collect());
        families
    }
}

fn gauge(name: &str, help: &str) -> IntGauge {
    IntGauge::new(name, help).expect("the name is valid")
}
