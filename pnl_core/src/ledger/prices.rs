//! Which prices a ledger needs, and a table that holds them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::amount::UsdPrice;
use crate::asset::AssetId;
use crate::chain::Chain;
use crate::price::{PriceBook, PriceQuote, PriceRank};

/// Name of the source of a listed stablecoin's price.
pub const PAR_SOURCE: &str = "par";

/// What the accounts of a chain take as given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerRules {
    /// The chain.
    pub chain: Chain,
    /// Stablecoins valued at par, by mint or contract.
    pub stablecoins: BTreeSet<AssetId>,
}

impl LedgerRules {
    /// The price of a listed stablecoin: one dollar at any time. `None` for every other asset.
    pub fn par(&self, asset: &AssetId, at: i64) -> Option<PriceQuote> {
        self.stablecoins.contains(asset).then(|| PriceQuote {
            price: UsdPrice::par(),
            rank: PriceRank::Par,
            source: PAR_SOURCE.to_owned(),
            price_time: at,
        })
    }

    /// Whether the asset is a currency of exchanges: the native coin or a listed stablecoin.
    pub fn is_quote_asset(&self, asset: &AssetId) -> bool {
        asset.is_native() || self.stablecoins.contains(asset)
    }

    /// The native coin and the listed stablecoins, in the order of assets.
    pub fn quote_assets(&self) -> Vec<AssetId> {
        std::iter::once(AssetId::native()).chain(self.stablecoins.iter().cloned()).collect()
    }
}

/// A price that is needed: of one whole unit of `asset` at the time `at`.
///
/// `at` is the exact second of the event, not the start of its hour. A price is unknown when its
/// candle opened more than six hours before *that* second, and neither are all candles an hour long
/// nor is every hour there, so the start of the hour would not decide the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PriceRequest {
    /// The asset.
    pub asset: AssetId,
    /// Unix seconds.
    pub at: i64,
}

/// Prices held in memory, by asset and the time they were asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PriceTable {
    quotes: BTreeMap<PriceRequest, PriceQuote>,
}

impl PriceTable {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes the answer of `source` to `request`: a price made at `price_time` (unix seconds).
    ///
    /// Its rank follows from the asset: the native coin has its hourly price, any other asset the
    /// word of a provider. An earlier answer to the same request is replaced.
    pub fn insert(
        &mut self,
        request: PriceRequest,
        price: UsdPrice,
        source: &str,
        price_time: i64,
    ) {
        let rank = match request.asset.is_native() {
            true => PriceRank::NativeHour,
            false => PriceRank::Provider,
        };
        let source = source.to_owned();
        self.quotes.insert(request, PriceQuote { price, rank, source, price_time });
    }

    /// Whether no price is known.
    pub fn is_empty(&self) -> bool {
        self.quotes.is_empty()
    }
}

impl PriceBook for PriceTable {
    fn quote(&self, asset: &AssetId, at: i64) -> Option<PriceQuote> {
        self.quotes.get(&PriceRequest { asset: asset.clone(), at }).cloned()
    }
}
