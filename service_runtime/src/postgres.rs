//! PostgreSQL: the server that the settings name, or a cluster of our own.
//!
//! Without a URL the service runs a private cluster below `database.data_dir`, with the server
//! programs installed on the machine. What holds then:
//!
//! - Processes with the same `data_dir` share one cluster; the first starts it, the others connect.
//! - The server outlives a crash of the process that started it, and is found again at the next
//!   start. A server that dies while we run is started again ([`monitor`]).
//! - It listens on loopback with a generated password and on a socket in a private folder.
//! - As root the server runs as an unprivileged user; see [`account`] and [`layout`].
//! - The process that started it stops it, unless somebody else is using it ([`Supervisor::stop`]).
//!
//! Below `data_dir/postgres`: `cluster` (the data), `password` (0600), `port`, `server.log`,
//! `start.lock`, `users.lock`, `socket`, or a note `location` when the cluster lies elsewhere.

mod account;
mod cluster;
mod error;
mod layout;
mod lock;
mod monitor;
mod pidfile;
mod programs;

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use error::PostgresError;

use crate::config::{DatabaseSettings, SecretUrl};
use cluster::{Cluster, NewServer};

/// What [`Database::stop`] and [`Supervisor::stop`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stopped {
    /// The server was stopped.
    Stopped,
    /// The server runs on, and why.
    LeftRunning {
        /// The reason, for people.
        reason: String,
    },
}

/// The PostgreSQL of this process.
#[derive(Debug)]
pub enum Database {
    /// The server that the settings name. Others look after it.
    External(SecretUrl),
    /// A cluster of our own.
    Own(Supervisor),
}

impl Database {
    /// Takes the server that the settings name, else starts or finds the cluster of our own.
    ///
    /// # Errors
    ///
    /// Only for an own cluster, see [`Supervisor::start`].
    pub async fn open(settings: &DatabaseSettings) -> Result<Self, PostgresError> {
        if !settings.postgres_url.is_empty() {
            return Ok(Self::External(settings.postgres_url.clone()));
        }
        let bin_dir = &settings.bin_dir;
        let options = SupervisorOptions {
            data_dir: settings.data_dir.clone(),
            bin_dir: (!bin_dir.as_os_str().is_empty()).then(|| bin_dir.clone()),
        };
        Ok(Self::Own(Supervisor::start(options).await?))
    }

    /// Whether there is a server to ask without making one: one that the settings name, or a cluster of
    /// our own that was made before. Changes nothing.
    pub fn exists(settings: &DatabaseSettings) -> bool {
        !settings.postgres_url.is_empty() || layout::has_cluster(&settings.data_dir)
    }

    /// The folder of the cluster's files: below `database.data_dir`, or where the note in it says.
    pub fn home(settings: &DatabaseSettings) -> PathBuf {
        layout::home(&settings.data_dir)
    }

    /// Where to connect.
    pub fn url(&self) -> &SecretUrl {
        match self {
            Self::External(url) => url,
            Self::Own(supervisor) => supervisor.url(),
        }
    }

    /// Stops the cluster of our own when that is ours to do, and logs what was done. Close all
    /// connections first.
    pub async fn stop(self) {
        let Self::Own(supervisor) = self else { return };
        match supervisor.stop().await {
            Ok(Stopped::Stopped) => tracing::info!("PostgreSQL stopped"),
            Ok(Stopped::LeftRunning { reason }) => {
                tracing::info!(reason, "PostgreSQL left running");
            }
            Err(error) => {
                let code = error.code();
                let error = crate::telemetry::Chain(&error);
                tracing::warn!(%error, code, "PostgreSQL could not be stopped, it is left running");
            }
        }
    }
}

/// What a [`Supervisor`] needs to know.
#[derive(Debug, Clone)]
pub struct SupervisorOptions {
    /// `database.data_dir`; made when it is missing.
    pub data_dir: PathBuf,
    /// Folder of the server programs; `None`: they are searched for.
    pub bin_dir: Option<PathBuf>,
}

/// A running cluster of our own, watched until [`Supervisor::stop`].
///
/// Dropped without `stop`, the server runs on and the next start finds it.
#[derive(Debug)]
pub struct Supervisor {
    cluster: Arc<Cluster>,
    url: SecretUrl,
    /// Whether this process started the server: at first, or again after it died.
    started_here: Arc<AtomicBool>,
    /// Held shared by every process that uses the cluster.
    users: File,
    stop_watching: CancellationToken,
    watcher: JoinHandle<()>,
}

impl Supervisor {
    /// Finds the cluster below `data_dir` running, or starts it, making it first when there is
    /// none. Returns once it answers. Given up before that, it stops what it started.
    ///
    /// # Errors
    ///
    /// No server programs, a folder that cannot be used, no unprivileged user while running as
    /// root, or a server that does not come up within its retries; each says what to do.
    pub async fn start(options: SupervisorOptions) -> Result<Self, PostgresError> {
        let cluster = Arc::new(Cluster::locate(options).await?);
        let start_lock = lock::acquire(&cluster.layout().start_lock()).await?;
        // Taken before the lock for starting is given back: whoever wants to stop the server
        // takes that lock first, and then sees us.
        let users = lock::share(&cluster.layout().users_lock()).await?;
        let running = cluster.ensure_running(None).await?;
        let url = cluster.prepare(&running).await?;
        drop(start_lock);
        let started = running.new_server.map(NewServer::keep).is_some();
        if started {
            tracing::info!(port = running.port, data_dir = %cluster.layout().home().display(), "PostgreSQL started");
        } else {
            tracing::info!(port = running.port, data_dir = %cluster.layout().home().display(), "PostgreSQL was running already");
        }
        let started_here = Arc::new(AtomicBool::new(started));
        let stop_watching = CancellationToken::new();
        let watcher = tokio::spawn(monitor::watch(
            Arc::clone(&cluster),
            running.port,
            Arc::clone(&started_here),
            stop_watching.clone(),
        ));
        Ok(Self { cluster, url, started_here, users, stop_watching, watcher })
    }

    /// Where to connect; holds the generated password.
    pub fn url(&self) -> &SecretUrl {
        &self.url
    }

    /// Whether this process started the server.
    pub fn started_here(&self) -> bool {
        self.started_here.load(Ordering::Relaxed)
    }

    /// The process id of the server, when it runs.
    pub fn server_pid(&self) -> Option<u32> {
        self.cluster.live_pid()
    }

    /// Stops the server (fast: open transactions are rolled back) when this process started it,
    /// no other process of the service uses it, and no other session is connected. Else it runs
    /// on, and the answer says why.
    ///
    /// # Errors
    ///
    /// The server could not be asked or did not stop.
    pub async fn stop(self) -> Result<Stopped, PostgresError> {
        self.stop_watching.cancel();
        // The watcher only ends; a panic in it must not keep us from stopping.
        let _ = self.watcher.await;
        if !self.started_here.load(Ordering::Relaxed) {
            return Ok(left("another process started it"));
        }
        let _start_lock = lock::acquire(&self.cluster.layout().start_lock()).await?;
        lock::release(&self.users, &self.cluster.layout().users_lock())?;
        if !lock::is_unused(&self.cluster.layout().users_lock())? {
            return Ok(left("another process of the service uses it"));
        }
        match self.cluster.other_sessions().await? {
            0 => {}
            1 => return Ok(left("another session is connected")),
            n => return Ok(left(&format!("{n} other sessions are connected"))),
        }
        self.cluster.stop_server().await?;
        Ok(Stopped::Stopped)
    }
}

fn left(reason: &str) -> Stopped {
    Stopped::LeftRunning { reason: reason.to_owned() }
}
