//! The configured providers of an EVM chain as one source.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use alloy_primitives::U256;
use async_trait::async_trait;
use pnl_core::{Address, AssetId, Chain, Pin, RawAmount, RawTransaction};
use serde_json::Value;

use super::contracts::{self, Holding};
use super::listing;
use super::logs;
use super::node;
use super::ranges::{AdaptiveRange, Spans, WholePages};
use super::reach::Index;
use super::{
    ActivityList, ActivityPage, BlockHead, Capability, EvmSource, Need, TokenFacts, Wanted,
    explorer,
};
use crate::endpoint::{Endpoint, Outgoing};
use crate::error::{SetupError, SourceError};
use crate::failure::Failure;
use crate::json_rpc::{Reply, RpcCall};
use crate::metrics::ClientMetrics;
use crate::provider_pool::{ProviderConfig, ProviderKind, status_of};
use crate::retry::{CallPolicy, Endpoints, TOO_LONG};
use crate::source::{ChainSource, ProviderStatus};

/// Calls in one batch at most. Public endpoints commonly take a hundred or more; what one of them
/// refuses is halved.
const LONGEST_BATCH: usize = 50;

/// An explorer alone is no source: lists find transactions, receipts tell what they did.
const BY_EXPLORER: [(Capability, &[ActivityList]); 3] = [
    (Capability::EnumerateSent, &[ActivityList::Transactions]),
    (Capability::EnumerateInternal, &[ActivityList::Internal]),
    (
        Capability::EnumerateTokens,
        &[ActivityList::Erc20, ActivityList::Erc721, ActivityList::Erc1155],
    ),
];
const BY_NODE: [(Capability, &[ActivityList]); 3] = [
    (Capability::EnumerateSent, &[ActivityList::Calls]),
    (Capability::EnumerateInternal, &[ActivityList::Calls]),
    (Capability::EnumerateTokens, &[ActivityList::Logs]),
];

/// An address nobody has: for questions whose answer does not matter.
pub(super) const NOBODY: &str = "0x0000000000000000000000000000000000000000";

/// How a chain is read, beside its providers.
#[derive(Debug, Clone, Copy, Default)]
pub struct EvmConfig {
    /// A block counts as final when so many stand on it; `None`: when the node says so.
    pub confirmations: Option<u32>,
}

/// The providers of an EVM chain.
///
/// Budgets, health and connections belong to the pool, so a process has one per chain.
#[derive(Debug)]
pub struct EvmPool {
    pub(super) chain: Chain,
    config: EvmConfig,
    pub(super) nodes: Endpoints,
    pub(super) explorers: Option<Endpoints>,
    /// The kinds in the configured order.
    order: Vec<ProviderKind>,
    batch: AtomicUsize,
    pub(super) log_range: AdaptiveRange,
    pub(super) trace_range: AdaptiveRange,
    pub(super) spans: Spans,
    pub(super) whole_pages: WholePages,
    pub(super) index: Index,
}

impl EvmPool {
    /// A pool over `providers`, the preferred one first.
    ///
    /// # Errors
    /// [`SetupError`] when there is no node among the providers, or one that cannot be called or
    /// cannot serve `chain`.
    pub fn new(
        chain: Chain,
        providers: &[ProviderConfig],
        config: EvmConfig,
        policy: &CallPolicy,
        metrics: &ClientMetrics,
    ) -> Result<Self, SetupError> {
        let (mut nodes, mut explorers, mut order) = (Vec::new(), Vec::new(), Vec::new());
        for provider in providers {
            let ProviderConfig { name, kind, url, requests_per_second } = provider;
            let endpoint = |url: &str| Endpoint::new(name, url, *requests_per_second, metrics);
            match (chain, kind) {
                (Chain::Solana, _) | (_, ProviderKind::SolanaRpc) => {
                    let (name, kind) = (name.clone(), kind.as_str());
                    return Err(SetupError::Kind { name, kind, chain });
                }
                (_, ProviderKind::EvmRpc) => {
                    nodes.push(endpoint(url)?.with_proof(node::proof_of_chain(chain)));
                }
                (_, ProviderKind::Etherscan) => {
                    let url = explorer::url_of_chain(url, chain).map_err(|named| {
                        let expected = explorer::chain_id(chain);
                        SetupError::OtherChain { name: name.clone(), named, chain, expected }
                    })?;
                    explorers.push(endpoint(&url)?);
                }
            }
            order.push(*kind);
        }
        if nodes.is_empty() {
            return Err(SetupError::NoNode { chain });
        }
        let nodes = Endpoints::new(nodes, policy.clone());
        let batch = nodes.largest_batch().min(LONGEST_BATCH);
        Ok(Self {
            chain,
            config,
            nodes,
            explorers: (!explorers.is_empty()).then(|| Endpoints::new(explorers, policy.clone())),
            order,
            batch: AtomicUsize::new(batch),
            log_range: AdaptiveRange::new(),
            trace_range: AdaptiveRange::new(),
            spans: Spans::default(),
            whole_pages: WholePages::default(),
            index: Index::default(),
        })
    }

    /// One call of a node.
    pub(super) async fn ask<T>(
        &self,
        call: &RpcCall,
        read: impl Fn(&Reply<'_>) -> Result<T, Failure>,
    ) -> Result<T, SourceError> {
        let request = Outgoing::Post(call.body.clone());
        self.nodes.call(call.method, &request, |body| read(&call.answer(body)?)).await
    }

    /// Calls of one method, in batches; the answers in the order of `params`.
    pub(super) async fn ask_each<T>(
        &self,
        method: &'static str,
        params: Vec<Value>,
        read: impl Fn(usize, &Reply<'_>) -> Result<T, Failure>,
    ) -> Result<Vec<T>, SourceError> {
        self.ask_each_as(method, method, params, read).await
    }

    /// As [`Self::ask_each`], under a label of its own: what a node does not offer is remembered by
    /// label.
    ///
    /// Those calls of a batch that fail while others are answered are asked again. The first that
    /// fails for good fails all.
    pub(super) async fn ask_each_as<T>(
        &self,
        label: &'static str,
        method: &'static str,
        params: Vec<Value>,
        read: impl Fn(usize, &Reply<'_>) -> Result<T, Failure>,
    ) -> Result<Vec<T>, SourceError> {
        self.ask_each_of(None, label, method, params, read).await
    }

    /// As [`Self::ask_each_as`], of one node by its place, where one is named.
    pub(super) async fn ask_each_of<T>(
        &self,
        place: Option<usize>,
        label: &'static str,
        method: &'static str,
        params: Vec<Value>,
        read: impl Fn(usize, &Reply<'_>) -> Result<T, Failure>,
    ) -> Result<Vec<T>, SourceError> {
        let count = params.len();
        let mut answers: BTreeMap<usize, T> = BTreeMap::new();
        let mut open: Vec<(usize, Value)> = params.into_iter().enumerate().collect();
        // One answer of great length is nothing to remember.
        let mut most = usize::MAX;
        while !open.is_empty() {
            let length = self.longest_batch().min(most).clamp(1, open.len());
            let part = &open[..length];
            let calls: Vec<RpcCall> =
                part.iter().map(|(_, params)| RpcCall::new(method, params.clone())).collect();
            let request = if let [call] = &calls[..] {
                Outgoing::Post(call.body.clone())
            } else {
                Outgoing::Batch { body: RpcCall::batch_body(&calls), calls: calls.len() }
            };
            let read_part = |body: &[u8]| {
                let replies = match &calls[..] {
                    [call] => vec![call.answer(body)],
                    calls => RpcCall::batch_answers(calls, body)?,
                };
                let mut failure = None;
                let mut known = Vec::with_capacity(replies.len());
                for ((place, _), reply) in part.iter().zip(replies) {
                    match reply.and_then(|reply| read(*place, &reply)) {
                        Ok(answer) => known.push((*place, answer)),
                        Err(one) => failure = failure.or(Some(one)),
                    }
                }
                match failure {
                    Some(failure) if known.is_empty() => Err(failure),
                    _ => Ok(known),
                }
            };
            match self.nodes.call_some(place, label, &request, read_part).await {
                Ok(known) => {
                    answers.extend(known);
                    open.retain(|(place, _)| !answers.contains_key(place));
                }
                Err(SourceError::Permanent { code: "provider-answer-too-large", .. })
                    if length > 1 =>
                {
                    most = length / 2;
                }
                Err(SourceError::Permanent { code, .. })
                    if length > 1 && TOO_LONG.contains(&code) =>
                {
                    self.shorten_batches(length);
                }
                Err(error) => return Err(error),
            }
        }
        debug_assert_eq!(answers.len(), count);
        Ok(answers.into_values().collect())
    }

    /// Calls in a batch at most, as far as it has been found out.
    pub(super) fn longest_batch(&self) -> usize {
        self.batch.load(Ordering::Relaxed)
    }

    /// A batch of so many calls was refused.
    pub(super) fn shorten_batches(&self, refused: usize) {
        self.batch.fetch_min((refused / 2).max(1), Ordering::Relaxed);
    }

    /// The newest block as the node names its finality.
    async fn newest_final(&self) -> Result<BlockHead, SourceError> {
        let Some(confirmations) = self.config.confirmations else {
            let read = |reply: &Reply<'_>| node::read_head(node::result(reply)?);
            return self.ask(&node::get_block("finalized"), read).await.map_err(no_finality);
        };
        let read = |reply: &Reply<'_>| node::read_quantity(node::result(reply)?);
        let newest = self.ask(&node::get_block_number(), read).await?;
        self.block(newest.saturating_sub(u64::from(confirmations))).await
    }

    /// What a wallet holds; `None` where the contract does not tell.
    async fn holdings(
        &self,
        wallet: &Address,
        assets: &[AssetId],
        block: u64,
    ) -> Result<Vec<Option<RawAmount>>, SourceError> {
        let mut held = vec![None; assets.len()];
        let mut natives: Vec<usize> = Vec::new();
        let mut tokens: Vec<(usize, Value)> = Vec::new();
        let mut items: Vec<(usize, &str, U256)> = Vec::new();
        for (place, asset) in assets.iter().enumerate() {
            match Holding::of(asset) {
                Some(Holding::Native) => natives.push(place),
                Some(Holding::Token(contract)) => {
                    tokens.push((place, contracts::token_balance(wallet, contract, block)));
                }
                Some(Holding::Item { contract, id }) => items.push((place, contract, id)),
                None => {}
            }
        }
        let params = natives.iter().map(|_| contracts::native_balance(wallet, block)).collect();
        let read = |_, reply: &Reply<'_>| contracts::read_balance(reply);
        for (place, balance) in
            natives.iter().zip(self.ask_each("eth_getBalance", params, read).await?)
        {
            held[*place] = Some(balance);
        }
        let params = tokens.iter().map(|(_, params)| params.clone()).collect();
        for ((place, _), returned) in tokens.iter().zip(self.returned(params).await?) {
            held[*place] = contracts::number(returned.as_deref()).map(Into::into);
        }
        // A single token has an owner; of other ids there are units.
        let params =
            items.iter().map(|(_, of, id)| contracts::item_owner(of, *id, block)).collect();
        let mut units = Vec::new();
        for ((place, contract, id), returned) in items.iter().zip(self.returned(params).await?) {
            match contracts::is_account(returned.as_deref(), wallet) {
                Some(is_owner) => held[*place] = Some(u64::from(is_owner).into()),
                None => units.push((*place, contracts::item_balance(wallet, contract, *id, block))),
            }
        }
        let params = units.iter().map(|(_, params)| params.clone()).collect();
        for ((place, _), returned) in units.iter().zip(self.returned(params).await?) {
            held[*place] = contracts::number(returned.as_deref()).map(Into::into);
        }
        Ok(held)
    }

    /// Calls of contracts; what each returned, or nothing when it reverted.
    async fn returned(&self, params: Vec<Value>) -> Result<Vec<Option<Vec<u8>>>, SourceError> {
        self.ask_each("eth_call", params, |_, reply| contracts::read_returned(reply)).await
    }
}

/// A node that does not tell which blocks are final cannot be pinned by itself.
fn no_finality(error: SourceError) -> SourceError {
    match error {
        // A node that gives nothing at all: the tag is not what it lacks.
        SourceError::Permanent { code, .. } if code.starts_with("provider-") => error,
        SourceError::Permanent { detail, .. } | SourceError::NotFound { detail } => {
            let detail = format!("no final block; set `confirmations` for this chain: {detail}");
            SourceError::Permanent { code: "no-finality", detail }
        }
        error => error,
    }
}

#[async_trait]
impl ChainSource for EvmPool {
    async fn pin(&self) -> Result<Pin, SourceError> {
        let head = self.finalized().await?;
        Ok(Pin { block: head.number, block_time: head.time })
    }

    async fn probe(&self) -> Result<(), SourceError> {
        let call = node::get_block_number();
        let request = Outgoing::Post(call.body.clone());
        let read = |body: &[u8]| node::read_quantity(node::result(&call.answer(body)?)?);
        self.nodes.probe(call.method, &request, read).await?;
        let Some(explorers) = &self.explorers else { return Ok(()) };
        // Any well-formed answer will do, also a refusal: somebody is there.
        let nobody = Address::from_chain_data(NOBODY);
        let request = explorer::list_request("txlist", &nobody, 0, 0);
        let read = |body: &[u8]| match listing::read_page(body, 0, 0, usize::MAX) {
            Err(Failure::Refused { .. }) => Ok(()),
            answer => answer.map(drop),
        };
        explorers.probe("txlist", &request, read).await
    }

    fn status(&self) -> Vec<ProviderStatus> {
        let mut nodes = self.nodes.iter();
        let mut explorers = self.explorers.iter().flat_map(Endpoints::iter);
        let of = |kind: &ProviderKind| {
            let endpoint = match kind {
                ProviderKind::Etherscan => explorers.next(),
                ProviderKind::EvmRpc | ProviderKind::SolanaRpc => nodes.next(),
            };
            endpoint.map(|endpoint| status_of(endpoint, kind.as_str()))
        };
        self.order.iter().filter_map(of).collect()
    }
}

#[async_trait]
impl EvmSource for EvmPool {
    async fn finalized(&self) -> Result<BlockHead, SourceError> {
        self.newest_final().await
    }

    async fn block(&self, number: u64) -> Result<BlockHead, SourceError> {
        let read = |reply: &Reply<'_>| node::read_block(number, reply);
        self.ask(&node::get_block(&node::hex(number)), read).await
    }

    async fn block_at_each_node(&self, number: u64) -> Vec<Option<BlockHead>> {
        let call = node::get_block(&node::hex(number));
        let request = Outgoing::Post(call.body.clone());
        let read = |body: &[u8]| node::read_block(number, &call.answer(body)?);
        let answers = self.nodes.each(call.method, &request, read).await;
        answers.into_iter().map(Result::ok).collect()
    }

    fn needs(&self) -> Vec<Need> {
        let explorer_first = self.order.first() == Some(&ProviderKind::Etherscan);
        BY_EXPLORER
            .into_iter()
            .zip(BY_NODE)
            .map(|((capability, explored), (_, listed))| {
                let mut ways = vec![listed];
                if self.explorers.is_some() {
                    ways.insert(usize::from(!explorer_first), explored);
                }
                Need { capability, ways }
            })
            .collect()
    }

    async fn activity(
        &self,
        wallet: &Address,
        list: ActivityList,
        from: u64,
        to: u64,
    ) -> Result<ActivityPage, SourceError> {
        match (list, explorer::action(list)) {
            (_, Some(action)) => self.explored(action, wallet, from, to).await,
            (ActivityList::Logs, None) => {
                let filters = |end| logs::log_filters(self.chain, wallet, from, end);
                self.ranged("eth_getLogs", &self.log_range, filters, from, to).await
            }
            (_, None) => self.calls(wallet, from, to).await,
        }
    }

    async fn indexed(&self, block: u64, time: i64) -> Option<u64> {
        self.reach(block, time).await
    }

    async fn transactions(&self, wanted: &[Wanted]) -> Result<Vec<RawTransaction>, SourceError> {
        self.fetch(wanted).await
    }

    async fn traced(&self, stored: &[RawTransaction]) -> Result<Vec<RawTransaction>, SourceError> {
        self.trace(stored).await
    }

    async fn balances(
        &self,
        wallet: &Address,
        assets: &[AssetId],
        block: u64,
    ) -> Result<Vec<Option<RawAmount>>, SourceError> {
        self.holdings(wallet, assets, block).await
    }

    async fn tokens(&self, contracts: &[AssetId]) -> Result<Vec<TokenFacts>, SourceError> {
        let ask = |selector: &'static str| {
            let params = contracts.iter().map(|id| contracts::constant(id.as_str(), selector));
            self.returned(params.collect())
        };
        let decimals = ask(contracts::DECIMALS).await?;
        let symbols = ask(contracts::SYMBOL).await?;
        let facts = decimals.iter().zip(&symbols).map(|(decimals, symbol)| TokenFacts {
            decimals: contracts::decimals(decimals.as_deref()),
            symbol: contracts::symbol(symbol.as_deref()),
        });
        Ok(facts.collect())
    }
}
