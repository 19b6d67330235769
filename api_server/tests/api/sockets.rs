//! Following a job over a WebSocket, with a client that is not ours.

use std::time::{Duration, Instant};

use futures::{SinkExt, StreamExt};
use persistence_layer::api_keys::Scope;
use reqwest::Method;
use serde_json::Value;
use service_runtime::config::{Role, Settings};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::auth::{create, keyed};
use crate::live::{end_job, end_wallet};
use crate::support::{Plan, TestApp, UNUSED, demo_wallets, eventually, reply};

const PATIENCE: Duration = Duration::from_secs(60);

/// How a client ends: the code it was told.
type Code = u16;

struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    async fn open(app: &TestApp, path: &str) -> Self {
        let (socket, answer) =
            connect_async(format!("ws://{}{path}", app.address)).await.expect("it opens");
        assert_eq!(answer.status(), 101);
        assert!(!answer.headers()["x-request-id"].is_empty());
        Self(socket)
    }

    async fn follow(app: &TestApp, job: &str, last: Option<u64>) -> Self {
        let last = last.map(|last| format!("?last_event_id={last}")).unwrap_or_default();
        Self::open(app, &format!("/api/pnl/batch/{job}/ws{last}")).await
    }

    async fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// The next event, or the code of the end.
    async fn next(&mut self) -> Result<Value, Code> {
        loop {
            let frame = tokio::time::timeout(PATIENCE, self.0.next()).await.expect("in time");
            match frame.expect("a close frame comes first").unwrap() {
                Message::Text(text) => {
                    let event: Value = serde_json::from_str(&text).unwrap();
                    assert_eq!(event["specversion"], "1.0");
                    return Ok(event);
                }
                Message::Close(Some(CloseFrame { code, .. })) => return Err(code.into()),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// All that comes, and the code of the end.
    async fn rest(mut self) -> (Vec<Value>, Code) {
        let mut all = Vec::new();
        loop {
            match self.next().await {
                Ok(event) => all.push(event),
                Err(code) => return (all, code),
            }
        }
    }

    /// The code of the end, before which nothing comes.
    async fn end(self) -> Code {
        let (all, code) = self.rest().await;
        assert!(all.is_empty(), "{all:?}");
        code
    }

    async fn until(&mut self, name: &str) -> Vec<Value> {
        let mut all = Vec::new();
        loop {
            all.push(self.next().await.expect("it goes on"));
            if all.last().is_some_and(|event| event["type"] == format!("com.pnl.{name}")) {
                return all;
            }
        }
    }
}

/// The numbers of the events of the log.
fn numbers(all: &[Value]) -> Vec<u64> {
    all.iter().filter_map(|event| event["id"].as_str().unwrap().parse().ok()).collect()
}

fn is(event: &Value, name: &str) -> bool {
    event["type"] == format!("com.pnl.{name}")
}

#[tokio::test]
async fn a_socket_tells_every_event_once_and_in_order_and_ends_with_the_job() {
    a_socket_tells_everything(false).await;
}

#[tokio::test]
async fn with_redis_a_socket_tells_every_event_once_and_in_order() {
    a_socket_tells_everything(true).await;
}

async fn a_socket_tells_everything(redis: bool) {
    let app = TestApp::start(Plan { role: Role::All, redis, ..Plan::default() }).await;
    let other = TestApp::beside(&app, Plan { redis, ..Plan::default() }).await;
    let wallets = demo_wallets();
    let job = other.accepted(&wallets).await;
    let (here, there) =
        tokio::join!(async { Socket::follow(&app, &job, None).await.rest().await }, async {
            Socket::follow(&other, &job, None).await.rest().await
        },);
    for (all, code) in [&here, &there] {
        assert_eq!(*code, 1000);
        assert!(is(&all[0], "job.snapshot"), "{}", all[0]);
        let begun: u64 = all[0]["lasteventid"].as_str().unwrap().parse().unwrap();
        let told = numbers(all);
        assert_eq!(told, (begun + 1..).take(told.len()).collect::<Vec<_>>());
        let counted = all[0]["data"]["counts"]["done"].as_u64().unwrap() as usize;
        let completed = all.iter().filter(|event| is(event, "wallet.completed")).count();
        assert_eq!(counted + completed, wallets.len());
        assert!(is(all.last().unwrap(), "job.completed"));
    }
    // The whole log, in the words of the other transport.
    let (all, code) = Socket::follow(&other, &job, Some(0)).await.rest().await;
    assert_eq!((code, numbers(&all)), (1000, (1..).take(all.len()).collect()));
    let streamed = app.get(&format!("/api/pnl/batch/{job}/events?after=0")).await.text;
    let lines = streamed.lines().filter_map(|line| line.strip_prefix("data: "));
    let streamed: Vec<Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(streamed, all);
    // Who has all of it is told that it is over.
    let last = numbers(&all).last().copied();
    assert_eq!(Socket::follow(&app, &job, last).await.end().await, 1000);
    let (late, code) = Socket::follow(&app, &job, None).await.rest().await;
    assert_eq!((late.len(), &late[0]["data"]["done"], code), (1, &true.into(), 1000));
}

#[tokio::test]
async fn a_client_goes_on_at_another_process_by_address_or_by_message() {
    let first = TestApp::without_worker().await;
    let second = TestApp::beside(&first, Plan::default()).await;
    let job = first.accepted(&demo_wallets()[..4]).await;
    let mut socket = Socket::follow(&first, &job, None).await;
    assert!(is(&socket.next().await.unwrap(), "job.snapshot"));
    end_wallet(&first, &job, 0).await;
    let seen = socket.until("wallet.completed").await;
    assert_eq!(numbers(&seen), [1]);
    // The connection breaks; meanwhile more happens.
    drop(socket);
    end_wallet(&first, &job, 2).await;
    let mut by_address = Socket::follow(&second, &job, Some(1)).await;
    let mut by_message = Socket::open(&second, "/api/ws").await;
    by_message.say(&format!(r#"{{"subscribe": "{job}", "from": 1}}"#)).await;
    for socket in [&mut by_address, &mut by_message] {
        let more = socket.until("wallet.completed").await;
        assert_eq!(numbers(&more), [2]);
        assert!(more.iter().all(|event| !is(event, "job.snapshot")));
        assert_eq!(more[0]["data"]["wallet"], demo_wallets()[2]);
    }
    // On a socket whose address names the job the message need not.
    let mut again = Socket::follow(&second, &job, None).await;
    again.until("job.snapshot").await;
    again.say(r#"{"from": "0"}"#).await;
    end_wallet(&first, &job, 1).await;
    let mut told = Vec::new();
    while !told.contains(&3) {
        told.extend(numbers(&[again.next().await.unwrap()]));
    }
    assert_eq!(told, [1, 2, 3]);
    // The process stops in good order; its sockets end, and new ones are refused.
    second.drain.cancel();
    for socket in [by_address, by_message, again] {
        assert_eq!(socket.rest().await.1, 1012);
    }
    refused(&second, &format!("/api/pnl/batch/{job}/ws"), 503, "not-ready").await;
    let socket = Socket::follow(&first, &job, Some(3)).await;
    end_wallet(&first, &job, 3).await;
    end_job(&first, &job).await;
    let (rest, code) = socket.rest().await;
    assert_eq!((numbers(&rest), code), (vec![4, 5], 1000));
}

/// A handshake that is answered with a problem.
async fn refused(app: &TestApp, path: &str, status: u16, code: &str) {
    let request = app
        .request(Method::GET, path)
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    reply(request).await.problem(status, code);
}

#[tokio::test]
async fn every_wrong_message_has_its_code() {
    let app = TestApp::without_worker().await;
    let job = app.accepted(&[UNUSED.to_owned()]).await;
    let other = app.accepted(&demo_wallets()[..1]).await;
    let unknown = "0193e0f5-7c1f-7d0e-8b5a-0f4a5c1d2e3f";
    for (message, code) in [
        ("{}".to_owned(), 1008),
        ("hello".to_owned(), 1008),
        (format!(r#"{{"subscribe": "{job}", "from": -1}}"#), 1008),
        (format!(r#"{{"subscribe": "{job}", "from": "x"}}"#), 1008),
        (format!(r#"{{"subscribe": "{job}", "more": 1}}"#), 1008),
        (format!(r#"{{"subscribe": "{job}", "from": 1, "from": 2}}"#), 1008),
        (format!(r#"{{"subscribe": "{job}"{}}}"#, " ".repeat(4096)), 1009),
        (format!(r#"{{"subscribe": "{unknown}"}}"#), 4404),
        (r#"{"subscribe": "job"}"#.to_owned(), 4404),
    ] {
        let mut socket = Socket::open(&app, "/api/ws").await;
        socket.say(&message).await;
        assert_eq!(socket.end().await, code, "{message:.80}");
    }
    // Beyond what is read at all the connection may be reset before the code is out.
    let mut socket = Socket::open(&app, "/api/ws").await;
    let _ = socket.0.send(Message::text(" ".repeat(100_000))).await;
    while let Some(Ok(frame)) = socket.0.next().await {
        let Message::Close(frame) = frame else { panic!("{frame:?}") };
        assert_eq!(Code::from(frame.unwrap().code), 1002);
    }
    let mut socket = Socket::open(&app, "/api/ws").await;
    socket.0.send(Message::binary(vec![1])).await.unwrap();
    assert_eq!(socket.end().await, 1003);
    for message in [format!(r#"{{"subscribe": "{other}"}}"#), r#"{"from": null, "x": 1}"#.into()] {
        let mut socket = Socket::follow(&app, &job, None).await;
        socket.say(&message).await;
        assert_eq!(socket.rest().await.1, 1008, "{message}");
    }
    let mut socket = Socket::follow(&app, &job, None).await;
    socket.say(r#"{"from": 0}"#).await;
    socket.say(r#"{"from": 0}"#).await;
    assert_eq!(socket.rest().await.1, 1008);
    let mut socket = Socket::follow(&app, &job, None).await;
    for _ in 0..200 {
        if socket.0.send(Message::Ping(Vec::new().into())).await.is_err() {
            break;
        }
    }
    assert_eq!(socket.rest().await.1, 1008);
    // A client that leaves is answered in kind.
    let mut socket = Socket::follow(&app, &job, None).await;
    socket.until("job.snapshot").await;
    socket.0.close(None).await.unwrap();
    while let Some(frame) = socket.0.next().await {
        assert!(matches!(frame, Ok(Message::Close(_))), "{frame:?}");
    }
}

#[tokio::test]
async fn silence_is_broken_by_pings_and_ends_a_socket() {
    let adjust = |settings: &mut Settings| settings.live.ping_seconds = 1;
    let app = TestApp::start(Plan { adjust, ..Plan::default() }).await;
    let job = app.accepted(&[UNUSED.to_owned()]).await;
    // A client that reads answers pings, and stays.
    let mut socket = Socket::follow(&app, &job, None).await;
    let mut pings = 0;
    while pings < 4 {
        let frame = tokio::time::timeout(PATIENCE, socket.0.next()).await.unwrap();
        pings += u32::from(matches!(frame.unwrap().unwrap(), Message::Ping(_)));
    }
    // One that does not is let go of, and so is one that wants nothing.
    let mut deaf = Socket::follow(&app, &job, None).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    let mut code = None;
    while let Some(Ok(frame)) = deaf.0.next().await {
        if let Message::Close(Some(frame)) = frame {
            code = Some(Code::from(frame.code));
        }
    }
    assert_eq!(code, Some(4408));
    assert_eq!(Socket::open(&app, "/api/ws").await.end().await, 4408);
}

#[tokio::test]
async fn a_slow_client_is_let_go_of_and_goes_on_where_it_was() {
    const EVENTS: u64 = 60_000;
    let adjust = |settings: &mut Settings| settings.live.slow_client_seconds = 1;
    let app = TestApp::start(Plan { adjust, ..Plan::default() }).await;
    let job = app.accepted(&[UNUSED.to_owned()]).await;
    let mut slow = Socket::follow(&app, &job, None).await;
    slow.until("job.snapshot").await;
    let written = format!(
        "insert into job_events (batch_id, kind, wallet)
         select '{job}', 'done', repeat('w', 40) || n from generate_series(1, {EVENTS}) n"
    );
    assert_eq!(app.database.execute(&written).await, EVENTS);
    // More than connections hold. Once nothing goes out any more it is told so, if it reads on soon.
    let sent = || async {
        let text = app.admin_get("/metrics").await.text;
        let line =
            text.lines().find(|line| line.contains("messages_total{transport=\"websocket\"}"));
        line.and_then(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).unwrap_or(0)
    };
    let (mut last, mut since) = (0, Instant::now());
    while last < 1000 || since.elapsed() < Duration::from_millis(1500) {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let now = sent().await;
        if now > last {
            (last, since) = (now, Instant::now());
        }
    }
    let (mut had, mut code) = (0, None);
    while let Some(Ok(frame)) = slow.0.next().await {
        match frame {
            Message::Text(text) => {
                let event: Value = serde_json::from_str(&text).unwrap();
                let Some(number) = numbers(&[event]).pop() else { continue };
                assert_eq!(number, had + 1);
                had = number;
            }
            Message::Close(frame) => code = frame.map(|frame| Code::from(frame.code)),
            _ => {}
        }
    }
    assert_eq!(code, Some(1013));
    assert!(had < EVENTS, "{had}");
    end_job(&app, &job).await;
    let (rest, code) = Socket::follow(&app, &job, Some(had)).await.rest().await;
    assert_eq!((numbers(&rest).len() as u64, code), (EVENTS + 1 - had, 1000));
    assert_eq!(numbers(&rest)[0], had + 1);
}

#[tokio::test]
async fn sockets_and_streams_share_the_places() {
    let adjust = |settings: &mut Settings| settings.live.max_streams = 1;
    let app = TestApp::start(Plan { adjust, ..Plan::default() }).await;
    let job = app.accepted(&[UNUSED.to_owned()]).await;
    let mut socket = Socket::follow(&app, &job, None).await;
    socket.until("job.snapshot").await;
    let path = format!("/api/pnl/batch/{job}/events");
    app.get(&path).await.problem(503, "too-many-streams");
    refused(&app, &format!("/api/pnl/batch/{job}/ws"), 503, "too-many-streams").await;
    refused(&app, "/api/ws", 503, "too-many-streams").await;
    drop(socket);
    eventually("the place is free", || async {
        let text = app.admin_get("/metrics").await.text;
        text.contains("live_streams{transport=\"websocket\"} 0")
    })
    .await;
    Socket::follow(&app, &job, None).await.until("job.snapshot").await;
}

#[tokio::test]
async fn handshakes_that_are_none_are_refused() {
    let app = TestApp::without_worker().await;
    let job = app.accepted(&[UNUSED.to_owned()]).await;
    let path = format!("/api/pnl/batch/{job}/ws");
    let plain = app.get(&path).await;
    plain.problem(426, "upgrade-required");
    assert_eq!(plain.header("sec-websocket-version"), "13");
    assert_eq!(app.request(Method::HEAD, &path).send().await.unwrap().status(), 426);
    refused(&app, &format!("{path}?last_event_id=x"), 400, "bad-query").await;
    refused(&app, &format!("{path}?after=1"), 400, "bad-query").await;
    refused(&app, "/api/ws?job=1", 400, "bad-query").await;
    let unknown = "/api/pnl/batch/0193e0f5-7c1f-7d0e-8b5a-0f4a5c1d2e3f/ws";
    refused(&app, unknown, 404, "unknown-job").await;
    // A page of another host, and one of ours.
    let handshake = |origin: String| {
        let mut request = format!("ws://{}{path}", app.address).into_client_request().unwrap();
        request.headers_mut().insert("origin", origin.parse().unwrap());
        request
    };
    for origin in ["https://evil.example", "null", ""] {
        let error = connect_async(handshake(origin.to_owned())).await.unwrap_err();
        let tungstenite::Error::Http(answer) = error else { panic!("{error}") };
        assert_eq!(answer.status(), 403, "{origin}");
    }
    connect_async(handshake(format!("http://{}", app.address))).await.unwrap();
}

#[tokio::test]
async fn a_socket_is_about_jobs_of_the_keys_tenant_alone() {
    let app = TestApp::start(Plan { adjust: keyed, ..Plan::default() }).await;
    let scopes = [Scope::Read, Scope::Submit];
    let (_, owner) = create(&app, "acme", &scopes).await;
    let (_, other) = create(&app, "bolt", &scopes).await;
    let body = serde_json::json!({"wallet_addresses": [UNUSED], "chain": "solana"});
    let submission =
        app.request(Method::POST, "/api/pnl/batch/run").bearer_auth(&owner).json(&body);
    let job = reply(submission).await.json()["job_id"].as_str().unwrap().to_owned();
    let nobodys = uuid::Uuid::now_v7().to_string();
    let open = async |path: &str, key: Option<&str>| open_with(&app, path, key).await;
    let path = format!("/api/pnl/batch/{job}/ws");
    let mut follows = open(&path, Some(&owner)).await.ok().unwrap();
    assert!(is(&follows.next().await.unwrap(), "job.snapshot"));
    for path in [&path, &format!("/api/pnl/batch/{nobodys}/ws")] {
        assert_eq!(open(path, Some(&other)).await.err(), Some(404));
    }
    for path in [path.as_str(), "/api/ws"] {
        assert_eq!(open(path, None).await.err(), Some(401));
    }
    for (key, job, expected) in
        [(&other, &job, Err(4404)), (&other, &nobodys, Err(4404)), (&owner, &job, Ok(true))]
    {
        let mut socket = open("/api/ws", Some(key)).await.ok().unwrap();
        socket.say(&format!("{{\"subscribe\": \"{job}\"}}")).await;
        let told = socket.next().await;
        assert_eq!(told.map(|event| is(&event, "job.snapshot")), expected);
    }
}

/// Somebody else numbers the events of the job all the time.
#[tokio::test]
async fn a_job_of_which_no_moment_can_be_had_is_busy() {
    let app = TestApp::without_worker().await;
    let job = app.accepted(&[UNUSED.to_owned()]).await;
    let held = app
        .database
        .session(&format!("select pg_advisory_lock(hashtextextended('events:{job}', 0))"))
        .await;
    let path = format!("/api/pnl/batch/{job}");
    app.get(&format!("{path}/events")).await.problem(503, "job-busy");
    refused(&app, &format!("{path}/ws"), 503, "job-busy").await;
    drop(held);
    let mut ids = Vec::new();
    for _ in 0..2 {
        let snapshot = Socket::follow(&app, &job, None).await.next().await.unwrap();
        ids.push(snapshot["id"].as_str().unwrap().to_owned());
        // Behind the same event, and not the same moment.
        tokio::time::sleep(Duration::from_millis(1100)).await;
    }
    assert_ne!(ids[0], ids[1]);
}

/// A socket with a key, or the status of the refusal.
async fn open_with(app: &TestApp, path: &str, key: Option<&str>) -> Result<Socket, u16> {
    let url = format!("ws://{}{path}", app.address);
    let mut request = url.into_client_request().unwrap();
    if let Some(key) = key {
        let value = format!("Bearer {key}").parse().unwrap();
        request.headers_mut().insert("authorization", value);
    }
    match connect_async(request).await {
        Ok((socket, _)) => Ok(Socket(socket)),
        Err(tungstenite::Error::Http(answer)) => Err(answer.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn whoever_follows_a_job_goes_with_the_key() {
    let app = TestApp::start(Plan { adjust: keyed, ..Plan::default() }).await;
    let scopes = [Scope::Read, Scope::Submit];
    let (_, stays) = create(&app, "acme", &scopes).await;
    let body = serde_json::json!({"wallet_addresses": [UNUSED], "chain": "solana"});
    let submission =
        app.request(Method::POST, "/api/pnl/batch/run").bearer_auth(&stays).json(&body);
    let job = reply(submission).await.json()["job_id"].as_str().unwrap().to_owned();
    let path = format!("/api/pnl/batch/{job}/ws");
    let mut kept = open_with(&app, &path, Some(&stays)).await.ok().unwrap();
    assert!(is(&kept.next().await.unwrap(), "job.snapshot"));
    let expires = "update api_keys set expires_at = now() where id = ";
    let revoked = "update api_keys set revoked_at = now() where id = ";
    for ends in [revoked, expires] {
        let (id, key) = create(&app, "acme", &scopes).await;
        let mut follows = open_with(&app, &path, Some(&key)).await.ok().unwrap();
        assert!(is(&follows.next().await.unwrap(), "job.snapshot"));
        let waits = open_with(&app, "/api/ws", Some(&key)).await.ok().unwrap();
        let stream = format!("/api/pnl/batch/{job}/events");
        let stream = app.request(Method::GET, &stream).bearer_auth(&key).timeout(PATIENCE);
        let stream = stream.send().await.unwrap();
        assert_eq!(app.database.execute(&format!("{ends} '{id}'")).await, 1);
        assert_eq!(follows.end().await, 4401);
        assert_eq!(waits.end().await, 4401);
        let text = stream.text().await.unwrap();
        assert!(text.ends_with(": the key has expired or was revoked\n\n"), "{text}");
        eventually("the key opens no other", || async {
            open_with(&app, &path, Some(&key)).await.err() == Some(401)
        })
        .await;
    }
    // What came while the key was still taken for valid went as well.
    let metrics = app.admin_get("/metrics").await.text;
    for (transport, least) in [("sse", 2), ("websocket", 4)] {
        let name = format!("live_dropped_total{{reason=\"key\",transport=\"{transport}\"}} ");
        let count = metrics.lines().find_map(|line| line.strip_prefix(&name));
        assert!(count.unwrap().parse::<u32>().unwrap() >= least, "{metrics}");
    }
    end_wallet(&app, &job, 0).await;
    end_job(&app, &job).await;
    let (rest, code) = kept.rest().await;
    assert_eq!((numbers(&rest), code), (vec![1, 2], 1000));
}
