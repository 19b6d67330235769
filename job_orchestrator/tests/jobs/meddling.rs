//! The node, with somebody in between.

use std::sync::Arc;

use async_trait::async_trait;
use chain_client::{
    ChainSource, PageStart, ProviderPool, ProviderStatus, SignatureInfo, Snapshot, SourceError,
    TransactionSource,
};
use job_orchestrator::WorkerDeps;
use pnl_core::{Address, Pin, RawTransaction, TxId};

use crate::support::World;

/// What is done to the calls for a node; all of them pass as they are unless it says otherwise.
#[async_trait]
pub trait Meddling: Send + Sync {
    /// Before the balances are asked for.
    async fn before_snapshot(&self, _wallet: &Address) {}
    /// Whose list is given for that of an address.
    fn listed_for(&self, address: &Address) -> Address {
        address.clone()
    }
    /// Before a transaction is asked for.
    async fn before_transaction(&self, _id: &TxId) {}
    /// What is given for a transaction.
    fn transaction(&self, raw: RawTransaction) -> RawTransaction {
        raw
    }
}

struct Meddled<M> {
    node: ProviderPool,
    by: M,
}

#[async_trait]
impl<M: Meddling> ChainSource for Meddled<M> {
    async fn pin(&self) -> Result<Pin, SourceError> {
        self.node.pin().await
    }
    async fn probe(&self) -> Result<(), SourceError> {
        self.node.probe().await
    }
    fn status(&self) -> Vec<ProviderStatus> {
        self.node.status()
    }
}

#[async_trait]
impl<M: Meddling> TransactionSource for Meddled<M> {
    async fn snapshot(&self, wallet: &Address) -> Result<Snapshot, SourceError> {
        self.by.before_snapshot(wallet).await;
        self.node.snapshot(wallet).await
    }
    async fn signatures(
        &self,
        address: &Address,
        from: Option<&PageStart>,
        until: Option<&TxId>,
    ) -> Result<Vec<SignatureInfo>, SourceError> {
        self.node.signatures(&self.by.listed_for(address), from, until).await
    }
    async fn transaction(&self, id: &TxId) -> Result<RawTransaction, SourceError> {
        self.by.before_transaction(id).await;
        self.node.transaction(id).await.map(|raw| self.by.transaction(raw))
    }
}

impl World {
    /// What a worker has whose calls go through `by`.
    pub async fn meddled(&self, by: impl Meddling + 'static) -> WorkerDeps {
        self.deps_with(Arc::new(Meddled { node: self.source(), by })).await
    }
}
