//! The program as a child process, and what it needs around it.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use load_tests::{RecordedChain, RecordedNode};
use persistence_layer::test_util::TestDatabase;
use serde_json::Value;

pub const DEMO_CHAIN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../load-tests/demo-chain");
pub const PATIENCE: Duration = Duration::from_secs(90);

/// The program in an empty folder, free of what the environment of the tests configures.
pub fn program(folder: &Path) -> Command {
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
pub struct Service {
    /// The process.
    pub child: Child,
    /// Where clients talk to, as `http://host:port`.
    pub address: String,
    /// The same of the admin listener.
    pub admin: String,
    log: Arc<Mutex<Vec<u8>>>,
}

impl Service {
    /// Starts it on free ports and waits for the two lines that name them.
    pub fn start(mut command: Command) -> Self {
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

    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Waits until it has ended, and checks its exit code.
    #[track_caller]
    pub fn ends_with(&mut self, code: i32) {
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

    pub fn log(&self) -> String {
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

pub async fn get(url: &str) -> (u16, Value) {
    let response = client().get(url).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

pub fn client() -> reqwest::Client {
    // Whoever is first installs it; all install the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().timeout(PATIENCE).build().unwrap()
}

pub async fn demo_node() -> RecordedNode {
    let chain = RecordedChain::from_folder(DEMO_CHAIN).unwrap();
    RecordedNode::start(chain, "127.0.0.1:0").await.unwrap()
}

pub fn demo_wallets() -> Vec<String> {
    let list = std::fs::read_to_string(format!("{DEMO_CHAIN}/wallets.txt")).unwrap();
    list.lines().map(str::to_owned).collect()
}

/// Settings for a database and a chain that are there already.
pub fn configured(command: &mut Command, database: &TestDatabase, node: &RecordedNode) {
    with_chain(command, database.url(), node);
}

/// The same by the database's URL.
pub fn with_chain(command: &mut Command, database: &str, node: &RecordedNode) {
    let providers = format!(
        r#"[{{name="recorded", kind="solana-rpc", url="{}", requests_per_second=1000}}]"#,
        node.solana_url()
    );
    command
        .env("DATABASE_URL", database)
        .env("PNL_DATABASE__MAX_CONNECTIONS", "10")
        .env("PNL_DATABASE__MIN_CONNECTIONS", "1")
        .env("PNL_CHAINS__SOLANA__PROVIDERS", providers)
        .env("PNL_PRICES__SOURCES", format!(r#"[{{kind="csv", path="{DEMO_CHAIN}/prices"}}]"#));
}

pub fn run(command: &mut Command, input: &str) -> Output {
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

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
