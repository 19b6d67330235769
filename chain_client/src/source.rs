//! What the rest of the service asks of a chain.

use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use pnl_core::{Address, Pin, RawAmount, RawTransaction, TxId};
use serde::{Deserialize, Serialize};

use crate::error::SourceError;

/// The longest page of signatures a node gives: `getSignaturesForAddress` allows 1..=1000.
pub const SIGNATURE_PAGE_LIMIT: usize = 1000;

/// What every chain is asked, whatever its kind.
#[async_trait]
pub trait ChainSource: Send + Sync {
    /// The newest finalized block that has a block time.
    async fn pin(&self) -> Result<Pin, SourceError>;

    /// Asks once, as cheaply as possible, whether any provider answers at all.
    async fn probe(&self) -> Result<(), SourceError>;

    /// How the providers are doing, in their configured order.
    fn status(&self) -> Vec<ProviderStatus>;
}

/// Solana as its providers show it, finalized data only.
///
/// Every answer is complete or an error: a missing, empty or garbled answer is never read as "no
/// activity".
#[async_trait]
pub trait TransactionSource: ChainSource {
    /// What `wallet` holds now.
    async fn snapshot(&self, wallet: &Address) -> Result<Snapshot, SourceError>;

    /// One page of at most [`SIGNATURE_PAGE_LIMIT`] transactions that name `address`, newest first,
    /// failed ones included, down to `until` (exclusive). It begins at the top, or with the row
    /// `from` names. A shorter page is the end. [`SourceError::NotFound`] when no node knows that
    /// place.
    async fn signatures(
        &self,
        address: &Address,
        from: Option<&PageStart>,
        until: Option<&TxId>,
    ) -> Result<Vec<SignatureInfo>, SourceError>;

    /// Tells what a node has shown already, maybe to another process: a list that is read from now on
    /// is at least so new, or refused. A source whose answers are never old has no use for it.
    fn note_seen(&self, _block: u64) {}

    /// One transaction as the node gives it. [`SourceError::NotFound`] when no node has it.
    async fn transaction(&self, id: &TxId) -> Result<RawTransaction, SourceError>;
}

/// Where a list goes on: two rows that an earlier page has shown, one below the other.
///
/// A node that does not know the transaction it shall go on behind answers with an empty page, which
/// looks like the end of the list. So the next page is asked for from one row further up, and must
/// begin with the row that is known: a node that knows neither, or has it elsewhere, is found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageStart {
    /// The row above.
    pub above: TxId,
    /// The row that the page begins with.
    pub first: TxId,
}

/// One row of an address's transaction list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureInfo {
    /// The transaction.
    pub tx_id: TxId,
    /// Its slot.
    pub slot: u64,
    /// Unix seconds, when the node knows them.
    pub block_time: Option<i64>,
    /// Whether the transaction failed (only its fee was paid).
    pub failed: bool,
}

/// What a wallet holds at some slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The oldest slot at which one of the parts was read: all of it is at least so new.
    pub slot: u64,
    /// The newest slot at which one of the parts was read: whatever happened up to `slot` is in
    /// all of it, what happened after this in none. 0 in stored ones from before it was kept: the
    /// same as `slot`.
    #[serde(default)]
    pub newest_slot: u64,
    /// Lamports of the wallet's own account.
    pub native_own_lamports: u64,
    /// Every open token account it owns, of both token programs, by address.
    pub token_accounts: Vec<TokenAccount>,
}

/// An open token account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenAccount {
    /// The account.
    pub address: Address,
    /// What it holds.
    pub mint: Address,
    /// The token program that governs it.
    pub program: Address,
    /// Lamports in it: its rent deposit and, in an account of wrapped SOL, what it holds.
    pub lamports: u64,
    /// Base units of the mint.
    pub raw: RawAmount,
    /// Decimals of the mint; unknown when the mint is gone.
    pub decimals: Option<u8>,
}

/// How a provider is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderState {
    /// It answers, or nobody asked yet.
    Ok,
    /// It asked us to wait, and the wait is not over.
    Throttled,
    /// Its endpoint fails.
    Down,
}

impl ProviderState {
    /// Stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Throttled => "throttled",
            Self::Down => "down",
        }
    }
}

/// One provider as the status page shows it.
#[derive(Debug, Clone)]
pub struct ProviderStatus {
    /// Its configured name.
    pub name: String,
    /// Its configured kind, such as `solana-rpc`.
    pub kind: &'static str,
    /// How it is doing.
    pub state: ProviderState,
    /// Since when it has been in this state.
    pub since: SystemTime,
    /// Its last failure, while it is not ok.
    pub detail: Option<String>,
    /// When it last answered a call of this process.
    pub answered_at: Option<Instant>,
    /// How long it is to be left alone yet, as it asked.
    pub paused: Duration,
    /// Calls made by this process.
    pub calls: u64,
    /// How many of them failed; a call that the provider put off is not one.
    pub errors: u64,
}
