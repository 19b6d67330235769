//! Requests that must be refused: clearly, field by field, and without a trace in the database.

use serde_json::json;

use crate::support::{Plan, TestApp, UNUSED};

/// A submission of one wallet with more members.
fn with(rest: &str) -> String {
    format!(r#"{{"wallet_addresses":["{UNUSED}"],"chain":"solana"{rest}}}"#)
}

/// A submission of these addresses (JSON texts) on a chain.
fn of(chain: &str, addresses: &str) -> String {
    format!(r#"{{"wallet_addresses":[{addresses}],"chain":"{chain}"}}"#)
}

#[tokio::test]
async fn every_bad_submission_is_refused_by_name_and_nothing_is_stored() {
    let app = TestApp::without_worker().await;
    let long = "x".repeat(100_000);
    let deep = format!("{}{}", "[".repeat(40), "]".repeat(40));
    let bidi = "So1111111111111111111111111111111111111111\u{202e}2";
    // Body, status, code, pointer of the first field error.
    let rows: Vec<(String, u16, &str, &str)> = vec![
        (String::new(), 400, "malformed-json", ""),
        ("   ".into(), 400, "malformed-json", ""),
        ("{".into(), 400, "malformed-json", ""),
        ("not json".into(), 400, "malformed-json", ""),
        ("{\"chain\":\"solana\",}".into(), 400, "malformed-json", ""),
        (with("") + "x", 400, "malformed-json", ""),
        ("{'chain':'solana'}".into(), 400, "malformed-json", ""),
        ("{\"chain\":\"sol\u{1}ana\"}".into(), 400, "malformed-json", ""),
        ("[".repeat(200_000), 400, "malformed-json", ""),
        (deep.clone(), 400, "json-too-deep", ""),
        (with(&format!(",\"options\":{{\"a\":{deep}}}")), 400, "json-too-deep", ""),
        ("[]".into(), 422, "validation-failed", ""),
        ("null".into(), 422, "validation-failed", ""),
        ("\"text\"".into(), 422, "validation-failed", ""),
        ("7".into(), 422, "validation-failed", ""),
        ("{}".into(), 422, "validation-failed", "/chain"),
        (r#"{"chain":"solana"}"#.into(), 422, "validation-failed", "/wallet_addresses"),
        (of("solana", ""), 422, "validation-failed", "/wallet_addresses"),
        (
            r#"{"wallet_addresses":"x","chain":"solana"}"#.into(),
            422,
            "validation-failed",
            "/wallet_addresses",
        ),
        (
            r#"{"wallet_addresses":null,"chain":"solana"}"#.into(),
            422,
            "validation-failed",
            "/wallet_addresses",
        ),
        (of("solana", "\"wallet1\""), 422, "validation-failed", "/wallet_addresses/0"),
        (of("solana", "\"\""), 422, "validation-failed", "/wallet_addresses/0"),
        (of("solana", "7"), 422, "validation-failed", "/wallet_addresses/0"),
        (of("solana", "null"), 422, "validation-failed", "/wallet_addresses/0"),
        (of("solana", "[]"), 422, "validation-failed", "/wallet_addresses/0"),
        (
            of("solana", &format!("\"{UNUSED}\",{{}}")),
            422,
            "validation-failed",
            "/wallet_addresses/1",
        ),
        (of("solana", &format!("\" {UNUSED}\"")), 422, "validation-failed", "/wallet_addresses/0"),
        (
            of("solana", &format!("\"{UNUSED}\\n\"")),
            422,
            "validation-failed",
            "/wallet_addresses/0",
        ),
        (
            of("solana", &format!("\"{UNUSED}\\u0000\"")),
            422,
            "validation-failed",
            "/wallet_addresses/0",
        ),
        (of("solana", "\"\\ud800\""), 422, "validation-failed", "/wallet_addresses/0"),
        (of("solana", &format!("\"{bidi}\"")), 422, "validation-failed", "/wallet_addresses/0"),
        (of("solana", &format!("\"{long}\"")), 422, "validation-failed", "/wallet_addresses/0"),
        (
            of("solana", "\"'; drop table batches; --\""),
            422,
            "validation-failed",
            "/wallet_addresses/0",
        ),
        (
            of("solana", "\"0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed\""),
            422,
            "validation-failed",
            "/wallet_addresses/0",
        ),
        (of("doge", &format!("\"{UNUSED}\"")), 422, "validation-failed", "/chain"),
        (of("Solana", &format!("\"{UNUSED}\"")), 422, "validation-failed", "/chain"),
        (of("", &format!("\"{UNUSED}\"")), 422, "validation-failed", "/chain"),
        (
            of("ethereum", "\"0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed\""),
            422,
            "chain-unavailable",
            "/chain",
        ),
        (
            of("eth", "\"0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed\""),
            422,
            "validation-failed",
            "/chain",
        ),
        (
            format!(r#"{{"wallet_addresses":["{UNUSED}"],"chain":7}}"#),
            422,
            "validation-failed",
            "/chain",
        ),
        (
            format!(r#"{{"wallet_addresses":["{UNUSED}"],"chain":null}}"#),
            422,
            "validation-failed",
            "/chain",
        ),
        (with(r#","group":true"#), 422, "validation-failed", "/group"),
        (with(r#","dry_run":false"#), 422, "validation-failed", "/dry_run"),
        (with(r#","as_of":1"#), 422, "validation-failed", "/as_of"),
        (with(r#","__proto__":{}"#), 422, "validation-failed", "/__proto__"),
        (with(r#","a/b~c":1"#), 422, "validation-failed", "/a~1b~0c"),
        (with(r#","":1"#), 422, "validation-failed", "/"),
        (with(r#","chain":"solana""#), 422, "validation-failed", "/chain"),
        (with(r#","wallet_addresses":["x"]"#), 422, "validation-failed", "/wallet_addresses"),
        (with(r#","method":"lifo""#), 422, "validation-failed", "/method"),
        (with(r#","method":"FIFO""#), 422, "validation-failed", "/method"),
        (with(r#","method":1"#), 422, "validation-failed", "/method"),
        (with(r#","options":"none""#), 422, "validation-failed", "/options"),
        (with(r#","options":[]"#), 422, "validation-failed", "/options"),
        (with(r#","options":{"scoop":1}"#), 422, "validation-failed", "/options/scoop"),
        (with(r#","options":{"scope":"galaxy"}"#), 422, "validation-failed", "/options/scope"),
        (with(r#","options":{"scope":7}"#), 422, "validation-failed", "/options/scope"),
        (
            with(r#","options":{"scope":"wallet","scope":"global"}"#),
            422,
            "validation-failed",
            "/options/scope",
        ),
        (with(r#","time_range":"2d""#), 422, "validation-failed", "/time_range"),
        (with(r#","time_range":7"#), 422, "validation-failed", "/time_range"),
        (with(r#","time_range":{}"#), 422, "validation-failed", "/time_range/from"),
        (
            with(r#","time_range":{"from":"yesterday","to":"2024-01-01T00:00:00Z"}"#),
            422,
            "validation-failed",
            "/time_range/from",
        ),
        (
            with(r#","time_range":{"from":"2024-01-02T00:00:00Z","to":"2024-01-01T00:00:00Z"}"#),
            422,
            "validation-failed",
            "/time_range",
        ),
        (with(r#","time_range":{"from":1,"to":2}"#), 422, "validation-failed", "/time_range/from"),
        (with(r#","max_transactions":0"#), 422, "validation-failed", "/max_transactions"),
        (with(r#","max_transactions":-1"#), 422, "validation-failed", "/max_transactions"),
        (with(r#","max_transactions":1.5"#), 422, "validation-failed", "/max_transactions"),
        (with(r#","max_transactions":1e400"#), 422, "validation-failed", "/max_transactions"),
        (with(r#","max_transactions":"9""#), 422, "validation-failed", "/max_transactions"),
        (
            with(r#","max_transactions":99999999999999999999"#),
            422,
            "validation-failed",
            "/max_transactions",
        ),
    ];
    assert!(rows.len() >= 40);
    for (body, status, code, pointer) in &rows {
        let reply = app.submit_text(body.clone()).await;
        let shown: String = body.chars().take(120).collect();
        let problem = reply.problem(*status, code);
        assert_eq!(problem["instance"], "/api/pnl/batch/run", "{shown}");
        if *status == 422 {
            assert_eq!(problem["errors"][0]["pointer"], *pointer, "{shown}: {problem}");
        }
        assert!(reply.text.len() < 5_000, "{shown}: an answer of {} bytes", reply.text.len());
        assert!(reply.text.is_ascii(), "{shown}: foreign characters come back: {}", reply.text);
    }
    assert!(app.jobs().await.is_empty());
}

#[tokio::test]
async fn bytes_that_are_no_text_are_malformed() {
    let app = TestApp::without_worker().await;
    let request = app
        .request(reqwest::Method::POST, "/api/pnl/batch/run")
        .header("content-type", "application/json")
        .body(b"{\"chain\":\"\xff\xfe\"}".to_vec());
    let problem = crate::support::reply(request).await.problem(400, "malformed-json");
    assert!(problem["detail"].as_str().unwrap().contains("10"), "{problem}");
}

#[tokio::test]
async fn a_syntax_error_names_line_and_column() {
    let app = TestApp::without_worker().await;
    let problem = app.submit_text("{\n  \"chain\": }").await.problem(400, "malformed-json");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("line 2") && detail.contains("column 12"), "{detail}");
}

#[tokio::test]
async fn all_bad_addresses_are_counted_and_the_first_hundred_are_listed() {
    let app = TestApp::without_worker().await;
    let wallets: Vec<_> = (0..250).map(|n| format!("wallet{n}")).collect();
    let reply = app.submit(&json!({"wallet_addresses": wallets, "chain": "solana"})).await;
    let problem = reply.problem(422, "validation-failed");
    assert_eq!(problem["errors"].as_array().unwrap().len(), 100);
    assert_eq!(problem["errors"][99]["pointer"], "/wallet_addresses/99");
    assert_eq!(problem["errors"][99]["code"], "bad-address");
    assert_eq!(problem["errors_total"], 250);
    assert!(problem["detail"].as_str().unwrap().contains("250"), "{problem}");
}

#[tokio::test]
async fn more_wallets_than_the_limit_are_too_many_even_when_they_repeat() {
    let app = TestApp::start(Plan {
        adjust: |settings| settings.api.max_wallets = 10,
        ..Plan::default()
    })
    .await;
    let list = |count: usize| json!({"wallet_addresses": vec![UNUSED; count], "chain": "solana"});
    app.submit(&list(11)).await.problem(413, "too-many-wallets");
    assert!(app.jobs().await.is_empty());
    let reply = app.submit(&list(10)).await;
    assert_eq!(reply.status, 202, "{}", reply.text);
    assert_eq!(reply.json()["duplicates_removed"], 9);
    assert_eq!(reply.json()["total_wallets"], 1);
}

#[tokio::test]
async fn bad_query_parameters_are_named() {
    let app = TestApp::without_worker().await;
    let job = app.accepted(&[UNUSED.to_owned()]).await;
    let results = format!("/api/pnl/batch/results/{job}");
    for (path, code, pointer) in [
        (format!("{results}?limit=0"), "bad-query", "?limit"),
        (format!("{results}?limit=1001"), "bad-query", "?limit"),
        (format!("{results}?limit=ten"), "bad-query", "?limit"),
        (format!("{results}?limit=5&limit=5"), "bad-query", "?limit"),
        (format!("{results}?page=2"), "bad-query", "?page"),
        (format!("{results}?cursor="), "bad-cursor", ""),
        (format!("{results}?cursor=abcdef"), "bad-cursor", ""),
        (format!("{results}?cursor=%FF%FE"), "bad-cursor", ""),
        (format!("{results}/export.csv?partial=maybe"), "bad-query", "?partial"),
        (format!("/api/pnl/batch/status/{job}?x=1"), "bad-query", "?x"),
        ("/api/pnl/batch?status=finished".into(), "bad-query", "?status"),
        ("/api/pnl/batch?cursor=00".into(), "bad-cursor", ""),
        ("/api/pnl/results?chain=doge".into(), "bad-query", "?chain"),
        ("/api/pnl/results?sort=luck".into(), "bad-query", "?sort"),
        ("/api/pnl/results?cursor=%00".into(), "bad-cursor", ""),
        (format!("/api/v2/wallets/{UNUSED}/pnl"), "bad-query", "?chain"),
        (format!("/api/v2/wallets/{UNUSED}/pnl?chain=sol&include=all"), "bad-query", "?include"),
        (format!("/api/v2/wallets/{UNUSED}/pnl?chain=sol&method=lifo"), "bad-query", "?method"),
        (format!("/api/v2/wallets/{UNUSED}/ledger?chain=sol&format=xml"), "bad-query", "?format"),
    ] {
        let problem = app.get(&path).await.problem(400, code);
        if !pointer.is_empty() {
            assert_eq!(problem["errors"][0]["pointer"], pointer, "{path}: {problem}");
        }
    }
    let path = "/api/v2/wallets/wallet1/pnl?chain=sol";
    let problem = app.get(path).await.problem(422, "validation-failed");
    assert_eq!(problem["errors"][0]["code"], "bad-address");
}

#[tokio::test]
async fn a_cursor_of_another_list_is_refused() {
    let app = TestApp::without_worker().await;
    let wallets = app.node.chain().synthetic_wallets();
    let first = app.accepted(&wallets).await;
    let second = app.accepted(&wallets).await;
    let page = app.get(&format!("/api/pnl/batch/results/{first}?limit=1")).await.json();
    let cursor = page["next_cursor"].as_str().unwrap();
    let path = format!("/api/pnl/batch/results/{second}?cursor={cursor}");
    app.get(&path).await.problem(400, "bad-cursor");
    let path = format!("/api/pnl/batch?cursor={cursor}");
    app.get(&path).await.problem(400, "bad-cursor");
    let path = format!("/api/pnl/batch/results/{first}?cursor={cursor}");
    assert_eq!(app.get(&path).await.status, 200);
}
