//! The program as a process: start, readiness, signals, exit codes, subcommands.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use load_tests::{FaultKind, Faults, RecordedChain, RecordedNode};
use persistence_layer::test_util::TestDatabase;
use serde_json::{Value, json};

const DEMO_CHAIN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../load-tests/demo-chain");
const PATIENCE: Duration = Duration::from_secs(90);

/// The program in an empty folder, free of what the environment of the tests configures.
fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pnl-tracker"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("PNL_") || matches!(&*name, "DATABASE_URL" | "REDIS_URL") {
            command.env_remove(&*name);
        }
    }
    command.current_dir(folder);
    command
}

/// A running `serve`.
struct Service {
    child: Child,
    address: String,
    admin: String,
    log: Arc<Mutex<Vec<u8>>>,
}

impl Service {
    /// Starts it on free ports and waits for the two lines that name them.
    fn start(mut command: Command) -> Self {
        let mut child = command
            .arg("serve")
            .env("PNL_API__PORT", "0")
            .env("PNL_ADMIN__PORT", "0")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut next = |prefix: &str| {
            let line = lines.next().map(Result::unwrap).unwrap_or_default();
            match line.strip_prefix(prefix) {
                Some(address) => address.to_owned(),
                None => {
                    let _ = child.kill();
                    let mut log = String::new();
                    let _ = child.stderr.take().unwrap().read_to_string(&mut log);
                    panic!("{line:?} does not begin with {prefix:?}\n{log}");
                }
            }
        };
        let address = next("listening on ");
        let admin = next("admin listening on ");
        let log = collect_stderr(&mut child);
        Self { child, address, admin, log }
    }

    fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Waits until it has ended, and checks its exit code.
    #[track_caller]
    fn ends_with(&mut self, code: i32) {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert_eq!(status.code(), Some(code), "{}", self.log());
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "the process does not end\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn log(&self) -> String {
        text(&self.log.lock().unwrap())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // A failed test leaves nothing behind; an ended process cannot be killed, which is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Keeps the log for the message of a failed test; a full pipe would stop the process.
fn collect_stderr(child: &mut Child) -> Arc<Mutex<Vec<u8>>> {
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let log = Arc::new(Mutex::new(Vec::new()));
    let lines = Arc::clone(&log);
    std::thread::spawn(move || {
        let mut line = Vec::new();
        while stderr.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            lines.lock().unwrap().append(&mut line);
        }
    });
    log
}

async fn get(url: &str) -> (u16, Value) {
    let response = client().get(url).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

fn client() -> reqwest::Client {
    // Whoever is first installs it; all install the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().timeout(PATIENCE).build().unwrap()
}

async fn demo_node() -> RecordedNode {
    let chain = RecordedChain::from_folder(DEMO_CHAIN).unwrap();
    RecordedNode::start(chain, "127.0.0.1:0").await.unwrap()
}

fn demo_wallets() -> Vec<String> {
    let list = std::fs::read_to_string(format!("{DEMO_CHAIN}/wallets.txt")).unwrap();
    list.lines().map(str::to_owned).collect()
}

/// Settings for a database and a chain that are there already.
fn configured(command: &mut Command, database: &TestDatabase, node: &RecordedNode) {
    let providers = format!(
        r#"[{{name="recorded", kind="solana-rpc", url="{}", requests_per_second=1000}}]"#,
        node.solana_url()
    );
    command
        .env("DATABASE_URL", database.url())
        .env("PNL_DATABASE__MAX_CONNECTIONS", "10")
        .env("PNL_DATABASE__MIN_CONNECTIONS", "1")
        .env("PNL_CHAINS__SOLANA__PROVIDERS", providers)
        .env("PNL_PRICES__SOURCES", format!(r#"[{{kind="csv", path="{DEMO_CHAIN}/prices"}}]"#));
}

fn run(command: &mut Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that does not read its input may be gone by now.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_configuration_it_serves_and_stops_with_its_own_database() {
    let folder = tempfile::tempdir().unwrap();
    let mut service = Service::start(program(folder.path()));
    let (status, ready) = get(&format!("{}/api/health", service.address)).await;
    assert_eq!(status, 200, "{ready}");
    let (_, page) = get(&format!("{}/api/services/status", service.address)).await;
    assert_eq!(page["providers"][0]["name"], "public", "{page}");
    let (status, _) = get(&format!("{}/health", service.admin)).await;
    assert_eq!(status, 200);
    let wallet = "Config1111111111111111111111111111111111111";
    let body = json!({"wallet_addresses": [wallet], "chain": "base"});
    let url = format!("{}/api/pnl/batch/run", service.address);
    let refused = client().post(url).json(&body).send().await.unwrap();
    assert_eq!(refused.status(), 422, "no provider of Base is configured");

    service.signal("TERM");
    service.ends_with(0);
    assert!(client().get(format!("{}/health", service.address)).send().await.is_err());
    // The server that it started is gone with it, and the data is there for the next start.
    let mut again = Service::start(program(folder.path()));
    let (status, _) = get(&format!("{}/api/health/db", again.address)).await;
    assert_eq!(status, 200);
    again.signal("INT");
    again.ends_with(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_id_leads_from_the_request_to_the_last_line_of_its_wallets() {
    let (folder, database, node) =
        (tempfile::tempdir().unwrap(), TestDatabase::create().await, demo_node().await);
    let mut command = program(folder.path());
    configured(&mut command, &database, &node);
    command.env("PNL_LOG__FORMAT", "json");
    let mut service = Service::start(command);
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let body = json!({"wallet_addresses": demo_wallets(), "chain": "solana"});
    let accepted = client()
        .post(format!("{}/api/pnl/batch/run", service.address))
        .header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"))
        .json(&body)
        .send()
        .await
        .unwrap();
    let accepted: Value = accepted.json().await.unwrap();
    let status_url = format!("{}{}", service.address, accepted["status_url"].as_str().unwrap());
    let begun = Instant::now();
    while get(&status_url).await.1["done"] == false {
        assert!(begun.elapsed() < PATIENCE, "{}", service.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(get(&format!("{}/health", service.address)).await.0, 200);
    service.signal("TERM");
    service.ends_with(0);

    let log = service.log();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let count = |message: &str| {
        let told = |line: &&Value| line["message"] == message && line["trace_id"] == trace;
        lines.iter().filter(told).count()
    };
    assert_eq!(count("request answered"), 1, "{log}");
    assert_eq!(count("batch accepted"), 1, "{log}");
    assert_eq!(count("acquired processing slot"), 4, "{log}");
    assert_eq!(count("wallet done"), 4, "{log}");
    let answered = lines.iter().find(|line| line["trace_id"] == trace).unwrap();
    assert_eq!(answered["route"], "/api/pnl/batch/run", "{answered}");
    assert!(lines.iter().all(|line| line["route"] != "/health"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_signal_drains_and_the_second_ends_at_once() {
    let (folder, database, node) =
        (tempfile::tempdir().unwrap(), TestDatabase::create().await, demo_node().await);
    let mut command = program(folder.path());
    configured(&mut command, &database, &node);
    let mut service = Service::start(command);
    node.set_faults(Faults::always(FaultKind::Hang));
    let body = json!({"wallet_addresses": demo_wallets(), "chain": "solana"});
    let url = format!("{}/api/pnl/batch/run", service.address);
    let accepted = client().post(&url).json(&body).send().await.unwrap();
    assert_eq!(accepted.status(), 202);
    let accepted: Value = accepted.json().await.unwrap();
    let status_url = format!("{}{}", service.address, accepted["status_url"].as_str().unwrap());
    let begun = Instant::now();
    while get(&status_url).await.1["counts"]["running"] == 0 {
        assert!(begun.elapsed() < PATIENCE, "no wallet is claimed");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    service.signal("TERM");
    let health = format!("{}/api/health", service.address);
    let begun = Instant::now();
    loop {
        let (status, problem) = get(&health).await;
        if status == 503 {
            assert_eq!(problem["code"], "not-ready", "{problem}");
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "readiness stays");
    }
    assert!(service.child.try_wait().unwrap().is_none(), "it waits for its wallets");
    let begun = Instant::now();
    service.signal("TERM");
    service.ends_with(143);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn wallets_that_do_not_end_in_time_are_released_and_it_exits_cleanly() {
    let (folder, database, node) =
        (tempfile::tempdir().unwrap(), TestDatabase::create().await, demo_node().await);
    let mut command = program(folder.path());
    configured(&mut command, &database, &node);
    command.env("PNL_WORKER__SHUTDOWN_GRACE_SECONDS", "1");
    let mut service = Service::start(command);
    node.set_faults(Faults::always(FaultKind::Hang));
    let body = json!({"wallet_addresses": demo_wallets(), "chain": "solana"});
    let url = format!("{}/api/pnl/batch/run", service.address);
    assert_eq!(client().post(&url).json(&body).send().await.unwrap().status(), 202);
    tokio::time::sleep(Duration::from_millis(500)).await;
    service.signal("TERM");
    service.ends_with(0);

    // Another process finishes the job.
    node.set_faults(Faults::default());
    let mut command = program(folder.path());
    configured(&mut command, &database, &node);
    let service = Service::start(command);
    let begun = Instant::now();
    loop {
        let (_, jobs) = get(&format!("{}/api/pnl/batch", service.address)).await;
        if jobs["data"][0]["done"] == true {
            assert_eq!(jobs["data"][0]["status"], "completed", "{jobs}");
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{jobs}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn analyze_prints_a_row_for_every_wallet_in_each_format() {
    let (folder, database, node) =
        (tempfile::tempdir().unwrap(), TestDatabase::create().await, demo_node().await);
    let analyze = |format: &str| {
        let mut command = program(folder.path());
        configured(&mut command, &database, &node);
        command.args(["analyze", "--chain", "sol", "--format", format]).args(demo_wallets());
        run(&mut command, "")
    };
    let json = analyze("json");
    assert_eq!(json.status.code(), Some(0), "{}", text(&json.stderr));
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    let rows = json["data"].as_array().unwrap();
    assert_eq!(rows.len(), 4);
    assert!(rows.iter().all(|row| row["status"] == "done"), "{json}");
    let csv = analyze("csv");
    assert_eq!(csv.status.code(), Some(0), "{}", text(&csv.stderr));
    assert_eq!(text(&csv.stdout).lines().count(), 5);
    let table = analyze("table");
    assert_eq!(table.status.code(), Some(0), "{}", text(&table.stderr));
    assert!(text(&table.stderr).contains("4 of 4 wallets"), "{}", text(&table.stderr));
    let table = text(&table.stdout);
    for wallet in demo_wallets() {
        assert!(table.contains(&wallet), "{table}");
    }

    let mut command = program(folder.path());
    configured(&mut command, &database, &node);
    let refused = run(command.args(["analyze", "--chain", "sol", "wallet1"]), "");
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("not a Solana address"), "{}", text(&refused.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn migrate_brings_an_empty_database_to_the_newest_schema() {
    let (folder, database) = (tempfile::tempdir().unwrap(), TestDatabase::empty(2).await);
    let (before, newest) = database.store().schema_version().await.unwrap();
    assert_eq!(before, 0);
    for _ in 0..2 {
        let mut command = program(folder.path());
        command.env("DATABASE_URL", database.url()).arg("migrate");
        let migrated = run(&mut command, "");
        assert_eq!(migrated.status.code(), Some(0), "{}", text(&migrated.stderr));
        assert_eq!(database.store().schema_version().await.unwrap(), (newest, newest));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_could_take_every_connection_is_warned_about_with_both_numbers() {
    let (folder, database) = (tempfile::tempdir().unwrap(), TestDatabase::create().await);
    let usable = database.store().server_budget().await.unwrap().usable();
    let mut command = program(folder.path());
    let most = (usable + 1).to_string();
    command
        .env("DATABASE_URL", database.url())
        .env("PNL_DATABASE__MAX_CONNECTIONS", &most)
        .env("PNL_DATABASE__MIN_CONNECTIONS", "0");
    let warned = run(command.arg("migrate"), "");
    assert_eq!(warned.status.code(), Some(0), "{}", text(&warned.stderr));
    let log = text(&warned.stderr);
    assert!(log.contains(&most) && log.contains(&usable.to_string()), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_whose_minimum_does_not_fit_is_refused_before_it_is_filled() {
    let (folder, database) = (tempfile::tempdir().unwrap(), TestDatabase::create().await);
    let usable = database.store().server_budget().await.unwrap().usable();
    let least = (usable + 1).to_string();
    let mut command = program(folder.path());
    command
        .env("DATABASE_URL", database.url())
        .env("PNL_DATABASE__MAX_CONNECTIONS", &least)
        .env("PNL_DATABASE__MIN_CONNECTIONS", &least);
    let refused = run(command.arg("serve"), "");
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused.stderr));
    let log = text(&refused.stderr);
    assert!(log.contains(&least) && log.contains(&usable.to_string()), "{log}");
    // The server was asked over one connection, not over as many as it would give.
    assert!(!log.contains("pool initialized"), "{log}");
}

#[test]
fn check_config_prints_without_secrets_and_names_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let secret = "postgres://user:hush-hush@db.example/pnl";
    let shown = run(program(folder.path()).env("DATABASE_URL", secret).arg("check-config"), "");
    assert_eq!(shown.status.code(), Some(0), "{}", text(&shown.stderr));
    let toml = text(&shown.stdout);
    assert!(toml.contains("max_concurrent = 3") && toml.contains("db.example"), "{toml}");
    assert!(!toml.contains("hush-hush"), "{toml}");

    for (name, value, key) in [
        ("PNL_API__PORT", "eighty", "api.port"),
        ("PNL_WORKER__LEASE_SECONDS", "0", "worker.lease_seconds"),
        ("PNL_API__PROT", "80", "PNL_API__PROT"),
    ] {
        let refused = run(program(folder.path()).env(name, value).arg("check-config"), "");
        assert_eq!(refused.status.code(), Some(2), "{name}");
        assert!(text(&refused.stderr).contains(key), "{}", text(&refused.stderr));
        assert!(refused.stdout.is_empty());
    }
    let missing = ["check-config", "--config", "missing.toml"];
    assert_eq!(run(program(folder.path()).args(missing), "").status.code(), Some(2));
}

#[test]
fn engine_answers_a_case_and_a_refused_one_alike() {
    let folder = tempfile::tempdir().unwrap();
    let case = json!({"method": "fifo", "events": [
        {"id": "1", "ts": 1, "kind": "acquire", "asset": "A", "qty": "10", "decimals": 0, "value": "100"},
        {"id": "2", "ts": 2, "kind": "dispose", "asset": "A", "qty": "4", "decimals": 0, "value": "60"},
    ]});
    let answered = run(program(folder.path()).arg("engine"), &case.to_string());
    assert_eq!(answered.status.code(), Some(0), "{}", text(&answered.stderr));
    let answer: Value = serde_json::from_slice(&answered.stdout).unwrap();
    assert_eq!(answer["totals"]["realized_gain"], "20", "{answer}");
    let refused = run(program(folder.path()).arg("engine"), "{\"events\": 7}");
    assert_eq!(refused.status.code(), Some(0));
    let refused: Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert!(refused["error"].is_string(), "{refused}");
}

#[test]
fn parse_prints_good_files_and_tells_bad_ones() {
    let folder = tempfile::tempdir().unwrap();
    let good = std::fs::read_dir(format!("{DEMO_CHAIN}/transactions")).unwrap().next().unwrap();
    let good = good.unwrap().path();
    let parse = ["parse", "--chain", "solana"];
    let parsed = run(program(folder.path()).args(parse).arg(&good), "");
    assert_eq!(parsed.status.code(), Some(0), "{}", text(&parsed.stderr));
    for line in text(&parsed.stdout).lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["chain"], "solana", "{line}");
    }
    let raw = std::fs::read_to_string(&good).unwrap();
    let both = run(program(folder.path()).args(parse).args(["none.json", "-"]), &raw);
    assert_eq!(both.status.code(), Some(1));
    assert_eq!(text(&both.stdout), text(&parsed.stdout), "stdin is a file, and the rest goes on");
    let told: Value = serde_json::from_str(text(&both.stderr).trim()).unwrap();
    assert_eq!(told["file"], "none.json", "{told}");
    let wrong = run(program(folder.path()).args(["parse", "--chain", "doge", "-"]), "");
    assert_eq!(wrong.status.code(), Some(2));
}
