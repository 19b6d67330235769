//! The ordered providers of Solana, as one source.

use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use pnl_core::{Address, Chain, Pin, RawTransaction, TxId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::endpoint::{Endpoint, Outgoing};
use crate::error::{SetupError, SourceError};
use crate::failure::Failure;
use crate::json_rpc::{Reply, RpcCall};
use crate::metrics::ClientMetrics;
use crate::retry::{CallPolicy, Endpoints};
use crate::solana_rpc::{self as rpc, TOKEN_2022_PROGRAM, TOKEN_PROGRAM};
use crate::source::{
    ChainSource, PageStart, ProviderState, ProviderStatus, SignatureInfo, Snapshot,
    TransactionSource,
};

/// How many slots before the newest one are looked at for a block time. Leaders miss single slots
/// and short rows of them; a longer row without any time is a node without times.
const PIN_WALK_SLOTS: u64 = 32;

/// The protocol a provider speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProviderKind {
    /// Solana JSON-RPC.
    SolanaRpc,
    /// Ethereum JSON-RPC.
    EvmRpc,
    /// The API of Etherscan and its kin.
    Etherscan,
}

impl ProviderKind {
    /// The name used in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SolanaRpc => "solana-rpc",
            Self::EvmRpc => "evm-rpc",
            Self::Etherscan => "etherscan",
        }
    }
}

/// A provider as configured.
#[derive(Debug, Clone)]
pub struct ProviderConfig {
    /// Name in logs, metrics and errors.
    pub name: String,
    /// The protocol.
    pub kind: ProviderKind,
    /// The endpoint; may hold a key, so it is shown as `scheme://host` only.
    pub url: String,
    /// Calls in any sliding second.
    pub requests_per_second: f64,
}

/// The ordered providers of one chain: the first that is well is asked, the others step in.
///
/// Budgets, health and connections belong to the pool, so a process has one per chain.
#[derive(Debug)]
pub struct ProviderPool {
    endpoints: Endpoints,
    /// The newest slot of all pins and snapshots that are known: lists must be at least so new.
    newest_seen: AtomicU64,
}

impl ProviderPool {
    /// A pool over `providers`, the preferred one first.
    ///
    /// # Errors
    /// [`SetupError`] when there is no provider, or one that cannot be called or cannot serve
    /// `chain`: this pool is for Solana, [`crate::evm::EvmPool`] for the others.
    pub fn new(
        chain: Chain,
        providers: &[ProviderConfig],
        policy: CallPolicy,
        metrics: &ClientMetrics,
    ) -> Result<Self, SetupError> {
        let endpoints = providers
            .iter()
            .map(|provider| {
                let ProviderConfig { name, kind, url, requests_per_second } = provider;
                if (chain, *kind) != (Chain::Solana, ProviderKind::SolanaRpc) {
                    let (name, kind) = (name.clone(), kind.as_str());
                    return Err(SetupError::Kind { name, kind, chain });
                }
                Endpoint::new(name, url, *requests_per_second, metrics)
            })
            .collect::<Result<Vec<_>, _>>()?;
        if endpoints.is_empty() {
            return Err(SetupError::NoProvider);
        }
        let endpoints = Endpoints::new(endpoints, policy);
        Ok(Self { endpoints, newest_seen: AtomicU64::new(0) })
    }

    /// Calls and reads a result that the method always has.
    async fn ask<T>(
        &self,
        call: &RpcCall,
        read: impl Fn(&RawValue) -> Result<T, Failure>,
    ) -> Result<T, SourceError> {
        self.ask_nullable(call, |result| read(rpc::some(result)?)).await
    }

    async fn ask_nullable<T>(
        &self,
        call: &RpcCall,
        read: impl Fn(Option<&RawValue>) -> Result<T, Failure>,
    ) -> Result<T, SourceError> {
        let request = Outgoing::Post(call.body.clone());
        self.endpoints.call(call.method, &request, |body| read(call.result(body)?)).await
    }

    /// The time of a block; `None` when the slot was skipped or its time is not known. Whether a
    /// first `null` is believed or asked again, also of the others, is up to `null`.
    async fn block_time(&self, slot: u64, null: Null) -> Result<Option<i64>, SourceError> {
        let call = rpc::get_block_time(slot);
        let request = Outgoing::Post(call.body.clone());
        let read = |body: &[u8]| match call.answer(body)? {
            Reply::Result(time) if time.get() == "null" => match null {
                Null::AskAgain => Err(Failure::Missing),
                Null::Believe => Ok(None),
            },
            Reply::Result(time) => rpc::read_i64(time).map(Some),
            // The slot was skipped, or is missing in the archive.
            Reply::Error { code: -32007 | -32009, .. } => Ok(None),
            Reply::Error { .. } => call.result(body).map(|_| None),
        };
        match self.endpoints.call(call.method, &request, read).await {
            Err(SourceError::NotFound { .. }) => Ok(None),
            answer => answer,
        }
    }
}

/// What the answer `null` is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Null {
    /// The node may be a little behind.
    AskAgain,
    /// The node has none.
    Believe,
}

#[async_trait]
impl ChainSource for ProviderPool {
    async fn pin(&self) -> Result<Pin, SourceError> {
        let newest = self.ask(&rpc::get_slot(), rpc::read_u64).await?;
        for block in (newest.saturating_sub(PIN_WALK_SLOTS)..=newest).rev() {
            let null = if block == newest { Null::AskAgain } else { Null::Believe };
            if let Some(block_time) = self.block_time(block, null).await? {
                self.note_seen(block);
                return Ok(Pin { block, block_time });
            }
        }
        Err(SourceError::Transient {
            detail: format!("no block time in the {PIN_WALK_SLOTS} slots before {newest}"),
        })
    }

    async fn probe(&self) -> Result<(), SourceError> {
        let call = rpc::get_slot();
        let request = Outgoing::Post(call.body.clone());
        let read = |body: &[u8]| rpc::read_u64(rpc::some(call.result(body)?)?);
        self.endpoints.probe(call.method, &request, read).await.map(drop)
    }

    fn status(&self) -> Vec<ProviderStatus> {
        let kind = ProviderKind::SolanaRpc.as_str();
        self.endpoints.iter().map(|endpoint| status_of(endpoint, kind)).collect()
    }
}

#[async_trait]
impl TransactionSource for ProviderPool {
    async fn snapshot(&self, wallet: &Address) -> Result<Snapshot, SourceError> {
        let tokens = async |program: &'static str| {
            let read = |result: &RawValue| rpc::read_token_accounts(wallet, program, result);
            self.ask(&rpc::get_token_accounts(wallet, program), read).await
        };
        let balance = rpc::get_balance(wallet);
        let (native, mut first, second) = futures::try_join!(
            self.ask(&balance, rpc::read_balance),
            tokens(TOKEN_PROGRAM),
            tokens(TOKEN_2022_PROGRAM),
        )?;
        let (native_own_lamports, native_slot) = native;
        first.0.extend(second.0);
        first.0.sort_by(|a, b| a.address.cmp(&b.address));
        let slot = native_slot.min(first.1).min(second.1);
        let newest_slot = native_slot.max(first.1).max(second.1);
        self.note_seen(newest_slot);
        Ok(Snapshot { slot, newest_slot, native_own_lamports, token_accounts: first.0 })
    }

    async fn signatures(
        &self,
        address: &Address,
        from: Option<&PageStart>,
        until: Option<&TxId>,
    ) -> Result<Vec<SignatureInfo>, SourceError> {
        let newest_seen = self.newest_seen.load(Ordering::Relaxed);
        let before = from.map(|from| &from.above);
        let call = rpc::get_signatures(address, before, until, newest_seen);
        let first = from.map(|from| &from.first);
        self.ask(&call, |result| rpc::read_signatures(result, first)).await
    }

    fn note_seen(&self, block: u64) {
        self.newest_seen.fetch_max(block, Ordering::Relaxed);
    }

    async fn transaction(&self, id: &TxId) -> Result<RawTransaction, SourceError> {
        let read = |result: Option<&RawValue>| rpc::read_transaction(id, result);
        self.ask_nullable(&rpc::get_transaction(id), read).await.map_err(|error| match error {
            SourceError::NotFound { detail } => {
                SourceError::NotFound { detail: format!("transaction {id}: {detail}") }
            }
            other => other,
        })
    }
}

/// An endpoint of some kind as it is now.
pub(crate) fn status_of(endpoint: &Endpoint, kind: &'static str) -> ProviderStatus {
    let health = endpoint.health.reading();
    let paused = endpoint.budget.pause_remaining();
    let (state, since) = match health.throttled_since {
        _ if !health.up => (ProviderState::Down, health.since),
        Some(since) if !paused.is_zero() => (ProviderState::Throttled, since),
        _ => (ProviderState::Ok, health.since),
    };
    ProviderStatus {
        name: endpoint.name.clone(),
        kind,
        state,
        since,
        detail: health.detail.filter(|_| state != ProviderState::Ok),
        answered_at: health.answered_at,
        paused,
        calls: health.calls,
        errors: health.errors,
    }
}
