//! Prices from tables and from the node's price API.

use std::collections::BTreeSet;
use std::sync::Arc;

use chain_client::{
    CallCounter, CsvPrices, LlamaPrices, PriceAsk, PriceSource, PriceSources, RawQuote, SourceError,
};
use load_tests::{FaultKind, Faults, RecordedChain, RecordedNode};
use pnl_core::{AssetId, Chain};

use crate::support::{demo_folder, demo_node, hasty, metrics, node};

const HOUR: i64 = 3600;
/// An hour inside the demo's price table.
const T: i64 = 1_704_200_400;

fn llama(node: &RecordedNode, requests_per_second: f64) -> LlamaPrices {
    let url = node.llama_url();
    LlamaPrices::new(&url, requests_per_second, BTreeSet::new(), hasty(), &metrics()).unwrap()
}

fn ask(at: i64) -> PriceAsk {
    PriceAsk { chain: Chain::Solana, asset: AssetId::native(), at }
}

fn token(id: &str) -> PriceAsk {
    PriceAsk { asset: AssetId::new(id), ..ask(T) }
}

/// A table with a hole of more than six hours between two candles, as exchanges have had them.
fn folder_with_a_hole() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let table = format!(
        "unix_seconds,open,high,low,close\n{T},1,1,1,10.5\n{},1,1,1,0.00012345678901234567890\n",
        T + 8 * HOUR
    );
    std::fs::write(folder.path().join("sol_usd.csv"), &table).unwrap();
    std::fs::write(folder.path().join("eth_usd.csv"), &table).unwrap();
    folder
}

#[tokio::test]
async fn table_and_api_give_the_same_prices_digit_by_digit() {
    let node = demo_node().await;
    let (csv, llama) = (CsvPrices::open(&demo_folder().join("prices")).unwrap(), llama(&node, 1e4));
    // Every 25 minutes from before the table begins until more than six hours after it ended.
    let asks: Vec<PriceAsk> = (0..180).map(|n| ask(1_704_060_000 + n * 25 * 60)).collect();
    let table = csv.quotes(&asks).await.unwrap();
    assert!(table.first().unwrap().is_none() && table.last().unwrap().is_none());
    assert!(table.iter().flatten().count() > 140);
    assert_eq!(llama.quotes(&asks).await.unwrap(), table);
    // One call per hour, although there are more asks.
    let hours: BTreeSet<i64> = asks.iter().map(|ask| ask.at / HOUR).collect();
    assert_eq!(node.stats().calls_of("prices"), hours.len() as u64);
}

#[tokio::test]
async fn a_price_is_unknown_inside_a_long_hole_and_never_taken_from_the_future() {
    let folder = folder_with_a_hole();
    let chain = RecordedChain::default().with_prices(folder.path()).unwrap();
    let node = node(chain).await;
    let csv = CsvPrices::open(folder.path()).unwrap();
    let first = Some(RawQuote { price: "10.5".parse().unwrap(), price_time: T });
    let second = Some(RawQuote {
        price: "0.0001234567890123456789".parse().unwrap(),
        price_time: T + 8 * HOUR,
    });
    let times = [T - 1, T, T + 6 * HOUR, T + 6 * HOUR + 1, T + 8 * HOUR - 1, T + 8 * HOUR];
    let asks = times.map(ask);
    let expected = [None, first.clone(), first, None, None, second];
    assert_eq!(csv.quotes(&asks).await.unwrap(), expected);
    assert_eq!(llama(&node, 1e4).quotes(&asks).await.unwrap(), expected);
}

#[tokio::test]
async fn several_coins_at_one_time_are_one_call_and_tokens_are_none() {
    let folder = folder_with_a_hole();
    let node = node(RecordedChain::default().with_prices(folder.path()).unwrap()).await;
    let source = llama(&node, 1e4);
    let ether = PriceAsk { chain: Chain::Base, ..ask(T) };
    let asks = [ask(T), ether.clone(), token("mint"), ask(T), ask(T + 59), ether];
    let counter = CallCounter::new();
    let quotes = counter.scope(source.quotes(&asks)).await.unwrap();
    let known: Vec<bool> = quotes.iter().map(Option::is_some).collect();
    assert_eq!(known, [true, true, false, true, true, true]);
    assert_eq!(counter.by_method()["prices/historical"], 1);
    assert_eq!(source.quotes(&[token("mint")]).await.unwrap(), [None]);
    assert_eq!(source.quotes(&[]).await.unwrap(), []);
    assert_eq!(node.stats().requests["/llama"], 1);
}

#[tokio::test]
async fn a_listed_token_is_asked_for_by_its_mint() {
    let node = demo_node().await;
    let wrapped = "So11111111111111111111111111111111111111112";
    let listed = BTreeSet::from([AssetId::new(wrapped)]);
    let source = LlamaPrices::new(&node.llama_url(), 1e4, listed, hasty(), &metrics()).unwrap();
    let quotes = source.quotes(&[token(wrapped), ask(T)]).await.unwrap();
    assert!(quotes[0].is_some());
    assert_eq!(quotes[0], quotes[1]);
}

#[tokio::test]
async fn a_source_that_fails_is_an_error_and_not_an_unknown_price() {
    let node = demo_node().await;
    let source = llama(&node, 1e4);
    // Down, somewhere else, or not for us: no reason to end a wallet.
    for kind in [
        FaultKind::Http500,
        FaultKind::Http400,
        FaultKind::Http401,
        FaultKind::Http403,
        FaultKind::Http404,
    ] {
        node.set_faults(Faults::always(kind));
        let error = source.quotes(&[ask(T)]).await.unwrap_err();
        assert!(matches!(error, SourceError::Outage { .. }), "{kind:?}: {error}");
    }
    node.set_faults(Faults::always(FaultKind::Garbage));
    assert!(matches!(source.quotes(&[ask(T)]).await, Err(SourceError::Transient { .. })));
    node.set_faults(Faults::first(2, FaultKind::Truncated));
    assert!(source.quotes(&[ask(T)]).await.unwrap()[0].is_some());
}

#[tokio::test]
async fn the_price_budget_holds_under_many_asks() {
    let node = demo_node().await;
    node.set_faults(Faults { latency_ms: Some((0, 60)), ..Faults::default() });
    let asks: Vec<PriceAsk> = (0..18).map(|n| ask(T - n * HOUR)).collect();
    let quotes = llama(&node, 6.0).quotes(&asks).await.unwrap();
    assert!(quotes.iter().all(Option::is_some));
    assert!(node.stats().max_rps["/llama"] <= 6, "{:?}", node.stats());
}

#[tokio::test]
async fn the_first_source_that_knows_a_price_gives_it() {
    let folder = folder_with_a_hole();
    let node = demo_node().await;
    let csv = Arc::new(CsvPrices::open(folder.path()).unwrap());
    let api = Arc::new(llama(&node, 1e4));
    let sources = PriceSources::new(vec![csv, api]);
    let asks = [ask(T), ask(T + 7 * HOUR), ask(0)];
    let quotes = sources.quotes(&asks).await.unwrap();
    let said: Vec<Option<&str>> =
        quotes.iter().map(|quote| quote.as_ref().map(|quote| quote.source.as_str())).collect();
    assert_eq!(said, [Some("csv"), Some("llama"), None]);
    // When a source cannot be asked, the answer is not somebody else's.
    node.set_faults(Faults::always(FaultKind::Http500));
    assert!(sources.quotes(&asks).await.is_err());
    assert!(sources.quotes(&asks[..1]).await.is_ok());
}
