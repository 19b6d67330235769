//! What the stages of one attempt at a wallet share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chain_client::{PriceSources, TransactionSource};
use persistence_layer::Store;
use persistence_layer::batches::BatchId;
use persistence_layer::wallet_tasks::Lease;
use pnl_core::ledger::LedgerRules;
use pnl_core::{Address, Chain, ENGINE_VERSION, TxId};
use service_runtime::config::WorkerSettings;
use sha2::{Digest, Sha256};
use tx_parser::PARSER_VERSION;

use crate::error::StageError;
use crate::in_flight::InFlight;
use crate::metrics::Metrics;
use crate::outage::OutageGates;
use crate::request::Analysis;
use crate::room::{Room, Taken};
use crate::running::StageSign;
use crate::sources::Source;

/// To be raised when the same settings and versions leave something else than before.
const WORK_FORM: u32 = 6;

/// What the wallets of a process share so as to ask for nothing twice.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shared {
    /// Batches whose pin is being read: the wallets of a new one ask for one and not for five.
    pub pins: InFlight<BatchId>,
    /// Lists being read.
    pub lists: InFlight<(Chain, Address)>,
    /// Transactions being fetched.
    pub transactions: InFlight<(Chain, TxId)>,
    /// What of long histories is in memory.
    pub room: Room,
}

/// One attempt: the lease and everything its stages need.
pub(crate) struct Attempt {
    pub store: Store,
    pub lease: Lease,
    pub analysis: Analysis,
    pub source: Source,
    pub prices: PriceSources,
    pub rules: LedgerRules,
    pub settings: Arc<WorkerSettings>,
    pub metrics: Metrics,
    /// Told when a price source answers.
    pub gates: Arc<OutageGates>,
    /// What the other wallets of this process are asking for.
    pub shared: Shared,
    /// Where the status page reads the stage.
    pub stage: StageSign,
    /// Its part of the room for long histories.
    pub taken: Taken,
    /// Whether anything new was stored since the claim.
    pub progressed: Arc<AtomicBool>,
    /// Nothing is stored of the list of the wallet's address, and this attempt has not asked for it either.
    pub is_unlisted: AtomicBool,
}

impl Attempt {
    /// The wallet's chain.
    pub fn chain(&self) -> Chain {
        self.lease.wallet.chain
    }

    /// The wallet's address.
    pub fn wallet(&self) -> &Address {
        &self.lease.wallet.address
    }

    /// The chain as the stages of Solana ask it.
    pub fn solana(&self) -> Result<&dyn TransactionSource, StageError> {
        match &self.source {
            Source::Solana(source) => Ok(source.as_ref()),
            Source::Evm(..) => {
                let detail = "a stage of Solana was run for another chain";
                Err(StageError::uncomputable("unknown-chain", &detail))
            }
        }
    }

    /// Whether nobody has worked on this task before, so that nothing can be left of it.
    pub fn is_first(&self) -> bool {
        self.lease.fence <= 1
    }

    /// What the work that this attempt leaves is made by: versions, and everything else that it
    /// depends on beside the chain and the batch. Another value begins anew.
    pub fn maker(&self) -> String {
        let prices: Vec<(&str, bool)> =
            self.prices.iter().map(|source| (source.name(), source.is_remote())).collect();
        let network = match &self.source {
            Source::Solana(_) => String::new(),
            Source::Evm(_, network) => format!("{network:?}"),
        };
        made_by(WORK_FORM, &self.rules, &prices, &self.settings, &network)
    }

    /// Takes room in memory for a history of so many transactions.
    pub fn take_room(&self, transactions: usize) -> Result<(), StageError> {
        let taken = self.shared.room.take(self.lease.task_id, &self.taken, transactions);
        if taken { Ok(()) } else { Err(StageError::NoRoom) }
    }

    /// Notes that a write brought so many new rows.
    pub fn note_progress(&self, new_rows: u64) {
        if new_rows > 0 {
            self.progressed.store(true, Ordering::Relaxed);
        }
    }
}

/// The maker of what is left in a form, under rules, price sources (name, and whether it is asked from afar)
/// and settings, of a network.
fn made_by(
    form: u32,
    rules: &LedgerRules,
    prices: &[(&str, bool)],
    settings: &WorkerSettings,
    network: &str,
) -> String {
    let settings = (settings.max_transactions, settings.max_token_accounts);
    let depends = (env!("CARGO_PKG_VERSION"), form, rules, prices, settings);
    let mut text = serde_json::to_vec(&depends).expect("plain values always serialize");
    text.extend_from_slice(network.as_bytes());
    let hash = Sha256::digest(&text);
    let short: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{ENGINE_VERSION} {PARSER_VERSION} {short}")
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashSet};

    use pnl_core::AssetId;
    use service_runtime::config::Settings;

    use super::*;

    #[test]
    fn work_left_under_anything_else_is_another_makers() {
        let rules = |coins: &[&str]| LedgerRules {
            chain: Chain::Solana,
            stablecoins: coins.iter().map(|coin| AssetId::new(coin)).collect::<BTreeSet<_>>(),
        };
        let settings = Settings::default().worker;
        let smaller = WorkerSettings { max_transactions: 5, ..settings.clone() };
        let fewer = WorkerSettings { max_token_accounts: 5, ..settings.clone() };
        let (none, table, remote) = ([], [("table", false)], [("table", true)]);
        let makers = [
            made_by(WORK_FORM, &rules(&[]), &none, &settings, ""),
            made_by(WORK_FORM - 1, &rules(&[]), &none, &settings, ""),
            made_by(WORK_FORM, &rules(&["a"]), &none, &settings, ""),
            made_by(WORK_FORM, &rules(&[]), &table, &settings, ""),
            made_by(WORK_FORM, &rules(&[]), &remote, &settings, ""),
            made_by(WORK_FORM, &rules(&[]), &none, &smaller, ""),
            made_by(WORK_FORM, &rules(&[]), &none, &fewer, ""),
            made_by(WORK_FORM, &rules(&[]), &none, &settings, "network"),
        ];
        assert_eq!(makers.iter().collect::<HashSet<_>>().len(), makers.len(), "{makers:?}");
        assert_eq!(makers[0], made_by(WORK_FORM, &rules(&[]), &none, &settings, ""));
        assert!(makers.iter().all(|maker| maker.starts_with(ENGINE_VERSION)), "{makers:?}");
    }
}
