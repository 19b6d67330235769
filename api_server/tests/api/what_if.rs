//! All methods side by side, over HTTP.

use pnl_core::Usd;
use serde_json::Value;

use crate::support::{TestApp, UNUSED, demo_wallets};

const METHODS: [&str; 4] = ["fifo", "lifo", "hifo", "average"];

fn usd(value: &Value) -> Usd {
    value.as_str().unwrap_or_else(|| panic!("{value} is no figure")).parse().unwrap()
}

fn sum(figures: impl Iterator<Item = Usd>) -> Usd {
    figures.fold(Usd::ZERO, |a, b| a.checked_add(b).unwrap())
}

#[tokio::test]
async fn every_method_has_the_figures_of_its_own_result_and_differences_add_up() {
    let app = TestApp::with_worker().await;
    let mut wallets = demo_wallets();
    wallets.extend(app.node.chain().synthetic_wallets());
    app.completed(&wallets).await;
    let mut differing = 0;
    for wallet in &wallets {
        let base = format!("/api/v2/wallets/{wallet}");
        let compared = app.get(&format!("{base}/what-if?chain=sol")).await.json();
        let rows = compared["methods"].as_array().unwrap();
        assert_eq!(rows.len(), METHODS.len());
        for (row, method) in rows.iter().zip(METHODS) {
            let own = app.get(&format!("{base}/pnl?chain=sol&method={method}")).await.json();
            assert_eq!(row["method"], method);
            assert_eq!(compared["pinned"], own["pinned"]);
            for name in
                ["realized_gain_usd", "net_realized_usd", "unrealized_gain_usd", "total_pnl_usd"]
            {
                assert_eq!(row[name], own[name], "{wallet} {method} {name}");
            }
            let parts = usd(&row["remaining_difference_usd"])
                .checked_add(usd(&row["other_difference_usd"]))
                .unwrap();
            assert_eq!(parts, usd(&row["gain_difference_usd"]), "{row}");
        }
        let tokens = compared["tokens"].as_array().unwrap();
        differing += tokens.len();
        assert_eq!(compared["differing_tokens"], tokens.len(), "{compared}");
        for (n, row) in rows.iter().enumerate() {
            let of_tokens = tokens.iter().map(|token| &token["by_method"][n]);
            let of_tokens = sum(of_tokens.map(|row| usd(&row["gain_difference_usd"])));
            let others = usd(&compared["other_tokens"][n]["gain_difference_usd"]);
            let all = of_tokens.checked_add(others).unwrap();
            assert_eq!(all, usd(&row["gain_difference_usd"]), "{compared}");
        }
    }
    assert!(differing > 0, "a token whose gain depends on the method");
}

#[tokio::test]
async fn a_ledger_of_an_older_program_gives_the_same_answer() {
    let app = TestApp::with_worker().await;
    let wallets = demo_wallets();
    app.completed(&wallets).await;
    let ask = async || {
        let mut answers = Vec::new();
        for wallet in &wallets {
            let path = format!("/api/v2/wallets/{wallet}/what-if?chain=sol");
            answers.push(app.get(&path).await.json());
        }
        answers
    };
    let with_figures = ask().await;
    // Figures of a version that nobody knows: one byte 9, as zstd packs it.
    let change = r"update ledger_chunks set figures = '\x28b52ffd2001090000' || '\x09'::bytea";
    assert!(app.database.execute(change).await > 0);
    assert_eq!(ask().await, with_figures);
    let forget = "update ledger_chunks set figures = null where figures is not null";
    assert!(app.database.execute(forget).await > 0);
    assert_eq!(ask().await, with_figures);
}

#[tokio::test]
async fn an_unknown_wallet_is_told_how_to_be_known() {
    let app = TestApp::without_worker().await;
    let path = format!("/api/v2/wallets/{UNUSED}/what-if?chain=solana");
    app.get(&path).await.problem(404, "unknown-wallet");
}
