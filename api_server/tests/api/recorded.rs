//! Wallets of real recordings, from submission to a document that another engine can check.

use std::collections::BTreeSet;
use std::path::PathBuf;

use load_tests::RecordedChain;
use serde_json::Value;
use service_runtime::config::{PriceSource, Role};

use crate::support::{Plan, TestApp};

/// Wallets of one job: enough for pages and kinds, few enough for every run.
const WALLETS: usize = 60;

/// The folder of the recordings; a loud line when there is none.
fn fixtures() -> Option<PathBuf> {
    let folder = std::env::var_os("TEST_FIXTURES_DIR").map(PathBuf::from);
    if folder.is_none() {
        assert!(std::env::var_os("CI").is_none(), "TEST_FIXTURES_DIR must be set in CI");
        eprintln!("SKIPPED: TEST_FIXTURES_DIR is not set");
    }
    folder
}

/// Fee payers of the recordings, in the order of their addresses.
fn fee_payers(folder: &std::path::Path) -> Vec<String> {
    let index = std::fs::read(folder.join("index.json")).unwrap();
    let index: Value = serde_json::from_slice(&index).unwrap();
    let rows = index["transactions"].as_object().or(index.as_object()).unwrap();
    let payers: BTreeSet<_> =
        rows.values().filter_map(|row| row["fee_payer"].as_str()).map(str::to_owned).collect();
    payers.into_iter().take(WALLETS).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_wallets_are_answered_and_their_documents_reach_the_same_gain() {
    let Some(fixtures) = fixtures() else { return };
    let solana = fixtures.join("solana");
    let app = TestApp::start(Plan {
        role: Role::All,
        chain: RecordedChain::from_folder(&solana).unwrap(),
        adjust: |settings| {
            let prices =
                PathBuf::from(std::env::var_os("TEST_FIXTURES_DIR").unwrap()).join("prices");
            settings.prices.sources = vec![PriceSource::Csv { path: prices }];
        },
        ..Plan::default()
    })
    .await;
    let wallets = fee_payers(&solana);
    let job = app.completed(&wallets).await;
    let page = app.get(&format!("/api/pnl/batch/results/{job}?limit=1000")).await.json();
    let rows = page["data"].as_array().unwrap();
    assert_eq!(rows.len(), wallets.len());
    for (row, wallet) in rows.iter().zip(&wallets) {
        assert_eq!(row["wallet"], wallet.as_str());
        let result = &row["result"];
        assert!(result["transactions"].as_u64().unwrap() > 0, "{row}");
        let path = format!("/api/v2/wallets/{wallet}/ledger?chain=solana&format=oracle");
        let document = app.get(&path).await;
        assert_eq!(document.status, 200, "{wallet}: {}", document.text);
        let answer = pnl_core::document::answer(&document.text);
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["totals"]["realized_gain"], result["realized_gain_usd"], "{wallet}");
        assert_eq!(answer["totals"]["unrealized_gain"], result["unrealized_gain_usd"], "{wallet}");
    }
}
