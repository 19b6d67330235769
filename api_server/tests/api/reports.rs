//! Tokens and coverage of a wallet, and what every result says about itself.

use pnl_core::Usd;
use pnl_core::ratio::Figure;
use serde_json::Value;

use crate::support::{TestApp, UNUSED, demo_wallets};

fn usd(value: &Value) -> Usd {
    value.as_str().unwrap_or_else(|| panic!("{value} is no figure")).parse().unwrap()
}

fn raw(value: &Value) -> i128 {
    value.as_str().unwrap_or_else(|| panic!("{value} is no amount")).parse().unwrap()
}

/// Per asset in = out + fees + rent + balance, and the cost went where it is said to have gone.
fn audited(result: &Value) {
    let audit = &result["conservation"];
    assert_eq!(audit["ok"], true, "{audit}");
    assert_eq!(audit["residual_usd"], "0", "{audit}");
    let gone = ["disposed", "unpriced", "transferred", "fee_ignored", "remaining"]
        .map(|part| usd(&audit[&format!("basis_{part}_usd")]))
        .into_iter()
        .fold(Usd::ZERO, |a, b| a.checked_add(b).unwrap());
    assert_eq!(gone, usd(&audit["cost_in_usd"]), "{audit}");
    let assets = audit["assets"].as_array().unwrap();
    assert!(!assets.is_empty());
    for row in assets {
        let moved = raw(&row["in_raw"])
            - raw(&row["out_raw"])
            - raw(&row["fee_raw"])
            - raw(&row["rent_raw"]);
        assert_eq!(raw(&row["residual_raw"]), 0, "{row}");
        assert_eq!(moved, raw(&row["balance_raw"]), "{row}");
    }
    let bounds = &result["bounds"];
    let known = usd(&bounds["known"]);
    assert_eq!(known, usd(&result["realized_gain_usd"]), "{result}");
    assert!(bounds["max"].is_null() || known <= usd(&bounds["max"]), "{bounds}");
    let score = &result["coverage_score"];
    let [disposals, priced, matched, known] =
        ["disposals", "priced", "matched", "known"].map(|name| score[name].as_u64().unwrap());
    assert!(known <= priced.min(matched) && priced.max(matched) <= disposals, "{score}");
}

#[tokio::test]
async fn every_result_is_audited_and_coverage_says_the_same() {
    let app = TestApp::with_worker().await;
    let mut wallets = demo_wallets();
    wallets.extend(app.node.chain().synthetic_wallets());
    let job = app.completed(&wallets).await;
    let page = app.get(&format!("/api/pnl/batch/results/{job}?limit=100")).await.json();
    for (row, wallet) in page["data"].as_array().unwrap().iter().zip(&wallets) {
        let result = &row["result"];
        audited(result);
        let path = format!("/api/v2/wallets/{wallet}/coverage?chain=sol");
        let coverage = app.get(&path).await.json();
        assert_eq!(coverage["wallet"], wallet.as_str());
        for name in [
            "coverage",
            "coverage_score",
            "bounds",
            "conservation",
            "unexplained_raw",
            "warnings",
            "unpriced_assets",
            "pinned",
            "method",
            "unknown_proceeds_usd",
        ] {
            assert_eq!(coverage[name], result[name], "{name}");
        }
    }
}

#[tokio::test]
async fn tokens_come_in_pages_and_are_those_of_the_result() {
    let app = TestApp::with_worker().await;
    let wallets = demo_wallets();
    app.completed(&wallets).await;
    for wallet in &wallets {
        let base = format!("/api/v2/wallets/{wallet}");
        let result = app.get(&format!("{base}/pnl?chain=sol&method=lifo")).await.json();
        let path = format!("{base}/tokens?chain=sol&method=lifo&limit=2");
        let mut rows = Vec::new();
        let mut next = path.clone();
        loop {
            let page = app.get(&next).await.json();
            assert_eq!(page["pinned"], result["pinned"]);
            rows.extend(page["data"].as_array().unwrap().iter().cloned());
            match page["next_cursor"].as_str() {
                Some(cursor) => next = format!("{path}&cursor={cursor}"),
                None => break,
            }
        }
        let expected = result["tokens"].as_array().unwrap();
        assert_eq!(rows.len(), expected.len());
        for (row, same) in rows.iter().zip(expected) {
            for (name, value) in same.as_object().unwrap() {
                assert_eq!(&row[name], value, "{name} of {row}");
            }
            if row["asset"] == "native" {
                assert!(
                    row["price_usd"].is_string() && row["market_value_usd"].is_string(),
                    "{row}"
                );
            }
            let count = |name: &str| row[name].as_u64().unwrap();
            assert!(count("trades") <= count("sells"), "{row}");
            assert_eq!(
                row["first_trade_ts"].is_null(),
                count("buys") + count("sells") == 0,
                "{row}"
            );
        }
        let metrics = &result["metrics"];
        for name in ["trades", "winning_trades", "losing_trades"] {
            let of_tokens: u64 = rows.iter().map(|row| row[name].as_u64().unwrap()).sum();
            assert_eq!(metrics[name], of_tokens, "{name}");
        }
        let gains = rows.iter().map(|row| row["realized_pnl"].as_str().unwrap());
        let gains = gains.map(|gain| gain.parse::<Usd>().unwrap());
        let gains = gains.fold(Usd::ZERO, |a, b| a.checked_add(b).unwrap());
        assert_eq!(Figure::of_dollars(gains).to_string(), metrics["realized_pnl"]);
    }
}

#[tokio::test]
async fn a_ledger_of_an_older_program_has_no_audit_of_assets_and_no_bounds() {
    let app = TestApp::with_worker().await;
    let wallets = demo_wallets();
    app.completed(&wallets[..1]).await;
    // As such a program has stored it.
    let older = "update ledgers set context = regexp_replace(context::text,         ',\"flows\":\\{[^{}]*\\}', '', 'g')::json where state = 'current'";
    assert_eq!(app.database.execute(older).await, 1);
    let path = format!("/api/v2/wallets/{}/pnl?chain=sol", wallets[0]);
    let result = app.get(&path).await.json();
    assert!(result["bounds"].is_null() && result["conservation"]["assets"].is_null(), "{result}");
    assert_eq!(result["conservation"]["residual_usd"], "0");
    assert!(result["realized_gain_usd"].is_string());
}

#[tokio::test]
async fn an_unknown_wallet_is_told_how_to_be_known() {
    let app = TestApp::without_worker().await;
    for part in ["tokens", "coverage"] {
        let path = format!("/api/v2/wallets/{UNUSED}/{part}?chain=solana");
        app.get(&path).await.problem(404, "unknown-wallet");
    }
}
