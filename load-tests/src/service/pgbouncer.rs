//! The connection pooler: as the system's packages have it, and a current one.

use std::path::{Path, PathBuf};
use std::process::{Command as BlockingCommand, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::postgres::{hand_over, owner};
use super::programs;
use super::wait;

const PATIENCE: Duration = Duration::from_secs(20);

/// Where Debian has it; ordinary users do not have the folder in their path.
const OF_THE_SYSTEM: [&str; 2] = ["/usr/sbin/pgbouncer", "/usr/local/bin/pgbouncer"];

/// The environment variable with the path of a current one, or [`LEFT_OUT`].
const CURRENT: &str = "TEST_PGBOUNCER";

/// Says that there is none to be had here.
const LEFT_OUT: &str = "none";

/// The first version that tells the prepared statements of its clients apart.
const TELLS_STATEMENTS_APART: (u32, u32) = (1, 21);

/// A program of PgBouncer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PgBouncerProgram {
    path: PathBuf,
    version: (u32, u32),
}

impl PgBouncerProgram {
    /// That of the system; `None` when none is installed.
    ///
    /// # Errors
    /// When it does not say its version.
    pub fn of_the_system() -> anyhow::Result<Option<Self>> {
        OF_THE_SYSTEM
            .map(Path::new)
            .into_iter()
            .find(|path| path.is_file())
            .map(Self::at)
            .transpose()
    }

    /// The one of 1.21 or newer that `TEST_PGBOUNCER` names; `None` when that is `none`.
    ///
    /// # Errors
    /// When the variable is not set, or names no such program.
    pub fn current() -> anyhow::Result<Option<Self>> {
        let path = std::env::var(CURRENT).with_context(|| {
            format!(
                "{CURRENT} names no PgBouncer of 1.21 or newer; scripts/pgbouncer.sh prints the path of one, \
                 {CURRENT}={LEFT_OUT} leaves the tests with it out"
            )
        })?;
        if path == LEFT_OUT {
            return Ok(None);
        }
        let current = Self::at(Path::new(&path))?;
        ensure!(current.tells_statements_apart(), "{CURRENT}: {path} is older than 1.21");
        Ok(Some(current))
    }

    fn at(path: &Path) -> anyhow::Result<Self> {
        let asked = BlockingCommand::new(path).arg("--version").output();
        let asked = asked.with_context(|| format!("cannot run {}", path.display()))?;
        let text = String::from_utf8_lossy(&asked.stdout);
        let version = text.strip_prefix("PgBouncer ").and_then(|rest| {
            let mut numbers = rest.split(['.', '\n']).map(|number| number.parse().ok());
            Some((numbers.next()??, numbers.next()??))
        });
        let Some(version) = version else { bail!("{} says {text:?}", path.display()) };
        Ok(Self { path: path.to_owned(), version })
    }

    /// Whether it can keep the prepared statements of its clients apart.
    pub fn tells_statements_apart(&self) -> bool {
        self.version >= TELLS_STATEMENTS_APART
    }
}

/// A PgBouncer before a PostgreSQL. Dropping it ends it.
#[derive(Debug)]
pub struct PgBouncer {
    program: PathBuf,
    folder: TempDir,
    child: Child,
    port: u16,
}

impl PgBouncer {
    /// Starts one before the server on `server_port` of 127.0.0.1, with five connections to each database; `settings`
    /// (`pool_mode = transaction`) on top.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start(
        program: &PgBouncerProgram,
        server_port: u16,
        settings: &[&str],
    ) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("pnl-pgbouncer.").tempdir()?;
        let port = programs::free_port()?;
        let users = folder.path().join("users.txt");
        std::fs::write(&users, "\"postgres\" \"\"\n\"pnl\" \"\"\n")?;
        let mut text = format!(
            "[databases]\n* = host=127.0.0.1 port={server_port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = trust\nauth_file = {}\n\
             default_pool_size = 5\n",
            users.display()
        );
        if programs::is_root() {
            // It changes to the account by itself, which need not reach the program.
            text.push_str(&format!("user = {}\n", owner()));
        }
        for setting in settings {
            text.push_str(setting);
            text.push('\n');
        }
        let configuration = folder.path().join(CONFIGURATION);
        std::fs::write(&configuration, text)?;
        for path in [folder.path(), &users, &configuration] {
            hand_over(path)?;
        }
        let child = spawn(&program.path, folder.path(), port).await?;
        Ok(Self { program: program.path.clone(), folder, child, port })
    }

    /// Ends it at once, with all connections through it.
    ///
    /// # Errors
    /// When the system refuses.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        Ok(self.child.kill().await?)
    }

    /// Starts it again on the same port.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        self.child = spawn(&self.program, self.folder.path(), self.port).await?;
        Ok(())
    }

    /// Its port on 127.0.0.1.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The URL of a database through it, for the account of [`super::PostgresServer::url`].
    pub fn url(&self, database: &str) -> String {
        format!("postgres://pnl@127.0.0.1:{}/{database}", self.port)
    }
}

/// The name of its file of settings.
const CONFIGURATION: &str = "pgbouncer.ini";

async fn spawn(program: &Path, folder: &Path, port: u16) -> anyhow::Result<Child> {
    let child = Command::new(program)
        .arg("-q")
        .arg(folder.join(CONFIGURATION))
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("cannot run pgbouncer")?;
    wait::until("PgBouncer", PATIENCE, async || {
        Ok(TcpStream::connect(("127.0.0.1", port)).await.ok())
    })
    .await?;
    Ok(child)
}
