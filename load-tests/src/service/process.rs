//! A process of `pnl-tracker serve`.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::watch;

use super::http::Client;
use super::programs::{self, Signal};
use super::wait;
use crate::node::RecordedNode;

/// How long a process may take to name its listeners: it may start a cluster before.
const START_PATIENCE: Duration = Duration::from_secs(120);

/// How a process is started. The environment of the caller does not configure it.
#[derive(Debug, Clone)]
pub struct ServiceSettings {
    /// The program.
    pub program: PathBuf,
    /// Where it runs; without a database of ours its own cluster lies below.
    pub folder: PathBuf,
    /// Gets what it writes to stderr; several processes may share it.
    pub log: PathBuf,
    /// `--role`, when not the default.
    pub role: Option<&'static str>,
    /// Variables such as `PNL_WORKER__LEASE_SECONDS`.
    pub variables: BTreeMap<String, String>,
}

impl ServiceSettings {
    /// `program` in `folder`, on free ports.
    pub fn new(program: &Path, folder: &Path) -> Self {
        let settings = Self {
            program: program.to_owned(),
            folder: folder.to_owned(),
            log: folder.join("service.log"),
            role: None,
            variables: BTreeMap::new(),
        };
        settings.with("PNL_API__PORT", "0").with("PNL_ADMIN__PORT", "0")
    }

    /// With a variable set.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.variables.insert(name.to_owned(), value.to_string());
        self
    }

    /// With a role.
    #[must_use]
    pub fn with_role(mut self, role: &'static str) -> Self {
        self.role = Some(role);
        self
    }

    /// With a PostgreSQL, and a pool that leaves room for other processes.
    #[must_use]
    pub fn with_database(self, url: &str) -> Self {
        self.with("DATABASE_URL", url)
            .with("PNL_DATABASE__MAX_CONNECTIONS", 15)
            .with("PNL_DATABASE__MIN_CONNECTIONS", 2)
    }

    /// With a node as the only provider of Solana and as the source of prices.
    #[must_use]
    pub fn with_node(self, node: &RecordedNode, requests_per_second: u32) -> Self {
        let provider = format!(
            r#"[{{name="recorded", kind="solana-rpc", url="{}", requests_per_second={requests_per_second}}}]"#,
            node.solana_url()
        );
        let prices = format!(
            r#"[{{kind="llama", url="{}", requests_per_second={requests_per_second}}}]"#,
            node.llama_url()
        );
        self.with("PNL_CHAINS__SOLANA__PROVIDERS", provider).with("PNL_PRICES__SOURCES", prices)
    }
}

/// A running process. Dropping it kills it; a cluster that it started for itself stays.
#[derive(Debug)]
pub struct Service {
    child: Child,
    pid: u32,
    lines: watch::Receiver<Vec<String>>,
    log: PathBuf,
}

impl Service {
    /// Starts it and waits until it has named its listeners.
    ///
    /// # Errors
    /// When it ends before; the message holds the end of its log.
    pub async fn start(settings: &ServiceSettings) -> anyhow::Result<Self> {
        let mut service = Self::spawn(settings)?;
        service.listening().await?;
        Ok(service)
    }

    /// Starts it and returns at once.
    ///
    /// # Errors
    /// When the program cannot be run.
    pub fn spawn(settings: &ServiceSettings) -> anyhow::Result<Self> {
        let log = OpenOptions::new().create(true).append(true).open(&settings.log)?;
        let mut command = Command::new(&settings.program);
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("PNL_") || matches!(&*name, "DATABASE_URL" | "REDIS_URL") {
                command.env_remove(&*name);
            }
        }
        command.arg("serve");
        if let Some(role) = settings.role {
            command.args(["--role", role]);
        }
        let mut child = command
            .envs(&settings.variables)
            .current_dir(&settings.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot run {}", settings.program.display()))?;
        let pid = child.id().context("it ended at once")?;
        let stdout = child.stdout.take().context("stdout is a pipe")?;
        Ok(Self { child, pid, lines: collect(stdout), log: settings.log.clone() })
    }

    /// Waits until it has named its listeners.
    ///
    /// # Errors
    /// When it ends before, or takes longer than two minutes.
    pub async fn listening(&mut self) -> anyhow::Result<()> {
        let has_both = self.lines.wait_for(|lines| lines.len() >= 2);
        let outcome = tokio::time::timeout(START_PATIENCE, has_both).await;
        let outcome = outcome.map(|named| named.is_ok());
        match outcome {
            Ok(true) => Ok(()),
            Ok(false) => bail!("the service ended at its start:\n{}", self.log_tail(20)),
            Err(_) => bail!("the service names no listener:\n{}", self.log_tail(20)),
        }
    }

    fn address(&self, line: usize, prefix: &str) -> String {
        let lines = self.lines.borrow();
        let address = lines.get(line).and_then(|line| line.strip_prefix(prefix));
        // Nobody listens on port 0: what is asked there is refused, as with a process that is gone.
        address.unwrap_or("http://127.0.0.1:0").to_owned()
    }

    /// `http://HOST:PORT` of the public listener.
    pub fn url(&self) -> String {
        self.address(0, "listening on ")
    }

    /// `http://HOST:PORT` of the admin listener.
    pub fn admin_url(&self) -> String {
        self.address(1, "admin listening on ")
    }

    /// A client of the public listener.
    pub fn client(&self) -> Client {
        Client::new(&self.url())
    }

    /// A client of the admin listener.
    pub fn admin(&self) -> Client {
        Client::new(&self.admin_url())
    }

    /// Its process id.
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits until `/api/health` says 200.
    ///
    /// # Errors
    /// When it does not within `patience`.
    pub async fn ready(&self, patience: Duration) -> anyhow::Result<()> {
        let client = self.client();
        wait::until("readiness", patience, async || {
            let ready = client.get("/api/health").await.is_ok_and(|answer| answer.status == 200);
            Ok(ready.then_some(()))
        })
        .await
    }

    /// Sends a signal; false when the process is gone.
    pub fn signal(&self, signal: Signal) -> bool {
        // An ended process that nobody waited for still takes signals.
        self.child.id().is_some() && signal.send(self.pid)
    }

    /// Whether it has not ended.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it at once, wherever it is.
    ///
    /// # Errors
    /// When the system refuses.
    pub async fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("cannot kill the service")
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// When it does not within `patience`.
    pub async fn ended(&mut self, patience: Duration) -> anyhow::Result<ExitStatus> {
        let ended = tokio::time::timeout(patience, self.child.wait()).await;
        let Ok(status) = ended else {
            bail!("it does not end in {} s:\n{}", patience.as_secs(), self.log_tail(20))
        };
        Ok(status?)
    }

    /// SIGTERM, and waits for the clean end.
    ///
    /// # Errors
    /// When it does not end within `patience`, or not with 0.
    pub async fn stop(mut self, patience: Duration) -> anyhow::Result<()> {
        self.signal(Signal::Term);
        let status = self.ended(patience).await?;
        anyhow::ensure!(status.success(), "it ended with {status}:\n{}", self.log_tail(20));
        Ok(())
    }

    /// Resident memory in KiB.
    pub fn resident_kib(&self) -> Option<u64> {
        programs::resident_kib(self.pid)
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The last lines of its log.
    pub fn log_tail(&self, lines: usize) -> String {
        let log = self.log();
        let all: Vec<&str> = log.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    /// The value of a metric without labels, or the sum over all labels.
    ///
    /// # Errors
    /// When the metrics do not come or a value is no whole number.
    pub async fn metric(&self, name: &str) -> anyhow::Result<i64> {
        let text = self.admin().get("/metrics").await?.expect(200)?.text();
        let values = text.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            rest.starts_with([' ', '{']).then(|| rest.rsplit(' ').next().unwrap_or_default())
        });
        values.map(|value| value.parse::<i64>().with_context(|| format!("{name} is {value}"))).sum()
    }
}

/// Collects the lines of stdout; the channel closes with it.
fn collect(stdout: ChildStdout) -> watch::Receiver<Vec<String>> {
    let (sender, receiver) = watch::channel(Vec::new());
    tokio::spawn(async move {
        let mut lines = BufReader::new(stdout).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            sender.send_modify(|all| all.push(line));
        }
    });
    receiver
}
