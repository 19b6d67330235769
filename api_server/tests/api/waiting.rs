//! Requests that wait for a job.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use service_runtime::config::Role;

use crate::support::{Plan, Reply, TestApp, UNUSED, eventually, reply};

/// Longer than anything here takes, and shorter than the time limit of requests allows.
const WAIT: u64 = 20;

async fn waiting(app: &TestApp, job: &str, tag: Option<&str>) -> Reply {
    let path = format!("/api/pnl/batch/status/{job}?wait={WAIT}");
    let request = app.request(Method::GET, &path);
    reply(match tag {
        Some(tag) => request.header("if-none-match", tag),
        None => request,
    })
    .await
}

async fn waiting_now(app: &TestApp) -> u32 {
    let text = app.admin_get("/metrics").await.text;
    let line = text.lines().find_map(|line| line.strip_prefix("http_requests_waiting "));
    line.unwrap().parse().unwrap()
}

async fn somebody_waits(app: &TestApp, how_many: u32) {
    eventually("requests wait", || async { waiting_now(app).await == how_many }).await;
}

#[tokio::test]
async fn a_status_waits_for_a_change_of_its_job_wherever_it_is_made() {
    let app = TestApp::without_worker().await;
    let other = TestApp::beside(&app, Plan::default()).await;
    let job = app.accepted(&[UNUSED.to_owned()]).await;
    let first = app.get(&format!("/api/pnl/batch/status/{job}")).await;
    let tag = first.header("etag").to_owned();
    // Another state than the one at hand is told at once.
    let begun = Instant::now();
    let news = waiting(&app, &job, Some("\"another\"")).await;
    assert_eq!((news.status.as_u16(), news.json()), (200, first.json()));
    assert!(begun.elapsed() < Duration::from_secs(WAIT / 2));

    let cancel = async {
        somebody_waits(&app, 2).await;
        other.post(&format!("/api/pnl/batch/{job}/cancel")).await
    };
    let (plain, tagged, cancelled) =
        tokio::join!(waiting(&app, &job, None), waiting(&app, &job, Some(&tag)), cancel);
    assert!(begun.elapsed() < Duration::from_secs(WAIT), "they waited to the end");
    for changed in [plain, tagged] {
        assert_eq!((changed.status.as_u16(), changed.json()), (200, cancelled.json()));
        assert_ne!(changed.header("etag"), tag);
        assert_eq!(changed.header("retry-after"), "");
    }
    // Nothing more happens to it, so nobody waits.
    let ended = waiting(&app, &job, None).await;
    assert_eq!(waiting(&app, &job, Some(ended.header("etag"))).await.status, 304);
    assert_eq!(waiting_now(&app).await, 0);
}

#[tokio::test]
async fn a_wait_without_a_change_ends_with_what_is_known() {
    let app = TestApp::without_worker().await;
    let job = app.accepted(&[UNUSED.to_owned()]).await;
    let path = format!("/api/pnl/batch/status/{job}");
    let first = app.get(&path).await;
    let again = app.get(&format!("{path}?wait=1")).await;
    assert_eq!((again.status.as_u16(), &again.text), (200, &first.text));
    let request = app.request(Method::GET, &format!("{path}?wait=1"));
    let same = reply(request.header("if-none-match", first.header("etag"))).await;
    assert_eq!(same.status, 304);
    for bad in ["-1", "301", "soon", ""] {
        app.get(&format!("{path}?wait={bad}")).await.problem(400, "bad-query");
    }
    let unknown = "/api/pnl/batch/status/0193e0f5-7c1f-7d0e-8b5a-0f4a5c1d2e3f?wait=9";
    app.get(unknown).await.problem(404, "unknown-job");
}

#[tokio::test]
async fn a_process_that_stops_answers_whoever_waits() {
    let app = TestApp::without_worker().await;
    let job = app.accepted(&[UNUSED.to_owned()]).await;
    let begun = Instant::now();
    let stop = async {
        somebody_waits(&app, 1).await;
        app.drain.cancel();
    };
    let (answer, ()) = tokio::join!(waiting(&app, &job, None), stop);
    assert_eq!(answer.json()["status"], "queued");
    assert!(begun.elapsed() < Duration::from_secs(WAIT));
}

#[tokio::test]
async fn only_so_many_requests_wait() {
    let adjust = |settings: &mut service_runtime::config::Settings| settings.live.max_waiting = 1;
    let app = TestApp::start(Plan { adjust, ..Plan::default() }).await;
    let job = app.accepted(&[UNUSED.to_owned()]).await;
    let beyond = async {
        somebody_waits(&app, 1).await;
        let refused = waiting(&app, &job, None).await;
        // A submission is stored already, so it is answered as if it had not asked.
        let begun = Instant::now();
        let submitted = submit(&app, &format!("wait={WAIT}")).await;
        assert!(begun.elapsed() < Duration::from_secs(WAIT / 2));
        app.post(&format!("/api/pnl/batch/{job}/cancel")).await;
        (refused, submitted)
    };
    let (waited, (refused, submitted)) = tokio::join!(waiting(&app, &job, None), beyond);
    refused.problem(503, "too-many-waiting");
    assert_eq!(submitted.status, 202);
    assert_eq!(waited.json()["status"], "cancelled");
}

async fn submit(app: &TestApp, prefer: &str) -> Reply {
    let body = json!({"wallet_addresses": [UNUSED], "chain": "solana"});
    let request = app.request(Method::POST, "/api/pnl/batch/run").header("prefer", prefer);
    reply(request.header("content-type", "application/json").body(body.to_string())).await
}

#[tokio::test]
async fn a_submission_answers_with_the_ended_job_when_it_ends_in_time() {
    let app = TestApp::start(Plan { role: Role::All, ..Plan::default() }).await;
    let ended = submit(&app, &format!("respond-async, wait={WAIT}")).await;
    assert_eq!((ended.status.as_u16(), &ended.json()["status"]), (200, &json!("completed")));
    assert_eq!(ended.header("preference-applied"), format!("wait={WAIT}"));
    let job = ended.json()["job_id"].as_str().unwrap().to_owned();
    assert_eq!(ended.header("location"), format!("/api/pnl/batch/status/{job}"));
    assert_eq!(app.get(ended.header("location")).await.json(), ended.json());

    let app = TestApp::without_worker().await;
    let open = submit(&app, "wait=1").await;
    assert_eq!((open.status.as_u16(), &open.json()["status"]), (202, &json!("queued")));
    assert_eq!(open.header("preference-applied"), "wait=1");
    let plain = submit(&app, "handling=strict").await;
    assert_eq!((plain.status.as_u16(), plain.header("preference-applied")), (202, ""));
}
