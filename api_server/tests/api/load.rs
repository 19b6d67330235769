//! More requests than a process can work on.

use crate::support::{
    Plan, TestApp, UNUSED, eventually, hold_results, release_results, waiting_for_locks,
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
        assert_eq!(app.get(&status).await.status, 200, "there is room for a light one");
        assert_eq!(app.get("/api/health").await.status, 200);
        assert_eq!(app.get("/api/services/status").await.json()["mode"], "high_load");
        let metrics = app.admin_get("/metrics").await.text;
        assert_eq!(figure(&metrics, "http_shed_total{cost=\"expensive\"} "), 1);
        assert_eq!(figure(&metrics, "http_shed_total{cost=\"light\"} "), 0);
        assert_eq!(figure(&metrics, "http_places "), 2);
        release_results(&app).await;
    };
    let (first, ()) = tokio::join!(app.get(&results), shed);
    assert_eq!(first.status, 200, "{}", first.text);
    assert_eq!(app.get(&results).await.status, 200, "its place is free again");
    assert!(holder.await.is_err(), "it was ended");
}
