//! Where the parts of a cluster lie.
//!
//! Everything is below `data_dir/postgres`, with two exceptions. When the server's user may not
//! enter that folder (typical: root's own checkout below `/root`), the cluster lies in a folder of
//! its own below `/var/lib/pnl-tracker`, and the file `location` in `data_dir/postgres` says which:
//! whoever removes `data_dir` starts anew, whoever moves it keeps the cluster. And when the path
//! is too long for a socket, the socket lies in a private folder below `/tmp`.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::account::Account;
use super::error::PostgresError;

/// Where clusters lie whose `data_dir` the server's user may not enter.
const REACHABLE_PARENT: &str = "/var/lib/pnl-tracker";

/// The longest path of a socket, in bytes: `sun_path` of Linux has 108 with its final zero.
const LONGEST_SOCKET_PATH: usize = 107;

/// Others may pass through these folders but not list them; what is private inside has its own
/// mode.
const PASSABLE: u32 = 0o711;

/// Whether a cluster was made for this `data_dir`. One that we may not look into is there too.
pub(super) fn has_cluster(data_dir: &Path) -> bool {
    match fs::metadata(home(data_dir).join("cluster").join("PG_VERSION")) {
        Ok(_) => true,
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    }
}

/// Where the cluster of this `data_dir` lies, or would.
pub(super) fn home(data_dir: &Path) -> PathBuf {
    let anchor = data_dir.join("postgres");
    let noted = fs::read_to_string(anchor.join("location"));
    noted.map_or(anchor, |text| PathBuf::from(text.trim_end()))
}

/// The paths of one cluster.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    /// `data_dir/postgres`, absolute.
    anchor: PathBuf,
    /// The folder of the cluster's files: the anchor, or below [`REACHABLE_PARENT`].
    home: PathBuf,
}

impl Layout {
    /// Makes `data_dir/postgres` and follows the note in it, if there is one.
    pub(super) fn of(data_dir: &Path) -> Result<Self, PostgresError> {
        let anchor = data_dir.join("postgres");
        make_folders(&anchor)?;
        let anchor = anchor.canonicalize().map_err(PostgresError::file("find", &anchor))?;
        let note = anchor.join("location");
        let home = match fs::read_to_string(&note) {
            Ok(text) => {
                let home = PathBuf::from(text.trim_end());
                home.canonicalize().unwrap_or(home)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => anchor.clone(),
            Err(error) => return Err(PostgresError::file("read", &note)(error)),
        };
        Ok(Self { anchor, home })
    }

    /// Moves the place of a cluster that does not exist yet when the server's user could not
    /// enter it. Call under the lock for starting.
    ///
    /// A cluster that exists stays where it is: a new place would be a new, empty cluster.
    pub(super) async fn make_reachable(&mut self, account: &Account) -> Result<(), PostgresError> {
        if account.can_enter(&self.home).await {
            return Ok(());
        }
        if self.cluster().exists() {
            return Err(PostgresError::Unreachable { path: self.home.clone() });
        }
        let id = Uuid::new_v4().simple().to_string();
        let home = Path::new(REACHABLE_PARENT).join(&id[..12]);
        make_folders(&home)?;
        let parent = Path::new(REACHABLE_PARENT);
        fs::set_permissions(parent, fs::Permissions::from_mode(0o755))
            .map_err(PostgresError::file("change the mode of", parent))?;
        write_atomically(&self.anchor.join("location"), &home.display().to_string(), 0o644)?;
        tracing::warn!(
            data_dir = %self.anchor.display(),
            cluster = %home.display(),
            "the user of PostgreSQL may not enter database.data_dir, so the cluster is placed \
             elsewhere; the file `location` there says where"
        );
        self.home = home;
        Ok(())
    }

    /// The folder of the cluster's files.
    pub(super) fn home(&self) -> &Path {
        &self.home
    }

    /// The data of the cluster.
    pub(super) fn cluster(&self) -> PathBuf {
        self.home.join("cluster")
    }

    /// The generated password.
    pub(super) fn password(&self) -> PathBuf {
        self.home.join("password")
    }

    /// The port of the last start.
    pub(super) fn port(&self) -> PathBuf {
        self.home.join("port")
    }

    /// The server's log.
    pub(super) fn log(&self) -> PathBuf {
        self.home.join("server.log")
    }

    /// Held while the server is being started or stopped.
    pub(super) fn start_lock(&self) -> PathBuf {
        self.anchor.join("start.lock")
    }

    /// Held shared by everyone who uses the server.
    pub(super) fn users_lock(&self) -> PathBuf {
        self.anchor.join("users.lock")
    }

    /// Makes the folder of the socket, private to the server's user.
    pub(super) fn make_socket_folder(&self, account: &Account) -> Result<PathBuf, PostgresError> {
        let folder = self.socket_folder();
        match fs::DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => account.make_private(&folder, 0o700)?,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(PostgresError::file("make", &folder)(error)),
        }
        // Below /tmp somebody else could have been first.
        account.require_private(&folder)?;
        Ok(folder)
    }

    fn socket_folder(&self) -> PathBuf {
        let near = self.home.join("socket");
        let longest = near.join(socket_name(u16::MAX));
        if longest.as_os_str().len() <= LONGEST_SOCKET_PATH {
            return near;
        }
        let mut hasher = DefaultHasher::new();
        self.home.hash(&mut hasher);
        PathBuf::from(format!("/tmp/pnl-tracker-{:016x}", hasher.finish()))
    }
}

/// The name of the server's socket in its folder.
pub(super) fn socket_name(port: u16) -> String {
    format!(".s.PGSQL.{port}")
}

/// Writes a small file so that a crash leaves the old one or the new one, never half of it.
pub(super) fn write_atomically(path: &Path, text: &str, mode: u32) -> Result<(), PostgresError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = path.with_file_name(format!(".{name}-{}", Uuid::new_v4().simple()));
    write_private(&draft, text, mode)?;
    fs::rename(&draft, path).map_err(PostgresError::file("write", path))
}

/// Writes a new file that has its mode from the start.
pub(super) fn write_private(path: &Path, text: &str, mode: u32) -> Result<(), PostgresError> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;

    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(PostgresError::file("make", path))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(PostgresError::file("write", path))
}

/// Makes a folder with its parents; the folder itself is passable for others.
fn make_folders(folder: &Path) -> Result<(), PostgresError> {
    if folder.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(folder).map_err(PostgresError::file("make", folder))?;
    fs::set_permissions(folder, fs::Permissions::from_mode(PASSABLE))
        .map_err(PostgresError::file("change the mode of", folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_path_never_exceeds_what_the_kernel_takes() {
        for length in [10, 80, 90, 200] {
            let home = PathBuf::from(format!("/{}", "x".repeat(length)));
            let layout = Layout { anchor: home.clone(), home };
            let folder = layout.socket_folder();
            assert!(folder.join(socket_name(u16::MAX)).as_os_str().len() <= LONGEST_SOCKET_PATH);
            assert_eq!(folder.starts_with("/tmp"), length > 80, "{length}");
        }
    }
    #[test]
    fn a_cluster_is_there_once_it_has_a_version_here_or_where_the_note_says() {
        let data = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        assert!(!has_cluster(data.path()));
        assert!(fs::read_dir(data.path()).unwrap().next().is_none(), "a look makes nothing");
        let anchor = data.path().join("postgres");
        fs::create_dir_all(anchor.join("cluster")).unwrap();
        assert!(!has_cluster(data.path()), "it was begun and not made");
        fs::write(anchor.join("cluster/PG_VERSION"), "15").unwrap();
        assert!(has_cluster(data.path()));
        fs::write(anchor.join("location"), format!("{}\n", elsewhere.path().display())).unwrap();
        assert!(!has_cluster(data.path()));
        fs::create_dir(elsewhere.path().join("cluster")).unwrap();
        fs::write(elsewhere.path().join("cluster/PG_VERSION"), "15").unwrap();
        assert!(has_cluster(data.path()));
    }
}
