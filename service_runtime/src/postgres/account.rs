//! The user that the server runs as.
//!
//! PostgreSQL refuses to run as root. As root we run it as the owner of the cluster, else as
//! `postgres` (the user that the packages make), else as `pnl-tracker`, which is made when it is
//! missing. As anybody else it runs as us.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use tokio::process::Command;

use super::error::PostgresError;

/// Users to run the server as, in this order.
const CANDIDATES: [&str; 2] = ["postgres", "pnl-tracker"];

/// The user that the server runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Account {
    uid: u32,
    gid: u32,
    /// Whether we are root and have to become that user.
    drop_root: bool,
}

impl Account {
    /// Chooses the user for a cluster at this path, which may not exist yet.
    pub(super) async fn choose(cluster: &Path) -> Result<Self, PostgresError> {
        let own = (id(&["-u"]).await?, id(&["-g"]).await?);
        let owner = fs::metadata(cluster).ok().map(|cluster| (cluster.uid(), cluster.gid()));
        match (own, owner) {
            ((0, _), Some((uid, gid))) if uid != 0 => Ok(Self { uid, gid, drop_root: true }),
            ((0, _), _) => Self::unprivileged().await,
            ((user, _), Some((owner, _))) if owner != user => {
                Err(PostgresError::WrongOwner { path: cluster.to_owned(), owner, user })
            }
            ((uid, gid), _) => Ok(Self { uid, gid, drop_root: false }),
        }
    }

    async fn unprivileged() -> Result<Self, PostgresError> {
        for name in CANDIDATES {
            if let Ok(account) = Self::named(name).await {
                return Ok(account);
            }
        }
        let [.., name] = CANDIDATES;
        let made = Command::new("useradd")
            .args(["--system", "--no-create-home", "--home-dir", "/nonexistent"])
            .args(["--shell", "/usr/sbin/nologin", name])
            .output()
            .await;
        let detail = match made {
            Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            Err(error) => format!("useradd: {error}"),
        };
        // Also when useradd failed: a process with another cluster may have been faster.
        Self::named(name).await.map_err(|_| PostgresError::NoUnprivilegedUser { detail })
    }

    async fn named(name: &str) -> Result<Self, PostgresError> {
        Ok(Self { uid: id(&["-u", name]).await?, gid: id(&["-g", name]).await?, drop_root: true })
    }

    /// A command that runs as this user, from a folder that everybody may enter, with nothing of
    /// our environment but PATH: variables such as PGPORT or PGDATA would change what it does.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("LC_ALL", "C").current_dir("/").stdin(std::process::Stdio::null());
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        if self.drop_root {
            // Also gives up the supplementary groups of root.
            command.uid(self.uid).gid(self.gid);
        }
        command
    }

    /// Gives a file or folder to this user, readable for nobody else.
    pub(super) fn make_private(&self, path: &Path, mode: u32) -> Result<(), PostgresError> {
        if self.drop_root {
            std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid))
                .map_err(PostgresError::file("change the owner of", path))?;
        }
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
            .map_err(PostgresError::file("change the mode of", path))
    }

    /// Refuses a folder that is not this user's alone.
    pub(super) fn require_private(&self, path: &Path) -> Result<(), PostgresError> {
        let found = fs::symlink_metadata(path).map_err(PostgresError::file("look at", path))?;
        if found.is_dir() && found.uid() == self.uid && found.mode() & 0o077 == 0 {
            return Ok(());
        }
        Err(PostgresError::NotPrivate { path: path.to_owned(), user: self.uid })
    }

    /// Whether this user may enter a folder, all its parents included.
    pub(super) async fn can_enter(&self, folder: &Path) -> bool {
        if !self.drop_root {
            return true;
        }
        let entered = self.command(Path::new("test")).arg("-x").arg(folder).status().await;
        entered.is_ok_and(|status| status.success())
    }
}

/// Asks `id` for a number.
async fn id(arguments: &[&str]) -> Result<u32, PostgresError> {
    let failed = |detail: String| PostgresError::Program { program: "id".to_owned(), detail };
    let output =
        Command::new("id").args(arguments).output().await.map_err(|e| failed(e.to_string()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim()
        .parse()
        .map_err(|_| failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}
