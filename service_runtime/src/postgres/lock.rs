//! Locks between processes: advisory locks on files, which the kernel gives back when their holder
//! dies, however it dies. So no lock is ever stale.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::error::PostgresError;

/// Making and starting a cluster takes a second, recovery after a crash longer.
const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// Pause between two tries.
const PAUSE: Duration = Duration::from_millis(50);

/// Waits for the exclusive lock. Dropping the file gives it back.
pub(super) async fn acquire(path: &Path) -> Result<File, PostgresError> {
    wait(path, File::try_lock).await
}

/// Waits for a shared lock. Dropping the file gives it back.
pub(super) async fn share(path: &Path) -> Result<File, PostgresError> {
    wait(path, File::try_lock_shared).await
}

/// Gives a lock back now. Closing the file alone is not enough: a child that another thread is
/// just starting has a copy of it until it becomes its program.
pub(super) fn release(file: &File, path: &Path) -> Result<(), PostgresError> {
    file.unlock().map_err(PostgresError::file("unlock", path))
}

/// Whether nobody holds the lock, shared or not.
pub(super) fn is_unused(path: &Path) -> Result<bool, PostgresError> {
    let file = open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(source)) => Err(PostgresError::file("lock", path)(source)),
    }
}

async fn wait(
    path: &Path,
    try_lock: fn(&File) -> Result<(), TryLockError>,
) -> Result<File, PostgresError> {
    let file = open(path)?;
    let began = Instant::now();
    loop {
        match try_lock(&file) {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if began.elapsed() < LONGEST_WAIT => {
                tokio::time::sleep(PAUSE).await;
            }
            Err(TryLockError::WouldBlock) => {
                return Err(PostgresError::Locked { path: path.to_owned() });
            }
            Err(TryLockError::Error(source)) => {
                return Err(PostgresError::file("lock", path)(source));
            }
        }
    }
}

fn open(path: &Path) -> Result<File, PostgresError> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(PostgresError::file("open", path))
}
