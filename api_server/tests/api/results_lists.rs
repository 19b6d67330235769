//! The results of a job, filtered and sorted.

use load_tests::{FaultKind, Faults};
use reqwest::Method;
use serde_json::{Value, json};

use crate::lines::address;
use crate::support::{TestApp, UNUSED, demo_wallets, reply};

/// All rows of a list, one by one.
async fn walk(app: &TestApp, path: &str) -> Vec<Value> {
    let first = format!("{path}&limit=1");
    let (mut rows, mut next) = (Vec::new(), first.clone());
    loop {
        let page = app.get(&next).await.json();
        rows.extend(page["data"].as_array().unwrap_or_else(|| panic!("{page}")).clone());
        match page["next_cursor"].as_str() {
            Some(cursor) => next = format!("{first}&cursor={cursor}"),
            None => return rows,
        }
    }
}

fn wallets(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["wallet"].as_str().unwrap()).collect()
}

/// A figure of a result, to compare; the demo's are far from where they would be rounded.
fn figure(row: &Value, name: &str) -> f64 {
    match &row["result"][name] {
        Value::String(text) => text.parse().unwrap(),
        number => number.as_f64().unwrap(),
    }
}

#[tokio::test]
async fn results_are_sorted_by_every_figure_and_filtered_by_their_total() {
    let app = TestApp::with_worker().await;
    let mut submitted = demo_wallets();
    submitted.push(UNUSED.to_owned());
    let job = app.completed(&submitted).await;
    let results = format!("/api/pnl/batch/results/{job}");
    let every = app.get(&results).await.json()["data"].as_array().unwrap().clone();
    assert_eq!(every.len(), submitted.len());

    for name in [
        "total_pnl_usd",
        "realized_gain_usd",
        "unrealized_gain_usd",
        "fees_usd",
        "trades",
        "transactions",
    ] {
        let upwards = walk(&app, &format!("{results}?sort={name}")).await;
        assert!(upwards.is_sorted_by_key(|row| figure(row, name)), "{name}");
        let mut downwards = walk(&app, &format!("{results}?sort=-{name}")).await;
        downwards.reverse();
        assert_eq!(upwards, downwards, "{name}");
        // The same rows, byte for byte.
        assert_eq!(upwards.len(), every.len());
        assert!(upwards.iter().all(|row| every.contains(row)), "{name}");
    }
    let spread = walk(&app, &format!("{results}?sort=total_pnl_usd")).await;
    assert!(
        figure(&spread[0], "total_pnl_usd") < figure(&spread[spread.len() - 1], "total_pnl_usd")
    );

    let bound = spread[spread.len() / 2]["result"]["total_pnl_usd"].as_str().unwrap();
    let least: f64 = bound.parse().unwrap();
    for (query, fits) in [
        (
            format!("min_pnl={bound}"),
            Box::new(move |total| total >= least) as Box<dyn Fn(f64) -> bool>,
        ),
        (format!("max_pnl={bound}"), Box::new(move |total| total <= least)),
        ("profitable=true".to_owned(), Box::new(|total| total > 0.0)),
        ("profitable=false&status=done".to_owned(), Box::new(|total| total <= 0.0)),
        ("status=done".to_owned(), Box::new(|_| true)),
        ("status=failed".to_owned(), Box::new(|_| false)),
    ] {
        let found = walk(&app, &format!("{results}?{query}")).await;
        let expected: Vec<_> =
            every.iter().filter(|row| fits(figure(row, "total_pnl_usd"))).cloned().collect();
        assert_eq!(wallets(&found), wallets(&expected), "{query}");
    }

    // What never changes is kept as the whole list is.
    let sorted = app.get(&format!("{results}?sort=trades")).await;
    assert!(sorted.header("cache-control").contains("immutable"), "{:?}", sorted.headers);
    assert!(!sorted.header("etag").is_empty());
}

#[tokio::test]
async fn after_a_purge_a_list_is_in_the_order_of_what_was_repaired() {
    let app = TestApp::with_worker().await;
    let job = app.completed(&demo_wallets()).await;
    let path = format!("/api/pnl/batch/results/{job}?sort=trades");
    let before = walk(&app, &path).await;
    let repair = "update pnl_results r set trades = 1000 - b.place from (
            select wallet, row_number() over (order by trades, task) as place from pnl_results) b
        where b.wallet = r.wallet";
    assert_eq!(app.database.execute(repair).await, before.len() as u64);
    let purge = app.request(Method::POST, "/api/performance/cache/purge");
    let body = json!({"tags": [format!("job:{job}")]});
    assert_eq!(reply(purge.json(&body)).await.status, 202);
    let after = walk(&app, &path).await;
    let (mut reversed, after) = (wallets(&before), wallets(&after));
    reversed.reverse();
    assert_eq!(after, reversed, "each once");
}

#[tokio::test]
async fn a_cursor_belongs_to_its_filters_and_order() {
    let app = TestApp::with_worker().await;
    let job = app.completed(&demo_wallets()).await;
    let results = format!("/api/pnl/batch/results/{job}");
    let lists = [
        "",
        "&status=done",
        "&profitable=false",
        "&min_pnl=-1000000",
        "&max_pnl=1000000",
        "&sort=trades",
        "&sort=-trades",
        "&sort=transactions",
        "&sort=trades&status=done",
    ];
    for list in lists {
        let page = app.get(&format!("{results}?limit=1{list}")).await.json();
        let cursor = page["next_cursor"].as_str().unwrap_or_else(|| panic!("{list}: {page}"));
        for other in lists {
            let reply = app.get(&format!("{results}?limit=1{other}&cursor={cursor}")).await;
            if other == list {
                assert_eq!(reply.status, 200, "{list}: {}", reply.text);
            } else {
                reply.problem(400, "bad-cursor");
            }
        }
    }
}

#[tokio::test]
async fn what_failed_and_what_waits_is_found_and_has_no_figures() {
    let app = TestApp::without_patience().await;
    let mut submitted = app.node.chain().synthetic_wallets();
    let only = Some(submitted[1].clone());
    app.node.set_faults(Faults { only, ..Faults::first(1, FaultKind::RpcError) });
    submitted.push(UNUSED.to_owned());
    let job = app.accepted(&submitted).await;
    app.ended(&job).await;
    let results = format!("/api/pnl/batch/results/{job}");
    for query in
        ["status=failed", "error_code=provider-error", "status=failed&error_code=provider-error"]
    {
        let failed = walk(&app, &format!("{results}?{query}")).await;
        assert_eq!(wallets(&failed), [&submitted[1]], "{query}");
        assert_eq!(failed[0]["error"]["code"], "provider-error");
    }
    for query in ["error_code=oversold", "status=timed_out", "status=queued"] {
        assert!(walk(&app, &format!("{results}?{query}")).await.is_empty(), "{query}");
    }
    assert_eq!(walk(&app, &format!("{results}?sort=trades")).await.len(), 3);
    for query in [
        "sort=trades&status=failed",
        "min_pnl=1&status=running",
        "profitable=true&error_code=internal",
    ] {
        let refused = app.get(&format!("{results}?{query}")).await;
        let problem = refused.problem(422, "validation-failed");
        assert_eq!(problem["errors"][0]["code"], "contradiction", "{problem}");
    }
}

#[tokio::test]
async fn a_page_of_which_rows_are_missing_is_not_the_end_of_the_list() {
    let app = TestApp::without_worker().await;
    let job = app.accepted(&(0..250).map(address).collect::<Vec<_>>()).await;
    let path = format!("/api/pnl/batch/results/{job}");
    app.database.execute("delete from wallet_tasks where ordinal >= 100").await;
    let page = app.get(&format!("{path}?limit=200")).await.json();
    assert_eq!(page["data"].as_array().unwrap().len(), 100);
    assert_eq!(page["has_more"], true);
    let cursor = page["next_cursor"].as_str().unwrap();
    app.get(&format!("{path}?cursor={cursor}")).await.problem(500, "internal");
}

#[tokio::test]
async fn wallets_of_a_job_that_waits_are_queued() {
    let app = TestApp::without_worker().await;
    let submitted = demo_wallets();
    let job = app.accepted(&submitted).await;
    let results = format!("/api/pnl/batch/results/{job}");
    assert_eq!(wallets(&walk(&app, &format!("{results}?status=queued")).await), submitted);
    let sorted = app.get(&format!("{results}?sort=-total_pnl_usd")).await;
    assert_eq!(sorted.header("cache-control"), "no-store");
    let page = sorted.json();
    assert_eq!(
        (page["partial"].as_bool(), page["data"].as_array().unwrap().len()),
        (Some(true), 0)
    );
}
