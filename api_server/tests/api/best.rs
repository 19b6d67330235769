//! Leaderboard, comparison and transactions.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{TestApp, UNUSED, demo_wallets};

#[tokio::test]
async fn the_leaderboard_is_the_head_of_the_list_by_a_figure() {
    let app = TestApp::with_worker().await;
    app.completed(&demo_wallets()).await;
    for by in ["total_pnl_usd", "realized_gain_usd", "fees_usd", "trades"] {
        let list = app.get(&format!("/api/pnl/results?sort=-{by}&limit=3")).await.json();
        let top = app.get(&format!("/api/leaderboard?by={by}&limit=3&chain=sol")).await.json();
        assert_eq!((&top["by"], &top["chain"]), (&json!(by), &json!("solana")));
        let mut rows = top["data"].as_array().unwrap().clone();
        for (place, row) in rows.iter_mut().enumerate() {
            assert_eq!(row.as_object_mut().unwrap().remove("rank"), Some(json!(place + 1)));
        }
        assert_eq!(Value::Array(rows), list["data"], "{by}");
    }
    let default = app.get("/api/leaderboard").await;
    assert_eq!(default.json()["by"], "total_pnl_usd");
    assert_eq!(default.json()["chain"], Value::Null);
    assert!(default.header("cache-control").contains("max-age=60"), "{:?}", default.headers);
    let none = app.get("/api/leaderboard?min_trades=1000000").await.json();
    assert_eq!(none["data"], json!([]));
}

#[tokio::test]
async fn wallets_are_compared_in_the_order_of_the_question_and_unknown_ones_named() {
    let app = TestApp::with_worker().await;
    let mut wallets = demo_wallets();
    wallets.truncate(3);
    app.completed(&wallets).await;
    let list = app.get("/api/pnl/results?limit=1000").await.json();
    let of = |wallet: &str| {
        let mut rows = list["data"].as_array().unwrap().iter();
        rows.find(|row| row["wallet"] == wallet).unwrap().clone()
    };
    let asked = [&wallets[2], UNUSED, &wallets[0]].join(",");
    let answer = app.get(&format!("/api/compare?chain=sol&wallets={asked}")).await.json();
    assert_eq!(answer["chain"], "solana");
    assert_eq!(answer["data"], json!([of(&wallets[2]), of(&wallets[0])]));
    assert_eq!(answer["unknown"], json!([UNUSED]));
}

#[tokio::test]
async fn transactions_are_the_events_of_the_ledger_added_up() {
    let app = TestApp::with_worker().await;
    let wallets = demo_wallets();
    app.completed(&wallets).await;
    for wallet in &wallets {
        let ledger =
            app.get(&format!("/api/v2/wallets/{wallet}/ledger?chain=sol&limit=1000")).await.json();
        // Per transaction and side: what its legs sum to.
        let mut sums: BTreeMap<(String, &str, String), i128> = BTreeMap::new();
        let mut ids = Vec::new();
        for event in ledger["data"].as_array().unwrap() {
            let id = event["tx_id"].as_str().unwrap();
            if ids.last() != Some(&id) {
                ids.push(id);
            }
            for leg in event["legs"].as_array().unwrap() {
                let part = match leg["side"].as_str().unwrap() {
                    "in" | "out" => "net",
                    "fee" => "fees",
                    other => other,
                };
                let raw: i128 = leg["raw"].as_str().unwrap().parse().unwrap();
                let asset = leg["asset"].as_str().unwrap().to_owned();
                *sums.entry((id.to_owned(), part, asset)).or_default() += raw;
            }
        }
        sums.retain(|_, raw| *raw != 0);

        let path = format!("/api/v2/wallets/{wallet}/transactions?chain=sol");
        let whole = app.get(&format!("{path}&limit=1000")).await.json();
        assert_eq!(whole["pinned"], ledger["pinned"]);
        let rows = whole["data"].as_array().unwrap();
        assert_eq!(rows.iter().map(|row| row["tx_id"].as_str().unwrap()).collect::<Vec<_>>(), ids);
        let mut found = BTreeMap::new();
        for row in rows {
            for part in ["net", "fees", "rent"] {
                for moved in row[part].as_array().unwrap() {
                    let raw: i128 = moved["raw"].as_str().unwrap().parse().unwrap();
                    let asset = moved["asset"].as_str().unwrap().to_owned();
                    found.insert((row["tx_id"].as_str().unwrap().to_owned(), part, asset), raw);
                }
            }
        }
        assert_eq!(found, sums);
        let events: usize = rows.iter().map(|row| row["events"].as_array().unwrap().len()).sum();
        assert_eq!(events, ledger["data"].as_array().unwrap().len());

        // Pages of any size give the same rows.
        let (mut paged, mut next) = (Vec::new(), format!("{path}&limit=2"));
        loop {
            let page = app.get(&next).await.json();
            paged.extend(page["data"].as_array().unwrap().clone());
            match page["next_cursor"].as_str() {
                Some(cursor) => next = format!("{path}&limit=2&cursor={cursor}"),
                None => break,
            }
        }
        assert_eq!(&paged, rows);
    }
    app.get(&format!("/api/v2/wallets/{UNUSED}/transactions?chain=sol"))
        .await
        .problem(404, "unknown-wallet");
}
