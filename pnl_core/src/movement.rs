//! What one transaction did to one wallet: the parser's answer, before any price.
//!
//! Everything is seen from the wallet: positive came in, negative went out. Per asset
//! `net + fee + tips + rent + unexplained` is the wallet's change, to the last unit.

use serde::{Deserialize, Serialize, Serializer, ser::SerializeSeq};

use crate::amount::RawDelta;
use crate::asset::AssetId;
use crate::chain::{Address, Chain, TxId};

/// One transaction seen from one wallet. Serialized, it is a line of `pnl-tracker parse`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalletTransaction {
    /// The chain.
    pub chain: Chain,
    /// The transaction.
    pub tx_id: TxId,
    /// Whose view this is.
    pub wallet: Address,
    /// Slot or block number.
    pub block: u64,
    /// Unix seconds; null when the recording has none.
    pub block_time: Option<i64>,
    /// Place in the chain.
    pub order: Order,
    /// Whether the transaction took effect.
    pub status: TxStatus,
    /// What it was, as far as known. A label: it never changes an amount.
    pub kind: TxKind,
    /// Outermost program or router that the user called, when known.
    pub venue: Option<String>,
    /// Net change per asset without fee, tips and rent. Zero rows are left out; native first, then
    /// by id.
    pub net: Vec<NetChange>,
    /// The network fee when this wallet paid it (`"0"` for a free deposit transaction), else null.
    pub fee: Option<FeePaid>,
    /// Tips to block builders, in base units of the native coin, zero or negative.
    pub tips: RawDelta,
    /// Refundable deposits that left (negative) or came back (positive), native base units.
    pub rent: RawDelta,
    /// Fees to platforms, bots and relays: an of-which list of `net`.
    pub service_fees: Vec<ServiceFee>,
    /// What the parser saw move but cannot attribute.
    pub unexplained: Vec<AssetDelta>,
    /// Assets whose change does not fit into 256 bits: it is in none of the above.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub too_large: Vec<AssetId>,
    /// What is known completely.
    pub complete: Completeness,
    /// What a reader should know.
    pub notes: Vec<Note>,
    /// Whether the wallet signed (Solana) or sent (EVM) the transaction.
    pub signed: bool,
    /// Whether an exchange program or router took part: tells a round trip from a transfer.
    pub exchange: bool,
}

/// Place of a transaction in its chain, written as `[block, index]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Order {
    /// Slot or block number.
    pub block: u64,
    /// Index inside the block, when the node gives it.
    pub index: Option<u32>,
}

impl Serialize for Order {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut pair = serializer.serialize_seq(Some(2))?;
        pair.serialize_element(&self.block)?;
        pair.serialize_element(&self.index)?;
        pair.end()
    }
}

impl<'de> Deserialize<'de> for Order {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (block, index) = <(u64, Option<u32>)>::deserialize(deserializer)?;
        Ok(Self { block, index })
    }
}

/// Whether a transaction took effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TxStatus {
    /// It did.
    Ok,
    /// It was rolled back; only the fee was paid.
    Failed,
}

/// What a transaction was for the wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are the documentation; docs/parser.md describes each")]
pub enum TxKind {
    Swap,
    TransferIn,
    TransferOut,
    #[serde(rename = "self")]
    OwnTransfer,
    Wrap,
    Unwrap,
    Approve,
    Stake,
    Lend,
    Liquidity,
    Order,
    Bridge,
    Claim,
    Mint,
    Burn,
    Nft,
    Spam,
    FeeOnly,
    None,
    Other,
}

/// A change of one asset with the decimals the chain names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetChange {
    /// The asset.
    pub asset: AssetId,
    /// Base units, never zero.
    pub raw: RawDelta,
    /// Decimals, when known.
    pub decimals: Option<u8>,
}

/// A network fee that the wallet paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeePaid {
    /// Always native.
    pub asset: AssetId,
    /// Base units, zero or negative.
    pub raw: RawDelta,
}

/// A payment to a platform, bot or relay; part of `net`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceFee {
    /// The asset paid.
    pub asset: AssetId,
    /// Base units, negative.
    pub raw: RawDelta,
    /// The name of the receiver's service.
    pub to: String,
}

/// A change of one asset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetDelta {
    /// The asset.
    pub asset: AssetId,
    /// Base units.
    pub raw: RawDelta,
}

/// What a line knows completely.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completeness {
    /// All movements of the native coin.
    pub native: bool,
    /// The whole fee.
    pub fee: bool,
}

/// Something a reader of the line should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Stable code.
    pub code: String,
    /// In words.
    pub detail: String,
}
