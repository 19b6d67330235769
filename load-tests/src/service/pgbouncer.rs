//! The connection pooler as the system's packages have it.

use std::process::{Command as BlockingCommand, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::Child;

use super::postgres::{PostgresServer, as_owner, hand_over};
use super::programs;
use super::wait;

const PATIENCE: Duration = Duration::from_secs(20);

/// Where Debian has it; ordinary users do not have the folder in their path.
const PROGRAMS: [&str; 2] = ["/usr/sbin/pgbouncer", "/usr/local/bin/pgbouncer"];

/// A PgBouncer before a [`PostgresServer`]. Dropping it ends it.
#[derive(Debug)]
pub struct PgBouncer {
    _folder: TempDir,
    _child: Child,
    port: u16,
}

impl PgBouncer {
    /// Its version, such as `1.18.0`; `None` when none is installed.
    pub fn version() -> Option<String> {
        let asked = BlockingCommand::new(program()?).arg("--version").output().ok()?;
        let text = String::from_utf8_lossy(&asked.stdout).into_owned();
        Some(text.lines().next()?.trim_start_matches("PgBouncer ").to_owned())
    }

    /// Starts one with five connections to each database; `settings` (`pool_mode = transaction`) on top.
    ///
    /// # Errors
    /// When none is installed, or it does not start.
    pub async fn start(server: &PostgresServer, settings: &[&str]) -> anyhow::Result<Self> {
        let program = program().context("no pgbouncer; scripts/setup.sh --tests installs it")?;
        let folder = tempfile::Builder::new().prefix("pnl-pgbouncer.").tempdir()?;
        let port = programs::free_port()?;
        let users = folder.path().join("users.txt");
        std::fs::write(&users, "\"postgres\" \"\"\n\"pnl\" \"\"\n")?;
        let mut text = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = trust\nauth_file = {}\n\
             default_pool_size = 5\n",
            server.port(),
            users.display()
        );
        for setting in settings {
            text.push_str(setting);
            text.push('\n');
        }
        let configuration = folder.path().join("pgbouncer.ini");
        std::fs::write(&configuration, text)?;
        for path in [folder.path(), &users, &configuration] {
            hand_over(path)?;
        }
        let child = as_owner(program.as_ref())
            .arg("-q")
            .arg(&configuration)
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
        Ok(Self { _folder: folder, _child: child, port })
    }

    /// The URL of a database through it, for the account of [`PostgresServer::url`].
    pub fn url(&self, database: &str) -> String {
        format!("postgres://pnl@127.0.0.1:{}/{database}", self.port)
    }
}

fn program() -> Option<&'static str> {
    PROGRAMS.into_iter().find(|program| std::path::Path::new(program).is_file())
}
