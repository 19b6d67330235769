//! Whether Redis is there, watched beside the work.
//!
//! Nothing waits for it: a process starts and works without Redis, and the monitor finds out when it
//! comes, goes or gets slow, and why.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio_util::sync::CancellationToken;

use crate::error::StoreError;
use crate::redis::Redis;

/// Pause between two looks.
const PAUSE: Duration = Duration::from_secs(5);
/// Longest wait for a look, with the time to connect anew.
const PATIENCE: Duration = Duration::from_secs(5);
/// A slower answer than this is told: Redis is there to be fast.
const SLOW: Duration = Duration::from_millis(250);

/// How Redis is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedisState {
    /// It was not looked at yet.
    Unknown,
    /// It answers.
    Ok,
    /// It answers late.
    Slow,
    /// It does not answer.
    Down,
}

impl RedisState {
    /// Stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Ok => "ok",
            Self::Slow => "slow",
            Self::Down => "down",
        }
    }

    /// What is wrong, as a stable code that says nothing of the server's text.
    pub const fn code(self) -> Option<&'static str> {
        match self {
            Self::Unknown | Self::Ok => None,
            Self::Slow => Some("redis-slow"),
            Self::Down => Some("redis-unavailable"),
        }
    }
}

/// What the last look has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisStatus {
    /// How it is doing.
    pub state: RedisState,
    /// Since when.
    pub since: SystemTime,
    /// Why it is not ok, without secrets.
    pub cause: Option<String>,
}

/// Looks at Redis from time to time. A clone shows the same.
#[derive(Debug, Clone)]
pub struct RedisMonitor {
    status: Arc<Mutex<RedisStatus>>,
    connection: Arc<Mutex<Option<Redis>>>,
}

impl RedisMonitor {
    /// Begins to look at the server of `url`; ends with `stop`. Returns at once.
    pub fn start(url: String, stop: CancellationToken) -> Self {
        let begin =
            RedisStatus { state: RedisState::Unknown, since: SystemTime::now(), cause: None };
        let monitor = Self { status: Arc::new(Mutex::new(begin)), connection: Arc::default() };
        let watching = monitor.clone();
        tokio::spawn(async move {
            stop.run_until_cancelled(watching.watch(&url)).await;
        });
        monitor
    }

    /// What the last look has found.
    pub fn status(&self) -> RedisStatus {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The connection, while Redis answers: whoever uses it finds it healed or gone.
    pub fn connection(&self) -> Option<Redis> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes that the connection was of no use, so that nobody tries it before the next look.
    pub fn forget_connection(&self) {
        self.offer(None);
    }

    fn offer(&self, connection: Option<Redis>) {
        *self.connection.lock().unwrap_or_else(PoisonError::into_inner) = connection;
    }

    async fn watch(&self, url: &str) {
        let mut connection = None;
        loop {
            let answer = tokio::time::timeout(PATIENCE, look(url, &mut connection)).await;
            self.offer(connection.clone().filter(|_| matches!(answer, Ok(Ok(_)))));
            match answer {
                Ok(Ok(took)) if took <= SLOW => self.note(RedisState::Ok, None),
                Ok(Ok(took)) => {
                    let cause = format!("answers after {} ms", took.as_millis());
                    self.note(RedisState::Slow, Some(cause));
                }
                Ok(Err(error)) => {
                    connection = None;
                    let cause = std::error::Error::source(&error)
                        .map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
                    self.note(RedisState::Down, Some(cause));
                }
                Err(_) => {
                    connection = None;
                    let cause = format!("no answer within {} s", PATIENCE.as_secs());
                    self.note(RedisState::Down, Some(cause));
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Takes a finding down; a change of state is logged, once.
    fn note(&self, state: RedisState, cause: Option<String>) {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        if status.state != state {
            let cause = cause.as_deref();
            match (state, status.state) {
                (RedisState::Down, _) => {
                    tracing::warn!(cause, "Redis is away; limits are counted by each process");
                }
                (RedisState::Slow, _) => tracing::warn!(cause, "Redis is slow"),
                (_, RedisState::Unknown) => tracing::info!("Redis is connected"),
                _ => tracing::info!("Redis is back"),
            }
            status.since = SystemTime::now();
        }
        status.state = state;
        status.cause = cause;
    }
}

/// One look, over the connection there is.
async fn look(url: &str, connection: &mut Option<Redis>) -> Result<Duration, StoreError> {
    let redis = match connection.take() {
        Some(redis) => redis,
        None => Redis::connect(url).await?,
    };
    let took = redis.probe().await?;
    *connection = Some(redis);
    Ok(took)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    async fn until(monitor: &RedisMonitor, state: RedisState) -> RedisStatus {
        let reached = async {
            loop {
                let status = monitor.status();
                if status.state == state {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let patience = Duration::from_secs(60);
        tokio::time::timeout(patience, reached).await.expect("the state is reached")
    }

    /// A server that answers every command with `OK` until it is dropped.
    async fn serve(listener: TcpListener) {
        let mut open = tokio::task::JoinSet::new();
        while let Ok((mut socket, _)) = listener.accept().await {
            open.spawn(async move {
                let mut buffer = [0; 1024];
                while let Ok(read) = socket.read(&mut buffer).await {
                    let commands = buffer[..read].iter().filter(|byte| **byte == b'*').count();
                    if read == 0 || socket.write_all(&b"+OK\r\n".repeat(commands)).await.is_err() {
                        break;
                    }
                }
            });
        }
    }

    #[tokio::test]
    async fn a_server_that_goes_and_comes_back_is_noticed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(serve(listener));
        let stop = CancellationToken::new();
        let monitor = RedisMonitor::start(format!("redis://{address}"), stop.clone());
        assert_eq!(until(&monitor, RedisState::Ok).await.cause, None);

        server.abort();
        let down = until(&monitor, RedisState::Down).await;
        assert!(down.cause.is_some());

        let listener = TcpListener::bind(address).await.unwrap();
        let _server = tokio::spawn(serve(listener));
        let back = until(&monitor, RedisState::Ok).await;
        assert!(back.since >= down.since && back.cause.is_none());
        stop.cancel();
    }
}
