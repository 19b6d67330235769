//! The connection to Redis. What is kept there can be lost at any time, and the service works without
//! it.
//!
//! [`rate`] counts requests, [`cache`] keeps answers, [`bus`] passes hints on.

#[cfg(feature = "queries")]
pub mod bus;
pub mod cache;
pub mod rate;

use std::fmt;
use std::time::{Duration, Instant};

use redis::aio::{ConnectionManager, ConnectionManagerConfig};

use crate::error::StoreError;

/// Longest wait for a connection or an answer: Redis is there to be fast.
const TIMEOUT: Duration = Duration::from_secs(2);

/// A connection that heals itself; a cheap clone.
#[derive(Clone)]
pub struct Redis {
    manager: ConnectionManager,
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redis")
    }
}

impl Redis {
    /// Connects to `redis://[:password@]host:port[/db]`.
    ///
    /// # Errors
    /// [`StoreError::Redis`] when the URL is unusable or nobody answers within two seconds.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(TIMEOUT))
            .set_response_timeout(Some(TIMEOUT))
            .set_number_of_retries(2);
        let manager = redis::Client::open(url)?.get_connection_manager_with_config(config).await?;
        Ok(Self { manager })
    }

    /// Writes a key that is forgotten at once; gives the time it took. A server that answers may take no writes: a
    /// replica, one without memory, a role without the right.
    ///
    /// # Errors
    /// [`StoreError::Redis`] when it does not, or no answer comes.
    pub async fn probe(&self) -> Result<Duration, StoreError> {
        let started = Instant::now();
        let mut probe = redis::cmd("SET");
        probe.arg("pnl:probe").arg(1).arg("EX").arg(10);
        probe.query_async::<()>(&mut self.manager.clone()).await?;
        Ok(started.elapsed())
    }
}
