//! Chains of the EVM: what is asked of them, and how their endpoints speak.
//!
//! Two kinds of endpoints complement each other. A *node* (`evm-rpc`) has the truth about a
//! transaction: its receipt, its trace, balances. It hardly knows which transactions are a
//! wallet's. An *explorer* (`etherscan`) lists those. A node with a transaction index
//! (`ots_search…`) or `trace_filter` can do without one.
//!
//! - [`pool`]: all configured providers of a chain as one [`EvmSource`];
//! - `enumerate`, `fetch`: pages of lists, and transactions with all that belongs to them;
//! - `node`, `logs`, `traces`, `contracts`: the calls of a node and how their answers are read;
//! - `explorer`: the dialect of Etherscan and its kin; `listing`: pages of their lists; `reach`: how far
//!   they have indexed;
//! - `refusal`: what the errors of nodes mean; `ranges`: how many blocks fit into one question.

pub mod pool;

mod contracts;
mod enumerate;
mod explorer;
mod fetch;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod listing;
mod logs;
mod node;
mod ranges;
mod reach;
mod refusal;
mod traces;

use async_trait::async_trait;
use pnl_core::{Address, AssetId, RawAmount, RawTransaction, TxId};
use serde::{Deserialize, Serialize};

use crate::error::SourceError;
use crate::source::ChainSource;

pub use node::with_internal;
pub use pool::{EvmConfig, EvmPool};

/// An EVM chain as its providers show it.
///
/// Every answer is complete or an error: a missing, empty or garbled answer is never read as "no
/// activity".
#[async_trait]
pub trait EvmSource: ChainSource {
    /// The newest block that counts as final.
    async fn finalized(&self) -> Result<BlockHead, SourceError>;

    /// The block of this number.
    async fn block(&self, number: u64) -> Result<BlockHead, SourceError>;

    /// The block of this number as each node has it; nothing of a node that does not answer now, or has
    /// not come so far. Every node is asked once.
    async fn block_at_each_node(&self, number: u64) -> Vec<Option<BlockHead>>;

    /// What must be listed to know every transaction of a wallet, and the ways to list it, the
    /// preferred one first. No way: no configured provider could.
    fn needs(&self) -> Vec<Need>;

    /// A part of one list of a wallet: all of its transactions in the blocks `from` to the block that
    /// the page has reached, at most `to`.
    async fn activity(
        &self,
        wallet: &Address,
        list: ActivityList,
        from: u64,
        to: u64,
    ) -> Result<ActivityPage, SourceError>;

    /// How far the lists of explorers reach, at most to `block`, the block of this time (unix
    /// seconds). `None`: there are none, or one of them does not tell. Takes seconds at most; of a block
    /// younger than a minute it waits a little for explorers that are about to index it.
    async fn indexed(&self, block: u64, time: i64) -> Option<u64>;

    /// Transactions with their receipts, block times and, where wanted, what their contracts sent
    /// each other, in the form that the parser reads; in the order of `wanted`.
    async fn transactions(&self, wanted: &[Wanted]) -> Result<Vec<RawTransaction>, SourceError>;

    /// Transactions that this source has given earlier, with what contracts sent each other in them where
    /// that was not known and is now; in the same order. Nothing else of them is asked for.
    async fn traced(&self, stored: &[RawTransaction]) -> Result<Vec<RawTransaction>, SourceError>;

    /// What `wallet` holds of each asset at the end of a block; `None` where the contract does not
    /// say. `Permanent` with [`STATE_UNKNOWN`] when no node can be asked about that block.
    async fn balances(
        &self,
        wallet: &Address,
        assets: &[AssetId],
        block: u64,
    ) -> Result<Vec<Option<RawAmount>>, SourceError>;

    /// What contracts say about their tokens, in the order of `contracts`.
    async fn tokens(&self, contracts: &[AssetId]) -> Result<Vec<TokenFacts>, SourceError>;
}

/// Code of the refusal of a node that keeps no state of the block asked for.
pub const STATE_UNKNOWN: &str = "state-unknown";

/// A block, as far as we need it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockHead {
    /// Its number.
    pub number: u64,
    /// Its hash, `0x` and 64 lower-case digits. It stands for all blocks before it, too.
    pub hash: String,
    /// Unix seconds.
    pub time: i64,
}

/// Something that must be known for a whole history, and that a provider may lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// Which transactions a wallet sent or was called by.
    EnumerateSent,
    /// Which transactions sent it coins from a contract.
    EnumerateInternal,
    /// Which transactions moved its tokens.
    EnumerateTokens,
    /// That the explorer who lists has indexed the pinned block.
    IndexHead,
    /// What contracts sent each other in a transaction.
    Traces,
    /// The part of a Base fee that pays for the first layer.
    L1Fee,
    /// Balances at the pin.
    PastBalances,
}

impl Capability {
    /// Stable name, as `coverage.missing` shows it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EnumerateSent => "enumerate_sent",
            Self::EnumerateInternal => "enumerate_internal",
            Self::EnumerateTokens => "enumerate_tokens",
            Self::IndexHead => "index_head",
            Self::Traces => "traces",
            Self::L1Fee => "l1_fee",
            Self::PastBalances => "past_balances",
        }
    }
}

/// Something to be listed, and the ways to do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// What it is.
    pub capability: Capability,
    /// Each way is some lists that together name all of it.
    pub ways: Vec<&'static [ActivityList]>,
}

/// A list of a wallet's transactions. The first five are an explorer's, the others a node's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActivityList {
    /// Transactions it sent or received.
    Transactions,
    /// Transactions in which a contract sent it coins.
    Internal,
    /// Transactions that moved fungible tokens of it.
    Erc20,
    /// Transactions that moved single tokens of it.
    Erc721,
    /// Transactions that moved units of token ids of it.
    Erc1155,
    /// Transactions with a call from or to it, at any depth.
    Calls,
    /// Transactions with an event that moves tokens of it.
    Logs,
}

impl ActivityList {
    /// Stable name, part of the key under which its coverage is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Transactions => "transactions",
            Self::Internal => "internal",
            Self::Erc20 => "erc20",
            Self::Erc721 => "erc721",
            Self::Erc1155 => "erc1155",
            Self::Calls => "calls",
            Self::Logs => "logs",
        }
    }

    /// Whether an explorer has it, who may be behind the chain.
    pub const fn is_explored(self) -> bool {
        explorer::action(self).is_some()
    }

    /// Whether coins may have moved inside the transactions of this list.
    pub const fn tells_of_coins(self) -> bool {
        matches!(self, Self::Transactions | Self::Internal | Self::Calls)
    }
}

/// One transaction of a list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Activity {
    /// Its block.
    pub block: u64,
    /// Its hash.
    pub tx_id: TxId,
    /// Unix seconds, when the list tells.
    pub block_time: Option<i64>,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivityPage {
    /// Oldest first, each transaction once.
    pub rows: Vec<Activity>,
    /// Everything up to the end of this block is known now.
    pub reached: u64,
}

/// A transaction to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its hash.
    pub tx_id: TxId,
    /// Its block, as the list named it.
    pub block: u64,
    /// Whether what contracts sent each other is wanted.
    pub traced: bool,
}

/// What a contract says about its token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenFacts {
    /// Decimals; `None`: it does not say, or something absurd.
    pub decimals: Option<u8>,
    /// Its symbol. Anybody can choose any: never an identity.
    pub symbol: Option<String>,
}
