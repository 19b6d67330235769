//! Answers of price sources by full hour, also the answer "unknown".

use chrono::{DateTime, Utc};
use pnl_core::UsdPrice;

use crate::convert::from_bigint;
use crate::error::StoreError;
use crate::store::{Store, run};
use crate::wallet_tasks::{Lease, add_progress, hold};

/// What a source is asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HourAsk {
    /// The coin as the source names it.
    pub coin: String,
    /// Unix seconds of a full hour.
    pub at_hour: i64,
}

/// A price a source gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredQuote {
    /// US dollars per whole unit, exact.
    pub price: UsdPrice,
    /// Unix seconds at which the source made it.
    pub price_time: i64,
}

/// An answer that is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPrice {
    /// The price; `None`: the source did not know one.
    pub quote: Option<StoredQuote>,
    /// When the source was asked. An old "unknown" may be worth asking again.
    pub asked_at: DateTime<Utc>,
}

/// An answer to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceAnswer {
    /// What was asked.
    pub ask: HourAsk,
    /// The price; `None`: the source does not know one.
    pub quote: Option<StoredQuote>,
}

/// The stored answers, in the order of `asks`; `None`: never asked.
pub async fn get(
    store: &Store,
    source: &str,
    asks: &[HourAsk],
) -> Result<Vec<Option<StoredPrice>>, StoreError> {
    if asks.is_empty() {
        return Ok(Vec::new());
    }
    let coins: Vec<&str> = asks.iter().map(|ask| ask.coin.as_str()).collect();
    let hours: Vec<i64> = asks.iter().map(|ask| ask.at_hour).collect();
    let rows = run!(store, "prices/get", async |tx| {
        Ok(sqlx::query_file!("queries/prices/get.sql", source, &coins as &[&str], &hours)
            .fetch_all(tx)
            .await?)
    })?;
    rows.into_iter()
        .map(|row| {
            let Some(asked_at) = row.asked_at else { return Ok(None) };
            let quote = match (row.price, row.price_time) {
                (Some(text), Some(price_time)) => {
                    let price = text
                        .parse()
                        .map_err(|_| StoreError::Corrupt(format!("price is {text:?}")))?;
                    Some(StoredQuote { price, price_time })
                }
                _ => None,
            };
            Ok(Some(StoredPrice { quote, asked_at }))
        })
        .collect()
}

/// Stores answers. A known price never changes; an "unknown" gives way to a later price. Gives how many
/// are news, which count as progress of the wallet; an "unknown" that is given again is none.
///
/// # Errors
/// [`StoreError::LeaseLost`] when the fence is gone.
pub async fn put(
    store: &Store,
    lease: &Lease,
    source: &str,
    answers: &[PriceAnswer],
) -> Result<u64, StoreError> {
    if answers.is_empty() {
        return Ok(0);
    }
    let coins: Vec<&str> = answers.iter().map(|answer| answer.ask.coin.as_str()).collect();
    let hours: Vec<i64> = answers.iter().map(|answer| answer.ask.at_hour).collect();
    let prices: Vec<Option<String>> =
        answers.iter().map(|answer| answer.quote.map(|quote| quote.price.to_string())).collect();
    let times: Vec<Option<i64>> =
        answers.iter().map(|answer| answer.quote.map(|quote| quote.price_time)).collect();
    run!(store, "prices/put", async |tx| {
        hold(tx, lease).await?;
        let news = sqlx::query_file_scalar!(
            "queries/prices/put.sql",
            source,
            &coins as &[&str],
            &hours,
            &prices as &[Option<String>],
            &times as &[Option<i64>]
        )
        .fetch_one(&mut *tx)
        .await?;
        let news = from_bigint(news, "prices")?;
        add_progress(tx, lease, news).await?;
        Ok(news)
    })
}
