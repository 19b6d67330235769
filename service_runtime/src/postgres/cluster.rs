//! One cluster: making it, starting and stopping its server, and asking it.

use std::fs::{self, OpenOptions};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use uuid::Uuid;

use super::SupervisorOptions;
use super::account::Account;
use super::error::PostgresError;
use super::layout::{Layout, write_atomically, write_private};
use super::lock;
use super::pidfile::{self, Postmaster, ServerState};
use super::programs::Programs;
use crate::config::SecretUrl;

/// The superuser of the cluster.
const USER: &str = "pnl";

/// The database of the service.
const DATABASE: &str = "pnl_tracker";

/// Connections that the server takes: two processes with the default pool of 100, and some.
const MAX_CONNECTIONS: u32 = 300;

/// How long starting is tried again. After a kill of the server its orphans hold the shared memory
/// for a while, and an unreaped process the process id.
const START_RETRIES: Duration = Duration::from_secs(30);

/// How long a live server may recover before it takes connections.
const LONGEST_RECOVERY: Duration = Duration::from_secs(600);

/// Time for sessions of ours to go, after they were closed.
const SESSIONS_LEAVE: Duration = Duration::from_secs(2);

/// Pause between two looks at the server.
const POLL: Duration = Duration::from_millis(50);

/// The end of the server's log that an error quotes, in bytes.
const QUOTED_LOG: usize = 1500;

/// The server's log is emptied when it is larger, in bytes.
const LARGEST_LOG: u64 = 32 * 1024 * 1024;

/// A cluster and what is needed to run its server.
#[derive(Debug)]
pub(super) struct Cluster {
    layout: Layout,
    account: Account,
    programs: Programs,
}

/// The URL of our database through the server's socket, which only its own account and root can reach.
fn url_of(running: &Running, password: &str) -> SecretUrl {
    let Running { port, socket_folder, .. } = running;
    let folder: String =
        url::form_urlencoded::byte_serialize(socket_folder.as_os_str().as_bytes()).collect();
    // What PostgreSQL's own programs read has no other form of a space.
    let folder = folder.replace('+', "%20");
    SecretUrl::new(format!(
        "postgres://{USER}:{password}@localhost:{port}/{DATABASE}?host={folder}"
    ))
}

/// A server that takes connections.
#[derive(Debug)]
pub(super) struct Running {
    /// Its TCP port on loopback.
    pub port: u16,
    /// The folder of its socket.
    pub socket_folder: PathBuf,
    /// Present when this call started it.
    pub new_server: Option<NewServer>,
}

/// A server that was just started and that nobody watches yet. Dropped before
/// [`NewServer::keep`] it is stopped: a start that was given up leaves nothing running.
#[derive(Debug)]
pub(super) struct NewServer {
    pid: Option<u32>,
}

impl NewServer {
    /// Somebody looks after the server now.
    pub(super) fn keep(mut self) {
        self.pid = None;
    }
}

impl Drop for NewServer {
    fn drop(&mut self) {
        if let Some(pid) = self.pid {
            // SIGINT is the fast stop. A server that is gone already needs none.
            let _ = std::process::Command::new("kill")
                .args(["-s", "INT", &pid.to_string()])
                .stderr(Stdio::null())
                .status();
        }
    }
}

impl From<Postmaster> for Running {
    fn from(found: Postmaster) -> Self {
        Self { port: found.port, socket_folder: found.socket_folder, new_server: None }
    }
}

impl Cluster {
    /// Finds folder, user and programs for the cluster of a `data_dir`. Starts nothing.
    pub(super) async fn locate(options: SupervisorOptions) -> Result<Self, PostgresError> {
        let mut layout = Layout::of(&options.data_dir)?;
        // Two processes must not choose two places.
        let _lock = lock::acquire(&layout.start_lock()).await?;
        layout = Layout::of(&options.data_dir)?;
        let account = Account::choose(&layout.cluster()).await?;
        layout.make_reachable(&account).await?;
        let version = cluster_version(&layout.cluster());
        let programs = Programs::find(options.bin_dir.as_deref(), version)?;
        Ok(Self { layout, account, programs })
    }

    /// Where the parts of this cluster lie.
    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The process id of the server, when it runs.
    pub(super) fn live_pid(&self) -> Option<u32> {
        match pidfile::server_state(&self.layout.cluster()) {
            ServerState::Alive(postmaster) => Some(postmaster.pid),
            ServerState::Down | ServerState::Blocked => None,
        }
    }

    /// Whether the server runs; it may be recovering.
    pub(super) fn is_alive(&self) -> bool {
        self.live_pid().is_some()
    }

    /// Returns once the server takes connections; makes the cluster and starts the server where
    /// needed. `port` insists on a port, for clients that know it already. Call under the lock for
    /// starting.
    pub(super) async fn ensure_running(&self, port: Option<u16>) -> Result<Running, PostgresError> {
        if cluster_version(&self.layout.cluster()).is_none() {
            self.create().await?;
        }
        let began = Instant::now();
        let mut pause = Duration::from_millis(250);
        loop {
            match pidfile::server_state(&self.layout.cluster()) {
                ServerState::Alive(postmaster) => {
                    match self.wait_until_ready(postmaster.pid).await? {
                        Some(running) => return Ok(running),
                        None => continue,
                    }
                }
                ServerState::Blocked => {
                    let file = pidfile::path(&self.layout.cluster());
                    tracing::warn!(file = %file.display(), "removed what a dead PostgreSQL left");
                    fs::remove_file(&file).map_err(PostgresError::file("remove", &file))?;
                }
                ServerState::Down => {}
            }
            match self.start_server(port).await {
                Ok(running) => return Ok(running),
                Err(error) if began.elapsed() >= START_RETRIES => return Err(error),
                Err(error) => {
                    tracing::warn!(
                        error = %crate::telemetry::Chain(&error),
                        "PostgreSQL did not start, trying again"
                    );
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(4));
                }
            }
        }
    }

    /// Sets the password, notes the port and makes the database, where any is missing. Returns where to connect.
    pub(super) async fn prepare(&self, running: &Running) -> Result<SecretUrl, PostgresError> {
        let file = self.layout.password();
        let password = match fs::read_to_string(&file) {
            Ok(password) => password,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let password = new_password();
                self.sql(running, &format!("alter role {USER} password '{password}'")).await?;
                write_atomically(&file, &password, 0o600)?;
                password
            }
            Err(error) => return Err(PostgresError::file("read", &file)(error)),
        };
        // Also of a server whose starter was killed before it could note the port.
        if self.noted_port() != Some(running.port) {
            write_atomically(&self.layout.port(), &running.port.to_string(), 0o644)?;
        }
        let known = format!("select 1 from pg_database where datname = '{DATABASE}'");
        if self.sql(running, &known).await?.is_empty() {
            self.sql(running, &format!("create database {DATABASE}")).await?;
        }
        Ok(url_of(running, &password))
    }

    /// Sessions of clients that are connected, once ours had time to go.
    pub(super) async fn other_sessions(&self) -> Result<u32, PostgresError> {
        let ServerState::Alive(postmaster) = pidfile::server_state(&self.layout.cluster()) else {
            return Ok(0);
        };
        let running = Running::from(postmaster);
        let began = Instant::now();
        loop {
            let answer = self
                .sql(
                    &running,
                    "select count(*) from pg_stat_activity \
                     where backend_type = 'client backend' and pid <> pg_backend_pid()",
                )
                .await?;
            let count = answer.parse().map_err(|_| PostgresError::Program {
                program: "psql".to_owned(),
                detail: format!("answered {answer:?} to a count"),
            })?;
            if count == 0 || began.elapsed() >= SESSIONS_LEAVE {
                return Ok(count);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Stops the server: clients are disconnected, open transactions rolled back.
    pub(super) async fn stop_server(&self) -> Result<(), PostgresError> {
        if !self.is_alive() {
            return Ok(());
        }
        let mut command = self.account.command(&self.programs.path("pg_ctl"));
        command.args(["stop", "-s", "-w", "-t", "60", "-m", "fast", "-D"]);
        run("pg_ctl", command.arg(self.layout.cluster()), None).await.map(drop)
    }

    /// Empties the server's log when it has grown too large. The server appends, so it goes on
    /// writing at the new end.
    pub(super) fn bound_log(&self) {
        let log = self.layout.log();
        if fs::metadata(&log).is_ok_and(|found| found.len() > LARGEST_LOG) {
            let emptied = OpenOptions::new().write(true).open(&log).and_then(|f| f.set_len(0));
            tracing::info!(log = %log.display(), ok = emptied.is_ok(), "emptied the PostgreSQL log");
        }
    }

    /// Makes the cluster in a draft folder and puts it in place in one step, so that a crash in
    /// the middle leaves a draft, never half a cluster.
    async fn create(&self) -> Result<(), PostgresError> {
        let home = self.layout.home();
        remove_drafts(home);
        let name = Uuid::new_v4().simple();
        let draft = home.join(format!("draft-{name}"));
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&draft)
            .map_err(PostgresError::file("make", &draft))?;
        self.account.make_private(&draft, 0o700)?;
        let password = new_password();
        let password_file = home.join(format!("draft-{name}.password"));
        write_private(&password_file, &password, 0o600)?;
        self.account.make_private(&password_file, 0o600)?;

        let mut command = self.account.command(&self.programs.path("initdb"));
        command.args(["--encoding=UTF8", "--locale=C", "--auth-local=trust"]);
        command.args(["--auth-host=scram-sha-256", "--username", USER, "--pwfile"]);
        let made = run("initdb", command.arg(&password_file).arg("-D").arg(&draft), None).await;
        fs::remove_file(&password_file).map_err(PostgresError::file("remove", &password_file))?;
        made?;

        let conf = draft.join("postgresql.conf");
        let mut text = fs::read_to_string(&conf).map_err(PostgresError::file("read", &conf))?;
        text.push_str(&format!(
            "\n# Set when the cluster was made; port, address and socket are set at each start.\n\
             max_connections = {MAX_CONNECTIONS}\n\
             # Short statements gain nothing from it, and hardened systems forbid it.\n\
             jit = off\n"
        ));
        // Overwritten in place: the file keeps its owner and mode.
        fs::write(&conf, text).map_err(PostgresError::file("write", &conf))?;
        write_atomically(&self.layout.password(), &password, 0o600)?;
        let cluster = self.layout.cluster();
        fs::rename(&draft, &cluster).map_err(PostgresError::file("make", &cluster))?;
        tracing::info!(folder = %cluster.display(), "PostgreSQL cluster made");
        Ok(())
    }

    /// Starts the server and waits until it takes connections.
    async fn start_server(&self, port: Option<u16>) -> Result<Running, PostgresError> {
        let socket_folder = self.layout.make_socket_folder(&self.account)?;
        let port = match port {
            Some(port) => port,
            None => self.choose_port()?,
        };
        self.bound_log();
        let log_path = self.layout.log();
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&log_path)
            .map_err(PostgresError::file("open", &log_path))?;
        let log_start = log.metadata().map_or(0, |found| found.len());
        let errors = log.try_clone().map_err(PostgresError::file("open", &log_path))?;
        let program = self.programs.path("postgres");
        let mut command = self.account.command(&program);
        command
            .arg("-D")
            .arg(self.layout.cluster())
            .args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1", "-k"])
            .arg(&socket_folder)
            .stdout(Stdio::from(log))
            .stderr(Stdio::from(errors))
            // A group of its own: Ctrl-C in a terminal reaches our group and must not stop it.
            .process_group(0);
        let mut child = command.spawn().map_err(|error| PostgresError::Program {
            program: program.display().to_string(),
            detail: error.to_string(),
        })?;
        let pid = child.id();
        let new_server = NewServer { pid };
        if self.came_up(&mut child, pid.unwrap_or_default()).await {
            // Somebody must wait for it when it ends, or its process id stays taken.
            tokio::spawn(async move { child.wait().await });
            return Ok(Running { port, socket_folder, new_server: Some(new_server) });
        }
        // Reaped, so its process id may be somebody else's by now; a hanging one is stopped.
        if matches!(child.try_wait(), Ok(Some(_))) {
            new_server.keep();
        }
        Err(PostgresError::NotStarted { detail: tail(&log_path, log_start), log: log_path })
    }

    /// Waits until the server that was just started is ready; false when it ended.
    async fn came_up(&self, child: &mut Child, pid: u32) -> bool {
        let began = Instant::now();
        loop {
            if began.elapsed() >= LONGEST_RECOVERY
                || matches!(child.try_wait(), Ok(Some(_)) | Err(_))
            {
                return false;
            }
            match pidfile::server_state(&self.layout.cluster()) {
                ServerState::Alive(found) if found.pid == pid && found.ready => return true,
                _ => tokio::time::sleep(POLL).await,
            }
        }
    }

    /// Waits until a server that somebody started is ready; `None` when it ended.
    async fn wait_until_ready(&self, pid: u32) -> Result<Option<Running>, PostgresError> {
        let began = Instant::now();
        while began.elapsed() < LONGEST_RECOVERY {
            match pidfile::server_state(&self.layout.cluster()) {
                ServerState::Alive(found) if found.pid == pid => {
                    if found.ready {
                        let running = Running::from(found);
                        if self.sql(&running, "select 1").await.is_ok() {
                            return Ok(Some(running));
                        }
                    }
                }
                _ => return Ok(None),
            }
            tokio::time::sleep(POLL).await;
        }
        let log = self.layout.log();
        Err(PostgresError::NotStarted { detail: tail(&log, 0), log })
    }

    fn noted_port(&self) -> Option<u16> {
        fs::read_to_string(self.layout.port()).ok()?.trim().parse().ok()
    }

    /// The port of the last start when it is free, else any free one.
    fn choose_port(&self) -> Result<u16, PostgresError> {
        let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
        let last = self.noted_port();
        if let Some(port) = last.filter(|&port| bind(port).is_ok()) {
            return Ok(port);
        }
        bind(0).and_then(|listener| listener.local_addr()).map(|address| address.port()).map_err(
            |error| PostgresError::Program {
                program: "listening on 127.0.0.1".to_owned(),
                detail: error.to_string(),
            },
        )
    }

    /// Runs a statement through the socket and returns its output, trimmed.
    async fn sql(&self, running: &Running, statement: &str) -> Result<String, PostgresError> {
        let mut command = self.account.command(&self.programs.path("psql"));
        command
            .args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-U", USER, "-d", "postgres"])
            .args(["-p", &running.port.to_string(), "-f", "-", "-h"])
            .arg(&running.socket_folder)
            .env("PGCONNECT_TIMEOUT", "10");
        // Through standard input, since everybody can read the arguments of a process.
        run("psql", &mut command, Some(statement)).await
    }
}

/// The major version of an existing cluster.
fn cluster_version(cluster: &Path) -> Option<u32> {
    fs::read_to_string(cluster.join("PG_VERSION")).ok()?.trim().parse().ok()
}

/// Removes what a crash left while a cluster was being made. An orphan of that crash may still be
/// writing there; what cannot be removed now is removed another time.
fn remove_drafts(home: &Path) {
    for entry in fs::read_dir(home).into_iter().flatten().flatten() {
        if !entry.file_name().to_string_lossy().starts_with("draft-") {
            continue;
        }
        let path = entry.path();
        let removed =
            if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        tracing::info!(path = %path.display(), ok = removed.is_ok(), "removed an unfinished cluster");
    }
}

/// 244 random bits, as text without any character that needs quoting.
fn new_password() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

/// Runs a program to its end. Its output, or what it complained about.
async fn run(
    name: &str,
    command: &mut Command,
    input: Option<&str>,
) -> Result<String, PostgresError> {
    let failed = |detail: String| PostgresError::Program { program: name.to_owned(), detail };
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    if input.is_some() {
        command.stdin(Stdio::piped());
    }
    let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
    if let (Some(text), Some(mut stdin)) = (input, child.stdin.take()) {
        // A program that ends early tells why on its own.
        let _ = stdin.write_all(text.as_bytes()).await;
    }
    let output = child.wait_with_output().await.map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
    Err(failed(if said.is_empty() { output.status.to_string() } else { said }))
}

/// The end of a log, from `start` on, on one line.
fn tail(log: &Path, start: u64) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let start = usize::try_from(start).unwrap_or(0).min(bytes.len());
    let from = start.max(bytes.len().saturating_sub(QUOTED_LOG));
    String::from_utf8_lossy(&bytes[from..]).trim().replace('\n', "; ")
}
