//! Clients that take their time: bounded, and nobody else waits for them.

use std::time::{Duration, Instant};

use persistence_layer::test_util::TestDatabase;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Answer, RUN, connect, exchange, request, start, stored_rows};

/// Longest time for what takes a second when all is well.
const BOUND: Duration = Duration::from_secs(30);

/// The answer on `stream`, and then its end.
async fn refusal(mut stream: TcpStream, what: &str) {
    let ended = async {
        let answer = Answer::read(&mut stream).await.unwrap_or_else(|| panic!("{what}: no answer"));
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        answer
    };
    let answer = tokio::time::timeout(BOUND, ended).await;
    let answer = answer.unwrap_or_else(|_| panic!("{what}: the connection stays open"));
    let problem = answer.problem(408, "request-timeout").unwrap();
    assert!(problem["detail"].as_str().unwrap().contains("had not arrived"), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_are_let_go_and_others_do_not_notice_them() {
    let database = TestDatabase::create().await;
    let (service, _folder) = start(&database, &[("PNL_API__REQUEST_TIMEOUT_SECONDS", "2")]).await;
    let before = stored_rows(&database).await;
    let mut heads = Vec::new();
    for _ in 0..200 {
        let mut stream = connect(&service.address).await;
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ").await.unwrap();
        heads.push(stream);
    }
    let mut bodies = Vec::new();
    for _ in 0..50 {
        let mut stream = connect(&service.address).await;
        let headers = [("Content-Type", "application/json"), ("Content-Length", "100")];
        stream.write_all(&request("POST", RUN, &headers, b"")).await.unwrap();
        stream.write_all(b"{\"chain\"").await.unwrap();
        bodies.push(stream);
    }
    // One that sends a byte now and then wins no time by it.
    let mut dripping = connect(&service.address).await;
    let (mut read, mut write) = dripping.split();
    let drip = async {
        write.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ").await.unwrap();
        while write.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let told = async {
        let mut all = Vec::new();
        let _ = read.read_to_end(&mut all).await;
    };
    // All of them are open; requests are answered before the first of them is let go.
    let listed = exchange(&service.address, &request("GET", "/api/pnl/batch", &[], b"")).await;
    assert_eq!(listed.unwrap().status, 200);
    let begun = Instant::now();
    tokio::time::timeout(BOUND, async {
        tokio::select! { () = drip => {}, () = told => {} }
    })
    .await
    .unwrap_or_else(|_| panic!("dripping holds the connection for {:?}", begun.elapsed()));
    for stream in heads {
        refusal(stream, "a slow head").await;
    }
    for stream in bodies {
        refusal(stream, "a slow body").await;
    }
    assert_eq!(stored_rows(&database).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_without_a_request_is_closed_without_a_word() {
    let database = TestDatabase::create().await;
    let (service, _folder) = start(&database, &[("PNL_API__REQUEST_TIMEOUT_SECONDS", "1")]).await;
    let mut stream = connect(&service.address).await;
    let mut all = Vec::new();
    tokio::time::timeout(BOUND, stream.read_to_end(&mut all)).await.unwrap().unwrap();
    assert!(all.is_empty(), "{}", String::from_utf8_lossy(&all));
}
