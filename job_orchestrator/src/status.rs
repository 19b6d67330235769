//! What a worker is doing, for the status page.

use std::collections::BTreeMap;
use std::time::SystemTime;

pub use chain_client::ProviderState;
use chain_client::ProviderStatus;
use persistence_layer::wallet_tasks::WorkerId;
use pnl_core::Chain;

use crate::outage::{OutageGates, PausedChain};
pub use crate::running::RunningWallet;
use crate::sources::Source;

/// A snapshot of the worker of this process.
#[derive(Debug, Clone)]
pub struct WorkerStatus {
    /// Its id, new at each start of the process.
    pub worker: String,
    /// Working slots.
    pub slots: u32,
    /// Slots in use.
    pub slots_in_use: u32,
    /// What they are used for, the longest first.
    pub running: Vec<RunningWallet>,
    /// Chains whose wallets wait for their providers.
    pub paused: Vec<PausedChain>,
    /// Since when the price source is away: wallets wait for it, or it has fallen silent.
    pub prices_away_since: Option<SystemTime>,
    /// The price sources that are asked over the network.
    pub prices: Vec<ProviderStatus>,
    /// The providers of each chain, in their configured order.
    pub providers: BTreeMap<Chain, Vec<ProviderStatus>>,
}

impl WorkerStatus {
    pub(crate) fn of(
        worker: &WorkerId,
        slots: u32,
        running: Vec<RunningWallet>,
        gates: &OutageGates,
        sources: &BTreeMap<Chain, Source>,
        prices: Vec<ProviderStatus>,
    ) -> Self {
        // Nobody asks it without a wallet, so only then it is known to be silent still.
        let is_asked = !running.is_empty();
        let silent = prices.iter().filter(|source| is_asked && source.state == ProviderState::Down);
        let silent_since = silent.map(|source| source.since).min();
        Self {
            worker: worker.to_string(),
            slots,
            slots_in_use: u32::try_from(running.len()).unwrap_or(u32::MAX),
            running,
            paused: gates.paused(),
            prices_away_since: gates.prices_away_since().or(silent_since),
            prices,
            providers: sources
                .iter()
                .map(|(chain, source)| (*chain, source.common().status()))
                .collect(),
        }
    }
}
