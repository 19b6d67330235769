//! A PostgreSQL server of our own, to be stopped, frozen, filled and refused.

use std::path::{Path, PathBuf};
use std::process::{Command as BlockingCommand, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::programs::{self, Signal};
use super::wait;

const PATIENCE: Duration = Duration::from_secs(60);

/// Longest time of one statement of ours.
const STATEMENT_PATIENCE: Duration = Duration::from_secs(120);

/// The account of the services: no superuser, so that limits and reserved connections hold for it.
const SERVICE_ROLE: &str = "pnl";

/// How a server is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopMode {
    /// Sessions are cut off, everything is written out.
    Fast,
    /// At once; the next start recovers from the log.
    Immediate,
}

/// A throw-away PostgreSQL. Dropping it stops it and removes its files.
#[derive(Debug)]
pub struct PostgresServer {
    folder: TempDir,
    programs: PathBuf,
    port: u16,
    settings: Vec<String>,
    child: Option<Child>,
}

impl PostgresServer {
    /// Makes a cluster and starts it on a free port, with `fsync` off and these settings
    /// (`max_connections=60`) on top.
    ///
    /// # Errors
    /// When there are no server programs or it does not start.
    pub async fn start(settings: &[&str]) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("pnl-postgres.").tempdir()?;
        let settings = ["listen_addresses=127.0.0.1", "fsync=off", "full_page_writes=off"]
            .iter()
            .chain(settings)
            .map(|setting| (*setting).to_owned())
            .collect();
        let programs = programs::postgres_programs()?;
        let port = programs::free_port()?;
        let mut server = Self { folder, programs, port, settings, child: None };
        hand_over(server.folder.path())?;
        let made = as_owner(&server.programs.join("initdb"))
            .arg("-D")
            .arg(server.data())
            .args(["-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"])
            .current_dir("/")
            .output()
            .await?;
        ensure!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        server.start_again().await?;
        server.psql("postgres", &format!("create role {SERVICE_ROLE} login")).await?;
        Ok(server)
    }

    /// A streaming replica of it, on a port of its own.
    ///
    /// # Errors
    /// When it cannot be copied, or the copy does not start.
    pub async fn replica(&self) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("pnl-replica.").tempdir()?;
        hand_over(folder.path())?;
        let mut replica = Self {
            folder,
            programs: self.programs.clone(),
            port: programs::free_port()?,
            settings: self.settings.clone(),
            child: None,
        };
        let copied = as_owner(&self.programs.join("pg_basebackup"))
            .arg("-D")
            .arg(replica.data())
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "postgres"])
            .args(["-R", "-X", "stream", "--checkpoint=fast", "--no-sync"])
            .current_dir("/")
            .output()
            .await?;
        ensure!(
            copied.status.success(),
            "pg_basebackup: {}",
            String::from_utf8_lossy(&copied.stderr)
        );
        replica.start_again().await?;
        Ok(replica)
    }

    /// Ends all its processes at once, as a machine that is switched off.
    ///
    /// # Errors
    /// When the system refuses.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        for pid in self.processes() {
            Signal::Kill.send(pid);
        }
        if let Some(mut child) = self.child.take() {
            child.wait().await?;
        }
        Ok(())
    }

    /// Its port on 127.0.0.1.
    pub const fn port(&self) -> u16 {
        self.port
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("cluster")
    }

    /// A folder that the server can write to, for a tablespace.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn make_folder(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = self.folder.path().join(name);
        std::fs::create_dir(&folder)?;
        hand_over(&folder)?;
        Ok(folder)
    }

    /// Gives a folder to the account of the server.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn hand_over(&self, folder: &Path) -> anyhow::Result<()> {
        hand_over(folder)
    }

    /// The process whose children are the sessions; 0 while it is stopped.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().and_then(Child::id).unwrap_or_default()
    }

    /// Starts it again on the same port and waits until it takes sessions.
    ///
    /// # Errors
    /// When it does not start; the message holds the end of its log.
    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        let log_path = self.folder.path().join("postgres.log");
        let log = std::fs::OpenOptions::new().create(true).append(true).open(&log_path)?;
        let mut command = as_owner(&self.programs.join("postgres"));
        command.arg("-D").arg(self.data()).args(["-p", &self.port.to_string()]);
        command.arg("-k").arg(self.folder.path());
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        // A group of its own: Ctrl-C comes to us, and we stop it in order.
        let child = command
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0)
            .spawn()
            .context("cannot run postgres")?;
        self.child = Some(child);
        wait::until("PostgreSQL", PATIENCE, async || {
            if let Some(child) = &mut self.child
                && let Some(status) = child.try_wait()?
            {
                let log = std::fs::read_to_string(&log_path).unwrap_or_default();
                bail!("postgres ended with {status}:\n{log}");
            }
            Ok(self.psql("postgres", "select 1").await.ok())
        })
        .await?;
        Ok(())
    }

    /// Stops it.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn stop(&mut self, mode: StopMode) -> anyhow::Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        let signal = match mode {
            StopMode::Fast => Signal::Int,
            StopMode::Immediate => Signal::Quit,
        };
        child.id().map(|pid| signal.send(pid));
        tokio::time::timeout(PATIENCE, child.wait())
            .await
            .context("PostgreSQL does not stop")??;
        Ok(())
    }

    /// Freezes all its processes; connections stay and nothing is answered.
    pub fn freeze(&self) {
        // The first one first, so that it starts no other while we look.
        for pid in self.processes() {
            Signal::Stop.send(pid);
        }
    }

    /// Lets all its processes go on.
    pub fn thaw(&self) {
        for pid in self.processes() {
            Signal::Cont.send(pid);
        }
    }

    fn processes(&self) -> Vec<u32> {
        let Some(first) = self.child.as_ref().and_then(Child::id) else { return Vec::new() };
        let mut all = vec![first];
        all.extend(programs::children(first));
        all
    }

    /// The URL of a database for a service: its owner's, not a superuser's.
    pub fn url(&self, database: &str) -> String {
        self.url_of(SERVICE_ROLE, database)
    }

    /// The same through the server's socket, as the service reaches a server of its own.
    pub fn socket_url(&self, database: &str) -> String {
        let (url, folder) = (self.url(database), self.folder.path().display());
        format!("{url}?host={folder}")
    }

    /// Makes a database, owned by the account of [`PostgresServer::url`], and gives that URL.
    ///
    /// # Errors
    /// When there is one by this name.
    pub async fn create_database(&self, name: &str) -> anyhow::Result<String> {
        self.psql("postgres", &format!("create database {name} owner {SERVICE_ROLE}")).await?;
        Ok(self.url(name))
    }

    /// Runs statements as superuser, in one transaction when there are several; gives rows as lines, columns
    /// divided by `|`.
    ///
    /// # Errors
    /// When the server is away or refuses.
    pub async fn psql(&self, database: &str, statements: &str) -> anyhow::Result<String> {
        self.psql_at(&self.url_of("postgres", database), statements).await
    }

    /// The same in the database at `url`, which may be that of another server.
    ///
    /// # Errors
    /// When the server is away or refuses.
    pub async fn psql_at(&self, url: &str, statements: &str) -> anyhow::Result<String> {
        let run = self.psql_command(url, statements).output();
        let output = tokio::time::timeout(STATEMENT_PATIENCE, run)
            .await
            .with_context(|| format!("no answer to {statements}"))??;
        ensure!(
            output.status.success(),
            "{statements}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }

    /// One number.
    ///
    /// # Errors
    /// When the statement gives anything else.
    pub async fn number(&self, database: &str, statement: &str) -> anyhow::Result<u64> {
        self.number_at(&self.url_of("postgres", database), statement).await
    }

    /// The same from the database at `url`.
    ///
    /// # Errors
    /// When the statement gives anything else.
    pub async fn number_at(&self, url: &str, statement: &str) -> anyhow::Result<u64> {
        let text = self.psql_at(url, statement).await?;
        text.trim().parse().with_context(|| format!("{statement} gives {text:?}"))
    }

    /// A session of an account that holds one connection until it is dropped.
    ///
    /// # Errors
    /// When `psql` cannot be run; a refusal ends the session by itself.
    pub fn idle_session(&self, role: &str, database: &str) -> anyhow::Result<Child> {
        let mut command = self.psql_command(&self.url_of(role, database), "select pg_sleep(3600)");
        Ok(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?)
    }

    fn url_of(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/{database}", self.port)
    }

    fn psql_command(&self, url: &str, statements: &str) -> Command {
        let mut command = Command::new(self.programs.join("psql"));
        command
            .args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-d", url])
            .args(["-c", statements])
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        let Some(child) = self.child.as_mut() else { return };
        let Some(pid) = child.id() else { return };
        // The immediate stop takes its processes and its shared memory along.
        self.thaw();
        Signal::Quit.send(pid);
        let child = self.child.as_mut().expect("it was there a line ago");
        for _ in 0..200 {
            if !matches!(child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        Signal::Kill.send(pid);
    }
}

/// The account that runs servers when we are root, which PostgreSQL refuses to be.
pub(super) fn owner() -> &'static str {
    let there = |name: &str| {
        let mut ask = BlockingCommand::new("id");
        ask.arg(name).stdout(Stdio::null()).stderr(Stdio::null());
        ask.status().is_ok_and(|status| status.success())
    };
    if there("postgres") { "postgres" } else { "nobody" }
}

pub(super) fn hand_over(folder: &Path) -> anyhow::Result<()> {
    if !programs::is_root() {
        return Ok(());
    }
    let status = BlockingCommand::new("chown").arg(owner()).arg(folder).status()?;
    ensure!(status.success(), "cannot give {} to {}", folder.display(), owner());
    Ok(())
}

/// A command of the server programs, under an account that they accept.
pub(super) fn as_owner(program: &Path) -> Command {
    if !programs::is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", owner(), "--regid", "0", "--clear-groups"]).arg(program);
    command
}
