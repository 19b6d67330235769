//! Ledgers.

use std::collections::BTreeMap;

use utoipa::ToSchema;

use super::result::{Coverage, Options};
use super::{Hash, Open, Pinned, Raw, Usd};

/// One movement of an asset.
#[derive(ToSchema)]
pub struct Leg {
    pub side: String,
    pub asset: String,
    pub raw: Raw,
    pub decimals: Option<u8>,
    pub value_usd: Option<Usd>,
    pub price_source: Option<String>,
    pub price_time: Option<i64>,
}

/// One accounting event.
#[derive(ToSchema)]
pub struct Event {
    pub event: String,
    pub tx_id: String,
    pub block: u64,
    pub block_time: Option<i64>,
    pub ts: i64,
    /// The block, and the place in it where the chain tells.
    pub order: Vec<Option<u64>>,
    pub tx_kind: String,
    pub status: String,
    pub wallet: String,
    pub kind: String,
    pub legs: Vec<Leg>,
    #[schema(required = false)]
    pub pool_raw: Raw,
    pub link: Option<String>,
    pub excluded: bool,
    pub unsolicited: bool,
    pub basis_reset: bool,
}

/// Events of a wallet, oldest first.
#[derive(ToSchema)]
pub struct LedgerPage {
    pub wallet: String,
    pub chain: String,
    pub pinned: Pinned,
    pub coverage: Coverage,
    pub data: Vec<Event>,
    pub next_cursor: Option<String>,
    pub has_more: bool,
}

/// A whole ledger for a recomputation elsewhere.
#[derive(ToSchema)]
pub struct AccountingDocument {
    pub method: String,
    pub options: Options,
    pub prices: BTreeMap<String, Usd>,
    pub wallet: String,
    pub chain: String,
    pub pinned: Pinned,
    pub input_hash: Hash,
    pub events: Vec<Open>,
    pub excluded: Vec<Open>,
}

/// How much of an asset, as the wallet sees it.
#[derive(ToSchema)]
pub struct Moved {
    pub asset: String,
    pub raw: Raw,
    pub decimals: Option<u8>,
}

/// One transaction: its events, added up.
#[derive(ToSchema)]
pub struct Transaction {
    pub tx_id: String,
    pub block: u64,
    pub block_time: Option<i64>,
    /// The block, and the place in it where the chain tells.
    pub order: Vec<Option<u64>>,
    pub kind: String,
    pub status: String,
    pub net: Vec<Moved>,
    pub fees: Vec<Moved>,
    pub rent: Vec<Moved>,
    pub events: Vec<String>,
}

/// Transactions of a wallet, oldest first.
#[derive(ToSchema)]
pub struct Transactions {
    pub wallet: String,
    pub chain: String,
    pub pinned: Pinned,
    pub data: Vec<Transaction>,
    pub next_cursor: Option<String>,
    pub has_more: bool,
}
