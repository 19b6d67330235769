//! What is looked up at scrape: database, Redis, and the fleet as the database knows it.

use persistence_layer::batches::OpenBatches;
use persistence_layer::continuous::ContinuousFigures;
use persistence_layer::redis_monitor::RedisState;
use persistence_layer::wallet_tasks::QueueFigures;
use prometheus::{IntGauge, IntGaugeVec, Opts, Registry};

use crate::monitor::DatabaseHealth;

/// What is looked up at scrape: what the database knows of all processes, and how database and Redis
/// are for this one.
#[derive(Clone)]
pub struct QueueMetrics {
    tasks: IntGaugeVec,
    oldest_queued_seconds: IntGaugeVec,
    batches: IntGaugeVec,
    processes: IntGaugeVec,
    webhooks_waiting: IntGaugeVec,
    watched: IntGaugeVec,
    continuous_enabled: IntGaugeVec,
    database_up: IntGauge,
    database_takes_writes: IntGauge,
    redis_state: IntGaugeVec,
}

/// The queue and who is there, as the database has it.
pub struct FleetFigures {
    /// Open tasks, and the age of the oldest.
    pub queue: QueueFigures,
    /// Open batches.
    pub batches: OpenBatches,
    /// Role of each process that has reported itself.
    pub roles: Vec<String>,
    /// Webhooks that are to be delivered.
    pub webhooks_waiting: u32,
    /// Continuous mode; `None`: its wallets could not be counted in time.
    pub continuous: Option<ContinuousFigures>,
}

impl QueueMetrics {
    /// Registers the metrics.
    ///
    /// # Errors
    /// When one of the names is registered already.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let labelled = |name: &str, help: &str, labels: &[&str]| {
            let gauge = IntGaugeVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let plain = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        Ok(Self {
            tasks: labelled(
                "wallet_tasks",
                "Open wallet tasks of all batches, by state.",
                &["state"],
            )?,
            // Without labels, and a vector all the same: its one series can be taken away.
            oldest_queued_seconds: labelled(
                "wallet_tasks_oldest_queued_seconds",
                "Age of the oldest wallet task that is ready and not claimed; 0 without one.",
                &[],
            )?,
            batches: labelled(
                "batches_open",
                "Batches that are not over: admitted, or waiting for admission.",
                &["state"],
            )?,
            processes: labelled(
                "processes_seen",
                "Processes on the database that have reported themselves lately, by role.",
                &["role"],
            )?,
            webhooks_waiting: labelled(
                "webhooks_waiting",
                "Webhooks that are to be delivered, for the first time or again.",
                &[],
            )?,
            watched: labelled(
                "watched_wallets",
                "Watched wallets of all tenants, by state.",
                &["state"],
            )?,
            continuous_enabled: labelled(
                "continuous_enabled",
                "1 while rounds of watched wallets begin.",
                &[],
            )?,
            database_up: plain("database_up", "1 while the database answers.")?,
            database_takes_writes: plain(
                "database_takes_writes",
                "1 while the database answers and takes writes.",
            )?,
            redis_state: labelled(
                "redis_state",
                "1 beside the state that Redis is in; no series when none is configured.",
                &["state"],
            )?,
        })
    }

    /// Takes over how database and Redis are.
    pub fn observe_services(&self, database: &DatabaseHealth, redis: Option<RedisState>) {
        self.database_up.set(i64::from(database.up));
        self.database_takes_writes.set(i64::from(database.takes_writes));
        self.redis_state.reset();
        if let Some(state) = redis {
            self.redis_state.with_label_values(&[state.as_str()]).set(1);
        }
    }

    /// Takes over what the database said. Without an answer the series disappear: an old value
    /// would look like a standing queue.
    pub fn observe_fleet(&self, figures: Option<&FleetFigures>) {
        for gauge in [
            &self.tasks,
            &self.oldest_queued_seconds,
            &self.batches,
            &self.processes,
            &self.webhooks_waiting,
            &self.watched,
            &self.continuous_enabled,
        ] {
            gauge.reset();
        }
        let Some(figures) = figures else { return };
        let FleetFigures { queue, batches, roles, webhooks_waiting, continuous } = figures;
        let QueueFigures { tasks, oldest_queued } = queue;
        self.webhooks_waiting.with_label_values::<&str>(&[]).set(i64::from(*webhooks_waiting));
        for (state, count) in
            [("queued", tasks.queued), ("delayed", tasks.delayed), ("running", tasks.running)]
        {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.tasks.with_label_values(&[state]).set(count);
        }
        if let Some(continuous) = continuous {
            self.observe_continuous(continuous);
        }
        for (state, count) in [("admitted", batches.admitted), ("waiting", batches.waiting)] {
            self.batches.with_label_values(&[state]).set(i64::from(count));
        }
        for role in roles {
            self.processes.with_label_values(&[role]).inc();
        }
        let seconds = oldest_queued.map_or(0, |age| age.as_secs());
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        self.oldest_queued_seconds.with_label_values::<&str>(&[]).set(seconds);
    }

    fn observe_continuous(&self, continuous: &ContinuousFigures) {
        self.continuous_enabled.with_label_values::<&str>(&[]).set(continuous.enabled.into());
        for (state, count) in [
            ("due", continuous.due),
            ("waiting", continuous.waiting),
            ("running", continuous.running),
            ("parked", continuous.parked),
        ] {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.watched.with_label_values(&[state]).set(count);
        }
    }
}
