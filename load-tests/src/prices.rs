//! Recorded prices in the dialect of DefiLlama.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use anyhow::Context;
use serde::Serialize;
use serde_json::value::RawValue;

/// A price is given for up to six hours after its candle opened.
const LONGEST_SECONDS: i64 = 6 * 3600;

/// The ids under which the coins are asked for.
const COINS: [(&str, &[&str]); 3] = [
    ("sol", &["coingecko:solana", "solana:So11111111111111111111111111111111111111112"]),
    (
        "eth",
        &[
            "coingecko:ethereum",
            "ethereum:0x0000000000000000000000000000000000000000",
            "ethereum:0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2",
            "base:0x0000000000000000000000000000000000000000",
            "base:0x4200000000000000000000000000000000000006",
        ],
    ),
    (
        "bnb",
        &[
            "coingecko:binancecoin",
            "bsc:0x0000000000000000000000000000000000000000",
            "bsc:0xbb4cdb9cbd36b01bd1cbaebf2de08d9173bc095c",
        ],
    ),
];

/// Price tables `unix_seconds,open,high,low,close`. A close is served digit by digit.
#[derive(Debug, Default)]
pub struct PriceTables {
    series: HashMap<&'static str, Vec<(i64, Box<RawValue>)>>,
}

impl PriceTables {
    /// Reads the tables that are in `folder`.
    ///
    /// # Errors
    /// When none is there, or when one is not in the form above.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let mut series = HashMap::new();
        for (symbol, _) in COINS {
            let path = folder.join(format!("{symbol}_usd.csv"));
            if path.exists() {
                let text = std::fs::read_to_string(&path)?;
                let rows = text
                    .lines()
                    .skip(1)
                    .map(read_row)
                    .collect::<anyhow::Result<Vec<_>>>()
                    .with_context(|| format!("in {}", path.display()))?;
                series.insert(symbol, rows);
            }
        }
        anyhow::ensure!(!series.is_empty(), "no price table in {}", folder.display());
        Ok(Self { series })
    }

    /// The answer for `coins` (comma-separated ids) at `at`, or at the end of each table. Coins
    /// without a price are absent.
    pub(crate) fn answer(&self, coins: &str, at: Option<i64>) -> String {
        #[derive(Serialize)]
        struct Answer<'a> {
            coins: BTreeMap<&'a str, Box<RawValue>>,
        }
        let mut found = BTreeMap::new();
        for coin in coins.split(',') {
            if let Some(price) = self.at(coin, at) {
                found.insert(coin, price);
            }
        }
        serde_json::to_string(&Answer { coins: found }).expect("texts and JSON are valid JSON")
    }

    fn at(&self, coin: &str, at: Option<i64>) -> Option<Box<RawValue>> {
        let named = |ids: &[&str]| ids.iter().any(|id| id.eq_ignore_ascii_case(coin));
        let (symbol, _) = COINS.iter().find(|(_, ids)| named(ids))?;
        let rows = self.series.get(symbol)?;
        let at = at.or_else(|| rows.last().map(|(opened, _)| *opened))?;
        let next = rows.partition_point(|(opened, _)| *opened <= at);
        let (opened, close) = rows.get(next.checked_sub(1)?)?;
        if at - opened > LONGEST_SECONDS {
            return None;
        }
        let symbol = symbol.to_uppercase();
        let text = format!(
            r#"{{"symbol":"{symbol}","price":{close},"timestamp":{opened},"confidence":0.99}}"#
        );
        RawValue::from_string(text).ok()
    }
}

fn read_row(line: &str) -> anyhow::Result<(i64, Box<RawValue>)> {
    let fields: Vec<&str> = line.trim().split(',').collect();
    let [opened, _, _, _, close] = fields[..] else {
        anyhow::bail!("{line:?} is no row of five columns");
    };
    let close = RawValue::from_string(close.to_owned()).context("the close is no number")?;
    Ok((opened.parse()?, close))
}
