//! Care of the database: removing what its time is over, renewing the figures over all results.
//!
//! Every process with a worker offers itself; the store lets one at a time into a step and finds a
//! run due once per pause of the whole fleet, so any of them may die in it.

use std::time::Duration;

use persistence_layer::retention::{self, Removed, RetentionRules};
use persistence_layer::{Store, results};
use service_runtime::config::Settings;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::watch_state::StateLog;

/// A process looks so many times per pause of the fleet whether a run is due.
const LOOKS_PER_PAUSE: u32 = 10;
/// Longest time between two looks: whoever takes over from a dead process does so within it.
const LOOK_EVERY_MAX: Duration = Duration::from_secs(60);

/// How often the fleet takes care of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pauses {
    /// Between two runs of retention.
    pub retention: Duration,
    /// Between two refreshes of the summary statistics.
    pub summary: Duration,
}

/// The pauses of `settings`.
pub fn pauses(settings: &Settings) -> Pauses {
    Pauses { retention: settings.retention.interval(), summary: settings.cache.summary_refresh() }
}

/// The rules of `settings`.
pub fn rules(settings: &Settings) -> RetentionRules {
    RetentionRules {
        raw_transactions: settings.retention.raw_transactions(),
        results: settings.retention.results(),
        rounds: settings.retention.rounds(),
        replaced_ledgers: settings.retention.replaced_ledgers(),
        idempotency: settings.batch.idempotency(),
        rows_per_step: settings.retention.rows_per_step,
    }
}

/// Takes care until `stop`, with a run of the fleet per pause. A step under way at the end is
/// undone; a run that fails is tried again at the next look.
pub fn start(
    store: Store,
    rules: RetentionRules,
    pauses: Pauses,
    metrics: Metrics,
    stop: CancellationToken,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let care = async {
            tokio::join!(
                prune(&store, &rules, pauses.retention, &metrics),
                refresh(&store, pauses.summary)
            )
        };
        stop.run_until_cancelled(care).await;
    })
}

/// Waits for the next look.
async fn until_next_look(pause: Duration) {
    let look_every = (pause / LOOKS_PER_PAUSE).min(LOOK_EVERY_MAX);
    // Spread over the processes, so that they do not look in step.
    tokio::time::sleep(look_every * rand::random_range(50..=100) / 100).await;
}

async fn refresh(store: &Store, pause: Duration) {
    let mut log = StateLog::new(
        "the summary statistics are not refreshed",
        "the summary statistics are refreshed again",
    );
    loop {
        match results::refresh_if_due(store, pause).await {
            Ok(results::Refresh::Done(scopes)) => {
                log.works();
                tracing::debug!(scopes, "the summary statistics are refreshed");
            }
            Ok(results::Refresh::NotDue | results::Refresh::Busy) => log.works(),
            Err(error) => log.fails(&error),
        }
        until_next_look(pause).await;
    }
}

async fn prune(store: &Store, rules: &RetentionRules, pause: Duration, metrics: &Metrics) {
    let mut log = StateLog::new("retention does not get on", "retention gets on again");
    loop {
        until_next_look(pause).await;
        let mut removed = Removed::default();
        let ended = retention::prune(store, rules, pause, |kind, rows| {
            removed.add(kind, rows);
            metrics.retention_removed(kind, rows);
        })
        .await;
        // Also of a run that failed or was left to another process: its steps stand.
        for (kind, rows) in removed.iter() {
            tracing::info!(kind = kind.as_str(), rows, "retention has removed rows");
        }
        match ended {
            Ok(retention::Run::Finished) => {
                log.works();
                metrics.retention_finished();
            }
            Ok(retention::Run::NotDue | retention::Run::Busy) => log.works(),
            Err(error) => log.fails(&error),
        }
    }
}
