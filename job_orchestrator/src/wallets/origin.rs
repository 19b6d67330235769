//! What a stored result was made from, and the ledger that has it still.

use persistence_layer::batches::{BatchId, BatchRef};
use persistence_layer::ledgers;
use pnl_core::time::rfc3339;
use pnl_core::{ENGINE_VERSION, Pin, Usd, WalletRef};
use serde::Deserialize;

use super::{Reader, Wallets, WalletsError, corrupt};
use crate::request::{Analysis, HistoryEnd};

/// What a result says of what it was made from.
#[derive(Debug, Deserialize)]
pub(super) struct Origin {
    pub input_hash: String,
    pub price_set_hash: String,
    pub engine_version: String,
    pub realized_gain_usd: Usd,
    pub pinned: Pinned,
}

/// The end of a result's history.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Pinned {
    pub block: u64,
    pub block_time: String,
}

impl Origin {
    /// Whether this engine computed the result.
    pub fn is_of_this_engine(&self) -> bool {
        self.engine_version == ENGINE_VERSION
    }

    /// Whether the result's history went up to `end`, and not only as far as the chain had come by then; `pin` is
    /// the end of the same view of a later ledger.
    pub fn reached(&self, end: HistoryEnd, pin: Pin) -> bool {
        match end {
            HistoryEnd::Block(_) => self.pinned.block == pin.block,
            // A result names the block of the last transaction, a ledger that of the last event.
            HistoryEnd::Moment(_) => {
                self.pinned.block_time == rfc3339(pin.block_time) && pin.block <= self.pinned.block
            }
        }
    }
}

impl Wallets {
    /// The ledger that the wallet's result in `job` was made from, to be read by the options of `analysis`; `None`
    /// when it is not stored (any more).
    pub(super) async fn reader_of_result(
        &self,
        wallet: &WalletRef,
        job: BatchId,
        origin: &Origin,
        analysis: &Analysis,
    ) -> Result<Option<Reader>, WalletsError> {
        let Origin { input_hash, price_set_hash, .. } = origin;
        let (store, job) = (&self.all.store, BatchRef { tenant: self.tenant.clone(), id: job });
        let ledger = ledgers::of_result(store, &job, wallet, input_hash, price_set_hash).await?;
        let reader = ledger.map(|ledger| self.reader(wallet, ledger)).transpose()?;
        reader.map(|reader| reader.by_options_of(analysis)).transpose()
    }
}

impl Reader {
    /// The same ledger, read by the options of `analysis`.
    pub(super) fn by_options_of(self, analysis: &Analysis) -> Result<Self, WalletsError> {
        let options = analysis.engine_options(self.options).map_err(corrupt)?;
        Ok(Self { options, ..self })
    }
}
