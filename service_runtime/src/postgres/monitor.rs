//! Watching the server while the service runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::cluster::{Cluster, NewServer};
use super::error::PostgresError;
use super::lock;
use crate::telemetry::Chain;

/// Pause between two looks. Clients of the database retry for longer than this.
const PAUSE: Duration = Duration::from_secs(1);

/// The longest pause between two looks, after restarts that failed.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Pause between two checks of the log's size.
const LOG_CHECK: Duration = Duration::from_secs(600);

/// Starts the server again, on the same port, whenever it is gone, until `stop` is cancelled.
pub(super) async fn watch(
    cluster: Arc<Cluster>,
    port: u16,
    started_here: Arc<AtomicBool>,
    stop: CancellationToken,
) {
    let mut pause = PAUSE;
    let mut log_checked = Instant::now();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        if log_checked.elapsed() >= LOG_CHECK {
            cluster.bound_log();
            log_checked = Instant::now();
        }
        if cluster.is_alive() {
            continue;
        }
        tracing::error!("PostgreSQL is gone, starting it again");
        let began = Instant::now();
        // Not cancelled in the middle: a server that was just started must be known as ours.
        match restart(&cluster, port).await {
            Ok(started) => {
                pause = PAUSE;
                if started {
                    started_here.store(true, Ordering::Relaxed);
                }
                let milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                tracing::info!(port, milliseconds, "PostgreSQL is back");
            }
            Err(error) => {
                pause = (pause * 2).min(LONGEST_PAUSE);
                let code = error.code();
                tracing::error!(error = %Chain(&error), code, "PostgreSQL could not be started");
            }
        }
    }
}

/// Whether this process started the server; another one may have been faster.
async fn restart(cluster: &Cluster, port: u16) -> Result<bool, PostgresError> {
    let _lock = lock::acquire(&cluster.layout().start_lock()).await?;
    let running = cluster.ensure_running(Some(port)).await?;
    if running.port != port {
        tracing::error!(
            port = running.port,
            "PostgreSQL came back on another port; restart this process"
        );
    }
    Ok(running.new_server.map(NewServer::keep).is_some())
}
