//! What the stages of one attempt at a wallet share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chain_client::{PriceSources, TransactionSource};
use persistence_layer::Store;
use persistence_layer::wallet_tasks::Lease;
use pnl_core::ledger::LedgerRules;
use pnl_core::{Address, Chain, ENGINE_VERSION, TxId};
use service_runtime::config::WorkerSettings;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;
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
const WORK_FORM: u32 = 4;

/// What the wallets of a process share so as to ask for nothing twice.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shared {
    /// Held while a pin is read, so that the wallets of a new batch ask for one and not for five.
    pub pin_room: Arc<Mutex<()>>,
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
                Err(StageError::permanent("unknown-chain", &detail))
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
        let settings = (self.settings.max_transactions, self.settings.max_token_accounts);
        let depends = (env!("CARGO_PKG_VERSION"), WORK_FORM, &self.rules, prices, settings);
        let mut text = serde_json::to_vec(&depends).expect("plain values always serialize");
        if let Source::Evm(_, network) = &self.source {
            text.extend_from_slice(format!("{network:?}").as_bytes());
        }
        let hash = Sha256::digest(&text);
        let short: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        format!("{ENGINE_VERSION} {PARSER_VERSION} {short}")
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

/// Runs work that only computes on a thread of its own, so that heartbeats and requests are not
/// held up by it. A panic in it goes on in the caller.
pub(crate) async fn compute<T: Send + 'static, E: Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, E> {
    let span = tracing::Span::current();
    match tokio::task::spawn_blocking(move || span.in_scope(work)).await {
        Ok(outcome) => outcome,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Never aborted, so the runtime is shutting down and drops the caller next.
            Err(_) => std::future::pending().await,
        },
    }
}

/// So few transactions that another thread is not woken for them.
const FEW: u64 = 50;

/// The same for work on so many transactions.
pub(crate) async fn compute_over<T: Send + 'static, E: Send + 'static>(
    transactions: u64,
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, E> {
    if transactions <= FEW { work() } else { compute(work).await }
}
