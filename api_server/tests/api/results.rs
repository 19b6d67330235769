//! From submission to results: pages, CSV, the newest result of every wallet.

use std::collections::BTreeMap;

use api_server::dto::csv::{METRICS, SCALARS};
use load_tests::{FaultKind, Faults};
use serde_json::Value;
use service_runtime::config::Role;

use crate::support::{Plan, TestApp, UNUSED, demo_wallets};

/// All rows of a list, gathered page by page.
async fn all_rows(app: &TestApp, path: &str, limit: u32) -> Vec<Value> {
    let joint = if path.contains('?') { '&' } else { '?' };
    let first = format!("{path}{joint}limit={limit}");
    let mut rows = Vec::new();
    let mut next = first.clone();
    loop {
        let page = app.get(&next).await.json();
        let data = page["data"].as_array().unwrap_or_else(|| panic!("{page}"));
        assert!(data.len() <= limit as usize);
        rows.extend(data.iter().cloned());
        match page["next_cursor"].as_str() {
            Some(cursor) => {
                assert_eq!(page["has_more"], true);
                next = format!("{first}&cursor={cursor}");
            }
            None => {
                assert_eq!(page["has_more"], false);
                return rows;
            }
        }
    }
}

#[tokio::test]
async fn a_batch_is_computed_and_every_wallet_answered_in_the_order_of_submission() {
    let app = TestApp::with_worker().await;
    let mut wallets = app.node.chain().synthetic_wallets();
    wallets.reverse();
    wallets.push(UNUSED.to_owned());
    let job = app.completed(&wallets).await;

    let status = app.get(&format!("/api/pnl/batch/status/{job}")).await;
    assert_eq!(status.header("retry-after"), "", "nothing more to wait for");
    let status = status.json();
    assert_eq!(status["progress"], "1.00");
    assert_eq!(status["counts"]["done"], 4);
    assert!(status["pinned"]["block"].as_u64().unwrap() > 0, "{status}");
    assert!(status["pinned"]["block_time"].as_str().unwrap().ends_with('Z'), "{status}");
    for time in ["created_at", "started_at", "updated_at", "finished_at"] {
        assert!(status[time].as_str().unwrap().ends_with('Z'), "{status}");
    }

    let path = format!("/api/pnl/batch/results/{job}");
    let page = app.get(&path).await.json();
    assert_eq!(page["status"], "completed");
    assert_eq!(page["partial"], false);
    let rows = page["data"].as_array().unwrap();
    let named: Vec<_> = rows.iter().map(|row| row["wallet"].as_str().unwrap()).collect();
    assert_eq!(named, wallets);
    for row in &rows[..3] {
        assert_eq!(row["status"], "done", "{row}");
        assert_eq!(row["error"], Value::Null);
        let result = &row["result"];
        assert_eq!(result["method"], "fifo");
        assert_eq!(result["transactions"], 40, "{result}");
        assert_eq!(result["coverage"]["complete"], true, "{result}");
        assert_eq!(result["unexplained_raw"], Value::Array(Vec::new()), "{result}");
        assert!(result["total_pnl_usd"].is_string());
        assert_eq!(row["run"]["attempts"], 1);
        assert_eq!(row["run"]["calls"]["getTransaction"], 40, "{row}");
    }
    let empty = &rows[3]["result"];
    assert_eq!(empty["transactions"], 0, "{empty}");
    assert_eq!(empty["total_pnl_usd"], "0");
    assert_eq!(empty["coverage"]["complete"], true);

    // Pages of any size give the same rows, and the stored bytes come through unchanged.
    for limit in [1, 3] {
        assert_eq!(&all_rows(&app, &path, limit).await, rows);
    }
    let again = app.completed(&wallets).await;
    let again = app.get(&format!("/api/pnl/batch/results/{again}")).await.text;
    let first = app.get(&path).await.text;
    let results = |text: &str| -> Vec<String> {
        text.split("\"result\":")
            .skip(1)
            .map(|rest| rest.split(",\"error\":").next().unwrap().to_owned())
            .collect()
    };
    assert_eq!(results(&first), results(&again), "equal inputs, equal bytes");
}

#[tokio::test]
async fn csv_has_the_same_figures_as_the_results() {
    let app = TestApp::with_worker().await;
    let mut wallets = demo_wallets();
    wallets.push(UNUSED.to_owned());
    let job = app.completed(&wallets).await;
    let path = format!("/api/pnl/batch/results/{job}");
    let export = app.get(&format!("{path}/export.csv")).await;
    assert_eq!(export.status, 200, "{}", export.text);
    assert!(export.header("content-type").starts_with("text/csv; charset=utf-8"));
    let disposition = format!("attachment; filename=\"pnl-{job}.csv\"");
    assert_eq!(export.header("content-disposition"), disposition);
    assert!(export.text.ends_with("\r\n"));
    assert_eq!(export.text.matches('\n').count(), export.text.matches("\r\n").count());

    let mut reader = csv::Reader::from_reader(export.text.as_bytes());
    let lines: Vec<BTreeMap<String, String>> =
        reader.deserialize().collect::<Result<_, _>>().unwrap();
    let rows = app.get(&path).await.json()["data"].as_array().unwrap().clone();
    assert_eq!(lines.len(), rows.len());
    let text = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    for (line, row) in lines.iter().zip(&rows) {
        assert_eq!(line["wallet"], row["wallet"].as_str().unwrap());
        assert_eq!((line["chain"].as_str(), line["status"].as_str()), ("solana", "done"));
        assert_eq!(line["error_code"], "");
        assert_eq!(line["coverage_complete"], "true");
        let result = row["result"].as_object().unwrap();
        for name in SCALARS {
            assert_eq!(line[*name], text(&result[*name]), "{name}");
        }
        for name in METRICS {
            assert_eq!(line[&format!("metrics.{name}")], text(&result["metrics"][*name]), "{name}");
        }
        // The columns are all there is: a new figure must get a column too.
        let is_scalar = |value: &Value| !value.is_object() && !value.is_array();
        let scalars: Vec<_> = result
            .iter()
            .filter(|(name, value)| is_scalar(value) && *name != "unexplained_raw")
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(scalars.len(), SCALARS.len(), "{scalars:?}");
        assert_eq!(result["metrics"].as_object().unwrap().len(), METRICS.len());
    }
}

#[tokio::test]
async fn a_partial_export_has_a_line_for_every_wallet() {
    let app = TestApp::without_worker().await;
    let job = app.accepted(&app.node.chain().synthetic_wallets()).await;
    let path = format!("/api/pnl/batch/results/{job}/export.csv");
    app.get(&path).await.problem(409, "job-running");
    let export = app.get(&format!("{path}?partial=true")).await;
    assert_eq!(export.status, 200);
    assert_eq!(export.text.lines().count(), 4, "{}", export.text);
    assert_eq!(export.text.matches(",solana,queued,").count(), 3, "{}", export.text);
}

#[tokio::test]
async fn one_bad_wallet_does_not_spoil_the_others() {
    let app = TestApp::start(Plan {
        role: Role::All,
        adjust: |settings| {
            settings.worker.call_tries = 1;
            settings.worker.max_attempts = 1;
            settings.worker.wallet_permits = 1;
        },
        ..Plan::default()
    })
    .await;
    app.node.set_faults(Faults {
        only: Some("getTransaction".into()),
        ..Faults::first(1, FaultKind::RpcError)
    });
    let job = app.accepted(&app.node.chain().synthetic_wallets()).await;
    let status = app.ended(&job).await;
    assert_eq!(status["status"], "completed_with_errors", "{status}");
    assert_eq!((&status["counts"]["done"], &status["counts"]["failed"]), (&2.into(), &1.into()));
    let export = app.get(&format!("/api/pnl/batch/results/{job}/export.csv")).await;
    assert_eq!(export.text.matches(",solana,done,,").count(), 2, "{}", export.text);
    assert_eq!(export.text.matches(",solana,failed,").count(), 1, "{}", export.text);
}

#[tokio::test]
async fn the_newest_results_are_listed_sorted_and_summed_up() {
    let app = TestApp::with_worker().await;
    let mut wallets = demo_wallets();
    wallets.push(UNUSED.to_owned());
    let empty = app.get("/api/pnl/results").await.json();
    assert_eq!(empty["data"], Value::Array(Vec::new()));
    assert_eq!(empty["summary"]["total_wallets"], 0);
    assert_eq!(empty["summary"]["profitability_rate"], "0");
    assert_eq!(empty["summary"]["average_pnl_usd"], "0");
    assert_eq!(empty["summary"]["last_updated"], Value::Null);
    assert_eq!(empty["summary"]["stale_seconds"], 0);

    let job = app.completed(&wallets).await;
    let page = app.get("/api/pnl/results").await.json();
    assert_eq!(page["summary"]["total_wallets"], 5);
    assert!(page["summary"]["total_pnl_usd"].is_string());
    let rows = page["data"].as_array().unwrap();
    assert_eq!(rows.len(), 5);
    for row in rows {
        assert_eq!(row["job_id"], job.as_str());
        assert_eq!(row["chain"], "solana");
        for name in ["total_pnl_usd", "realized_gain_usd", "unrealized_gain_usd", "fees_usd"] {
            assert!(row[name].is_string(), "{row}");
        }
    }
    for sort in ["transactions", "-total_pnl_usd", "fees_usd", "-analyzed_at", "trades"] {
        let path = format!("/api/pnl/results?sort={sort}");
        let whole = app.get(&path).await.json()["data"].as_array().unwrap().clone();
        assert_eq!(all_rows(&app, &path, 1).await, whole, "{sort}");
    }
    let by_count = app.get("/api/pnl/results?sort=transactions").await.json();
    assert_eq!(by_count["data"][0]["wallet"], UNUSED);
    let base = app.get("/api/pnl/results?chain=base").await.json();
    assert_eq!(base["summary"]["total_wallets"], 0);
    // A windowed result is no full history and changes nothing here.
    let body = serde_json::json!({"wallet_addresses": wallets, "chain": "sol", "time_range": "1d"});
    let windowed = app.submit(&body).await.json()["job_id"].as_str().unwrap().to_owned();
    app.ended(&windowed).await;
    assert_eq!(app.get("/api/pnl/results").await.json()["data"], page["data"]);
}
