//! The stored ledger of a group, read by the method and the options of its batch.

use std::sync::Arc;

use futures::Stream;
use persistence_layer::batches::BatchId;
use persistence_layer::groups;
use pnl_core::{Chain, WalletRef, Window};

use super::{Include, Reader, View, Wallets, WalletsError, corrupt, ledger, streamed};
use crate::pnl_document::PnlDocument;
use crate::request::{Analysis, Preset, TimeRange};

/// The group of a batch.
#[derive(Debug, Clone)]
pub struct GroupRef {
    /// The batch.
    pub batch: BatchId,
    /// Its chain.
    pub chain: Chain,
    /// How it was asked for.
    pub analysis: Analysis,
}

impl GroupRef {
    /// The group as what owns its ledger.
    pub fn owner(&self) -> WalletRef {
        WalletRef { chain: self.chain, address: groups::name(self.batch) }
    }
}

impl Wallets {
    /// The records of a group's result: `head`, which is open behind the members of the result, then the
    /// members asked for, then `tail`. `None` when no ledger of it is stored.
    ///
    /// # Errors
    /// [`WalletsError`].
    pub async fn group_records(
        &self,
        group: &GroupRef,
        include: Include,
        head: String,
        tail: String,
    ) -> Result<Option<impl Stream<Item = Result<String, WalletsError>> + use<>>, WalletsError>
    {
        let Some(reader) = self.open_group(group).await? else { return Ok(None) };
        // The ledger ends where the history of the batch does: what is left of it is the window.
        let time_range = match group.analysis.time_range.resolve(reader.ledger.head.pin) {
            Window { from: Some(from), to: Some(to) } => TimeRange::Between { from, to },
            _ => TimeRange::Preset(Preset::All),
        };
        let view = View { method: group.analysis.method, time_range };
        let ended = self.ended(&Arc::new(reader), view).await?;
        streamed(PnlDocument::around(ended, include, head, tail)).await.map(Some)
    }

    /// The merged ledger as an accounting document, in pieces; `None` when none is stored.
    ///
    /// # Errors
    /// [`WalletsError`].
    pub async fn group_document(
        &self,
        group: &GroupRef,
    ) -> Result<Option<impl Stream<Item = Result<String, WalletsError>> + use<>>, WalletsError>
    {
        let Some(reader) = self.open_group(group).await? else { return Ok(None) };
        ledger::oracle_document(reader, group.analysis.method).map(Some)
    }

    async fn open_group(&self, group: &GroupRef) -> Result<Option<Reader>, WalletsError> {
        let Some(reader) = self.open(&group.owner()).await? else { return Ok(None) };
        let options = group.analysis.engine_options(reader.options.clone()).map_err(corrupt)?;
        Ok(Some(Reader { options, ..reader }))
    }
}
