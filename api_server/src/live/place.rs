//! The right of one client to follow a job, and how it ends.

use std::sync::Arc;

use chrono::Utc;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::holders::Held;
use super::{End, Message};
use crate::metrics::{GaugeGuard, LiveMetrics};

/// How a client follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Server-sent events.
    Sse,
    /// A WebSocket.
    WebSocket,
}

impl Transport {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Sse, Self::WebSocket];

    /// Its name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sse => "sse",
            Self::WebSocket => "websocket",
        }
    }
}

/// Why a client is let go of that would have stayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// It took nothing for too long.
    Slow,
    /// It did not answer, or wanted nothing.
    Silent,
    /// It sent what is not taken.
    Refused,
    /// Its key is not valid any more.
    Key,
    /// The process stops.
    Stopping,
}

impl Dropped {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Slow, Self::Silent, Self::Refused, Self::Key, Self::Stopping];

    /// Its name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Slow => "slow",
            Self::Silent => "silent",
            Self::Refused => "refused",
            Self::Key => "key",
            Self::Stopping => "stopping",
        }
    }
}

/// The right to follow a job.
pub struct Place {
    pub(super) _permit: OwnedSemaphorePermit,
    pub(super) _counted: GaugeGuard,
    pub(super) metrics: LiveMetrics,
    pub(super) transport: Transport,
    /// Cancelled when the process stops.
    pub(super) drain: CancellationToken,
    /// The key of the client, where it has one.
    pub(super) key: Option<Arc<Held>>,
}

impl Place {
    /// Cancelled when the client has to go; [`Place::end`] says why.
    pub fn until(&self) -> &CancellationToken {
        self.key.as_ref().map_or(&self.drain, |key| key.until())
    }

    /// Why the client has to go.
    pub fn end(&self) -> End {
        if self.drain.is_cancelled() { End::Stopping } else { End::KeyGone }
    }

    /// Counts a message that goes to the client.
    pub fn sent(&self, message: &Message) {
        // The clock of the database may be a little ahead of ours.
        let delay = message.happened.map(|at| (Utc::now() - at).to_std().unwrap_or_default());
        self.metrics.sent(self.transport, delay);
    }
}
