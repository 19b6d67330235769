//! Single wallets: result, lots, disposals and ledger from what is stored.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{TestApp, UNUSED, demo_wallets};

#[tokio::test]
async fn an_unknown_wallet_is_told_how_to_be_known() {
    let app = TestApp::without_worker().await;
    for path in [
        format!("/api/v2/wallets/{UNUSED}/pnl?chain=solana"),
        format!("/api/v2/wallets/{UNUSED}/ledger?chain=solana"),
        format!("/api/v2/wallets/{UNUSED}/ledger?chain=solana&format=oracle"),
    ] {
        let problem = app.get(&path).await.problem(404, "unknown-wallet");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("POST /api/pnl/batch/run") && detail.contains(UNUSED), "{detail}");
    }
}

#[tokio::test]
async fn a_wallet_has_the_result_of_its_batch_and_the_records_behind_it() {
    let app = TestApp::with_worker().await;
    let wallets = demo_wallets();
    let job = app.completed(&wallets[..1]).await;
    let row = app.get(&format!("/api/pnl/batch/results/{job}")).await.json()["data"][0].clone();
    let path = format!("/api/v2/wallets/{}/pnl?chain=sol", wallets[0]);
    let plain = app.get(&path).await.json();
    assert_eq!(plain["wallet"], wallets[0].as_str());
    assert_eq!(plain["chain"], "solana");
    assert!(plain.get("lots").is_none() && plain.get("disposals").is_none());
    for (name, value) in row["result"].as_object().unwrap() {
        assert_eq!(&plain[name], value, "{name}");
    }
    let full = app.get(&format!("{path}&include=lots,disposals")).await.json();
    assert!(!full["lots"].as_array().unwrap().is_empty(), "{full}");
    let gains = full["disposals"].as_array().unwrap();
    assert!(!gains.is_empty(), "{full}");
}

/// The sum of an asset's legs over all rows, as text.
fn sums(rows: &[Value]) -> BTreeMap<String, String> {
    let mut sums: BTreeMap<String, i128> = BTreeMap::new();
    for leg in rows.iter().flat_map(|row| row["legs"].as_array().unwrap()) {
        let raw: i128 = leg["raw"].as_str().unwrap().parse().unwrap();
        *sums.entry(leg["asset"].as_str().unwrap().to_owned()).or_default() += raw;
    }
    sums.into_iter().map(|(asset, sum)| (asset, sum.to_string())).collect()
}

#[tokio::test]
async fn the_ledger_pages_and_its_legs_sum_to_the_change_of_the_wallet() {
    let app = TestApp::with_worker().await;
    let wallets = demo_wallets();
    let job = app.completed(&wallets).await;
    let page = app.get(&format!("/api/pnl/batch/results/{job}")).await.json();
    for (wallet, row) in wallets.iter().zip(page["data"].as_array().unwrap()) {
        let result = &row["result"];
        let path = format!("/api/v2/wallets/{wallet}/ledger?chain=solana");
        let mut rows: Vec<Value> = Vec::new();
        let mut next = format!("{path}&limit=7");
        loop {
            let page = app.get(&next).await.json();
            assert_eq!(page["wallet"], wallet.as_str());
            assert_eq!(page["pinned"], result["pinned"]);
            assert_eq!(page["coverage"]["complete"], true, "{page}");
            rows.extend(page["data"].as_array().unwrap().iter().cloned());
            match page["next_cursor"].as_str() {
                Some(cursor) => next = format!("{path}&limit=7&cursor={cursor}"),
                None => break,
            }
        }
        let whole = app.get(&format!("{path}&limit=1000")).await.json();
        assert_eq!(whole["data"].as_array().unwrap(), &rows);
        for row in &rows {
            for member in
                ["event", "tx_id", "block", "block_time", "order", "kind", "legs", "excluded"]
            {
                assert!(!row[member].is_null(), "{member} in {row}");
            }
            for leg in row["legs"].as_array().unwrap() {
                for member in
                    ["side", "asset", "raw", "decimals", "value_usd", "price_source", "price_time"]
                {
                    assert!(leg.get(member).is_some(), "{member} in {leg}");
                }
            }
        }
        let tokens = result["tokens"].as_array().unwrap();
        let shown = tokens.iter().map(|token| {
            let text = |name: &str| token[name].as_str().unwrap().to_owned();
            (text("asset"), text("raw"))
        });
        assert_eq!(sums(&rows), shown.collect(), "{wallet}");

        let document = app.get(&format!("{path}&format=oracle")).await;
        assert_eq!(document.status, 200, "{}", document.text);
        let answer = pnl_core::document::answer(&document.text);
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert!(answer.get("error").is_none(), "{answer}");
        assert_eq!(answer["totals"]["realized_gain"], result["realized_gain_usd"], "{wallet}");
        let document = document.json();
        assert_eq!(document["method"], "fifo");
        assert_eq!(document["wallet"], wallet.as_str());
        assert_eq!(document["excluded"], Value::Array(Vec::new()));
    }
}

#[tokio::test]
async fn a_cut_history_never_stands_for_the_wallet() {
    let app = TestApp::with_worker().await;
    let wallet = &app.node.chain().synthetic_wallets()[0];
    let body = serde_json::json!({
        "wallet_addresses": [wallet], "chain": "solana", "max_transactions": 5,
    });
    let job = app.submit(&body).await.json()["job_id"].as_str().unwrap().to_owned();
    app.ended(&job).await;
    let row = app.get(&format!("/api/pnl/batch/results/{job}")).await.json()["data"][0].clone();
    assert_eq!(row["result"]["transactions"], 5, "{row}");
    assert_eq!(row["result"]["coverage"]["complete"], false, "{row}");
    assert!(row["result"]["coverage"]["truncated"]["reason"].is_string(), "{row}");
    let path = format!("/api/v2/wallets/{wallet}/pnl?chain=solana");
    app.get(&path).await.problem(404, "unknown-wallet");
}
