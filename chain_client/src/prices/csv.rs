//! Prices from tables on disk: `<sol|eth|bnb>_usd.csv` with a row per candle.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use async_trait::async_trait;
use pnl_core::{Chain, UsdPrice};

use super::{PriceAsk, PriceKey, PriceSource, RawQuote};
use crate::error::{SetupError, SourceError};

/// Columns that must be there; others (open, high, low) are not read.
const TIME_COLUMN: &str = "unix_seconds";
const CLOSE_COLUMN: &str = "close";

/// Hourly prices of the native coins, read once.
///
/// The price at a time is the close of the last candle that opened at or before it; it is unknown
/// when that candle opened more than six hours before. Closes are taken digit by digit.
#[derive(Debug)]
pub struct CsvPrices {
    tables: BTreeMap<&'static str, Vec<Candle>>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Candle {
    pub(super) opened_at: i64,
    pub(super) close: UsdPrice,
}

impl CsvPrices {
    /// Reads every table in `folder`. A coin without a table has no prices. Blocks while it reads.
    ///
    /// # Errors
    /// [`SetupError::PriceTable`] when there is no table at all, or when one has no such columns,
    /// is out of order, or has a close that is no price.
    pub fn open(folder: &Path) -> Result<Self, SetupError> {
        let mut tables = BTreeMap::new();
        for symbol in Chain::ALL.map(Chain::native_symbol) {
            let path = folder.join(format!("{symbol}_usd.csv"));
            if path.exists() && !tables.contains_key(symbol) {
                let candles = read_table(&path).map_err(|detail| SetupError::PriceTable {
                    file: path.display().to_string(),
                    detail,
                })?;
                tables.insert(symbol, candles);
            }
        }
        if tables.is_empty() {
            return Err(SetupError::PriceTable {
                file: folder.display().to_string(),
                detail: "none of sol_usd.csv, eth_usd.csv, bnb_usd.csv is there".to_owned(),
            });
        }
        Ok(Self { tables })
    }

    fn at(&self, symbol: &str, at: i64) -> Option<RawQuote> {
        let candles = self.tables.get(symbol)?;
        let opened = candles.partition_point(|candle| candle.opened_at <= at);
        let candle = candles.get(opened.checked_sub(1)?)?;
        let quote = RawQuote { price: candle.close, price_time: candle.opened_at };
        quote.covers(at).then_some(quote)
    }
}

fn read_table(path: &Path) -> Result<Vec<Candle>, String> {
    read_candles(File::open(path).map_err(|error| error.to_string())?)
}

pub(super) fn read_candles(table: impl Read) -> Result<Vec<Candle>, String> {
    let mut reader = csv::Reader::from_reader(table);
    let headers = reader.headers().map_err(|error| error.to_string())?;
    let column = |name: &str| {
        headers.iter().position(|h| h == name).ok_or_else(|| format!("no column {name:?}"))
    };
    let (time, close) = (column(TIME_COLUMN)?, column(CLOSE_COLUMN)?);
    let mut candles: Vec<Candle> = Vec::new();
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(|error| error.to_string())? {
        let line = record.position().map_or(0, csv::Position::line);
        let field = |i: usize| record.get(i).unwrap_or_default().trim();
        let opened_at: i64 = field(time)
            .parse()
            .map_err(|_| format!("line {line}: {TIME_COLUMN} is no whole number"))?;
        let close: UsdPrice = field(close)
            .parse()
            .map_err(|error| format!("line {line}: {CLOSE_COLUMN}: {error}"))?;
        if close.per_unit().is_zero() {
            return Err(format!("line {line}: {CLOSE_COLUMN} is zero, which is no price"));
        }
        if candles.last().is_some_and(|last| last.opened_at >= opened_at) {
            return Err(format!("line {line}: {TIME_COLUMN} does not ascend"));
        }
        candles.push(Candle { opened_at, close });
    }
    Ok(candles)
}

#[async_trait]
impl PriceSource for CsvPrices {
    fn name(&self) -> &str {
        "csv"
    }

    fn is_remote(&self) -> bool {
        false
    }

    fn key(&self, ask: &PriceAsk) -> Option<PriceKey> {
        let symbol = ask.chain.native_symbol();
        (ask.asset.is_native() && self.tables.contains_key(symbol))
            .then(|| PriceKey { coin: symbol.to_owned(), at: ask.at })
    }

    async fn fetch(&self, keys: &[PriceKey]) -> Result<Vec<Option<RawQuote>>, SourceError> {
        Ok(keys.iter().map(|key| self.at(&key.coin, key.at)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pnl_core::AssetId;

    fn open(table: &str) -> Result<CsvPrices, SetupError> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("sol_usd.csv"), table).unwrap();
        CsvPrices::open(folder.path())
    }

    const HOUR: i64 = 3600;

    #[tokio::test]
    async fn a_price_is_the_close_of_the_last_candle_not_older_than_six_hours() {
        let table = "unix_seconds,open,high,low,close\n3600,1,3,1,2.10\n7200,2,3,1,0.000001\n";
        let prices = open(table).unwrap();
        let ask = |at| PriceAsk { chain: Chain::Solana, asset: AssetId::native(), at };
        let times = [HOUR - 1, HOUR, 2 * HOUR - 1, 2 * HOUR, 8 * HOUR, 8 * HOUR + 1, -1];
        let quotes = prices.quotes(&times.map(ask)).await.unwrap();
        let said: Vec<_> = quotes
            .iter()
            .map(|q| q.as_ref().map(|q| (q.price.to_string(), q.price_time)))
            .collect();
        let first = Some(("2.1".to_owned(), HOUR));
        let second = Some(("0.000001".to_owned(), 2 * HOUR));
        assert_eq!(said, [None, first.clone(), first, second.clone(), second, None, None]);
    }

    #[tokio::test]
    async fn coins_without_a_table_and_tokens_are_unknown() {
        let prices = open("unix_seconds,close\n0,1\n").unwrap();
        let asks = [
            PriceAsk { chain: Chain::Base, asset: AssetId::native(), at: 0 },
            PriceAsk { chain: Chain::Solana, asset: AssetId::new("mint"), at: 0 },
        ];
        assert_eq!(prices.quotes(&asks).await.unwrap(), [None, None]);
    }

    #[test]
    fn a_table_that_cannot_be_trusted_is_refused_with_its_line() {
        for (table, problem) in [
            ("unix_seconds,open\n0,1\n", "no column \"close\""),
            ("unix_seconds,close\n0,1\n0,2\n", "line 3: unix_seconds does not ascend"),
            ("unix_seconds,close\nx,1\n", "line 2: unix_seconds is no whole number"),
            ("unix_seconds,close\n0,1e5\n", "line 2: close: not a valid amount"),
            ("unix_seconds,close\n0,0.0\n", "line 2: close is zero"),
            ("unix_seconds,close\n0\n", "line"),
        ] {
            let error = open(table).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
        assert!(CsvPrices::open(Path::new("/nonexistent")).is_err());
    }
}
