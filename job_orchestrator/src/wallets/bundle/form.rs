//! The lines of a bundle.

use std::collections::BTreeMap;

use pnl_core::ledger::{LedgerEvent, LedgerRules, PriceRequest, PriceTable};
use pnl_core::price::PriceQuote;
use pnl_core::report::History;
use pnl_core::{Address, AssetId, Method, Options, TxId, UsdPrice};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The newest form. The first had transactions on Solana alone, and no rules, prices and decimals: its events
/// can be compared with what a transaction moves, but cannot be made again.
pub const FORM: u32 = 2;

/// What every form begins with.
#[derive(Debug, Deserialize)]
pub(super) struct Form {
    pub bundle: u32,
}

/// The first line. Programs of the first form can read it, as far as its number.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Head {
    pub bundle: u32,
    pub engine_version: String,
    pub parser_version: String,
    pub method: Method,
    pub options: Options,
    /// By what transactions became events; not in the first form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub booked_by: Option<BookedBy>,
    pub history: History,
    pub events: u64,
    pub result: Box<RawValue>,
}

/// The rules by which transactions became events.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct BookedBy {
    #[serde(flatten)]
    pub rules: LedgerRules,
    /// On a chain of the EVM, the contract whose tokens are the native coin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrapped_native: Option<Address>,
}

/// Every other line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    /// A transaction. Its events follow.
    Transaction(Transaction),
    /// An event of the ledger.
    Event(LedgerEvent),
}

/// A transaction, with all that its events were made from.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Transaction {
    pub tx_id: TxId,
    /// As the endpoint gave it; `None`: see `absent`.
    pub raw: Option<Box<RawValue>>,
    /// Why it is not here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absent: Option<String>,
    /// Whether no list of the wallet's coins names it, so that no contract sent it coins there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_coins: bool,
    /// What contracts say about their tokens.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub decimals: BTreeMap<AssetId, u8>,
    /// The prices at its time in the accounts, those of listed stablecoins left out; `None`: those by which it was
    /// booked are not known any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prices: Option<Vec<Price>>,
}

/// A price.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Price {
    asset: AssetId,
    /// US dollars for one whole unit.
    price_usd: UsdPrice,
    source: String,
    /// Unix seconds at which it was made.
    time: i64,
}

impl Price {
    pub fn of(asset: AssetId, quote: PriceQuote) -> Self {
        Self { asset, price_usd: quote.price, source: quote.source, time: quote.price_time }
    }
}

/// These prices, as those of the time `at`.
pub(super) fn table(prices: &[Price], at: i64) -> PriceTable {
    let mut table = PriceTable::new();
    for Price { asset, price_usd, source, time } in prices {
        let request = PriceRequest { asset: asset.clone(), at };
        table.insert(request, *price_usd, source, *time);
    }
    table
}
