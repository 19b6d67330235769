//! What this process says of itself to the others and to operators.
//!
//! Published every few seconds, removed when the process stops in good order. Nothing depends on it
//! but what people see, and retention, which leaves chain data alone while somebody unknown works.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, SecondsFormat, Utc};
use persistence_layer::Store;
use persistence_layer::processes::{self, ProcessReport};
use persistence_layer::redis_monitor::{RedisMonitor, RedisState};
use persistence_layer::wallet_tasks::WorkerId;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::driver::Worker;
use crate::status::WorkerStatus;
use crate::watch_state::StateLog;

/// Pause between two reports.
const PAUSE: Duration = Duration::from_secs(5);
/// Longest wait for the database to take a report. The next one says more than a late one.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the removal of the last report may take; it lapses by itself.
const REMOVAL_PATIENCE: Duration = Duration::from_secs(2);

/// A process as it reports itself.
#[derive(Clone)]
pub struct Reporter {
    /// The database.
    pub store: Store,
    /// Its worker; none in role `api`.
    pub worker: Option<Worker>,
    /// `all`, `api` or `worker`.
    pub role: &'static str,
    /// Version of the program.
    pub version: &'static str,
    /// Its Redis, when one is configured.
    pub redis: Option<RedisMonitor>,
}

impl Reporter {
    /// Reports until `stop`, and then takes the report back. The handle ends when that is done.
    pub fn start(self, stop: CancellationToken) -> JoinHandle<()> {
        tokio::spawn(self.run(stop))
    }

    async fn run(self, stop: CancellationToken) {
        let id = self
            .worker
            .as_ref()
            .map_or_else(|| WorkerId::generate().to_string(), |worker| worker.status().worker);
        let host = host_name();
        let started_at = Utc::now();
        let mut log =
            StateLog::new("this process cannot report itself", "this process reports itself again");
        loop {
            let report = self.report(&id, &host, started_at);
            let published =
                tokio::time::timeout(PATIENCE, processes::publish(&self.store, &report));
            match stop.run_until_cancelled(published).await {
                Some(Ok(Ok(()))) => log.works(),
                Some(Ok(Err(error))) => log.fails(&error),
                Some(Err(late)) => log.fails(&late),
                None => break,
            }
            if stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_none() {
                break;
            }
        }
        let removed = processes::remove(&self.store, &id);
        // A report that stays counts as gone after a while.
        let _ = tokio::time::timeout(REMOVAL_PATIENCE, removed).await;
    }

    fn report(&self, id: &str, host: &str, started_at: DateTime<Utc>) -> ProcessReport {
        let status = self.worker.as_ref().map(Worker::status);
        let of_worker = |value: fn(&WorkerStatus) -> Value, absent: Value| {
            status.as_ref().map_or(absent, value)
        };
        ProcessReport {
            id: id.to_owned(),
            role: self.role.to_owned(),
            host: host.to_owned(),
            pid: std::process::id(),
            version: self.version.to_owned(),
            started_at,
            slots: status.as_ref().map_or(0, |status| status.slots),
            slots_in_use: status.as_ref().map_or(0, |status| status.slots_in_use),
            wallets: of_worker(wallets, json!([])),
            providers: of_worker(providers, json!({})),
            gates: of_worker(gates, json!([])),
            redis: match &self.redis {
                None => "absent",
                Some(monitor) => match monitor.status().state {
                    RedisState::Ok | RedisState::Slow => "up",
                    RedisState::Down => "down",
                    RedisState::Unknown => "unknown",
                },
            }
            .to_owned(),
        }
    }
}

fn wallets(status: &WorkerStatus) -> Value {
    let rows = status.running.iter().map(|running| {
        json!({
            "task": running.task_id,
            "wallet": running.wallet.address,
            "chain": running.wallet.chain,
            "stage": running.stage.map(|stage| stage.as_str()),
            "since": time(running.since),
            "claimed": time(running.claimed),
        })
    });
    rows.collect()
}

fn providers(status: &WorkerStatus) -> Value {
    let chains = status.providers.iter().map(|(chain, providers)| {
        let rows = providers.iter().map(|provider| {
            json!({
                "name": provider.name,
                "kind": provider.kind,
                "state": provider.state.as_str(),
                "since": time(provider.since),
                "detail": provider.detail,
                "calls": provider.calls,
                "errors": provider.errors,
            })
        });
        (chain.as_str().to_owned(), rows.collect::<Value>())
    });
    Value::Object(chains.collect())
}

fn gates(status: &WorkerStatus) -> Value {
    let rows = status.paused.iter().map(|paused| {
        json!({
            "chain": paused.chain,
            "since": time(paused.since),
            "detail": paused.detail,
            "limit_passed": paused.limit_passed,
        })
    });
    let prices =
        status.prices_away_since.map(|since| json!({"prices": true, "since": time(since)}));
    rows.chain(prices).collect()
}

fn time(at: SystemTime) -> String {
    DateTime::<Utc>::from(at).to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The name of this machine, as the kernel tells it.
fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "unknown".to_owned())
}
