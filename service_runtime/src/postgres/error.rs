//! Why a cluster of our own could not be had.

use std::path::PathBuf;

/// Why a cluster of our own could not be had. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// The server programs are not installed.
    #[error(
        "no PostgreSQL {wanted} server programs (initdb, pg_ctl, postgres, psql) in {searched}; \
         install them with `sudo apt-get install -y {package}`, or set DATABASE_URL to a server, \
         or database.bin_dir to their folder"
    )]
    ProgramsMissing {
        /// Which version would do.
        wanted: String,
        /// Where they were looked for.
        searched: String,
        /// The package of Debian and Ubuntu.
        package: String,
    },
    /// We are root, and there is no user to run the server as.
    #[error(
        "PostgreSQL refuses to run as root, and no user for it could be made ({detail}); \
         run `useradd --system pnl-tracker`, or start the service as another user, or set \
         DATABASE_URL to a server"
    )]
    NoUnprivilegedUser {
        /// What went wrong.
        detail: String,
    },
    /// The cluster belongs to somebody else, and we are not root.
    #[error(
        "{} belongs to user {owner}, but this process runs as user {user}; start it as user \
         {owner} or as root, or set database.data_dir to another folder", path.display()
    )]
    WrongOwner {
        /// The cluster.
        path: PathBuf,
        /// Its owner's id.
        owner: u32,
        /// Our id.
        user: u32,
    },
    /// The user that owns the cluster may not enter its folder.
    #[error(
        "the user of PostgreSQL may not enter {}; make its parent folders passable for others \
         (`chmod o+x`), or set database.data_dir to another folder", path.display()
    )]
    Unreachable {
        /// The folder.
        path: PathBuf,
    },
    /// A file or folder cannot be used.
    #[error("cannot {action} {}; check database.data_dir", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A folder that others could have prepared is not private to the server.
    #[error("{} is not a private folder of user {user}; remove it", path.display())]
    NotPrivate {
        /// The folder.
        path: PathBuf,
        /// Whose it should be.
        user: u32,
    },
    /// A program could not be run or failed.
    #[error("{program} failed: {detail}")]
    Program {
        /// The program.
        program: String,
        /// What it said.
        detail: String,
    },
    /// The server did not come up.
    #[error("PostgreSQL did not start; its log {} ends with: {detail}", log.display())]
    NotStarted {
        /// The server's log.
        log: PathBuf,
        /// Its last lines.
        detail: String,
    },
    /// Another process holds the lock for starting.
    #[error(
        "another process has been starting or stopping the cluster for too long; it holds {}",
        path.display()
    )]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
}

impl PostgresError {
    /// The stable code, for logs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ProgramsMissing { .. } => "postgres-programs-missing",
            Self::NoUnprivilegedUser { .. } => "postgres-no-user",
            Self::WrongOwner { .. } => "postgres-wrong-owner",
            Self::Unreachable { .. } => "postgres-unreachable",
            Self::File { .. } => "postgres-file",
            Self::NotPrivate { .. } => "postgres-not-private",
            Self::Program { .. } => "postgres-program-failed",
            Self::NotStarted { .. } => "postgres-not-started",
            Self::Locked { .. } => "postgres-locked",
        }
    }

    /// For `map_err` on file operations.
    pub(super) fn file(
        action: &'static str,
        path: &std::path::Path,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { action, path, source }
    }
}
