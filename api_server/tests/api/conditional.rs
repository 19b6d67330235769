//! What clients need not get again: tags, 304, `Cache-Control`; and what they get compressed.

use reqwest::Method;
use serde_json::json;
use service_runtime::config::Role;

use crate::support::{Plan, Reply, TestApp, UNUSED, demo_wallets, reply};

/// GET with one more header.
async fn get_with(app: &TestApp, path: &str, name: &str, value: &str) -> Reply {
    reply(app.request(Method::GET, path).header(name, value)).await
}

/// The answer at `path` has a tag, and whoever has it is answered 304 without a body.
async fn is_tagged(app: &TestApp, path: &str) -> String {
    let whole = app.get(path).await;
    assert_eq!(whole.status, 200, "{path}: {}", whole.text);
    let tag = whole.header("etag").to_owned();
    assert!(tag.len() == 34 && tag.starts_with('"') && tag.ends_with('"'), "{path}: {tag:?}");
    assert_eq!(whole.header("vary"), "Accept, Accept-Encoding, Authorization, X-API-Key", "{path}");
    assert_eq!(whole.header("content-length"), whole.text.len().to_string(), "{path}");
    let head = reply(app.request(Method::HEAD, path)).await;
    assert_eq!((head.status.as_u16(), head.text.as_str()), (200, ""), "{path}");
    for name in ["etag", "content-length", "content-type", "cache-control"] {
        assert_eq!(head.header(name), whole.header(name), "{path}: {name}");
    }
    for known in [tag.clone(), format!("\"other\", W/{tag}"), "*".to_owned()] {
        for method in [Method::GET, Method::HEAD] {
            let request = app.request(method, path).header("if-none-match", &known);
            let unchanged = reply(request).await;
            assert_eq!((unchanged.status.as_u16(), unchanged.text.as_str()), (304, ""), "{path}");
            assert_eq!(unchanged.header("etag"), tag, "{path}");
            assert_eq!(unchanged.header("content-type"), "", "{path}");
            assert_eq!(unchanged.header("cache-control"), whole.header("cache-control"), "{path}");
        }
    }
    let other = get_with(app, path, "if-none-match", "\"0123456789abcdef0123456789abcdef\"").await;
    assert_eq!((other.status.as_u16(), other.text), (200, whole.text), "{path}");
    tag
}

#[tokio::test]
async fn values_have_tags_and_whoever_has_them_gets_no_body() {
    let app = TestApp::with_worker().await;
    let wallets = demo_wallets();
    let job = app.completed(&wallets).await;
    let wallet = &wallets[0];
    for path in [
        "/api/pnl/batch".to_owned(),
        format!("/api/pnl/batch/status/{job}"),
        format!("/api/pnl/batch/results/{job}"),
        format!("/api/pnl/batch/results/{job}/export.csv"),
        "/api/pnl/results".to_owned(),
        "/api/openapi.json".to_owned(),
        "/api/docs".to_owned(),
        "/problems/not-found".to_owned(),
    ] {
        is_tagged(&app, &path).await;
    }
    // It tells for how long the process runs, so a tag is as old as a second.
    let known = get_with(&app, "/api/services/status", "if-none-match", "*").await;
    assert_eq!((known.status.as_u16(), known.header("etag").len()), (304, 34), "{known:?}");
    for part in ["pnl", "ledger", "tokens", "coverage", "equity", "what-if", "disposals"] {
        let path = format!("/api/v2/wallets/{wallet}/{part}?chain=solana");
        is_tagged(&app, &path).await;
        let keep = "public, max-age=300, stale-while-revalidate=30, stale-if-error=600";
        assert_eq!(app.get(&path).await.header("cache-control"), keep, "{path}");
    }
    let latest = app.get("/api/pnl/results").await;
    let keep = "public, max-age=60, stale-while-revalidate=30, stale-if-error=600";
    assert_eq!(latest.header("cache-control"), keep);
    // Errors and probes are no values.
    for path in ["/nowhere", "/health", "/api/health"] {
        assert_eq!(app.get(path).await.header("etag"), "", "{path}");
    }
}

#[tokio::test]
async fn the_tag_of_a_job_stays_until_something_happens() {
    let app = TestApp::without_worker().await;
    let job = app.accepted(&[UNUSED.to_owned()]).await;
    let (status, results) =
        (format!("/api/pnl/batch/status/{job}"), format!("/api/pnl/batch/results/{job}"));
    let (of_status, of_results) = (is_tagged(&app, &status).await, is_tagged(&app, &results).await);
    let running = get_with(&app, &status, "if-none-match", &of_status).await;
    assert_eq!((running.status.as_u16(), running.header("retry-after")), (304, "2"));
    for path in [&status, &results] {
        assert_eq!(app.get(path).await.header("cache-control"), "no-store");
    }
    assert_eq!(app.post(&format!("/api/pnl/batch/{job}/cancel")).await.status, 202);
    app.ended(&job).await;
    for (path, tag) in [(&status, of_status), (&results, of_results)] {
        let changed = get_with(&app, path, "if-none-match", &tag).await;
        assert_eq!(changed.status, 200, "{}", changed.text);
        assert_ne!(changed.header("etag"), tag);
    }
    // A cancelled job is over, and not for ever: nothing says that it stays.
    assert_eq!(app.get(&results).await.header("cache-control"), "private, no-cache");
}

#[tokio::test]
async fn results_may_be_kept_until_they_can_change_or_are_removed() {
    let app = TestApp::start(Plan {
        role: Role::All,
        adjust: |settings| settings.retention.results_days = 1,
        ..Plan::default()
    })
    .await;
    let job = app.completed(&[UNUSED.to_owned()]).await;
    let path = format!("/api/pnl/batch/results/{job}");
    let seconds = |header: &str| -> u64 {
        let rest = header.strip_prefix("private, max-age=").unwrap_or_else(|| panic!("{header}"));
        rest.strip_suffix(", immutable").unwrap().parse().unwrap()
    };
    let day = seconds(app.get(&path).await.header("cache-control"));
    assert!((86_000..=86_400).contains(&day), "{day}");
    let export = app.get(&format!("{path}/export.csv")).await;
    assert!(seconds(export.header("cache-control")) <= day);

    let app = TestApp::with_worker().await;
    let job = app.completed(&[UNUSED.to_owned()]).await;
    let kept = app.get(&format!("/api/pnl/batch/results/{job}")).await;
    assert_eq!(seconds(kept.header("cache-control")), 365 * 86_400);
}

#[tokio::test]
async fn large_answers_are_compressed_for_clients_that_take_that() {
    let app = TestApp::with_worker().await;
    let wallets = demo_wallets();
    let job = app.completed(&wallets).await;
    let path = format!("/api/pnl/batch/results/{job}");
    let plain = app.get(&path).await;
    assert!(plain.text.len() > 1024 && plain.header("content-encoding").is_empty());
    let url = format!("http://{}{path}", app.address);
    let unpacking = reqwest::Client::builder().gzip(true).build().unwrap();
    assert_eq!(unpacking.get(&url).send().await.unwrap().text().await.unwrap(), plain.text);
    for encoding in ["gzip", "br", "zstd"] {
        let packed = app.request(Method::GET, &path).header("accept-encoding", encoding);
        let packed = packed.send().await.unwrap();
        assert_eq!(packed.headers()["content-encoding"], encoding);
        let tag = packed.headers()["etag"].to_str().unwrap().to_owned();
        assert_eq!(tag, format!("{}-{encoding}\"", plain.header("etag").trim_end_matches('"')));
        assert!(packed.bytes().await.unwrap().len() < plain.text.len() / 2, "{encoding}");
        let unchanged = get_with(&app, &path, "if-none-match", &tag).await;
        assert_eq!((unchanged.status.as_u16(), unchanged.header("etag")), (304, tag.as_str()));
    }
    let request = app.request(Method::GET, &path).header("accept-encoding", "gzip");
    let opted_out = reply(request.header("x-no-compression", "1")).await;
    assert_eq!(opted_out.header("content-encoding"), "");
    assert_eq!(opted_out.text, plain.text);
    // Small answers are not worth it.
    let status = format!("/api/pnl/batch/status/{job}");
    let small = get_with(&app, &status, "accept-encoding", "gzip").await;
    assert_eq!(small.header("content-encoding"), "");

    let app = TestApp::start(Plan {
        adjust: |settings| settings.api.compression_min_bytes = 0,
        ..Plan::default()
    })
    .await;
    let never = get_with(&app, "/api/pnl/results", "accept-encoding", "gzip").await;
    assert_eq!(never.header("content-encoding"), "");
}

#[tokio::test]
async fn an_answer_that_is_refused_is_not_kept() {
    let app = TestApp::without_worker().await;
    let body = json!({"wallet_addresses": ["nobody"], "chain": "solana"});
    for refused in [app.submit(&body).await, app.get("/api/pnl/results?page=0").await] {
        assert!(refused.status.is_client_error(), "{}", refused.text);
        assert_eq!(refused.header("cache-control"), "no-store");
        assert_eq!(refused.header("etag"), "");
    }
}
