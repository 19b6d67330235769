//! Refusals that depend on the configuration or on several answers. The table of single requests
//! stands with the tests of the program.

use serde_json::json;

use crate::support::{Plan, TestApp, UNUSED};

#[tokio::test]
async fn all_bad_addresses_are_counted_and_the_first_hundred_are_listed() {
    let app = TestApp::without_worker().await;
    let wallets: Vec<_> = (0..250).map(|n| format!("wallet{n}")).collect();
    let reply = app.submit(&json!({"wallet_addresses": wallets, "chain": "solana"})).await;
    let problem = reply.problem(422, "validation-failed");
    assert_eq!(problem["errors"].as_array().unwrap().len(), 100);
    assert_eq!(problem["errors"][99]["pointer"], "/wallet_addresses/99");
    assert_eq!(problem["errors"][99]["code"], "bad-address");
    assert_eq!(problem["errors_total"], 250);
    assert!(problem["detail"].as_str().unwrap().contains("250"), "{problem}");
}

#[tokio::test]
async fn more_wallets_than_the_limit_are_too_many_even_when_they_repeat() {
    let app = TestApp::start(Plan {
        adjust: |settings| settings.api.max_wallets = 10,
        ..Plan::default()
    })
    .await;
    let list = |count: usize| json!({"wallet_addresses": vec![UNUSED; count], "chain": "solana"});
    app.submit(&list(11)).await.problem(413, "too-many-wallets");
    assert!(app.jobs().await.is_empty());
    let reply = app.submit(&list(10)).await;
    assert_eq!(reply.status, 202, "{}", reply.text);
    assert_eq!(reply.json()["duplicates_removed"], 9);
    assert_eq!(reply.json()["total_wallets"], 1);
}

#[tokio::test]
async fn a_cursor_of_another_list_is_refused() {
    let app = TestApp::without_worker().await;
    let wallets = app.node.chain().synthetic_wallets();
    let first = app.accepted(&wallets).await;
    let second = app.accepted(&wallets).await;
    let page = app.get(&format!("/api/pnl/batch/results/{first}?limit=1")).await.json();
    let cursor = page["next_cursor"].as_str().unwrap();
    let path = format!("/api/pnl/batch/results/{second}?cursor={cursor}");
    app.get(&path).await.problem(400, "bad-cursor");
    let path = format!("/api/pnl/batch?cursor={cursor}");
    app.get(&path).await.problem(400, "bad-cursor");
    let path = format!("/api/pnl/batch/results/{first}?cursor={cursor}");
    assert_eq!(app.get(&path).await.status, 200);
}
