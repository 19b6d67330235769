//! Requests that must be refused, against the real program and its real log.
//!
//! One table: each row is a request, byte for byte, and what must come back. The database stays as it
//! was; after the last one the log holds nothing of what was sent.

mod bodies;
mod routes;
mod slow;
mod values;
mod wire;

use std::time::Duration;

use persistence_layer::test_util::TestDatabase;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Service, configured, demo_node, program};

/// Part of every hostile text: the log must not have it in any form.
pub const MARK: &str = "EV1L";

/// An address that is free to be submitted.
pub const WALLET: &str = "Config1111111111111111111111111111111111111";

/// The submission.
pub const RUN: &str = "/api/pnl/batch/run";

/// One request and what must come back.
pub struct Row {
    /// What is wrong with it.
    what: String,
    /// The request, byte for byte.
    sent: Vec<u8>,
    /// Expected status.
    status: u16,
    /// Expected `code`.
    code: &'static str,
    /// A part of the explanation: of `detail`, or pointer and detail of a field error.
    says: String,
    /// A header of the answer, and its value.
    header: Option<(&'static str, String)>,
    /// Whether it names ids that the answer must not repeat.
    has_bad_id: bool,
}

impl Row {
    /// A row; `says` names the input that is wrong.
    pub fn new(
        what: impl Into<String>,
        sent: Vec<u8>,
        (status, code): (u16, &'static str),
        says: impl Into<String>,
    ) -> Self {
        let (what, says) = (what.into(), says.into());
        Self { what, sent, status, code, says, header: None, has_bad_id: false }
    }

    /// Whether `answer` is the expected one; else why not.
    fn check(&self, answer: &Answer) -> Result<(), String> {
        let problem = answer.problem(self.status, self.code)?;
        let mut told = problem["detail"].as_str().unwrap_or_default().to_owned();
        for field in problem["errors"].as_array().into_iter().flatten() {
            for part in ["pointer", "code", "detail"] {
                told.push(' ');
                told.push_str(field[part].as_str().unwrap_or_default());
            }
        }
        if !told.contains(&self.says) {
            return Err(format!("{:?} is not in {told:?}", self.says));
        }
        if self.has_bad_id {
            answer.ids_are_ours()?;
        }
        match &self.header {
            Some((name, value)) if answer.header(name) != value => {
                Err(format!("{name} is {:?}", answer.header(name)))
            }
            _ => Ok(()),
        }
    }
}

/// A request with `Host` and, for a body, its length.
pub fn request(method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut sent = format!("{method} {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n");
    for (name, value) in headers {
        sent.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        sent.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    sent.push_str("\r\n");
    [sent.as_bytes(), body].concat()
}

/// A submission of `body`.
pub fn submission(body: &[u8]) -> Vec<u8> {
    request("POST", RUN, &[("Content-Type", "application/json")], body)
}

/// An answer as it came over the wire.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    /// Reads one answer; `None` when the connection closes without a whole one.
    pub async fn read(stream: &mut TcpStream) -> Option<Self> {
        let mut bytes = Vec::new();
        loop {
            if let Some(answer) = Self::parse(&bytes) {
                return Some(answer);
            }
            let mut piece = vec![0; 16 << 10];
            match stream.read(&mut piece).await {
                Ok(0) | Err(_) => return None,
                Ok(read) => bytes.extend_from_slice(&piece[..read]),
            }
        }
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers: Vec<_> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let length = length.map_or(0, |(_, value)| value.parse().unwrap());
        let body = bytes.get(end + 4..end + 4 + length)?;
        Some(Self { status, headers, body: String::from_utf8(body.to_vec()).unwrap() })
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
    }

    /// Whether both ids are of the kind that the service makes up.
    fn ids_are_ours(&self) -> Result<(), String> {
        let (id, trace) = (self.header("x-request-id"), self.header("traceparent"));
        let is_hex = |part: &str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
        let lengths: Vec<_> = trace.split('-').map(str::len).collect();
        let is_trace = trace.split('-').all(is_hex) && lengths == [2, 32, 16, 2];
        match id.parse::<uuid::Uuid>() {
            Ok(_) if is_trace => Ok(()),
            _ => Err(format!("x-request-id is {id:?}, traceparent {trace:?}")),
        }
    }

    /// The body, when this is a whole problem of `status` and `code`; else what is wrong with it.
    pub fn problem(&self, status: u16, code: &str) -> Result<Value, String> {
        let body: Value = serde_json::from_str(&self.body)
            .map_err(|error| format!("{error} in the answer {} {:?}", self.status, self.body))?;
        let most = 2_000 + 300 * body["errors"].as_array().map_or(0, Vec::len);
        for (what, holds) in [
            ("status", self.status == status && body["status"] == status),
            ("content type", self.header("content-type") == "application/problem+json"),
            ("code", body["code"] == code),
            ("type", body["type"] == format!("/problems/{code}")),
            ("error", body["error"] == body["detail"]),
            ("title", body["title"].as_str().is_some_and(|title| !title.is_empty())),
            ("instance", body["instance"].as_str().is_some_and(|path| path.starts_with('/'))),
            ("trace id", body["trace_id"].as_str().is_some_and(|id| id.len() == 32)),
            ("only ASCII", self.body.is_ascii()),
            ("length", self.body.len() < most),
        ] {
            if !holds {
                return Err(format!("{what}: not {status} {code} but {}: {body}", self.status));
            }
        }
        Ok(body)
    }
}

/// Sends `bytes` on a connection of their own and reads the first answer.
pub async fn exchange(address: &str, bytes: &[u8]) -> Option<Answer> {
    let mut stream = connect(address).await;
    let mut done = 0;
    // A server that refuses may answer before it has taken everything.
    while done < bytes.len() {
        match stream.write(&bytes[done..]).await {
            Ok(written) => done += written,
            Err(_) => break,
        }
    }
    tokio::time::timeout(Duration::from_secs(20), Answer::read(&mut stream)).await.unwrap()
}

/// A connection to `http://host:port`.
pub async fn connect(address: &str) -> TcpStream {
    TcpStream::connect(address.strip_prefix("http://").unwrap()).await.unwrap()
}

/// Rows of all tables together.
async fn stored_rows(database: &TestDatabase) -> i64 {
    database
        .number(
            "select sum((xpath('/row/n/text()', query_to_xml(format('select count(*) as n from \
             %I.%I', schemaname, tablename), false, true, '')))[1]::text::bigint)::bigint from \
             pg_tables where schemaname = 'public' and tablename <> 'processes'",
        )
        .await
}

/// What rows need to know about the service.
pub struct Known {
    /// A job of three wallets that nobody works on.
    job: String,
    /// The `next_cursor` of the first page of its results.
    cursor: String,
}

/// A service that works on nothing, with one job.
async fn start(database: &TestDatabase, adjust: &[(&str, &str)]) -> (Service, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let node = demo_node().await;
    let mut command = program(folder.path());
    configured(&mut command, database, &node);
    command.env("PNL_LOG__FORMAT", "json").env("PNL_LOG__FILTER", "debug,sqlx=info");
    command.env("PNL_SERVICE__ROLE", "api").envs(adjust.iter().copied());
    (Service::start(command), folder)
}

async fn prepare(service: &Service) -> Known {
    let body = format!(
        r#"{{"wallet_addresses":["{WALLET}","So11111111111111111111111111111111111111112","EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"],"chain":"sol"}}"#
    );
    let accepted = exchange(&service.address, &submission(body.as_bytes())).await.unwrap();
    assert_eq!(accepted.status, 202, "{}", accepted.body);
    let accepted: Value = serde_json::from_str(&accepted.body).unwrap();
    let job = accepted["job_id"].as_str().unwrap().to_owned();
    let target = format!("/api/pnl/batch/results/{job}?limit=1");
    let page = exchange(&service.address, &request("GET", &target, &[], b"")).await.unwrap();
    let page: Value = serde_json::from_str(&page.body).unwrap();
    let cursor = page["next_cursor"].as_str().unwrap().to_owned();
    Known { job, cursor }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_request_is_refused_by_name_and_leaves_no_trace() {
    let database = TestDatabase::create().await;
    let webhooks = [("PNL_WEBHOOKS__SECRETS", r#"["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]"#)];
    let (mut service, _folder) = start(&database, &webhooks).await;
    let known = prepare(&service).await;
    let rows: Vec<Row> = [
        bodies::rows(),
        values::submitted(),
        values::in_the_address(&known),
        routes::rows(&known),
        wire::rows(),
    ]
    .into_iter()
    .flatten()
    .collect();
    assert!(rows.len() >= 400, "{} rows", rows.len());

    let mut before = stored_rows(&database).await;
    let mut wrong = Vec::new();
    for group in rows.chunks(10) {
        for row in group {
            let checked = match exchange(&service.address, &row.sent).await {
                Some(answer) => row.check(&answer),
                None => Err("no answer".to_owned()),
            };
            wrong.extend(checked.err().map(|error| format!("{}: {error}", row.what)));
        }
        let now = stored_rows(&database).await;
        if now != before {
            let names: Vec<_> = group.iter().map(|row| row.what.as_str()).collect();
            wrong.push(format!("one of these stored {} rows: {names:?}", now - before));
            before = now;
        }
    }
    assert!(wrong.is_empty(), "{} rows are wrong:\n{}", wrong.len(), wrong.join("\n"));
    // It is none the worse for all that.
    let ready = exchange(&service.address, &request("GET", "/api/health", &[], b"")).await.unwrap();
    assert_eq!(ready.status, 200, "{}", ready.body);
    service.signal("TERM");
    service.ends_with(0);

    let log = service.log();
    assert!(log.lines().count() > rows.len() / 2, "the log is there");
    assert!(!log.contains(MARK), "foreign text in the log: {}", around(&log, MARK));
    let is_plain = |c: char| matches!(c, '\n' | ' '..='~');
    let raw = log.lines().find(|line| !line.chars().all(is_plain));
    assert!(raw.is_none(), "raw characters in the log: {raw:?}");
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert_ne!(line["level"], "ERROR", "{line}");
        assert!(line.get("forged").is_none(), "{line}");
    }
}

fn around<'a>(log: &'a str, mark: &str) -> &'a str {
    log.lines().find(|line| line.contains(mark)).unwrap_or("")
}

#[tokio::test(flavor = "multi_thread")]
async fn strange_requests_that_are_right_are_answered() {
    let database = TestDatabase::create().await;
    let (service, _folder) = start(&database, &[("PNL_BATCH__MAX_CONCURRENT", "20")]).await;
    let known = prepare(&service).await;
    // An address off the curve belongs to a program and may hold tokens all the same.
    let off_curve = "5Q544fKrFoe6tsEbD7S8EmxGTJYAKtTVhAW5Q5pge4j1";
    let one = |rest: &str| format!(r#"{{"wallet_addresses":["{off_curve}"],"chain":"sol"{rest}}}"#);
    for body in [
        one(""),
        one(r#","method":null,"options":null,"time_range":null,"max_transactions":null"#),
        one(r#","options":{}"#),
        format!("\n\t {} \r\n", one("")),
        one(r#","time_range":{"from":"2024-01-01T00:00:00+14:00","to":"2024-06-30T23:59:60Z"}"#),
        one(r#","max_transactions":1000000000"#),
        r#"{"\u0063hain":"s\u006fl","wallet_addresses":["So11111111111111111111111111111111111111112"]}"#.to_owned(),
    ] {
        let answer = exchange(&service.address, &submission(body.as_bytes())).await.unwrap();
        assert_eq!(answer.status, 202, "{body}: {}", answer.body);
    }
    let json = ("Content-Type", "application/json");
    for (method, target, headers, body, status) in [
        ("GET", format!("/api/pnl/batch/status/{}", known.job.to_uppercase()), vec![], "", 200),
        (
            "GET",
            format!("/api/pnl/batch/results/{}?cursor={}", known.job, known.cursor),
            vec![],
            "",
            200,
        ),
        (
            "GET",
            "/api/pnl/batch?limit=1000".to_owned(),
            vec![("Accept", "text/html, */*;q=0.1")],
            "",
            200,
        ),
        ("GET", "/api/pnl/batch".to_owned(), vec![json], "{\"ignored\":1}", 200),
        ("GET", "/health?probe=7".to_owned(), vec![], "", 200),
        ("GET", "http://test/health".to_owned(), vec![], "", 200),
        ("POST", format!("/api/pnl/batch/{}/cancel", known.job), vec![json], "{}", 202),
        ("POST", format!("/api/pnl/batch/{}/cancel", known.job), vec![], "", 202),
    ] {
        let sent = request(method, &target, &headers, body.as_bytes());
        let answer = exchange(&service.address, &sent).await.unwrap();
        assert_eq!(answer.status, status, "{method} {target}: {}", answer.body);
    }
    let old = b"GET /health HTTP/1.0\r\n\r\n";
    assert_eq!(exchange(&service.address, old).await.unwrap().status, 200, "HTTP/1.0 has no Host");
}
