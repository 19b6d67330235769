//! Lists: filters, numbered pages, and cursors while rows are added.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{TestApp, UNUSED, demo_wallets};

/// The ids of a page, and the address of the next.
async fn page(
    app: &TestApp,
    first: &str,
    next: Option<&str>,
    id: &str,
) -> (Vec<String>, Option<String>) {
    let path = next.map_or_else(|| first.to_owned(), |cursor| format!("{first}&cursor={cursor}"));
    let page = app.get(&path).await;
    assert_eq!(page.status, 200, "{}", page.text);
    let page = page.json();
    let rows = page["data"].as_array().unwrap();
    let ids = rows.iter().map(|row| row[id].as_str().unwrap().to_owned()).collect();
    (ids, page["next_cursor"].as_str().map(ToOwned::to_owned))
}

/// The rest of a list behind `next`.
async fn rest(app: &TestApp, first: &str, mut next: Option<String>, id: &str) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(cursor) = next {
        let (ids, further) = page(app, first, Some(&cursor), id).await;
        all.extend(ids);
        next = further;
    }
    all
}

#[tokio::test]
async fn rows_that_come_while_a_list_is_read_neither_hide_nor_repeat_the_others() {
    let app = TestApp::with_worker().await;
    let before = demo_wallets();
    app.completed(&before).await;
    let sorts = ["-analyzed_at", "analyzed_at", "-total_pnl_usd", "fees_usd", "trades"];
    let mut begun = Vec::new();
    for sort in sorts {
        let first = format!("/api/pnl/results?limit=1&sort={sort}");
        let (ids, next) = page(&app, &first, None, "wallet").await;
        begun.push((first, ids, next));
    }
    let jobs = "/api/pnl/batch?limit=1".to_owned();
    let windowed = json!({"wallet_addresses": before, "chain": "solana", "time_range": "1d"});
    assert_eq!(app.submit(&windowed).await.status, 202);
    let old_jobs: Vec<_> = app.jobs().await.iter().map(|job| job["job_id"].clone()).collect();
    let (mut seen_jobs, next_job) = page(&app, &jobs, None, "job_id").await;

    // Rows that sort before, between and behind those seen.
    let mut added = app.node.chain().synthetic_wallets();
    added.push(UNUSED.to_owned());
    app.completed(&added).await;

    for (first, mut ids, next) in begun {
        ids.extend(rest(&app, &first, next, "wallet").await);
        let once: BTreeSet<_> = ids.iter().collect();
        assert_eq!(once.len(), ids.len(), "{first} repeats a row: {ids:?}");
        for wallet in &before {
            assert!(ids.contains(wallet), "{first} lost {wallet}: {ids:?}");
        }
    }
    seen_jobs.extend(rest(&app, &jobs, next_job, "job_id").await);
    assert_eq!(seen_jobs.into_iter().map(Value::String).collect::<Vec<_>>(), old_jobs);
}

#[tokio::test]
async fn the_newest_results_are_filtered() {
    let app = TestApp::with_worker().await;
    let mut wallets = demo_wallets();
    wallets.push(UNUSED.to_owned());
    app.completed(&wallets).await;
    let all = app.get("/api/pnl/results").await.json()["data"].as_array().unwrap().clone();
    let listed = async |filter: &str| -> BTreeSet<String> {
        let reply = app.get(&format!("/api/pnl/results?{filter}")).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        let rows = reply.json()["data"].as_array().unwrap().clone();
        rows.iter().map(|row| row["wallet"].as_str().unwrap().to_owned()).collect()
    };
    let of = |keep: &dyn Fn(&Value) -> bool| -> BTreeSet<String> {
        let kept = all.iter().filter(|row| keep(row));
        kept.map(|row| row["wallet"].as_str().unwrap().to_owned()).collect()
    };
    let is_gain = |row: &Value| {
        let total = row["total_pnl_usd"].as_str().unwrap();
        total != "0" && !total.starts_with('-')
    };
    assert_eq!(listed("profitable=true").await, of(&is_gain));
    assert_eq!(listed("profitable=false").await, of(&|row| !is_gain(row)));
    assert_eq!(listed("min_trades=1").await, of(&|row| row["trades"].as_u64().unwrap() > 0));
    assert_eq!(listed("min_pnl=0&max_pnl=0").await, of(&|row| row["total_pnl_usd"] == "0"));
    assert_eq!(
        listed("max_pnl=-0.000001").await,
        of(&|row| row["total_pnl_usd"].as_str().unwrap().starts_with('-'))
    );
    assert_eq!(listed("updated_since=2000-01-01T00:00:00%2B02:00").await.len(), all.len());
    assert!(listed("updated_since=2999-01-01T00:00:00Z").await.is_empty());
    // The summary is over the chain, whatever else filters the rows.
    let filtered = app.get("/api/pnl/results?max_pnl=-1e9999").await;
    filtered.problem(400, "bad-query");
    let filtered = app.get("/api/pnl/results?min_trades=1000000").await.json();
    assert_eq!(filtered["summary"]["total_wallets"], all.len());
    // A cursor belongs to its filters.
    let first = app.get("/api/pnl/results?limit=1").await.json();
    let cursor = first["next_cursor"].as_str().unwrap();
    let other = format!("/api/pnl/results?limit=1&min_trades=0&cursor={cursor}");
    app.get(&other).await.problem(400, "bad-cursor");
}

#[tokio::test]
async fn numbered_pages_are_still_answered_and_called_old() {
    let app = TestApp::with_worker().await;
    let mut wallets = demo_wallets();
    wallets.push(UNUSED.to_owned());
    app.completed(&wallets).await;
    let all = app.get("/api/pnl/results").await;
    assert_eq!(all.header("deprecation"), "");
    let all = all.json();
    assert!(all.get("pagination").is_none(), "{all}");
    let mut rows = Vec::new();
    for number in 1..=3 {
        let reply = app.get(&format!("/api/pnl/results?page={number}&limit=2")).await;
        assert!(reply.header("deprecation").starts_with('@'), "{reply:?}");
        assert!(reply.header("link").contains("rel=\"deprecation\""), "{reply:?}");
        let page = reply.json();
        assert_eq!(
            page["pagination"],
            json!({"page": number, "limit": 2, "total": 5, "totalPages": 3,
                   "hasNext": number < 3, "hasPrev": number > 1})
        );
        assert_eq!(page["has_more"], number < 3);
        rows.extend(page["data"].as_array().unwrap().clone());
    }
    assert_eq!(Value::Array(rows), all["data"]);
    let default = app.get("/api/pnl/results?page=1").await.json();
    assert_eq!(
        (&default["pagination"]["limit"], &default["pagination"]["totalPages"]),
        (&json!(20), &json!(1))
    );
    // From a numbered page on by cursor.
    let first = app.get("/api/pnl/results?page=1&limit=2").await.json();
    let next =
        format!("/api/pnl/results?limit=3&cursor={}", first["next_cursor"].as_str().unwrap());
    assert_eq!(app.get(&next).await.json()["data"], json!(all["data"].as_array().unwrap()[2..]));
    app.get("/api/pnl/results?page=101&limit=100").await.problem(400, "bad-query");
    app.get("/api/pnl/results?page=1&limit=101").await.problem(400, "bad-query");
    let twice =
        format!("/api/pnl/results?page=1&cursor={}", first["next_cursor"].as_str().unwrap());
    app.get(&twice).await.problem(422, "validation-failed");
}
