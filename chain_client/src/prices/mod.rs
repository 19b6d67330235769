//! Where prices come from.
//!
//! A price is asked for an asset at a time; the answer is a [`RawQuote`] with the time the source
//! made it. A source that has none says so (`None`): unknown is never zero. A source that cannot
//! be asked is an error, not an unknown price.

mod csv;
mod decimal;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod llama;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use pnl_core::{AssetId, Chain, UsdPrice};

use crate::error::SourceError;
use crate::source::ProviderStatus;

pub use self::csv::CsvPrices;
pub use self::llama::LlamaPrices;

/// A price is unknown when the nearest one lies further away than this, in seconds (6 h).
pub const MAX_PRICE_DISTANCE_SECONDS: u64 = 6 * 3600;

/// A question for a price.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PriceAsk {
    /// The asset's chain.
    pub chain: Chain,
    /// The asset.
    pub asset: AssetId,
    /// Unix seconds.
    pub at: i64,
}

/// What a source is really asked: its own name for the asset and the time rounded as it likes.
/// Asks with the same key have the same answer, so this is the key to remember it by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PriceKey {
    /// The source's name for the asset.
    pub coin: String,
    /// Unix seconds.
    pub at: i64,
}

/// A price as a source gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawQuote {
    /// US dollars for one whole unit, above zero.
    pub price: UsdPrice,
    /// Unix seconds at which the source made the price (for a candle: when it opened).
    pub price_time: i64,
}

impl RawQuote {
    /// Whether the price may be used for the time `at`: no further away than
    /// [`MAX_PRICE_DISTANCE_SECONDS`].
    pub const fn covers(&self, at: i64) -> bool {
        self.price_time.abs_diff(at) <= MAX_PRICE_DISTANCE_SECONDS
    }
}

/// A quote and the name of the source it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourcedQuote {
    /// Name of the source: `csv`, `llama`.
    pub source: String,
    /// What it said.
    pub quote: RawQuote,
}

/// One source of prices.
#[async_trait]
pub trait PriceSource: Send + Sync {
    /// The name that every price of it carries.
    fn name(&self) -> &str;

    /// Whether asking costs a call, so that its answers (also "unknown") are worth remembering.
    fn is_remote(&self) -> bool;

    /// Its endpoint as it is now; `None` when it has none.
    fn status(&self) -> Option<ProviderStatus> {
        None
    }

    /// What this source would be asked. `None`: it knows nothing of the asset, and is not asked.
    fn key(&self, ask: &PriceAsk) -> Option<PriceKey>;

    /// The answers to `keys`, in their order. An answer may be too far from the time that somebody
    /// needs: see [`RawQuote::covers`].
    ///
    /// # Errors
    /// [`SourceError`] when one of the answers could not be had; "unknown" is no error.
    async fn fetch(&self, keys: &[PriceKey]) -> Result<Vec<Option<RawQuote>>, SourceError>;

    /// The prices for `asks`, in their order; each key is fetched once.
    ///
    /// # Errors
    /// As [`PriceSource::fetch`].
    async fn quotes(&self, asks: &[PriceAsk]) -> Result<Vec<Option<RawQuote>>, SourceError> {
        let asked: Vec<Option<PriceKey>> = asks.iter().map(|ask| self.key(ask)).collect();
        let keys: Vec<PriceKey> =
            asked.iter().flatten().cloned().collect::<BTreeSet<_>>().into_iter().collect();
        let answers = self.fetch(&keys).await?;
        let known: BTreeMap<PriceKey, Option<RawQuote>> = keys.into_iter().zip(answers).collect();
        Ok(asks
            .iter()
            .zip(asked)
            .map(|(ask, key)| {
                let quote = known.get(&key?)?.clone()?;
                quote.covers(ask.at).then_some(quote)
            })
            .collect())
    }
}

/// The configured sources in their order. The first that knows a price gives it.
#[derive(Clone, Default)]
pub struct PriceSources {
    sources: Vec<Arc<dyn PriceSource>>,
}

impl PriceSources {
    /// Sources in the order in which they are asked.
    pub fn new(sources: Vec<Arc<dyn PriceSource>>) -> Self {
        Self { sources }
    }

    /// The sources, for callers that remember answers by [`PriceSource::key`].
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn PriceSource>> {
        self.sources.iter()
    }
    /// The endpoints of those that have one, as they are now.
    pub fn status(&self) -> Vec<ProviderStatus> {
        self.sources.iter().filter_map(|source| source.status()).collect()
    }

    /// The prices for `asks`, in their order.
    ///
    /// # Errors
    /// The error of a source that could not be asked. The next source is not asked in its place:
    /// the answer would depend on who was reachable.
    pub async fn quotes(
        &self,
        asks: &[PriceAsk],
    ) -> Result<Vec<Option<SourcedQuote>>, SourceError> {
        let mut answers: Vec<Option<SourcedQuote>> = vec![None; asks.len()];
        for source in &self.sources {
            let open: Vec<usize> = (0..asks.len()).filter(|&i| answers[i].is_none()).collect();
            if open.is_empty() {
                break;
            }
            let open_asks: Vec<PriceAsk> = open.iter().map(|&i| asks[i].clone()).collect();
            for (i, quote) in open.into_iter().zip(source.quotes(&open_asks).await?) {
                answers[i] =
                    quote.map(|quote| SourcedQuote { source: source.name().to_owned(), quote });
            }
        }
        Ok(answers)
    }
}
