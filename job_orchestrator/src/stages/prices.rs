//! The prices that a part of a ledger needs.
//!
//! Sources are asked in their order; the first that knows a price gives it. The answers of remote
//! sources are remembered in the database, "unknown" included, so that no run asks twice. A source
//! that cannot be asked ends the attempt: a price that is unknown because somebody was unreachable
//! would make the result depend on luck.

use std::collections::{BTreeMap, BTreeSet};

use chain_client::{PriceAsk, PriceKey, PriceSource, PriceSources, RawQuote};
use chrono::{DateTime, TimeDelta, Utc};
use persistence_layer::prices::{self, HourAsk, PriceAnswer, StoredPrice, StoredQuote};
use persistence_layer::{Store, StoreError};
use pnl_core::Chain;
use pnl_core::ledger::{PriceRequest, PriceTable};

use crate::attempt::Attempt;
use crate::error::StageError;

/// Looks up all `requests`. What no source knows is not in the table.
pub(crate) async fn load(
    attempt: &Attempt,
    requests: impl IntoIterator<Item = PriceRequest>,
) -> Result<PriceTable, StageError> {
    let mut looked_up = LookUp::new(attempt.chain(), requests);
    for source in attempt.prices.iter() {
        let asks = looked_up.asks();
        if asks.is_empty() {
            break;
        }
        let answers = if source.is_remote() {
            remembered(attempt, source.as_ref(), &asks).await?
        } else {
            source.quotes(&asks).await.map_err(StageError::asking_for_prices)?
        };
        looked_up.answer(source.as_ref(), answers);
    }
    Ok(looked_up.table)
}

/// Looks `requests` up where that asks nobody: in local sources, and among the answers of remote ones
/// that are stored. What none of them knows, or can tell, is not in the table.
pub(crate) async fn recall(
    store: &Store,
    sources: &PriceSources,
    chain: Chain,
    requests: impl IntoIterator<Item = PriceRequest>,
) -> Result<PriceTable, StoreError> {
    let mut looked_up = LookUp::new(chain, requests);
    for source in sources.iter() {
        let asks = looked_up.asks();
        let answers = if source.is_remote() {
            let asked = Asked::of(source.as_ref(), &asks);
            let stored = prices::get(store, source.name(), &asked.hours()).await?;
            let quotes = stored.into_iter().map(|stored| stored?.quote.map(raw_quote));
            asked.answers(&asked.keys.iter().cloned().zip(quotes).collect())
        } else {
            source.quotes(&asks).await.unwrap_or_default()
        };
        looked_up.answer(source.as_ref(), answers);
    }
    Ok(looked_up.table)
}

/// Requests on their way through the sources.
struct LookUp {
    chain: Chain,
    open: Vec<PriceRequest>,
    table: PriceTable,
}

impl LookUp {
    fn new(chain: Chain, requests: impl IntoIterator<Item = PriceRequest>) -> Self {
        Self { chain, open: requests.into_iter().collect(), table: PriceTable::new() }
    }

    /// What the next source is asked.
    fn asks(&self) -> Vec<PriceAsk> {
        let ask = |request: &PriceRequest| PriceAsk {
            chain: self.chain,
            asset: request.asset.clone(),
            at: request.at,
        };
        self.open.iter().map(ask).collect()
    }

    /// Takes up what `source` answered to [`Self::asks`].
    fn answer(&mut self, source: &dyn PriceSource, answers: Vec<Option<RawQuote>>) {
        let open = std::mem::take(&mut self.open);
        // A source that gave no list of answers knows nothing.
        let answers = answers.into_iter().chain(std::iter::repeat(None));
        for (request, answer) in open.into_iter().zip(answers) {
            match answer {
                Some(quote) => {
                    self.table.insert(request, quote.price, source.name(), quote.price_time);
                }
                None => self.open.push(request),
            }
        }
    }
}

/// What a remote source is asked for: many asks have the same key.
struct Asked<'a> {
    asks: &'a [PriceAsk],
    of_asks: Vec<Option<PriceKey>>,
    keys: BTreeSet<PriceKey>,
}

impl<'a> Asked<'a> {
    fn of(source: &dyn PriceSource, asks: &'a [PriceAsk]) -> Self {
        let of_asks: Vec<Option<PriceKey>> = asks.iter().map(|ask| source.key(ask)).collect();
        let keys = of_asks.iter().flatten().cloned().collect();
        Self { asks, of_asks, keys }
    }

    /// The keys as they are stored.
    fn hours(&self) -> Vec<HourAsk> {
        self.keys.iter().map(hour_ask).collect()
    }

    /// The quotes that cover the asks, in their order.
    fn answers(&self, known: &BTreeMap<PriceKey, Option<RawQuote>>) -> Vec<Option<RawQuote>> {
        let covering = self.asks.iter().zip(&self.of_asks).map(|(ask, key)| {
            let quote = known.get(key.as_ref()?)?.clone()?;
            quote.covers(ask.at).then_some(quote)
        });
        covering.collect()
    }
}

/// The answers of one source, from the database where they are there.
async fn remembered(
    attempt: &Attempt,
    source: &dyn PriceSource,
    asks: &[PriceAsk],
) -> Result<Vec<Option<RawQuote>>, StageError> {
    let asked = Asked::of(source, asks);
    let stored = prices::get(&attempt.store, source.name(), &asked.hours()).await?;
    let now = Utc::now();
    let mut known: BTreeMap<PriceKey, Option<RawQuote>> = BTreeMap::new();
    let mut missing: Vec<PriceKey> = Vec::new();
    for (key, stored) in asked.keys.iter().cloned().zip(stored) {
        match stored {
            Some(stored) if is_settled(&stored, key.at, now) => {
                known.insert(key, stored.quote.map(raw_quote));
            }
            _ => missing.push(key),
        }
    }
    for chunk in missing.chunks(ASKED_AT_ONCE) {
        let answers = source.fetch(chunk).await.map_err(StageError::asking_for_prices)?;
        attempt.gates.prices_answered();
        let rows: Vec<PriceAnswer> = chunk
            .iter()
            .zip(&answers)
            .map(|(key, answer)| PriceAnswer {
                ask: hour_ask(key),
                quote: answer
                    .as_ref()
                    .map(|quote| StoredQuote { price: quote.price, price_time: quote.price_time }),
            })
            .collect();
        let news = prices::put(&attempt.store, &attempt.lease, source.name(), &rows).await?;
        attempt.note_progress(news);
        // Another wallet may have asked for the same at the same time and got another answer. The
        // one that is stored counts for both.
        let asks: Vec<HourAsk> = chunk.iter().map(hour_ask).collect();
        let stored = prices::get(&attempt.store, source.name(), &asks).await?;
        for (key, stored) in chunk.iter().zip(stored) {
            known.insert(key.clone(), stored.and_then(|stored| stored.quote).map(raw_quote));
        }
    }
    Ok(asked.answers(&known))
}

fn raw_quote(stored: StoredQuote) -> RawQuote {
    RawQuote { price: stored.price, price_time: stored.price_time }
}

fn hour_ask(key: &PriceKey) -> HourAsk {
    HourAsk { coin: key.coin.clone(), at_hour: key.at }
}

/// Whether a stored answer stands. An "unknown" that was given while the hour was young may have
/// been too early, and is asked for again after a while.
fn is_settled(stored: &StoredPrice, at_hour: i64, now: DateTime<Utc>) -> bool {
    stored.quote.is_some()
        || stored.asked_at.timestamp().saturating_sub(at_hour) > YOUNG_HOUR_SECONDS
        || now - stored.asked_at < ASK_AGAIN_AFTER
}

/// Keys asked for before the answers are stored: a time limit loses at most so many.
const ASKED_AT_ONCE: usize = 50;
/// Sources have their prices of an hour a day later at the latest.
const YOUNG_HOUR_SECONDS: i64 = 24 * 3600;
/// How long an early "unknown" stands.
const ASK_AGAIN_AFTER: TimeDelta = TimeDelta::hours(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_price_is_asked_for_again_only_when_it_was_asked_too_early() {
        let hour = 1_700_000_000 / 3600 * 3600;
        let settled = |asked_after: i64, looked_after: i64, known: bool| {
            let at = |seconds| DateTime::from_timestamp(hour + seconds, 0).unwrap();
            let quote =
                known.then(|| StoredQuote { price: "1".parse().unwrap(), price_time: hour });
            is_settled(&StoredPrice { quote, asked_at: at(asked_after) }, hour, at(looked_after))
        };
        assert!(settled(60, 90, false), "just asked");
        assert!(!settled(60, 60 + 3600, false), "asked in its own hour, an hour ago");
        assert!(settled(2 * 86_400, 90 * 86_400, false), "asked two days later");
        assert!(settled(60, 90 * 86_400, true), "a known price stands");
    }
}
