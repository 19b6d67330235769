//! Groups over HTTP: wallets of one owner as one history.

use load_tests::{FaultKind, Faults};
use pnl_core::Usd;
use pnl_core::time::rfc3339;
use serde_json::{Value, json};

use crate::support::{TestApp, UNUSED, demo_wallets, eventually};

fn usd(value: &Value) -> Usd {
    value.as_str().unwrap_or_else(|| panic!("{value} is no figure")).parse().unwrap()
}

fn sum<'a>(figures: impl Iterator<Item = &'a Value>) -> Usd {
    figures.map(usd).fold(Usd::ZERO, |a, b| a.checked_add(b).unwrap())
}

/// Wallets that deal with each other, and some that do not.
fn wallets(app: &TestApp) -> Vec<String> {
    let chain = app.node.chain();
    let mut wallets = chain.synthetic_wallets();
    wallets.extend(chain.synthetic_counterparties());
    wallets.extend(demo_wallets());
    wallets
}

async fn submitted(app: &TestApp, wallets: &[String], members: Value) -> String {
    let mut body = json!({"wallet_addresses": wallets, "chain": "solana"});
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let accepted = app.submit(&body).await;
    assert_eq!(accepted.status, 202, "{}", accepted.text);
    let accepted = accepted.json();
    let job = accepted["job_id"].as_str().unwrap().to_owned();
    if body["group"] == true {
        let url = format!("/api/pnl/batch/results/{job}/group");
        assert_eq!(accepted["group_url"], url.as_str());
    }
    job
}

async fn group(app: &TestApp, job: &str, query: &str) -> Value {
    let answer = app.get(&format!("/api/pnl/batch/results/{job}/group{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

/// The wallets' own results, in the order of their addresses.
async fn results(app: &TestApp, job: &str) -> Vec<(String, Value)> {
    let page = app.get(&format!("/api/pnl/batch/results/{job}?limit=1000")).await.json();
    let rows = page["data"].as_array().unwrap().iter();
    let mut results: Vec<_> = rows
        .map(|row| (row["wallet"].as_str().unwrap().to_owned(), row["result"].clone()))
        .collect();
    results.sort_by(|a, b| a.0.cmp(&b.0));
    results
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_moves_lots_between_its_wallets_and_adds_up_in_any_order() {
    let app = TestApp::with_worker().await;
    let mut wallets = wallets(&app);
    let job = submitted(&app, &wallets, json!({"group": true})).await;
    let status = app.ended(&job).await;
    assert_eq!(status["status"], "completed", "{status}");
    assert_eq!(status["counts"]["total"], wallets.len(), "{status}");
    assert_eq!(status["counts"]["done"], wallets.len(), "{status}");
    assert_eq!(status["group"]["status"], "done", "{status}");
    let answer = group(&app, &job, "?include=lots,disposals").await;
    assert_eq!((&answer["status"], &answer["error"]), (&json!("done"), &Value::Null));
    let result = &answer["result"];
    assert!(result["moves"].as_u64().unwrap() > 20, "{}", result["moves"]);
    assert_eq!(result["coverage"]["missing"], json!([]));
    // Some of these wallets had coins before their first transaction.
    let unexplained = |result: &Value| -> i64 {
        let rows = result["unexplained_raw"].as_array().unwrap().iter();
        rows.map(|row| row["raw"].as_str().unwrap().parse::<i64>().unwrap()).sum()
    };
    let of_wallets = results(&app, &job).await;
    let before: i64 = of_wallets.iter().map(|(_, result)| unexplained(result)).sum();
    assert_eq!(unexplained(result), before);
    let members = result["members"].as_array().unwrap();
    assert_eq!(members.len(), wallets.len());
    for name in [
        "realized_gain_usd",
        "income_usd",
        "fee_expense_usd",
        "fees_usd",
        "net_realized_usd",
        "unrealized_gain_usd",
        "total_pnl_usd",
    ] {
        assert_eq!(sum(members.iter().map(|row| &row[name])), usd(&result[name]), "{name}");
    }
    let disposals = result["disposals"].as_array().unwrap().iter();
    let gains = disposals.filter(|row| row["gain"].is_string()).map(|row| &row["gain"]);
    assert_eq!(sum(gains), usd(&result["realized_gain_usd"]));
    assert!(!result["lots"].as_array().unwrap().is_empty());
    let mut without = answer["result"].as_object().unwrap().clone();
    without.remove("lots");
    without.remove("disposals");
    let plain = group(&app, &job, "").await;
    assert!(plain["result"] == Value::Object(without), "the records come on top");

    // The merged ledger leads to the same figures.
    let path = format!("/api/pnl/batch/results/{job}/group/ledger");
    let document = app.get(&format!("{path}?format=oracle")).await.text;
    let recomputed: Value = serde_json::from_str(&pnl_core::document::answer(&document)).unwrap();
    for (name, ours) in
        [("realized_gain", "realized_gain_usd"), ("unrealized_gain", "unrealized_gain_usd")]
    {
        assert_eq!(recomputed["totals"][name], result[ours], "{name}");
    }
    let first = app.get(&format!("{path}?limit=7")).await.json();
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = app.get(&format!("{path}?limit=7&cursor={cursor}")).await.json();
    assert_eq!(second["data"].as_array().unwrap().len(), 7);

    // The wallets' own results know nothing of it.
    let alone = submitted(&app, &wallets, json!({})).await;
    assert_eq!(app.ended(&alone).await["group"], Value::Null);
    assert!(of_wallets == results(&app, &alone).await);
    app.get(&format!("/api/pnl/batch/results/{alone}/group")).await.problem(404, "no-group");
    let ledger = format!("/api/pnl/batch/results/{alone}/group/ledger");
    app.get(&ledger).await.problem(404, "no-group");

    wallets.reverse();
    let other = submitted(&app, &wallets, json!({"group": true})).await;
    app.ended(&other).await;
    assert!(group(&app, &other, "").await["result"] == plain["result"], "in another order");
    // What was kept for the groups goes after their ends.
    let kept = "select count(*) from ledgers where wallet like 'group:%:%' and state = 'current'";
    eventually("nothing is kept for the groups", || async { app.database.number(kept).await == 0 })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_methods_and_moments_are_those_of_the_batch() {
    let app = TestApp::with_worker().await;
    let wallets = wallets(&app);
    let (first, last) =
        load_tests::SyntheticPlan { transactions_each: 40, ..Default::default() }.times();
    let middle = rfc3339(first + (last - first) / 2);
    let whole = submitted(&app, &wallets, json!({"group": true, "method": "hifo"})).await;
    app.ended(&whole).await;
    let whole = group(&app, &whole, "").await["result"].clone();
    let mut parts = Vec::new();
    for range in
        [("1970-01-01T00:00:00Z", middle.as_str()), (middle.as_str(), "2100-01-01T00:00:00Z")]
    {
        let range = json!({"from": range.0, "to": range.1});
        let body = json!({"group": true, "method": "hifo", "time_range": range});
        let job = submitted(&app, &wallets, body).await;
        app.ended(&job).await;
        let part = group(&app, &job, "?include=disposals").await["result"].clone();
        assert_eq!(part["method"], "hifo");
        let disposals = part["disposals"].as_array().unwrap().iter();
        let gains = disposals.filter(|row| row["gain"].is_string()).map(|row| &row["gain"]);
        assert_eq!(sum(gains), usd(&part["realized_gain_usd"]));
        let members = part["members"].as_array().unwrap();
        let gains = members.iter().map(|row| &row["realized_gain_usd"]);
        assert_eq!(sum(gains), usd(&part["realized_gain_usd"]));
        parts.push(part);
    }
    for name in ["realized_gain_usd", "income_usd", "fee_expense_usd", "fees_usd"] {
        assert_eq!(sum(parts.iter().map(|part| &part[name])), usd(&whole[name]), "{name}");
    }
    let body = json!({"group": true, "as_of": middle, "options": {"transfer_in": "zero"}});
    let job = submitted(&app, &wallets, body).await;
    app.ended(&job).await;
    let past = group(&app, &job, "?include=lots").await["result"].clone();
    assert_eq!(past["pinned"]["block_time"], middle.as_str());
    assert_eq!(past["options"]["transfer_in"], "zero");
    let codes: Vec<&str> = past["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|warning| warning["code"].as_str().unwrap())
        .collect();
    assert!(codes.contains(&"past_balances"), "{codes:?}");
    let newest = past["lots"].as_array().unwrap().iter().map(|lot| lot["acquired_ts"].as_i64());
    assert!(newest.max().unwrap().unwrap() <= first + (last - first) / 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_without_a_wallet_says_which_and_is_made_again_with_it() {
    let app = TestApp::without_patience().await;
    let pair = [app.node.chain().synthetic_wallets(), app.node.chain().synthetic_counterparties()];
    let wallets: Vec<String> = pair.iter().map(|wallets| wallets[0].clone()).collect();
    // One of them is known before; of the other no transaction can be read.
    let known = submitted(&app, &demo_wallets(), json!({})).await;
    app.ended(&known).await;
    let faults = Faults::always(FaultKind::RpcError);
    app.node.set_faults(Faults { only: Some("getTransaction".into()), ..faults });
    let mixed = vec![demo_wallets().remove(0), wallets[0].clone()];
    let job = submitted(&app, &mixed, json!({"group": true})).await;
    let status = app.ended(&job).await;
    assert_eq!(status["status"], "completed_with_errors", "{status}");
    assert_eq!(status["group"]["status"], "done", "{status}");
    let result = group(&app, &job, "").await["result"].clone();
    assert_eq!(result["coverage"]["complete"], false);
    let missing = result["coverage"]["missing"][0].as_str().unwrap();
    assert_eq!(missing, format!("wallet {}: provider-error", wallets[0]));
    assert_eq!(result["members"].as_array().unwrap().len(), 1);

    let nobody = submitted(&app, &wallets, json!({"group": true})).await;
    let status = app.ended(&nobody).await;
    assert_eq!(
        (&status["status"], &status["group"]["status"]),
        (&json!("failed"), &json!("failed"))
    );
    let answer = group(&app, &nobody, "").await;
    assert_eq!(answer["error"]["code"], "group-without-wallets", "{answer}");
    assert_eq!(answer["result"], Value::Null);

    app.node.set_faults(Faults::default());
    for job in [&job, &nobody] {
        let retried = app.post(&format!("/api/pnl/batch/{job}/retry")).await;
        assert_eq!(retried.status, 202, "{}", retried.text);
        let status = app.ended(job).await;
        assert_eq!(
            (&status["status"], &status["group"]["status"]),
            (&json!("completed"), &json!("done"))
        );
        let result = group(&app, job, "").await["result"].clone();
        assert_eq!(result["coverage"]["missing"], json!([]));
        assert_eq!(result["members"].as_array().unwrap().len(), 2);
    }
}

#[tokio::test]
async fn a_group_that_nobody_works_on_waits_and_is_cancelled_with_its_job() {
    let app = TestApp::without_worker().await;
    let job = submitted(&app, &[UNUSED.to_owned()], json!({"group": true})).await;
    let status = app.get(&format!("/api/pnl/batch/status/{job}")).await.json();
    assert_eq!(status["group"]["status"], "queued", "{status}");
    let answer = app.get(&format!("/api/pnl/batch/results/{job}/group")).await;
    assert_eq!(answer.header("retry-after"), "2");
    assert_eq!(answer.json()["status"], "queued");
    let ledger = format!("/api/pnl/batch/results/{job}/group/ledger?format=oracle");
    app.get(&ledger).await.problem(404, "no-group");
    let cancelled = app.post(&format!("/api/pnl/batch/{job}/cancel")).await.json();
    assert_eq!(cancelled["group"]["status"], "cancelled", "{cancelled}");
    assert_eq!(
        (&cancelled["status"], &cancelled["counts"]["cancelled"]),
        (&json!("cancelled"), &json!(1))
    );
}
