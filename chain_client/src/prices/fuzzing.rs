//! The readers of this module, given an answer.

use super::{csv, decimal, llama};

/// Coins that answers are about.
const COINS: [&str; 4] = [
    "coingecko:solana",
    "coingecko:ethereum",
    "coingecko:binancecoin",
    "solana:EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v",
];

/// Every reader of prices: an answer of the llama dialect, a table of candles, a figure.
pub(crate) fn read(body: &[u8]) {
    if let Ok(quotes) = llama::read_coins(body, &COINS.map(str::to_owned)) {
        assert!(quotes.values().all(|quote| !quote.price.per_unit().is_zero()));
    }
    if let Ok(candles) = csv::read_candles(body) {
        assert!(candles.is_sorted_by_key(|candle| candle.opened_at));
        assert!(candles.iter().all(|candle| !candle.close.per_unit().is_zero()));
    }
    if let Some(price) = std::str::from_utf8(body).ok().and_then(decimal::parse_price) {
        let again = decimal::parse_price(&price.to_string());
        assert_eq!(again, Some(price), "a price is written as it is read");
    }
}
