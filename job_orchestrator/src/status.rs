//! What a worker is doing, for the status page.

use std::collections::BTreeMap;

use chain_client::ProviderStatus;
use persistence_layer::wallet_tasks::WorkerId;
use pnl_core::Chain;

use crate::outage::PausedChain;
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
    /// The providers of each chain, in their configured order.
    pub providers: BTreeMap<Chain, Vec<ProviderStatus>>,
}

impl WorkerStatus {
    pub(crate) fn of(
        worker: &WorkerId,
        slots: u32,
        running: Vec<RunningWallet>,
        paused: Vec<PausedChain>,
        sources: &BTreeMap<Chain, Source>,
    ) -> Self {
        Self {
            worker: worker.to_string(),
            slots,
            slots_in_use: u32::try_from(running.len()).unwrap_or(u32::MAX),
            running,
            paused,
            providers: sources
                .iter()
                .map(|(chain, source)| (*chain, source.common().status()))
                .collect(),
        }
    }
}
