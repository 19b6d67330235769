//! The same on recorded mainnet data, which is not part of this repository: the folder is named by
//! TEST_FIXTURES_DIR.

use std::path::PathBuf;

use chain_client::evm::{EvmSource, Wanted};
use chain_client::{
    ChainSource, CsvPrices, EvmConfig, EvmPool, PriceAsk, PriceSource, ProviderConfig,
    ProviderKind, TransactionSource,
};
use load_tests::{EvmChain, RecordedChain};
use pnl_core::{AssetId, Chain, TxId};

use crate::support::{hasty, metrics, node, pool};

/// The folder, or `None` with a loud line; on CI its absence is a failure.
fn fixtures() -> Option<PathBuf> {
    let folder = std::env::var_os("TEST_FIXTURES_DIR").map(PathBuf::from);
    if folder.is_none() {
        assert!(std::env::var_os("CI").is_none(), "TEST_FIXTURES_DIR must be set on CI");
        eprintln!("SKIPPED: TEST_FIXTURES_DIR is not set");
    }
    folder
}

#[tokio::test]
async fn every_recorded_mainnet_transaction_of_every_year_is_read() {
    let Some(fixtures) = fixtures() else { return };
    let folder = fixtures.join("solana");
    let node = node(RecordedChain::from_folder(&folder).unwrap()).await;
    let pool = pool(&[&node], hasty());
    let mut count = 0;
    for entry in std::fs::read_dir(folder.join("transactions")).unwrap() {
        let path = entry.unwrap().path();
        let id = TxId::new(path.file_stem().unwrap().to_str().unwrap());
        let raw = pool.transaction(&id).await.unwrap();
        assert_eq!(raw.tx_id, id);
        assert!(raw.block > 0 && !raw.json.is_empty());
        count += 1;
    }
    assert!(count > 800, "{count}");
    pool.pin().await.unwrap();
}

#[tokio::test]
async fn every_recorded_evm_transaction_is_read_with_its_receipt_and_transfers() {
    let Some(fixtures) = fixtures() else { return };
    for (chain, id) in [(Chain::Ethereum, 1), (Chain::Base, 8453), (Chain::BinanceSmartChain, 56)] {
        let folder = fixtures.join("evm").join(chain.as_str());
        let recorded = EvmChain::from_folder(id, &folder).unwrap();
        let wanted: Vec<Wanted> = recorded
            .hashes()
            .iter()
            .map(|hash| Wanted { tx_id: TxId::new(hash), block: 0, traced: true })
            .collect();
        let node = node(RecordedChain::default().with_evm(chain.as_str(), recorded)).await;
        let provider = ProviderConfig {
            name: "a".to_owned(),
            kind: ProviderKind::EvmRpc,
            url: node.evm_url(chain.as_str()),
            requests_per_second: 100_000.0,
        };
        let pool =
            EvmPool::new(chain, &[provider], EvmConfig::default(), &hasty(), &metrics()).unwrap();
        let read = pool.transactions(&wanted).await.unwrap();
        assert_eq!(read.len(), wanted.len());
        for (raw, wanted) in read.iter().zip(&wanted) {
            assert_eq!(raw.tx_id, wanted.tx_id);
            let json: serde_json::Value = serde_json::from_slice(&raw.json).unwrap();
            assert_eq!(json["receipt"]["transactionHash"], raw.tx_id.as_str());
        }
    }
}

#[tokio::test]
async fn recorded_price_tables_are_read_and_their_holes_are_bridged() {
    let Some(fixtures) = fixtures() else { return };
    let prices = CsvPrices::open(&fixtures.join("prices")).unwrap();
    let quote = async |chain, at| {
        let ask = PriceAsk { chain, asset: AssetId::native(), at };
        prices.quotes(&[ask]).await.unwrap().remove(0)
    };
    // 2021-08-13: no candles from 02:00 to 05:59 UTC.
    let one_o_clock = 1_628_816_400;
    for chain in Chain::ALL {
        let inside = quote(chain, one_o_clock + 4 * 3600 + 1800).await.unwrap();
        assert_eq!(inside.price_time, one_o_clock, "{chain}");
    }
    // The first row of the SOL table: opened 2020-08-11 06:00, close 2.9515.
    let first = quote(Chain::Solana, 1_597_125_600).await.unwrap();
    assert_eq!(first.price.to_string(), "2.9515");
    assert!(quote(Chain::Solana, 1_597_125_599).await.is_none());
    // The SOL table ends with the candle of 2026-03-04 00:00.
    assert!(quote(Chain::Solana, 1_772_582_400 + 6 * 3600).await.is_some());
    assert!(quote(Chain::Solana, 1_772_582_400 + 6 * 3600 + 1).await.is_none());
}
