//! Prices with their provenance.

use serde::{Deserialize, Serialize};

use crate::amount::UsdPrice;
use crate::asset::AssetId;

/// How far a price can be relied on, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PriceRank {
    /// A listed stablecoin at par.
    Par,
    /// The native coin at its hourly price.
    NativeHour,
    /// A token price from a provider.
    Provider,
}

/// A price of one asset, where it comes from and when it was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceQuote {
    /// US dollars for one whole unit.
    pub price: UsdPrice,
    /// How far it can be relied on.
    pub rank: PriceRank,
    /// Name of the source: `par`, `csv`, `llama`.
    pub source: String,
    /// Unix seconds at which the source made the price (open time of the candle); for par the time
    /// asked for.
    pub price_time: i64,
}

/// Known prices by asset and time. A pure look-up: whoever calls has loaded what is needed.
pub trait PriceBook {
    /// The price of `asset` at `at` (unix seconds); `None` is unknown, never zero.
    fn quote(&self, asset: &AssetId, at: i64) -> Option<PriceQuote>;
}
