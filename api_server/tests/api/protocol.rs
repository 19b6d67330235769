//! HTTP itself: methods, media types, sizes, ids, time limits, metrics.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::support::{Plan, TestApp, UNUSED, eventually, reply};

const RUN: &str = "/api/pnl/batch/run";

#[tokio::test]
async fn unknown_routes_and_jobs_are_problems() {
    let app = TestApp::without_worker().await;
    for path in ["/", "/nowhere", "/api", "/api/pnl/batch/", "/metrics", "/api/v2/wallets"] {
        let problem = app.get(path).await.problem(404, "not-found");
        assert_eq!(problem["instance"], path);
    }
    let unknown = uuid::Uuid::now_v7();
    for id in [unknown.to_string(), "7".into(), "%FF".into(), "...".into(), "x".repeat(1000)] {
        for path in [
            format!("/api/pnl/batch/status/{id}"),
            format!("/api/pnl/batch/results/{id}"),
            format!("/api/pnl/batch/results/{id}/export.csv"),
        ] {
            let reply = app.get(&path).await;
            assert_eq!(reply.status, 404, "{path}");
            assert_eq!(reply.header("content-type"), "application/problem+json");
        }
    }
    for action in ["cancel", "retry"] {
        let path = format!("/api/pnl/batch/{unknown}/{action}");
        app.post(&path).await.problem(404, "unknown-job");
    }
}

#[tokio::test]
async fn a_wrong_method_is_answered_with_the_right_ones() {
    let app = TestApp::without_worker().await;
    for (method, path, allow) in [
        (Method::GET, RUN, "POST"),
        (Method::DELETE, RUN, "POST"),
        (Method::POST, "/api/pnl/batch", "GET,HEAD"),
        (Method::PUT, "/health", "GET,HEAD"),
        (Method::from_bytes(b"BREW").unwrap(), "/health", "GET,HEAD"),
    ] {
        let reply = reply(app.request(method, path)).await;
        reply.problem(405, "method-not-allowed");
        assert_eq!(reply.header("allow"), allow, "{path}");
    }
    let options = reply(app.request(Method::OPTIONS, RUN)).await;
    assert_eq!((options.status.as_u16(), options.header("allow")), (204, "POST"));
    let head = reply(app.request(Method::HEAD, "/health")).await;
    assert_eq!((head.status.as_u16(), head.text.as_str()), (200, ""));
    let head = reply(app.request(Method::HEAD, "/nowhere")).await;
    assert_eq!((head.status.as_u16(), head.text.as_str()), (404, ""));
}

#[tokio::test]
async fn media_types_are_negotiated() {
    let app = TestApp::without_worker().await;
    let body = json!({"wallet_addresses": [UNUSED], "chain": "solana"}).to_string();
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "json"] {
        let request =
            app.request(Method::POST, RUN).header("content-type", content_type).body(body.clone());
        reply(request).await.problem(415, "unsupported-media-type");
    }
    let request = app.request(Method::POST, RUN).body(body.clone());
    reply(request).await.problem(415, "unsupported-media-type");
    let request = app
        .request(Method::POST, RUN)
        .header("content-type", "application/json")
        .header("content-encoding", "gzip")
        .body(body.clone());
    reply(request).await.problem(415, "unsupported-media-type");
    let request = app.request(Method::GET, "/api/pnl/batch").header("accept", "text/html");
    reply(request).await.problem(406, "not-acceptable");
    assert!(app.jobs().await.is_empty());
    let request = app
        .request(Method::POST, RUN)
        .header("content-type", "application/json; charset=utf-8")
        .header("accept", "text/html, */*;q=0.1")
        .body(body);
    assert_eq!(reply(request).await.status, 202);
}

#[tokio::test]
async fn bodies_beyond_the_limit_are_refused_announced_or_not() {
    let app = TestApp::start(Plan {
        adjust: |settings| settings.api.max_body_bytes = 1024,
        ..Plan::default()
    })
    .await;
    let large = format!("{{\"chain\":\"{}\"}}", "x".repeat(2000));
    app.submit_text(large.clone()).await.problem(413, "body-too-large");
    // Without a Content-Length the bytes are counted as they come.
    let chunked = format!(
        "POST {RUN} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n{:x}\r\n{large}\r\n0\r\n\r\n",
        large.len()
    );
    let answer = app.raw(chunked.as_bytes(), Duration::from_secs(5)).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("\"body-too-large\""), "{answer}");
    // The answer arrives although nobody wanted the body.
    let huge = "x".repeat(5_000_000);
    app.submit_text(huge.clone()).await.problem(413, "body-too-large");
    let request = app.request(Method::POST, RUN).header("content-type", "text/plain").body(huge);
    reply(request).await.problem(415, "unsupported-media-type");
    let target = format!("/api/pnl/batch?status={}", "x".repeat(9000));
    app.get(&target).await.problem(414, "uri-too-long");
}

#[tokio::test]
async fn a_body_that_does_not_arrive_in_time_is_a_timeout_of_the_client() {
    let app = TestApp::start(Plan {
        adjust: |settings| settings.api.request_timeout_seconds = 1,
        ..Plan::default()
    })
    .await;
    let head = format!(
        "POST {RUN} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: 100\r\n\r\n{{\"chain\""
    );
    let answer = app.raw(head.as_bytes(), Duration::from_secs(5)).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("\"request-timeout\""), "{answer}");
    assert!(app.jobs().await.is_empty());
}

#[tokio::test]
async fn ids_of_the_caller_are_kept_and_returned() {
    let app = TestApp::without_worker().await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let request = app
        .request(Method::GET, "/nowhere")
        .header("x-request-id", "req-42")
        .header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"));
    let answer = reply(request).await;
    assert_eq!(answer.header("x-request-id"), "req-42");
    assert_eq!(answer.problem(404, "not-found")["trace_id"], trace);
    assert!(answer.header("traceparent").starts_with(&format!("00-{trace}-")));
    let (a, b) = (app.get("/health").await, app.get("/health").await);
    assert_ne!(a.header("x-request-id"), b.header("x-request-id"));
    assert_ne!(a.header("traceparent")[3..35], b.header("traceparent")[3..35]);
}

#[tokio::test]
async fn the_code_of_an_error_is_explained_at_its_type() {
    let app = TestApp::without_worker().await;
    let kind = app.get("/nowhere").await.json()["type"].as_str().unwrap().to_owned();
    let page = app.get(&kind).await;
    assert_eq!(page.status, 200);
    assert!(page.text.starts_with("not-found\n404 Not Found\n"), "{}", page.text);
    assert_eq!(app.get("/problems/bad-address").await.status, 200);
    app.get("/problems/no-such-code").await.problem(404, "not-found");
}

#[tokio::test]
async fn the_interface_describes_itself_without_foreign_hosts() {
    let app = TestApp::without_worker().await;
    let document = app.get("/api/openapi.json").await;
    assert_eq!(
        (document.status.as_u16(), document.header("content-type")),
        (200, "application/json")
    );
    assert_eq!(document.text, api_server::openapi::document());
    let page = app.get("/api/docs").await;
    assert_eq!(
        (page.status.as_u16(), page.header("content-type")),
        (200, "text/html; charset=utf-8")
    );
    assert!(page.header("content-security-policy").starts_with("default-src 'none';"));
    for foreign in ["http://", "https://", "<script", "src="] {
        assert!(!page.text.contains(foreign), "{foreign}");
    }
    for path in document.json()["paths"].as_object().unwrap().keys() {
        assert!(page.text.contains(path), "{path} is on the page");
    }
    for problem in api_server::problems::ALL {
        assert!(page.text.contains(&format!("<code>{}</code>", problem.code)), "{}", problem.code);
    }
}

#[tokio::test]
async fn metrics_are_on_the_admin_listener_and_count_by_route() {
    let app = TestApp::without_worker().await;
    let job = app.accepted(&[UNUSED.to_owned()]).await;
    app.get(&format!("/api/pnl/batch/status/{job}")).await;
    app.get("/secret/wallet/path").await;
    let scrape = app.admin_get("/metrics").await;
    assert_eq!(scrape.status, 200);
    assert_eq!(scrape.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let text = &scrape.text;
    for line in [
        "http_requests_total{method=\"GET\",route=\"/api/pnl/batch/status/{job_id}\",status=\"200\"} 1",
        "http_requests_total{method=\"POST\",route=\"/api/pnl/batch/run\",status=\"202\"} 1",
        "http_requests_total{method=\"GET\",route=\"unmatched\",status=\"404\"} 1",
        "wallet_tasks{state=\"queued\"} 1",
        "database_up 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    for name in [
        "http_request_duration_seconds_bucket",
        "http_requests_in_flight",
        "http_connections",
        "db_pool_size",
        "db_pool_idle",
        "db_pool_max",
        "wallet_slots_in_use",
        "wallet_tasks_oldest_queued_seconds",
        "process_resident_memory_bytes",
    ] {
        assert!(text.lines().any(|line| line.starts_with(name)), "{name}\n{text}");
    }
    assert!(!text.contains(&job) && !text.contains("secret"), "ids and paths are no labels");
    assert_eq!(app.admin_get("/health").await.status, 200);
    app.admin_get("/api/pnl/batch").await.problem(404, "not-found");
}

#[tokio::test]
async fn a_connection_beyond_the_most_is_answered_when_another_is_closed() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let adjust =
        |settings: &mut service_runtime::config::Settings| settings.api.max_connections = 2;
    let app = TestApp::start(Plan { adjust, ..Plan::default() }).await;
    let connect = async || {
        let mut stream = tokio::net::TcpStream::connect(app.address).await.unwrap();
        stream.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        stream
    };
    let answered = async |stream: &mut tokio::net::TcpStream| {
        let mut begin = [0; 12];
        stream.read_exact(&mut begin).await.unwrap();
        assert_eq!(&begin, b"HTTP/1.1 200");
    };
    let (mut one, mut two) = (connect().await, connect().await);
    answered(&mut one).await;
    answered(&mut two).await;
    let mut three = connect().await;
    eventually("a connection waits", || async {
        let metrics = app.admin_get("/metrics").await.text;
        metrics.contains("http_connections_waited_total 1\n")
            && metrics.contains("http_connections 2\n")
    })
    .await;
    assert_eq!(app.admin_get("/api/health").await.status, 200);
    let mut nothing = [0; 1];
    assert!(three.try_read(&mut nothing).is_err(), "it is not answered yet");
    drop(one);
    answered(&mut three).await;
}
