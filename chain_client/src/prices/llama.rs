//! Prices from an API of DefiLlama's dialect: `GET /prices/historical/<unix>/<coins>`.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use pnl_core::{AssetId, Chain};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::decimal::parse_price;
use super::{PriceAsk, PriceKey, PriceSource, RawQuote};
use crate::endpoint::{Endpoint, Outgoing};
use crate::error::{SetupError, SourceError};
use crate::failure::Failure;
use crate::metrics::ClientMetrics;
use crate::provider_pool::status_of;
use crate::retry::{CallPolicy, Endpoints};
use crate::source::ProviderStatus;

/// Name of the source in prices, metrics and errors.
const NAME: &str = "llama";
/// Name of the one call we make, for counters.
const METHOD: &str = "prices/historical";
const HOUR_SECONDS: i64 = 3600;
/// Coins in one call: keeps its URL below 4 kB.
const COINS_PER_CALL: usize = 50;
/// Calls under way at the same time. The budget decides how fast they leave.
const CONCURRENT_CALLS: usize = 8;

/// Historical prices by the hour.
///
/// Asked for the full hour at or before the time that matters; the answer is the source's nearest
/// price, used when it lies within six hours of that time. Native coins go by their CoinGecko id.
/// A token is asked for only when it is listed: for most tokens there is no market worth the name.
#[derive(Debug)]
pub struct LlamaPrices {
    endpoints: Endpoints,
    listed_tokens: BTreeSet<AssetId>,
}

impl LlamaPrices {
    /// A source at `url` with so many calls in any sliding second. `listed_tokens` are the mints and
    /// contracts it is asked for besides native coins.
    ///
    /// # Errors
    /// [`SetupError`] when the URL or the rate is unusable.
    pub fn new(
        url: &str,
        requests_per_second: f64,
        listed_tokens: BTreeSet<AssetId>,
        policy: CallPolicy,
        metrics: &ClientMetrics,
    ) -> Result<Self, SetupError> {
        let endpoint = Endpoint::new(NAME, url, requests_per_second, metrics)?;
        Ok(Self { endpoints: Endpoints::new(vec![endpoint], policy), listed_tokens })
    }

    async fn at_hour(
        &self,
        at: i64,
        coins: Vec<String>,
    ) -> Result<Vec<(PriceKey, Option<RawQuote>)>, SourceError> {
        let segments =
            ["prices", "historical", &at.to_string(), &coins.join(",")].map(str::to_owned);
        let request = Outgoing::Get { segments: segments.into() };
        let answer = self.endpoints.call(METHOD, &request, |body| read_coins(body, &coins)).await;
        let mut known = answer.map_err(refusal_as_outage)?;
        Ok(coins
            .into_iter()
            .map(|coin| {
                let quote = known.remove(&coin);
                (PriceKey { coin, at }, quote)
            })
            .collect())
    }
}

/// Unknown coins are absent from an answer, and every question has the same form, so a refusal is about the
/// server, its plan or its limits: nothing that a wallet should end for.
fn refusal_as_outage(error: SourceError) -> SourceError {
    match error {
        SourceError::Permanent { code, detail } => {
            SourceError::Outage { detail: format!("{code}: {detail}") }
        }
        error => error,
    }
}

/// The prices of the coins asked for; a coin that is absent from the answer has none.
pub(super) fn read_coins(
    body: &[u8],
    asked: &[String],
) -> Result<BTreeMap<String, RawQuote>, Failure> {
    #[derive(Deserialize)]
    struct Answer<'a> {
        #[serde(borrow)]
        coins: BTreeMap<String, Coin<'a>>,
    }
    #[derive(Deserialize)]
    struct Coin<'a> {
        #[serde(borrow)]
        price: &'a RawValue,
        timestamp: i64,
    }
    let answer: Answer<'_> = serde_json::from_slice(body).map_err(Failure::malformed)?;
    let quote = |coin: &Coin<'_>| {
        let price = parse_price(coin.price.get())?;
        Some(RawQuote { price, price_time: coin.timestamp })
    };
    Ok(asked
        .iter()
        .filter_map(|coin| Some((coin.clone(), quote(answer.coins.get(coin)?)?)))
        .collect())
}

#[async_trait]
impl PriceSource for LlamaPrices {
    fn name(&self) -> &str {
        NAME
    }

    fn is_remote(&self) -> bool {
        true
    }

    fn status(&self) -> Option<ProviderStatus> {
        self.endpoints.iter().next().map(|endpoint| status_of(endpoint, NAME))
    }

    fn key(&self, ask: &PriceAsk) -> Option<PriceKey> {
        let coin = if ask.asset.is_native() {
            match ask.chain {
                Chain::Solana => "coingecko:solana",
                Chain::Ethereum | Chain::Base => "coingecko:ethereum",
                Chain::BinanceSmartChain => "coingecko:binancecoin",
            }
            .to_owned()
        } else if self.listed_tokens.contains(&ask.asset) {
            let chain = match ask.chain {
                Chain::Solana => "solana",
                Chain::Ethereum => "ethereum",
                Chain::Base => "base",
                Chain::BinanceSmartChain => "bsc",
            };
            format!("{chain}:{}", ask.asset)
        } else {
            return None;
        };
        let at = ask.at.div_euclid(HOUR_SECONDS) * HOUR_SECONDS;
        // There were no prices before 1970, and the API takes no negative times.
        (at >= 0).then_some(PriceKey { coin, at })
    }

    async fn fetch(&self, keys: &[PriceKey]) -> Result<Vec<Option<RawQuote>>, SourceError> {
        let mut hours: BTreeMap<i64, BTreeSet<&str>> = BTreeMap::new();
        for key in keys {
            hours.entry(key.at).or_default().insert(&key.coin);
        }
        let mut calls = Vec::new();
        for (at, coins) in hours {
            let coins: Vec<String> = coins.into_iter().map(str::to_owned).collect();
            for chunk in coins.chunks(COINS_PER_CALL) {
                calls.push((at, chunk.to_vec()));
            }
        }
        let answers: Vec<_> = stream::iter(calls)
            .map(|(at, coins)| self.at_hour(at, coins))
            .buffer_unordered(CONCURRENT_CALLS)
            .try_collect()
            .await?;
        let known: BTreeMap<PriceKey, Option<RawQuote>> = answers.into_iter().flatten().collect();
        Ok(keys.iter().map(|key| known.get(key).cloned().flatten()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> LlamaPrices {
        let metrics = ClientMetrics::register(&prometheus::Registry::new()).unwrap();
        let listed = BTreeSet::from([AssetId::new("mint")]);
        LlamaPrices::new("http://127.0.0.1:9", 5.0, listed, CallPolicy::default(), &metrics)
            .unwrap()
    }

    #[test]
    fn native_coins_and_listed_tokens_are_asked_by_the_full_hour() {
        let key = |chain, asset: &str, at| {
            let ask = PriceAsk { chain, asset: AssetId::new(asset), at };
            source().key(&ask).map(|key| (key.coin, key.at))
        };
        let some = |coin: &str, at| Some((coin.to_owned(), at));
        assert_eq!(key(Chain::Solana, "native", 7199), some("coingecko:solana", 3600));
        assert_eq!(key(Chain::Base, "native", 7200), some("coingecko:ethereum", 7200));
        assert_eq!(key(Chain::BinanceSmartChain, "native", 0), some("coingecko:binancecoin", 0));
        assert_eq!(key(Chain::Solana, "mint", 1), some("solana:mint", 0));
        assert_eq!(key(Chain::Solana, "other", 1), None);
        assert_eq!(key(Chain::Solana, "native", -1), None);
    }

    #[test]
    fn prices_are_read_by_their_text_and_absent_ones_are_unknown() {
        let body = br#"{"coins":{"a":{"symbol":"A","price":0.1234567890123456789,"timestamp":5},
            "b":{"price":1e-7,"timestamp":6},"c":{"price":0,"timestamp":6}}}"#;
        let asked = ["a", "b", "c", "d"].map(str::to_owned);
        let read = read_coins(body, &asked).unwrap();
        assert_eq!(read.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(read["a"].price.to_string(), "0.1234567890123456789");
        assert_eq!(read["b"].price.to_string(), "0.0000001");
        for bad in ["", "{}", "<html>", r#"{"coins":null}"#, r#"{"coins":{"a":{"price":1}}}"#] {
            assert!(read_coins(bad.as_bytes(), &asked).is_err(), "{bad}");
        }
    }
}
