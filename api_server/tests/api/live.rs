//! Following a job, on one process and on several.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::Value;
use service_runtime::config::{Role, Settings};

use crate::support::{Plan, TestApp, UNUSED, demo_wallets, eventually};

/// Longest life of a stream.
const PATIENCE: Duration = Duration::from_secs(600);

/// A stream as a client reads it.
struct Stream {
    response: reqwest::Response,
    text: String,
}

/// One event of a stream.
#[derive(Debug, Clone, PartialEq)]
struct Told {
    id: Option<u64>,
    name: String,
    data: Value,
}

impl Stream {
    async fn open(app: &TestApp, job: &str, last: Option<u64>) -> Self {
        let mut request = app.request(Method::GET, &format!("/api/pnl/batch/{job}/events"));
        if let Some(last) = last {
            request = request.header("last-event-id", last.to_string());
        }
        let response = request.timeout(PATIENCE).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        Self { response, text: String::new() }
    }

    /// The next event; `None` at the end. Comments and the time to come back are passed over.
    async fn next(&mut self) -> Option<Told> {
        loop {
            while let Some((frame, rest)) = self.text.split_once("\n\n") {
                let frame = frame.to_owned();
                self.text = rest.to_owned();
                if let Some(told) = read(&frame) {
                    return Some(told);
                }
            }
            let piece = self.response.chunk().await.unwrap()?;
            self.text.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }

    /// The events up to the one called `name`.
    async fn until(&mut self, name: &str) -> Vec<Told> {
        let mut all = Vec::new();
        loop {
            all.push(self.next().await.expect("the stream goes on"));
            if all.last().is_some_and(|told| told.name == name) {
                return all;
            }
        }
    }

    async fn rest(mut self) -> Vec<Told> {
        let mut all = Vec::new();
        while let Some(told) = self.next().await {
            all.push(told);
        }
        all
    }
}

fn read(frame: &str) -> Option<Told> {
    let field = |name: &str| frame.lines().find_map(|line| line.strip_prefix(name));
    let data: Value = serde_json::from_str(field("data: ")?).unwrap();
    let told = Told {
        id: field("id: ").map(|id| id.parse().unwrap()),
        name: field("event: ").unwrap().to_owned(),
        data,
    };
    assert_eq!(told.data["specversion"], "1.0");
    assert_eq!(told.data["type"], format!("com.pnl.{}", told.name));
    assert_eq!(told.data["traceid"].as_str().unwrap().len(), 32);
    Some(told)
}

/// What stands in the log, without snapshots and progress.
fn logged(all: &[Told]) -> Vec<(u64, String)> {
    let of_log = all.iter().filter(|told| told.name != "job.snapshot" && told.id.is_some());
    of_log.map(|told| (told.id.unwrap(), told.name.clone())).collect()
}

/// Numbers from `first` on, each once and in order.
#[track_caller]
fn follow_on(all: &[Told], first: u64) {
    let numbers: Vec<u64> = logged(all).iter().map(|(number, _)| *number).collect();
    let expected: Vec<u64> = (first..).take(numbers.len()).collect();
    assert_eq!(numbers, expected);
}

/// Ends a wallet as a program of before events would.
pub async fn end_wallet(app: &TestApp, job: &str, ordinal: usize) {
    let ended = app
        .database
        .execute(&format!(
            "update wallet_tasks set state = 'done', run_at = null, finished_at = clock_timestamp()
             where batch_id = '{job}' and ordinal = {ordinal}"
        ))
        .await;
    assert_eq!(ended, 1);
}

pub async fn end_job(app: &TestApp, job: &str) {
    let ended = app
        .database
        .execute(&format!(
            "update batches set state = 'completed', done = total, failed = 0, timed_out = 0,
                 cancelled = 0, finished_at = clock_timestamp()
             where id = '{job}'"
        ))
        .await;
    assert_eq!(ended, 1);
}

#[tokio::test]
async fn a_stream_tells_every_event_once_and_in_order_and_ends_with_the_job() {
    a_stream_tells_everything(false).await;
}

#[tokio::test]
async fn with_redis_a_stream_tells_every_event_once_and_in_order() {
    a_stream_tells_everything(true).await;
}

async fn a_stream_tells_everything(redis: bool) {
    let app = TestApp::start(Plan { role: Role::All, redis, ..Plan::default() }).await;
    // A second process that works on nothing.
    let other = TestApp::beside(&app, Plan { redis, ..Plan::default() }).await;
    let wallets = demo_wallets();
    let job = other.accepted(&wallets).await;
    let (here, there) =
        tokio::join!(async { Stream::open(&app, &job, None).await.rest().await }, async {
            Stream::open(&other, &job, None).await.rest().await
        },);
    for all in [&here, &there] {
        assert_eq!(all[0].name, "job.snapshot");
        let snapshot = &all[0].data["data"];
        assert_eq!(
            (&snapshot["job_id"], &all[0].data["subject"]),
            (&job.clone().into(), &job.clone().into())
        );
        let begun = all[0].id.unwrap();
        follow_on(all, begun + 1);
        let counted = snapshot["counts"]["done"].as_u64().unwrap();
        let wallets_told = all.iter().filter(|told| told.name == "wallet.completed").count();
        assert_eq!(counted + wallets_told as u64, wallets.len() as u64);
        let last = all.last().unwrap();
        assert_eq!(
            (last.name.as_str(), &last.data["data"]["status"]),
            ("job.completed", &"completed".into())
        );
        let progress = all.iter().rev().find(|told| told.name == "job.progress").unwrap();
        assert_eq!(progress.id, None);
        assert_eq!(progress.data["data"]["progress"], "1.00");
        assert_eq!(progress.data["data"]["counts"]["done"], wallets.len());
    }
    // The whole log again, from the beginning, in the same words.
    let again = Stream::open(&other, &job, Some(0)).await.rest().await;
    follow_on(&again, 1);
    let of_log = |all: &[Told]| -> Vec<Told> {
        all.iter()
            .filter(|told| told.name != "job.snapshot" && told.id.is_some())
            .cloned()
            .collect()
    };
    assert!(of_log(&again).ends_with(&of_log(&here)) && of_log(&again).ends_with(&of_log(&there)));
    let told: Vec<_> = again.iter().map(|told| told.data["data"]["wallet"].clone()).collect();
    assert!(wallets.iter().all(|wallet| told.contains(&wallet.clone().into())));
    // A client that has all of it is told not to come back; a new one gets the end alone.
    let last = again.last().unwrap().id.unwrap();
    let over = app.get(&format!("/api/pnl/batch/{job}/events?after={last}")).await;
    assert_eq!((over.status.as_u16(), over.text.as_str()), (204, ""));
    // The same stream by its other address.
    let over = app.get(&format!("/api/events?job_id={job}&after={last}")).await;
    assert_eq!((over.status.as_u16(), over.text.as_str()), (204, ""));
    let request = app.request(Method::GET, &format!("/api/events?job_id={job}&after=0"));
    let response = request.timeout(PATIENCE).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let same = Stream { response, text: String::new() }.rest().await;
    assert_eq!(of_log(&same), of_log(&again));
    let late = Stream::open(&app, &job, None).await.rest().await;
    assert_eq!((late.len(), &late[0].data["data"]["done"]), (1, &true.into()));
    // A number that was never given is that of another job.
    let lost = Stream::open(&app, &job, Some(last + 1)).await.rest().await;
    assert_eq!(lost[0].name, "job.snapshot");
}

#[tokio::test]
async fn a_client_goes_on_at_another_process_where_it_was() {
    let first = TestApp::without_worker().await;
    let second = TestApp::beside(&first, Plan::default()).await;
    let job = first.accepted(&demo_wallets()[..4]).await;
    let mut stream = Stream::open(&first, &job, None).await;
    let snapshot = stream.next().await.unwrap();
    assert_eq!((snapshot.id, &snapshot.data["data"]["status"]), (Some(0), &"queued".into()));
    end_wallet(&first, &job, 0).await;
    let seen = stream.until("wallet.completed").await;
    // The connection breaks; meanwhile more happens.
    drop(stream);
    end_wallet(&first, &job, 2).await;
    let mut stream = Stream::open(&second, &job, seen.last().unwrap().id).await;
    let more = stream.until("wallet.completed").await;
    follow_on(&more, 2);
    assert_eq!(more[0].data["data"]["wallet"], demo_wallets()[2]);
    end_wallet(&first, &job, 1).await;
    follow_on(&stream.until("wallet.completed").await, 3);
    // The process stops in good order: its streams end, and new ones are refused.
    second.drain.cancel();
    assert!(stream.rest().await.iter().all(|told| told.id.is_none()));
    let path = format!("/api/pnl/batch/{job}/events");
    second.get(&path).await.problem(503, "not-ready");
    let stream = Stream::open(&first, &job, Some(3)).await;
    end_wallet(&first, &job, 3).await;
    end_job(&first, &job).await;
    let rest = stream.rest().await;
    follow_on(&rest, 4);
    assert_eq!(rest.last().unwrap().name, "job.completed");
}

/// The process has a snapshot of a moment ago, older than what the second client has seen elsewhere.
#[tokio::test]
async fn a_client_that_knows_more_than_a_process_gets_nothing_twice() {
    let app = TestApp::without_worker().await;
    let job = app.accepted(&demo_wallets()[..4]).await;
    let mut first = Stream::open(&app, &job, None).await;
    assert_eq!(first.next().await.unwrap().name, "job.snapshot");
    for ordinal in 0..3 {
        end_wallet(&app, &job, ordinal).await;
    }
    let mut last = 0;
    while last < 2 {
        last = logged(&first.until("wallet.completed").await).last().unwrap().0;
    }
    let second = Stream::open(&app, &job, Some(last)).await;
    end_wallet(&app, &job, 3).await;
    end_job(&app, &job).await;
    let rest = second.rest().await;
    assert!(rest.iter().all(|told| told.name != "job.snapshot"), "{rest:?}");
    follow_on(&rest, last + 1);
    assert_eq!(rest.last().unwrap().name, "job.completed");
}

#[tokio::test]
async fn progress_is_told_ten_times_a_second_at_most() {
    const WALLETS: usize = 60;
    let app = TestApp::without_worker().await;
    let wallets: Vec<String> =
        (0..WALLETS).map(|n| format!("{}{}", &UNUSED[..41], base58(n))).collect();
    let job = app.accepted(&wallets).await;
    let mut stream = Stream::open(&app, &job, None).await;
    let begun = Instant::now();
    stream.next().await.unwrap();
    for ordinal in 0..WALLETS {
        end_wallet(&app, &job, ordinal).await;
    }
    end_job(&app, &job).await;
    let all = stream.rest().await;
    let times = begun.elapsed().as_millis() / 100 + 2;
    let progress: Vec<_> = all.iter().filter(|told| told.name == "job.progress").collect();
    assert!(
        !progress.is_empty() && progress.len() as u128 <= times,
        "{} in {times}",
        progress.len()
    );
    assert_eq!(progress.last().unwrap().data["data"]["counts"]["open"], 0);
    assert_eq!(logged(&all).len(), WALLETS + 1);
    follow_on(&all, 1);
}

/// Two characters of base58 for a number.
fn base58(n: usize) -> String {
    const DIGITS: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZ";
    let digit = |n: usize| char::from(DIGITS[n % DIGITS.len()]);
    format!("{}{}", digit(n / DIGITS.len()), digit(n))
}

#[tokio::test]
async fn a_slow_client_misses_nothing() {
    const EVENTS: usize = 40_000;
    let app = TestApp::without_worker().await;
    let job = app.accepted(&[UNUSED.to_owned()]).await;
    let mut slow = Stream::open(&app, &job, None).await;
    slow.next().await.unwrap();
    let mut quick = Stream::open(&app, &job, None).await;
    quick.next().await.unwrap();
    // More than connections hold, and more pieces than are kept for followers.
    let written = format!(
        "insert into job_events (batch_id, kind, wallet)
         select '{job}', 'done', repeat('w', 40) || n from generate_series(1, {EVENTS}) n"
    );
    assert_eq!(app.database.execute(&written).await, EVENTS as u64);
    while logged(&quick.until("wallet.completed").await).last().unwrap().0 < EVENTS as u64 {}
    end_job(&app, &job).await;
    let all = slow.rest().await;
    follow_on(&all, 1);
    assert_eq!(logged(&all).len(), EVENTS + 1);
}

#[tokio::test]
async fn only_so_many_clients_follow_jobs() {
    let adjust = |settings: &mut Settings| settings.live.max_streams = 1;
    let app = TestApp::start(Plan { adjust, ..Plan::default() }).await;
    let job = app.accepted(&[UNUSED.to_owned()]).await;
    let path = format!("/api/pnl/batch/{job}/events");
    let mut stream = Stream::open(&app, &job, None).await;
    stream.next().await.unwrap();
    app.get(&path).await.problem(503, "too-many-streams");
    let gauge = || async {
        let text = app.admin_get("/metrics").await.text;
        text.contains("live_streams{transport=\"sse\"} 0")
    };
    assert!(!gauge().await);
    drop(stream);
    // Whoever goes makes room.
    eventually("the place is free", gauge).await;
    Stream::open(&app, &job, None).await.next().await.unwrap();
}

#[tokio::test]
async fn streams_refuse_what_other_routes_refuse() {
    let app = TestApp::without_worker().await;
    let job = app.accepted(&[UNUSED.to_owned()]).await;
    let path = format!("/api/pnl/batch/{job}/events");
    app.get("/api/pnl/batch/0193e0f5-7c1f-7d0e-8b5a-0f4a5c1d2e3f/events")
        .await
        .problem(404, "unknown-job");
    app.get("/api/pnl/batch/job/events").await.problem(404, "unknown-job");
    app.get("/api/events?job_id=0193e0f5-7c1f-7d0e-8b5a-0f4a5c1d2e3f")
        .await
        .problem(404, "unknown-job");
    for bad in ["", "?job_id=job", "?job_id=", "?after=1"] {
        app.get(&format!("/api/events{bad}")).await.problem(400, "bad-query");
    }
    for bad in ["after=-1", "after=x", "after=", "limit=3", "after=1&after=2"] {
        app.get(&format!("{path}?{bad}")).await.problem(400, "bad-query");
    }
    let request = app.request(Method::GET, &path).header("accept", "application/json");
    crate::support::reply(request).await.problem(406, "not-acceptable");
    // Encoders would hold a stream back.
    let request = app.request(Method::GET, &path).header("accept-encoding", "gzip");
    let response = request.send().await.unwrap();
    assert!(!response.headers().contains_key("content-encoding"));
    let head =
        app.request(Method::HEAD, &path).timeout(Duration::from_secs(30)).send().await.unwrap();
    assert_eq!(head.status(), 200);
}
