//! Submissions as lines, and submissions that are only checked.

use reqwest::{Body, Method};
use serde_json::{Value, json};
use service_runtime::config::{Role, Settings};

use crate::support::{Plan, Reply, TestApp, UNUSED, demo_wallets, reply};

const RUN: &str = "/api/pnl/batch/run";

async fn send(app: &TestApp, key: Option<&str>, body: impl Into<Body>) -> Reply {
    let mut request = app
        .request(Method::POST, RUN)
        .header("content-type", "application/x-ndjson; charset=utf-8")
        .body(body);
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    reply(request).await
}

/// `wallets` in both ways to write one.
fn lines(terms: &str, wallets: &[String]) -> String {
    let mut text = format!("{terms}\n");
    for (n, wallet) in wallets.iter().enumerate() {
        let line = if n % 2 == 0 { json!(wallet) } else { json!({"wallet": wallet}) };
        text.push_str(&format!("{line}\n"));
    }
    text
}

/// An address for each number.
pub fn address(n: u32) -> String {
    const DIGITS: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let mut rest = n as usize;
    let mut end = String::new();
    for _ in 0..4 {
        end.push(char::from(DIGITS[rest % DIGITS.len()]));
        rest /= DIGITS.len();
    }
    format!("{}{end}", &UNUSED[..UNUSED.len() - 4])
}

#[tokio::test]
async fn lines_are_a_job_like_any_other() {
    let app = TestApp::start(Plan { role: Role::All, ..Plan::default() }).await;
    let mut wallets = demo_wallets();
    let distinct = wallets.len();
    wallets.push(wallets[0].clone());
    let body = lines(r#"{"chain": "sol", "method": "lifo"}"#, &wallets);
    let first = send(&app, Some("once"), body.clone()).await;
    assert_eq!(first.status, 202, "{}", first.text);
    let accepted = first.json();
    assert_eq!(
        (&accepted["total_wallets"], &accepted["duplicates_removed"]),
        (&distinct.into(), &1.into())
    );
    // The same lines in other words, without the last end of line, in pieces.
    let again = body.replace(
        "{\"chain\": \"sol\", \"method\": \"lifo\"}",
        "{\"method\":\"lifo\",\"chain\":\"sol\"}\r",
    );
    let pieces: Vec<_> = again
        .trim_end()
        .as_bytes()
        .chunks(7)
        .map(|piece| Ok::<_, std::io::Error>(piece.to_vec()))
        .collect();
    let replayed = send(&app, Some("once"), Body::wrap_stream(futures::stream::iter(pieces))).await;
    assert_eq!((replayed.header("idempotent-replayed"), &replayed.text), ("true", &first.text));
    let other = send(&app, Some("once"), body.replace("lifo", "fifo")).await;
    other.problem(422, "idempotency-key-reused");
    let job = accepted["job_id"].as_str().unwrap();
    assert_eq!(app.ended(job).await["status"], "completed");
    let results = app.get(&format!("/api/pnl/batch/results/{job}?limit=1000")).await.json();
    let told: Vec<_> =
        results["data"].as_array().unwrap().iter().map(|row| row["wallet"].clone()).collect();
    assert_eq!(told, wallets[..distinct]);
    assert_eq!(results["data"][0]["result"]["method"], "lifo");
}

#[tokio::test]
async fn a_bad_line_is_named_and_nothing_is_stored() {
    let app = TestApp::without_worker().await;
    let good = format!("\"{UNUSED}\"");
    for (body, pointer, code, value) in [
        (
            format!("{{\"chain\":\"sol\"}}\n{good}\n\"wallet1\"\n"),
            "line:3",
            "bad-address",
            "wallet1",
        ),
        (format!("{{\"chain\":\"sol\"}}\n{good}\nwallet1\n"), "line:3", "bad-line", "wallet1"),
        (format!("{{\"chain\":\"sol\"}}\n\n{good}\n"), "line:2", "bad-line", ""),
        (format!("{{\"chain\":\"sol\"}}\n7\n{good}\n"), "line:2", "wrong-type", "number"),
        (
            "{\"chain\":\"sol\"}\n{\"wallet\":7}\n".to_owned(),
            "line:2/wallet",
            "wrong-type",
            "number",
        ),
        (
            format!("{{\"chain\":\"sol\"}}\n{{\"address\":{good}}}\n"),
            "line:2/address",
            "unknown-field",
            "wallet",
        ),
        (
            format!("{{\"chain\":\"sol\"}}\n{{\"wallet\":{good},\"wallet\":{good}}}\n"),
            "line:2/wallet",
            "duplicate-key",
            "",
        ),
        (format!("{{\"chain\":\"doge\"}}\n{good}\n"), "line:1/chain", "unknown-chain", "doge"),
        (
            format!("{{\"chain\":\"sol\",\"wallet_addresses\":[]}}\n{good}\n"),
            "line:1/wallet_addresses",
            "unknown-field",
            "",
        ),
        (format!("{{\"chain\":\"sol\"\n{good}\n"), "line:1", "bad-line", "chain"),
        (format!("{good}\n{good}\n"), "line:1", "wrong-type", "object"),
        (String::new(), "line:1", "bad-line", ""),
        ("{\"chain\":\"sol\"}\n".to_owned(), "line:2", "empty-list", ""),
    ] {
        let answer = send(&app, Some("key"), body.clone()).await.problem(422, "validation-failed");
        let errors = answer["errors"].as_array().unwrap();
        let found = errors.iter().find(|error| error["pointer"] == pointer);
        let found = found.unwrap_or_else(|| panic!("{pointer}: {answer}"));
        assert_eq!(found["code"], code, "{answer}");
        assert!(found["detail"].as_str().unwrap().contains(value), "{answer}");
    }
    let no_chain = format!("{{\"chain\":\"eth\"}}\n\"0x{:040}\"\n", 1);
    send(&app, None, no_chain).await.problem(422, "chain-unavailable");
    // All of them are counted, a hundred are shown.
    let many = lines(r#"{"chain":"sol"}"#, &vec!["x".to_owned(); 1000]);
    let answer = send(&app, None, many).await.problem(422, "validation-failed");
    assert_eq!(
        (&answer["errors_total"], &answer["errors"][99]["pointer"]),
        (&1000.into(), &"line:101/wallet".into())
    );
    let long = format!("{{\"chain\":\"sol\"}}\n\"{}\"\n", "x".repeat(2000));
    send(&app, None, long).await.problem(413, "body-too-large");
    let group =
        lines(r#"{"chain":"sol","group":true}"#, &(0..101).map(address).collect::<Vec<_>>());
    let answer = send(&app, None, group).await.problem(422, "validation-failed");
    assert_eq!(answer["errors"][0]["pointer"], "line:1/group");
    let broken = futures::stream::iter([
        Ok(format!("{{\"chain\":\"sol\"}}\n{good}\n")),
        Err(std::io::Error::other("gone")),
    ]);
    let request = app
        .request(Method::POST, RUN)
        .header("content-type", "application/x-ndjson")
        .body(Body::wrap_stream(broken));
    assert!(request.send().await.is_err());
    let request = app.request(Method::POST, RUN).header("content-type", "application/x-ndjson");
    reply(request.header("content-encoding", "gzip").body("x"))
        .await
        .problem(415, "unsupported-media-type");
    assert!(app.jobs().await.is_empty());
}

#[tokio::test]
async fn more_lines_than_a_job_takes_are_refused() {
    let adjust = |settings: &mut Settings| settings.api.max_streamed_wallets = 3;
    let app = TestApp::start(Plan { adjust, ..Plan::default() }).await;
    let body = |count: usize| lines(r#"{"chain":"sol"}"#, &vec![UNUSED.to_owned(); count]);
    send(&app, None, body(4)).await.problem(413, "too-many-wallets");
    assert!(app.jobs().await.is_empty());
    assert_eq!(send(&app, None, body(3)).await.json()["duplicates_removed"], 2);
}

#[tokio::test]
async fn a_hundred_thousand_wallets_are_one_job() {
    const WALLETS: u32 = 100_000;
    // Machines that run tests do other things, too.
    let adjust = |settings: &mut Settings| settings.api.request_timeout_seconds = 300;
    let app = TestApp::start(Plan { adjust, ..Plan::default() }).await;
    let pieces = (0..WALLETS).map(|n| {
        let begin = if n == 0 { "{\"chain\":\"sol\"}\n" } else { "" };
        Ok::<_, std::io::Error>(format!("{begin}\"{}\"\n", address(n)))
    });
    let accepted = send(&app, None, Body::wrap_stream(futures::stream::iter(pieces))).await;
    assert_eq!(accepted.status, 202, "{}", accepted.text);
    let accepted = accepted.json();
    assert_eq!(
        (&accepted["total_wallets"], &accepted["duplicates_removed"]),
        (&WALLETS.into(), &0.into())
    );
    let job = accepted["job_id"].as_str().unwrap();
    let status = app.get(&format!("/api/pnl/batch/status/{job}")).await.json();
    assert_eq!(status["counts"]["queued"], WALLETS);
}

#[tokio::test]
async fn a_dry_run_checks_and_estimates_and_stores_nothing() {
    let app = TestApp::start(Plan { role: Role::All, ..Plan::default() }).await;
    let wallets = demo_wallets();
    let dry =
        |wallets: &[String]| json!({"wallet_addresses": wallets, "chain": "sol", "dry_run": true});
    let before = app.submit(&dry(&wallets)).await;
    assert_eq!(before.status, 200, "{}", before.text);
    let before = before.json();
    assert_eq!(
        (&before["dry_run"], &before["total_wallets"]),
        (&true.into(), &wallets.len().into())
    );
    let estimate = &before["estimate"];
    assert_eq!(
        (&estimate["known_wallets"], &estimate["unknown_wallets"]),
        (&0.into(), &wallets.len().into())
    );
    assert_eq!(
        (&estimate["calls"], &estimate["calls_with_unknown_wallets"]),
        (&0.into(), &Value::Null)
    );
    assert!(estimate["not_counted"].as_array().unwrap().contains(&"unknown_wallets".into()));
    assert!(app.jobs().await.is_empty());

    app.completed(&wallets).await;
    let mut more = wallets.clone();
    more.push(UNUSED.to_owned());
    let body = lines(r#"{"chain":"sol","dry_run":true}"#, &more);
    let after = send(&app, Some("dry"), body).await;
    assert_eq!(after.status, 200, "{}", after.text);
    let estimate = after.json()["estimate"].clone();
    assert_eq!(
        (&estimate["known_wallets"], &estimate["unknown_wallets"]),
        (&wallets.len().into(), &1.into())
    );
    assert_eq!(estimate["missing_transactions"], 0);
    let calls = estimate["calls"].as_u64().unwrap();
    let typical = estimate["typical_calls_of_a_wallet"].as_u64().unwrap();
    assert_eq!(estimate["calls_with_unknown_wallets"], calls + typical);
    let provider = &estimate["providers"][0];
    assert_eq!(
        (&provider["name"], &provider["requests_per_second"]),
        (&"recorded".into(), &1000.into())
    );
    assert_eq!(provider["seconds"], calls.div_ceil(1000));
    assert_eq!(app.jobs().await.len(), 1);
    // What it said against what it takes: the lists that the first analysis asked for are covered up to the
    // pin, which does not move here, so that was the most; what the second one took the third one takes.
    assert!(made(&app, &wallets).await <= calls);
    let again = app.submit(&dry(&wallets)).await.json();
    let estimated = again["estimate"]["calls"].as_u64().unwrap();
    let taken = made(&app, &wallets).await;
    assert!(estimated >= taken.div_ceil(2) && estimated <= taken * 2, "{estimated}, {taken}");
    // What is wrong is refused as ever.
    let bad =
        app.submit(&json!({"wallet_addresses": ["x"], "chain": "sol", "dry_run": true})).await;
    bad.problem(422, "validation-failed");
    let bad = app.submit(&json!({"wallet_addresses": wallets, "chain": "sol", "dry_run": 1})).await;
    assert_eq!(bad.problem(422, "validation-failed")["errors"][0]["pointer"], "/dry_run");
}

/// The calls of an analysis of these wallets.
async fn made(app: &TestApp, wallets: &[String]) -> u64 {
    let job = app.completed(wallets).await;
    let results = app.get(&format!("/api/pnl/batch/results/{job}?limit=1000")).await.json();
    let rows = results["data"].as_array().unwrap().iter();
    let calls = rows.flat_map(|row| row["run"]["calls"].as_object().unwrap().values());
    calls.map(|count| count.as_u64().unwrap()).sum()
}
