//! More requests than a process can work on.

use reqwest::Method;

use crate::support::{
    Plan, TestApp, UNUSED, eventually, hold_results, release, reply, waiting_for_locks,
};

fn figure(metrics: &str, name: &str) -> u64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().parse().unwrap()
}

#[tokio::test]
async fn expensive_requests_are_refused_first_and_probes_never() {
    let adjust = |settings: &mut service_runtime::config::Settings| {
        settings.api.max_at_work = 2;
        settings.database.request_statement_timeout_seconds = 600;
    };
    let app = TestApp::start(Plan { adjust, ..Plan::default() }).await;
    let job = app.accepted(&[UNUSED.to_owned()]).await;
    let results = format!("/api/pnl/batch/results/{job}");
    let status = format!("/api/pnl/batch/status/{job}");

    // A reader that has to wait for somebody else is at work all the while.
    let holder = hold_results(&app).await;
    let shed = async {
        eventually("a reader waits", || async { waiting_for_locks(&app).await > 0 }).await;
        app.get(&results).await.problem(503, "overloaded");
        let posted =
            app.request(Method::POST, &format!("/api/v2/wallets/{UNUSED}/what-if?chain=solana"));
        reply(posted.json(&serde_json::json!({}))).await.problem(503, "overloaded");
        assert_eq!(app.get(&status).await.status, 200, "there is room for a light one");
        assert_eq!(app.get("/api/health").await.status, 200);
        assert_eq!(app.get("/api/services/status").await.json()["mode"], "high_load");
        let metrics = app.admin_get("/metrics").await.text;
        assert_eq!(figure(&metrics, "http_shed_total{cost=\"expensive\"} "), 2);
        assert_eq!(figure(&metrics, "http_shed_total{cost=\"light\"} "), 0);
        assert_eq!(figure(&metrics, "http_places "), 2);
        release(&app).await;
    };
    let (first, ()) = tokio::join!(app.get(&results), shed);
    assert_eq!(first.status, 200, "{}", first.text);
    assert_eq!(app.get(&results).await.status, 200, "its place is free again");
    assert!(holder.await.is_err(), "it was ended");
}

#[tokio::test]
async fn a_file_has_its_place_until_it_is_sent() {
    let adjust = |settings: &mut service_runtime::config::Settings| {
        settings.api.max_files = 1;
        settings.database.export_statement_timeout_seconds = 600;
    };
    let app = TestApp::start(Plan { adjust, ..Plan::default() }).await;
    let job = app.accepted(&[UNUSED.to_owned()]).await;
    let file = |format: &str| format!("/api/pnl/batch/results/{job}/export.{format}?partial=true");

    // The head of a file is out while its rows are waited for.
    let holder = hold_results(&app).await;
    let (csv, ndjson) = (file("csv"), file("ndjson"));
    let refused = async {
        eventually("a reader waits", || async { waiting_for_locks(&app).await > 0 }).await;
        let refused = app.get(&ndjson).await;
        refused.problem(503, "overloaded");
        assert_eq!(refused.header("retry-after"), "5");
        let status = format!("/api/pnl/batch/status/{job}");
        assert_eq!(app.get(&status).await.status, 200, "others have room");
        let metrics = app.admin_get("/metrics").await.text;
        assert_eq!(figure(&metrics, "http_shed_total{cost=\"file\"} "), 1);
        release(&app).await;
    };
    let (first, ()) = tokio::join!(app.get(&csv), refused);
    assert_eq!(first.status, 200, "{}", first.text);
    for path in [&ndjson, &csv, &ndjson] {
        assert_eq!(app.get(path).await.status, 200, "its place is free again");
    }
    assert!(holder.await.is_err(), "it was ended");
}
