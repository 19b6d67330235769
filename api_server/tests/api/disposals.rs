//! Disposals in pages, and each explained down to its transactions and prices.

use pnl_core::Usd;
use pnl_core::time::rfc3339;
use serde_json::{Value, json};

use crate::support::{TestApp, UNUSED, demo_wallets};

fn usd(value: &Value) -> Usd {
    value.as_str().unwrap_or_else(|| panic!("{value} is no figure")).parse().unwrap()
}

fn sum<'a>(figures: impl IntoIterator<Item = &'a Value>) -> Usd {
    figures.into_iter().map(usd).fold(Usd::ZERO, |a, b| a.checked_add(b).unwrap())
}

/// All rows of a list, page by page.
async fn all(app: &TestApp, path: &str, limit: u32) -> Vec<Value> {
    let mut rows = Vec::new();
    let mut next = format!("{path}&limit={limit}");
    loop {
        let page = app.get(&next).await.json();
        rows.extend(page["data"].as_array().unwrap().iter().cloned());
        assert_eq!(page["has_more"], page["next_cursor"].is_string());
        match page["next_cursor"].as_str() {
            Some(cursor) => next = format!("{path}&limit={limit}&cursor={cursor}"),
            None => return rows,
        }
    }
}

/// Everything that an explanation says sums up, and it says where each figure comes from.
fn closes(explained: &Value, row: &Value, realized: &Value) {
    assert_eq!(&explained["result"]["realized_gain_usd"], realized);
    for level in ["result", "token"] {
        let level = &explained[level];
        assert_eq!(level["left_over_usd"], "0", "{explained}");
        let parts = sum([&level["here_usd"], &level["others_usd"]]);
        assert_eq!(parts, usd(&level["realized_gain_usd"]), "{explained}");
    }
    let disposal = &explained["disposal"];
    assert_eq!(disposal["left_over"], "0", "{explained}");
    for member in ["qty", "proceeds", "basis", "gain", "matched_qty", "unknown_qty"] {
        assert_eq!(disposal[member], row[member], "{member}");
    }
    assert_eq!(disposal["ledger"]["event"], row["event"], "{explained}");
    let legs = disposal["ledger"]["legs"].as_array().unwrap();
    assert!(legs.iter().any(|leg| leg["asset"] == explained["asset"]), "{explained}");
    let gains = explained["matches"].as_array().unwrap().iter().filter(|m| m["gain"].is_string());
    let others = usd(&explained["other_matches"]["gain"]);
    if let Some(gain) = disposal["gain"].as_str() {
        let of_lots = sum(gains.map(|m| &m["gain"])).checked_add(others).unwrap();
        let parts = of_lots.checked_add(usd(&disposal["uncovered_gain"])).unwrap();
        assert_eq!(parts, gain.parse().unwrap(), "{explained}");
        assert_eq!(explained["token"]["here_usd"], gain);
        let value = usd(&disposal["value"]);
        let net = value.checked_sub(usd(&disposal["attached_fees"])).unwrap();
        assert_eq!(net, usd(&disposal["proceeds"]), "{explained}");
    }
    for piece in explained["matches"].as_array().unwrap() {
        assert_eq!(piece["ledger"]["event"], piece["lot"], "{piece}");
        assert_eq!(piece["ledger"]["ts"], piece["acquired_ts"], "{piece}");
        let legs = piece["ledger"]["legs"].as_array().unwrap();
        assert!(legs.iter().any(|leg| leg["asset"] == explained["asset"]), "{piece}");
        // By average cost lots have no cost of their own.
        let has_cost = piece["basis"].is_string() && explained["method"] != "average";
        assert_eq!(piece["lot_basis"].is_string(), has_cost, "{piece}");
        assert_eq!(piece["rounding_remainder"].is_string(), has_cost, "{piece}");
        if has_cost {
            assert!(usd(&piece["basis"]) <= usd(&piece["lot_basis"]), "{piece}");
            let rest = usd(&piece["rounding_remainder"]);
            assert!(
                !rest.is_negative() && rest < usd(&Value::from("0.000000000000000000000000000001")),
                "{piece}"
            );
        }
    }
}

#[tokio::test]
async fn every_disposal_is_listed_once_and_explained_to_the_last_unit() {
    let app = TestApp::with_worker().await;
    let wallets = demo_wallets();
    app.completed(&wallets).await;
    let mut seen = 0;
    for wallet in &wallets {
        for method in ["fifo", "average"] {
            let base = format!("/api/v2/wallets/{wallet}");
            let query = format!("chain=sol&method={method}");
            let whole = app.get(&format!("{base}/pnl?{query}&include=disposals")).await.json();
            let rows = all(&app, &format!("{base}/disposals?{query}"), 1000).await;
            assert_eq!(rows, all(&app, &format!("{base}/disposals?{query}"), 3).await);
            let of_pnl = whole["disposals"].as_array().unwrap();
            assert_eq!(rows.len(), of_pnl.len());
            for (row, same) in rows.iter().zip(of_pnl) {
                for (name, value) in same.as_object().unwrap() {
                    if name != "wallet" {
                        assert_eq!(&row[name], value, "{name} of {row}");
                    }
                }
            }
            let gains = rows.iter().filter(|row| row["gain"].is_string()).map(|row| &row["gain"]);
            assert_eq!(sum(gains), usd(&whole["realized_gain_usd"]));
            for row in &rows {
                let id = row["id"].as_str().unwrap();
                let path = format!("{base}/disposals/{id}/explain?{query}");
                let explained = app.get(&path).await.json();
                assert_eq!(explained["pinned"], whole["pinned"]);
                closes(&explained, row, &whole["realized_gain_usd"]);
                seen += 1;
            }
            let asset = rows[0]["asset"].as_str().unwrap();
            let of_one = all(&app, &format!("{base}/disposals?{query}&asset={asset}"), 2).await;
            let expected: Vec<_> = rows.iter().filter(|row| row["asset"] == asset).collect();
            assert_eq!(of_one.iter().collect::<Vec<_>>(), expected);
        }
    }
    assert!(seen > 20, "{seen} disposals");
}

#[tokio::test]
async fn the_lots_of_a_disposal_come_in_pages_and_the_sums_stay() {
    let app = TestApp::with_worker().await;
    let wallets = demo_wallets();
    app.completed(&wallets).await;
    let mut paged = 0;
    for wallet in &wallets {
        let base = format!("/api/v2/wallets/{wallet}");
        let whole = app.get(&format!("{base}/pnl?chain=sol")).await.json();
        for row in all(&app, &format!("{base}/disposals?chain=sol"), 1000).await {
            let total = row["matches_total"].as_u64().unwrap();
            if total < 2 {
                continue;
            }
            let id = row["id"].as_str().unwrap();
            let path = format!("{base}/disposals/{id}/explain?chain=sol&limit=1");
            let mut lots = Vec::new();
            let mut next = path.clone();
            loop {
                let page = app.get(&next).await.json();
                closes(&page, &row, &whole["realized_gain_usd"]);
                assert_eq!(page["other_matches"]["count"], total - 1);
                lots.extend(page["matches"].as_array().unwrap().iter().map(|m| m["lot"].clone()));
                match page["next_cursor"].as_str() {
                    Some(cursor) => next = format!("{path}&cursor={cursor}"),
                    None => break,
                }
            }
            let expected: Vec<_> =
                row["matches"].as_array().unwrap().iter().map(|m| m["lot"].clone()).collect();
            assert_eq!(lots, expected);
            paged += 1;
        }
    }
    assert!(paged > 0, "a disposal of several lots");
}

#[tokio::test]
async fn a_place_in_a_ledger_that_was_replaced_is_none_in_the_next_one() {
    let app = TestApp::with_worker().await;
    let wallets = demo_wallets();
    app.completed(&wallets).await;
    let mut lists = Vec::new();
    for wallet in &wallets {
        let base = format!("/api/v2/wallets/{wallet}");
        for row in all(&app, &format!("{base}/disposals?chain=sol"), 1000).await {
            if row["matches_total"].as_u64() > Some(1) {
                let id = row["id"].as_str().unwrap();
                lists.push(format!("{base}/disposals/{id}/explain?chain=sol&limit=1"));
                break;
            }
        }
        lists.push(format!("{base}/disposals?chain=sol&limit=1"));
        lists.push(format!("{base}/tokens?chain=sol&limit=1"));
    }
    assert!(lists.iter().any(|path| path.contains("explain")), "{lists:?}");
    let mut nexts = Vec::new();
    for path in &lists {
        let page = app.get(path).await.json();
        if let Some(cursor) = page["next_cursor"].as_str() {
            nexts.push(format!("{path}&cursor={cursor}"));
        }
    }
    for path in &nexts {
        assert_eq!(app.get(path).await.status, 200, "{path}");
    }
    app.completed(&wallets).await;
    for path in &nexts {
        app.get(path).await.problem(400, "bad-cursor");
    }
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let app = TestApp::with_worker().await;
    let wallets = demo_wallets();
    app.completed(&wallets[..1]).await;
    for path in ["disposals?chain=solana", "disposals/5h:0:out/explain?chain=solana"] {
        let path = format!("/api/v2/wallets/{UNUSED}/{path}");
        app.get(&path).await.problem(404, "unknown-wallet");
    }
    for id in ["5h:0:out", "5h", "", "5h:0:fee.1", "%20"] {
        let path = format!("/api/v2/wallets/{}/disposals/{id}/explain?chain=sol", wallets[0]);
        app.get(&path).await.problem(404, "unknown-disposal");
    }
}

#[tokio::test]
async fn a_disposal_is_explained_within_a_window_and_a_moment_of_the_past() {
    let app = TestApp::with_worker().await;
    let wallets = demo_wallets();
    app.completed(&wallets).await;
    for wallet in &wallets {
        let base = format!("/api/v2/wallets/{wallet}");
        let rows = all(&app, &format!("{base}/disposals?chain=sol"), 1000).await;
        let middle = rfc3339(rows[rows.len() / 2]["ts"].as_i64().unwrap());
        for view in [
            format!("time_range={middle}..2100-01-01T00:00:00Z"),
            format!("as_of={middle}"),
            format!("as_of={middle}&time_range=1d"),
        ] {
            let whole = app.get(&format!("{base}/pnl?chain=sol&{view}")).await.json();
            let inside = all(&app, &format!("{base}/disposals?chain=sol&{view}"), 1000).await;
            assert!(!inside.is_empty() && inside.len() < rows.len());
            for row in &rows {
                let id = row["id"].as_str().unwrap();
                let path = format!("{base}/disposals/{id}/explain?chain=sol&{view}");
                let reply = app.get(&path).await;
                if inside.contains(row) {
                    let explained = reply.json();
                    assert_eq!(explained["pinned"], whole["pinned"]);
                    closes(&explained, row, &whole["realized_gain_usd"]);
                } else {
                    reply.problem(404, "unknown-disposal");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_disposal_is_explained_as_a_job_has_counted_it() {
    let app = TestApp::with_worker().await;
    let wallet = &demo_wallets()[0];
    app.completed(std::slice::from_ref(wallet)).await;
    let base = format!("/api/v2/wallets/{wallet}");
    let rows = all(&app, &format!("{base}/disposals?chain=sol"), 1000).await;
    let middle = rfc3339(rows[rows.len() / 2]["ts"].as_i64().unwrap());
    let range = json!({"from": middle, "to": "2100-01-01T00:00:00Z"});
    let ledger = app.get(&format!("{base}/ledger?chain=sol&limit=1000")).await.json();
    let events = ledger["data"].as_array().unwrap();
    let block = events[events.len() / 2]["block"].as_u64().unwrap() + 1;
    let mut jobs = Vec::new();
    for members in [
        json!({"method": "lifo", "options": {"fee_policy": "ignore"}}),
        json!({"time_range": range}),
        json!({"max_transactions": 3}),
        json!({"as_of": middle}),
        json!({"as_of": {"block": block}}),
    ] {
        let mut body = json!({"wallet_addresses": [wallet], "chain": "solana"});
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let job = app.submit(&body).await.json()["job_id"].as_str().unwrap().to_owned();
        app.ended(&job).await;
        jobs.push(job);
    }
    for job in &jobs {
        let page = app.get(&format!("/api/pnl/batch/results/{job}")).await.json();
        let result = &page["data"][0]["result"];
        let (mut gains, mut count) = (Usd::ZERO, 0);
        for row in &rows {
            let id = row["id"].as_str().unwrap();
            let path = format!("{base}/disposals/{id}/explain?chain=sol&job_id={job}");
            let reply = app.get(&path).await;
            if reply.status == 404 {
                continue;
            }
            let explained = reply.json();
            assert_eq!(explained["method"], result["method"]);
            assert_eq!(explained["pinned"], result["pinned"]);
            let of = &explained["result"];
            assert_eq!(of["realized_gain_usd"], result["realized_gain_usd"]);
            for level in [of, &explained["token"]] {
                assert_eq!(level["left_over_usd"], "0", "{explained}");
            }
            assert_eq!(explained["disposal"]["left_over"], "0", "{explained}");
            count += 1;
            if let Some(gain) = explained["disposal"]["gain"].as_str() {
                gains = gains.checked_add(gain.parse().unwrap()).unwrap();
            }
        }
        assert_eq!(gains, usd(&result["realized_gain_usd"]), "all of it is explained");
        assert_ne!(count, 0, "{job}");
        // A file has the same disposals; of a past no ledger is kept.
        let path = format!("/api/pnl/batch/results/{job}/export.ndjson?rows=disposals");
        let file = app.get(&path).await.text;
        let lines: Vec<Value> =
            file.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        if lines[0]["error_code"].is_null() {
            assert_eq!(lines.len(), count, "{file}");
        } else {
            assert_eq!(lines[0]["error_code"], "ledger-replaced", "{file}");
            assert!(jobs[3..].contains(job));
        }
    }
    let cut = &jobs[2];
    let id = rows[0]["id"].as_str().unwrap();
    let path = |query: &str| format!("{base}/disposals/{id}/explain?chain=sol&{query}");
    let none = "job_id=00000000-0000-4000-8000-000000000000";
    app.get(&path(none)).await.problem(404, "unknown-job");
    let both = app.get(&path(&format!("job_id={}&method=lifo", jobs[0]))).await;
    let problem = both.problem(422, "validation-failed");
    assert_eq!(problem["errors"][0]["pointer"], "?method", "{problem}");
    // What it was computed from is gone.
    let gone = "update ledgers set input_hash = 'other'";
    assert!(app.database.execute(gone).await > 0);
    for job in [&jobs[0], cut] {
        let problem =
            app.get(&path(&format!("job_id={job}"))).await.problem(410, "ledger-replaced");
        let why = problem["detail"].as_str().unwrap();
        assert!(why.contains("retention.replaced_ledgers_hours"), "{why}");
    }
    let older = "update pnl_results set report = jsonb_set(report::jsonb, \
                 '{engine_version}', '\"0.0.1\"')::json";
    assert!(app.database.execute(older).await > 0);
    let problem = app.get(&path(&format!("job_id={cut}"))).await.problem(410, "ledger-replaced");
    let why = problem["detail"].as_str().unwrap();
    assert!(why.contains("another version of the engine"), "{why}");
}

#[tokio::test]
async fn a_result_of_a_past_that_had_not_ended_is_not_explained_by_a_later_ledger() {
    let app = TestApp::with_worker().await;
    let wallet = &demo_wallets()[0];
    app.completed(std::slice::from_ref(wallet)).await;
    let base = format!("/api/v2/wallets/{wallet}");
    let whole = app.get(&format!("{base}/disposals?chain=sol&limit=1000")).await.json();
    let id = whole["data"][0]["id"].as_str().unwrap();
    let pinned: chrono::DateTime<chrono::Utc> =
        serde_json::from_value(whole["pinned"]["block_time"].clone()).unwrap();
    // The chain has not come so far: its newest final block stands in.
    let moment = rfc3339(pinned.timestamp() + 3_600);
    let body = json!({"wallet_addresses": [wallet], "chain": "solana", "as_of": moment});
    let job = app.submit(&body).await.json()["job_id"].as_str().unwrap().to_owned();
    app.ended(&job).await;
    let path = format!("{base}/disposals/{id}/explain?chain=sol&job_id={job}");
    let refused = async || {
        let problem = app.get(&path).await.problem(410, "ledger-replaced");
        let why = problem["detail"].as_str().unwrap();
        assert!(why.contains("goes further than the chain had come then"), "{why}");
    };
    refused().await;
    // As if it were analyzed again two hours later: what happened in the first of them is not of the result.
    let later =
        "update ledgers set pin_block = pin_block + 9, pin_block_time = pin_block_time + 7200
        where state = 'current'";
    assert_eq!(app.database.execute(later).await, 1);
    let past = format!("{base}/disposals/{id}/explain?chain=sol&as_of={moment}");
    assert_eq!(app.get(&past).await.json()["id"], id);
    refused().await;
}
