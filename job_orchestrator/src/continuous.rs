//! Continuous mode: rounds of watched wallets begin when they are due, and what became of them is noted.
//!
//! Every process with a worker looks; the store lets one at a time do something, in one transaction, so any of them may die
//! in it.

use std::time::Duration;

use persistence_layer::Store;
use persistence_layer::continuous::{self, EndedRound, RoundRules};
use persistence_layer::wallet_tasks::TaskState;
use service_runtime::config::Settings;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::sources::offered_chains;
use crate::watch_state::StateLog;

/// Pause between two looks of a process, at most.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The rules of `settings`.
pub fn rules(settings: &Settings) -> RoundRules {
    RoundRules {
        chains: offered_chains(settings).into_iter().collect(),
        max_under_way: settings.continuous.max_under_way,
        park_after: settings.continuous.park_after,
    }
}

/// Begins and ends rounds until `stop`. A step under way at the end is undone.
pub fn start(
    store: Store,
    rules: RoundRules,
    metrics: Metrics,
    stop: CancellationToken,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        stop.run_until_cancelled(run(&store, &rules, &metrics)).await;
    })
}

async fn run(store: &Store, rules: &RoundRules, metrics: &Metrics) {
    let mut log = StateLog::new("continuous mode does not get on", "continuous mode gets on again");
    loop {
        match continuous::step(store, rules).await {
            Ok(step) => {
                log.works();
                let step = step.unwrap_or_default();
                for ended in &step.ended {
                    metrics.round_ended(ended.state);
                    tell(ended);
                }
                for begun in step.begun {
                    tracing::info!(
                        batch_id = %begun.batch,
                        tenant = %begun.tenant,
                        chain = %begun.chain,
                        wallets = begun.wallets,
                        "a round of watched wallets begins"
                    );
                }
            }
            Err(error) => log.fails(&error),
        }
        // Spread over the processes, so that they do not look in step.
        tokio::time::sleep(LOOK_EVERY * rand::random_range(50..=100) / 100).await;
    }
}

/// Says of a wallet without a result what became of it.
fn tell(ended: &EndedRound) {
    if !matches!(ended.state, TaskState::Failed | TaskState::TimedOut) {
        return;
    }
    let error = ended.error.as_ref();
    let (code, detail) =
        (error.map(|error| error.code.as_str()), error.map(|error| error.detail.as_str()));
    let (batch_id, tenant, failures) = (ended.batch, &ended.tenant, ended.failures);
    let (chain, wallet) = (ended.wallet.chain, &ended.wallet.address);
    if ended.is_parked {
        tracing::warn!(
            %batch_id, %tenant, %chain, %wallet, failures, code, detail,
            "a watched wallet is parked: its rounds end without a result"
        );
    } else {
        tracing::info!(
            %batch_id, %tenant, %chain, %wallet, failures, code, detail,
            "a round of a watched wallet ended without a result"
        );
    }
}
