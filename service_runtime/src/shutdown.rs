//! How a process is asked to stop: the first SIGTERM or SIGINT drains, the second ends it at once.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The request to stop. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    drain: CancellationToken,
}

/// The signals could not be listened to.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen to SIGTERM and SIGINT")]
pub struct SignalError(#[from] std::io::Error);

impl Shutdown {
    /// A request that only [`Shutdown::request`] makes: for tests and one-shot commands.
    pub fn manual() -> Self {
        Self::default()
    }

    /// Listens to SIGTERM and SIGINT from now on.
    ///
    /// The first one cancels [`Shutdown::token`]. The second one ends the process at once with the
    /// status that shells expect: 143 after SIGTERM, 130 after SIGINT. Work in flight is then
    /// cut off, which is safe: every lease lapses by itself.
    ///
    /// # Errors
    ///
    /// The operating system refused to install the handlers.
    pub fn on_signals() -> Result<Self, SignalError> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let shutdown = Self::default();
        let drain = shutdown.drain.clone();
        tokio::spawn(async move {
            let first = next(&mut terminate, &mut interrupt).await;
            tracing::info!(
                signal = first.name,
                "stopping: running work gets its grace time, a second signal ends at once"
            );
            drain.cancel();
            let second = next(&mut terminate, &mut interrupt).await;
            tracing::warn!(signal = second.name, "second signal: ending at once");
            crate::telemetry::flush();
            std::process::exit(second.exit_code);
        });
        Ok(shutdown)
    }

    /// Cancelled when the process shall stop taking work and finish what runs.
    pub fn token(&self) -> CancellationToken {
        self.drain.clone()
    }

    /// Makes the request, as the first signal does.
    pub fn request(&self) {
        self.drain.cancel();
    }

    /// Whether the request was made.
    pub fn is_requested(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// Waits for the request.
    pub async fn requested(&self) {
        self.drain.cancelled().await;
    }
}

/// A signal that asks to stop.
struct Stop {
    name: &'static str,
    /// 128 + number of the signal.
    exit_code: i32,
}

async fn next(terminate: &mut Signal, interrupt: &mut Signal) -> Stop {
    tokio::select! {
        _ = terminate.recv() => Stop { name: "SIGTERM", exit_code: 143 },
        _ = interrupt.recv() => Stop { name: "SIGINT", exit_code: 130 },
    }
}
