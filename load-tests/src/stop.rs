//! The order to stop a program of this crate.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// Exit code of a program that was stopped.
pub const EXIT_STOPPED: u8 = 130;

/// Ends when the process is told to stop, by Ctrl-C or SIGTERM. Whoever waits for it drops what it has
/// started, servers and processes among it.
///
/// # Errors
/// When signals cannot be listened to.
pub async fn stopped() -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        stopped = tokio::signal::ctrl_c() => stopped,
        _ = terminate.recv() => Ok(()),
    }
}
