//! Whole histories of recorded wallets.

use std::collections::BTreeMap;

use load_tests::RecordedChain;
use serde_json::Value;

use crate::support::{World, csv_prices, fixtures, result};

/// Six wallets whose every movement and final balance is known from the runtime that made them.
#[tokio::test(flavor = "multi_thread")]
async fn every_wallet_of_a_known_chain_adds_up_to_its_final_balances() {
    let Some(fixtures) = fixtures() else { return };
    let folder = fixtures.join("solana/devnet_seed7");
    let manifest: Value =
        serde_json::from_slice(&std::fs::read(folder.join("manifest.json")).unwrap()).unwrap();
    let wallets: Vec<String> = serde_json::from_value(manifest["wallets"].clone()).unwrap();
    let chain = RecordedChain::from_folder(&folder).unwrap();
    let world = World::with_prices(chain, csv_prices(&fixtures.join("prices"))).await;

    let rows = world.run(&wallets).await;

    assert_eq!(rows.len(), wallets.len());
    for (row, wallet) in rows.iter().zip(&wallets) {
        adds_up(&result(row), &manifest["final_balances"][wallet], wallet);
    }
    asked_no_more_than_needed(&world, &manifest).await;

    // Once more: everything is stored, only pin and balances are read again.
    world.node.reset();
    let again = world.run(&wallets).await;
    for (row, again) in rows.iter().zip(&again) {
        assert_eq!(row.report_json, again.report_json, "{}", row.wallet);
    }
    let stats = world.node.stats();
    assert_eq!(stats.calls_of("getTransaction"), 0);
    assert_eq!(stats.calls_of("getSignaturesForAddress"), 0, "covered up to the same slot");
}

/// The movements sum to the balances that the runtime read from its accounts.
fn adds_up(result: &Value, known: &Value, wallet: &str) {
    let tokens = result["tokens"].as_array().unwrap().iter();
    let moved: BTreeMap<&str, &str> = tokens
        .map(|token| (token["asset"].as_str().unwrap(), token["raw"].as_str().unwrap()))
        .filter(|(_, raw)| *raw != "0")
        .collect();
    let known_tokens = known["tokens"].as_object().unwrap().iter();
    let mut balances: BTreeMap<&str, &str> = known_tokens
        .map(|(asset, raw)| (asset.as_str(), raw.as_str().unwrap()))
        .filter(|(_, raw)| *raw != "0")
        .collect();
    balances.insert("native", known["native"].as_str().unwrap());
    assert_eq!(moved, balances, "{wallet}");
    assert_eq!(result["unexplained_raw"], serde_json::json!([]), "{wallet}");
    assert_eq!(result["coverage"]["complete"], true, "{wallet}: {}", result["coverage"]);
    assert_eq!(result["coverage"]["sources"], serde_json::json!(["solana-rpc"]));
}

/// Every transaction once, every list once and one page each (they are short), and a handful beside.
async fn asked_no_more_than_needed(world: &World, manifest: &Value) {
    let wallets = manifest["wallets"].as_array().unwrap().len() as u64;
    let stats = world.node.stats();
    let stored = world.database.number("select count(*) from raw_transactions").await;
    assert_eq!(stats.calls_of("getTransaction"), u64::try_from(stored).unwrap());
    let touched = manifest["transactions"].as_array().unwrap();
    let touched = touched.iter().filter(|tx| !tx["wallets"].as_object().unwrap().is_empty());
    assert!(stored >= i64::try_from(touched.count()).unwrap());
    let lists = world.database.number("select count(*) from address_scans").await;
    assert_eq!(stats.calls_of("getSignaturesForAddress"), u64::try_from(lists).unwrap());
    assert_eq!(stats.calls_of("getBalance"), wallets);
    assert_eq!(stats.calls_of("getTokenAccountsByOwner"), 2 * wallets);
    assert_eq!(stats.calls_of("getSlot"), 1);
}
