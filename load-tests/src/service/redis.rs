//! A Redis server of our own.

use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::programs::{self, Signal};
use super::wait;

const PATIENCE: Duration = Duration::from_secs(20);

/// A throw-away Redis. Dropping it ends it.
#[derive(Debug)]
pub struct RedisServer {
    folder: TempDir,
    port: u16,
    child: Option<Child>,
}

impl RedisServer {
    /// Starts one on a free port.
    ///
    /// # Errors
    /// When there is no `redis-server`, or it does not start.
    pub async fn start() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("pnl-redis.").tempdir()?;
        let mut server = Self { folder, port: programs::free_port()?, child: None };
        server.start_again().await?;
        Ok(server)
    }

    /// `redis://HOST:PORT`.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Starts it again on the same port, empty.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        let port = self.port.to_string();
        let child = Command::new("redis-server")
            .args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .arg("--dir")
            .arg(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("cannot run redis-server; scripts/setup.sh --tests installs it")?;
        self.child = Some(child);
        let server = &*self;
        wait::until("Redis", PATIENCE, async || Ok(server.command(&["PING"]).await.ok())).await?;
        Ok(())
    }

    /// Ends it at once; its keys are gone.
    ///
    /// # Errors
    /// When the system refuses.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill().await?;
        }
        Ok(())
    }

    /// Freezes it (`Signal::Stop`) or lets it go on (`Signal::Cont`).
    pub fn signal(&self, signal: Signal) -> bool {
        self.child.as_ref().and_then(Child::id).is_some_and(|pid| signal.send(pid))
    }

    /// Runs one command; its answer as `redis-cli` prints it.
    ///
    /// # Errors
    /// When Redis is away or refuses.
    pub async fn command(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = Command::new("redis-cli")
            .args(["-e", "-p", &self.port.to_string()])
            .args(arguments)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(PATIENCE, output).await.context("no answer")??;
        let answer = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        anyhow::ensure!(output.status.success(), "redis-cli {}: {answer}", arguments.join(" "));
        Ok(answer)
    }

    /// The names of all keys.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn keys(&self) -> anyhow::Result<Vec<String>> {
        let names = self.command(&["--scan"]).await?;
        Ok(names.lines().filter(|name| !name.is_empty()).map(str::to_owned).collect())
    }
}
