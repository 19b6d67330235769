//! Pages of other origins.

use reqwest::Method;

use crate::support::{Plan, Reply, TestApp, UNUSED, reply};

const LISTED: &str = "https://app.example";

async fn app() -> TestApp {
    let adjust = |settings: &mut service_runtime::config::Settings| {
        settings.api.cors_origins = vec!["http://localhost:3000".to_owned(), LISTED.to_owned()];
    };
    TestApp::start(Plan { adjust, ..Plan::default() }).await
}

async fn ask(app: &TestApp, method: Method, path: &str, headers: &[(&str, &str)]) -> Reply {
    let request = app.request(method, path);
    reply(headers.iter().fold(request, |asked, (name, value)| asked.header(*name, *value))).await
}

fn allowed(reply: &Reply) -> Vec<&str> {
    let names = reply.headers.keys().map(reqwest::header::HeaderName::as_str);
    names.filter(|name| name.starts_with("access-control-")).collect()
}

fn varies_by_origin(reply: &Reply) -> bool {
    let lines = reply.headers.get_all("vary").iter();
    lines.flat_map(|line| line.to_str().unwrap().split(',')).any(|name| name.trim() == "origin")
}

#[tokio::test]
async fn a_listed_page_may_read_every_answer_and_no_other_may() {
    let app = app().await;
    let wallet = format!("/api/v2/wallets/{UNUSED}/pnl?chain=solana");
    for path in ["/api/pnl/results", "/api/health", wallet.as_str(), "/nowhere"] {
        let listed = ask(&app, Method::GET, path, &[("origin", LISTED)]).await;
        assert_eq!(listed.header("access-control-allow-origin"), LISTED, "{path}");
        let exposed = listed.header("access-control-expose-headers");
        for name in
            ["ETag", "X-Cache", "Age", "RateLimit", "RateLimit-Policy", "Retry-After", "Location"]
        {
            assert!(exposed.split(", ").any(|exposed| exposed == name), "{name}: {exposed}");
        }
        assert_eq!(listed.header("access-control-allow-credentials"), "");
        assert!(varies_by_origin(&listed), "{listed:?}");
        for other in
            ["https://app.example.org", "https://APP.example", "http://app.example", "null"]
        {
            let other = ask(&app, Method::GET, path, &[("origin", other)]).await;
            assert_eq!(allowed(&other), [""; 0], "{path}");
            assert!(varies_by_origin(&other), "{other:?}");
        }
        let none = app.get(path).await;
        assert!(allowed(&none).is_empty() && varies_by_origin(&none), "{none:?}");
    }
}

#[tokio::test]
async fn a_question_before_a_request_is_answered_to_listed_pages_alone() {
    let app = app().await;
    let run = "/api/pnl/batch/run";
    let asks = |origin| [("origin", origin), ("access-control-request-method", "POST")];
    let listed = ask(&app, Method::OPTIONS, run, &asks(LISTED)).await;
    assert_eq!(
        (listed.status.as_u16(), listed.header("access-control-allow-origin")),
        (204, LISTED)
    );
    assert_eq!(listed.header("access-control-allow-methods"), "GET, HEAD, POST, DELETE");
    let headers = listed.header("access-control-allow-headers");
    for name in ["Authorization", "X-API-Key", "Content-Type", "Idempotency-Key", "If-None-Match"] {
        assert!(headers.split(", ").any(|header| header == name), "{name}: {headers}");
    }
    assert_eq!(listed.header("access-control-max-age"), "600");
    let other = ask(&app, Method::OPTIONS, run, &asks("https://other.example")).await;
    assert_eq!((other.status.as_u16(), other.header("allow")), (204, "POST"));
    assert!(allowed(&other).is_empty(), "{other:?}");
    let plain = ask(&app, Method::OPTIONS, run, &[("origin", LISTED)]).await;
    assert_eq!((plain.status.as_u16(), plain.header("allow")), (204, "POST"));

    // Without a list nothing is said of origins.
    let app = TestApp::without_worker().await;
    for method in [Method::OPTIONS, Method::GET] {
        let silent = ask(&app, method, "/api/pnl/results", &asks(LISTED)).await;
        assert!(allowed(&silent).is_empty() && !varies_by_origin(&silent), "{silent:?}");
    }
}
