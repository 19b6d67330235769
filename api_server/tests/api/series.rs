//! A wallet over time, over HTTP.

use pnl_core::Usd;
use pnl_core::time::rfc3339;
use serde_json::Value;

use crate::support::{TestApp, UNUSED, demo_wallets};

fn usd(value: &Value) -> Usd {
    value.as_str().unwrap_or_else(|| panic!("{value} is no figure")).parse().unwrap()
}

fn sum<'a>(figures: impl Iterator<Item = &'a Value>) -> Usd {
    figures.map(usd).fold(Usd::ZERO, |a, b| a.checked_add(b).unwrap())
}

fn list<'a>(value: &'a Value, name: &str) -> &'a Vec<Value> {
    value[name].as_array().unwrap_or_else(|| panic!("no {name} in {value}"))
}

#[tokio::test]
async fn the_curve_ends_at_the_result_and_windows_of_it_are_parts() {
    let app = TestApp::with_worker().await;
    let mut wallets = demo_wallets();
    wallets.extend(app.node.chain().synthetic_wallets());
    app.completed(&wallets).await;
    for wallet in &wallets {
        let base = format!("/api/v2/wallets/{wallet}");
        let result = app.get(&format!("{base}/pnl?chain=sol")).await.json();
        for period in ["day", "week", "month"] {
            let path = format!("{base}/equity?chain=sol&period={period}");
            let curve = app.get(&path).await;
            if period == "day" && curve.status == 422 {
                continue;
            }
            let curve = curve.json();
            assert_eq!(curve["pinned"], result["pinned"]);
            let points = list(&curve, "points");
            let last = points.last().unwrap();
            for name in [
                "realized_gain_usd",
                "income_usd",
                "fee_expense_usd",
                "fees_usd",
                "net_realized_usd",
                "unrealized_gain_usd",
            ] {
                assert_eq!(last[name], result[name], "{name} of {wallet}");
            }
            assert_eq!(last["equity_usd"], result["total_pnl_usd"], "{wallet}");
            for point in points {
                let parts =
                    usd(&point["net_realized_usd"]).checked_add(usd(&point["unrealized_gain_usd"]));
                assert_eq!(parts.unwrap(), usd(&point["equity_usd"]), "{point}");
            }
            let times = points.iter().map(|point| point["time"].as_str().unwrap());
            assert!(times.is_sorted_by(|a, b| a < b), "{curve}");
            // From its middle on it is the same curve, counted from there.
            let middle = &points[points.len() / 2];
            let from = middle["time"].as_str().unwrap();
            let range = format!("{from}..2100-01-01T00:00:00Z");
            let part = app.get(&format!("{path}&time_range={range}")).await.json();
            let found = list(&part, "points");
            let times = |points: &[Value]| -> Vec<Value> {
                points.iter().map(|point| point["time"].clone()).collect()
            };
            assert_eq!(times(found), times(&points[points.len() / 2..]), "{part}");
            assert_eq!(found[0]["net_realized_usd"], "0", "{part}");
            for (found, same) in found.iter().zip(&points[points.len() / 2..]) {
                let since =
                    usd(&same["net_realized_usd"]).checked_sub(usd(&middle["net_realized_usd"]));
                assert_eq!(usd(&found["net_realized_usd"]), since.unwrap(), "{found}");
                for name in ["basis_usd", "market_value_usd", "unpriced", "stale"] {
                    assert_eq!(found[name], same[name], "{name} of {found}");
                }
            }
        }
    }
}

#[tokio::test]
async fn whatever_the_view_its_curve_ends_at_its_totals() {
    let app = TestApp::with_worker().await;
    let mut wallets = demo_wallets();
    wallets.extend(app.node.chain().synthetic_wallets());
    app.completed(&wallets).await;
    for wallet in &wallets {
        let base = format!("/api/v2/wallets/{wallet}");
        let whole = app.get(&format!("{base}/equity?chain=sol&period=month")).await.json();
        let times: Vec<String> = list(&whole, "points")
            .iter()
            .map(|point| point["time"].as_str().unwrap().to_owned())
            .collect();
        let rows = app.get(&format!("{base}/disposals?chain=sol&limit=1000")).await.json();
        let rows = list(&rows, "data");
        let at = |row: usize| rfc3339(rows[row]["ts"].as_i64().unwrap());
        let (third, last) = (at(rows.len() / 3), at(rows.len() - 1));
        let (early, late) = ("1970-01-01T00:00:00Z", "2100-01-01T00:00:00Z");
        let mut views: Vec<String> = ["all", "1h", "1d", "7d", "30d", "90d", "1y"]
            .iter()
            .flat_map(|preset| {
                let as_of = |moment| format!("&time_range={preset}&as_of={moment}");
                [format!("&time_range={preset}"), as_of(&third), as_of(&last)]
            })
            .collect();
        views.extend([
            format!("&time_range={early}..{third}"),
            format!("&time_range={third}..{last}"),
            format!("&time_range={last}..{late}"),
            format!("&time_range={third}..{}&method=hifo", times[times.len() - 1]),
            format!("&time_range={early}..{third}&as_of={last}"),
            format!("&time_range=2099-01-01T00:00:00Z..{late}"),
        ]);
        for view in views {
            let result = app.get(&format!("{base}/pnl?chain=sol{view}")).await.json();
            let curve =
                app.get(&format!("{base}/equity?chain=sol&period=month{view}")).await.json();
            let end = list(&curve, "points").last().unwrap();
            for name in [
                "realized_gain_usd",
                "income_usd",
                "fee_expense_usd",
                "fees_usd",
                "net_realized_usd",
                "unrealized_gain_usd",
            ] {
                assert_eq!(end[name], result[name], "{name} of {wallet}{view}");
            }
            assert_eq!(end["equity_usd"], result["total_pnl_usd"], "{wallet}{view}");
            assert_eq!(curve["pinned"], result["pinned"], "{wallet}{view}");
        }
    }
}

#[tokio::test]
async fn the_periods_of_a_calendar_sum_to_the_result() {
    let app = TestApp::with_worker().await;
    let wallets = demo_wallets();
    app.completed(&wallets).await;
    for wallet in &wallets {
        let base = format!("/api/v2/wallets/{wallet}");
        let result = app.get(&format!("{base}/pnl?chain=sol&method=hifo")).await.json();
        for period in ["day", "week", "month"] {
            let path = format!("{base}/calendar?chain=sol&method=hifo&period={period}");
            let calendar = app.get(&path).await.json();
            let rows = list(&calendar, "data");
            for name in ["realized_gain_usd", "income_usd", "fee_expense_usd", "fees_usd"] {
                assert_eq!(sum(rows.iter().map(|row| &row[name])), usd(&result[name]), "{name}");
            }
            let trades: u64 = rows.iter().map(|row| row["trades"].as_u64().unwrap()).sum();
            assert_eq!(trades, result["trades"], "{calendar}");
            let gains = sum(rows.iter().map(|row| &row["realized_pnl"]));
            // Metrics are rounded at their 18th place.
            let rounded = usd(&result["metrics"]["realized_pnl"]);
            let half: Usd = "0.0000000000000000005".parse().unwrap();
            let most = rounded.checked_add(half).unwrap();
            assert!(rounded.checked_sub(half).unwrap() <= gains && gains <= most, "{calendar}");
            assert!(rows.iter().all(|row| row["from"].as_str() < row["to"].as_str()), "{calendar}");
        }
    }
}

#[tokio::test]
async fn a_distribution_has_every_sold_token_once_and_terms_sum_to_the_gain() {
    let app = TestApp::with_worker().await;
    let wallets = demo_wallets();
    app.completed(&wallets).await;
    for wallet in &wallets {
        let base = format!("/api/v2/wallets/{wallet}");
        let result = app.get(&format!("{base}/pnl?chain=sol")).await.json();
        let path = format!("{base}/distribution?chain=sol&by=trade&edges=-100,0,50&boundary=60s");
        let spread = app.get(&path).await.json();
        let buckets = list(&spread, "buckets");
        assert_eq!(buckets.len(), 4, "{spread}");
        assert!(buckets[0]["from_pct"].is_null() && buckets[3]["to_pct"].is_null(), "{spread}");
        let counted: u64 = buckets.iter().map(|row| row["count"].as_u64().unwrap()).sum();
        let all = counted + spread["without_return"].as_u64().unwrap();
        assert_eq!(all, result["trades"], "{spread}");
        let holding = &spread["holding"];
        assert_eq!(holding["boundary"]["seconds"], 60, "{holding}");
        let terms =
            [&holding["short"]["gain"], &holding["long"]["gain"], &holding["uncovered_gain"]];
        assert_eq!(sum(terms.into_iter()), usd(&result["realized_gain_usd"]), "{holding}");
        let tokens = app.get(&format!("{base}/distribution?chain=sol")).await.json();
        assert_eq!(list(&tokens, "buckets").len(), 5);
        assert_eq!(tokens["holding"]["boundary"]["months"], 12, "{tokens}");
    }
}

#[tokio::test]
async fn an_unknown_wallet_is_told_how_to_be_known() {
    let app = TestApp::without_worker().await;
    for part in ["equity", "calendar", "distribution"] {
        let path = format!("/api/v2/wallets/{UNUSED}/{part}?chain=solana");
        app.get(&path).await.problem(404, "unknown-wallet");
    }
}
