//! Signals against a real process: this test program starts itself once more as the process.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed unwrap is a failed test")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use service_runtime::shutdown::Shutdown;

/// Set in the second process: what it does once it is asked to stop.
const AFTER_DRAIN: &str = "SHUTDOWN_TEST_AFTER_DRAIN";

/// Runs only in the second process; as a test of its own it has nothing to do.
#[test]
fn process() {
    let Ok(after_drain) = std::env::var(AFTER_DRAIN) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let shutdown = Shutdown::on_signals().unwrap();
        println!("\nready");
        shutdown.requested().await;
        assert!(shutdown.is_requested());
        println!("\ndraining");
        if after_drain == "hang" {
            tokio::time::sleep(Duration::from_secs(600)).await;
        }
    });
}

/// The second process, with its output read up to `ready`.
struct Process {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Process {
    fn start(after_drain: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "process", "--nocapture"])
            .env(AFTER_DRAIN, after_drain)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut process = Self { child, output };
        process.wait_for_line("ready");
        process
    }

    fn wait_for_line(&mut self, expected: &str) {
        let mut line = String::new();
        while line.trim() != expected {
            line.clear();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "ended before {expected:?}");
        }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    fn end(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

#[test]
fn the_first_signal_lets_the_work_end() {
    for name in ["TERM", "INT"] {
        let process = Process::start("finish");
        process.signal(name);
        assert!(process.end().success(), "{name}");
    }
}

#[test]
fn the_second_signal_ends_the_process_at_once() {
    for (name, code) in [("TERM", 143), ("INT", 130)] {
        let mut process = Process::start("hang");
        process.signal("TERM");
        process.wait_for_line("draining");
        process.signal(name);
        assert_eq!(process.end().code(), Some(code), "{name}");
    }
}
