//! The transaction as a chain endpoint gave it.

use crate::chain::{Chain, TxId};

/// A finalized transaction exactly as the endpoint answered, opaque to all but the parser.
///
/// Immutable: stored once per (chain, id) and shared by all wallets it touches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawTransaction {
    /// The chain it is on.
    pub chain: Chain,
    /// Its id there.
    pub tx_id: TxId,
    /// Slot (Solana) or block number (EVM).
    pub block: u64,
    /// Unix seconds, when the endpoint knows them.
    pub block_time: Option<i64>,
    /// The answer's JSON: on Solana the `result` of getTransaction.
    pub json: Vec<u8>,
}
