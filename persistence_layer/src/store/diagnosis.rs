//! Why the database gives no connection.

use std::time::{Duration, Instant};

use sqlx::{ConnectOptions, Connection};
use tokio::sync::Mutex;

use super::{Store, outcome};
use crate::error::{Cause, StoreError};

/// Longest wait of a diagnosis for a connection.
const CONNECTING: Duration = Duration::from_secs(2);

/// Longest wait of a diagnosis for its write; the server is asked to give up earlier.
const WRITING: Duration = Duration::from_secs(4);

/// How long a finding answers for others.
const FRESH: Duration = Duration::from_secs(2);

/// Needs some hundred kilobytes of disk: more rows than fit the memory of the probe. The row that is
/// written finds room in its own page long after the disk is full.
const PROBE_ROOM: &str = "-- server/probe_room\nselect count(*) from generate_series(1, 20000)";

/// The last finding. When the pool runs dry all its callers give up at the same moment, and a server
/// without connections is not to be asked for one by each of them.
#[derive(Debug, Default)]
pub(super) struct Diagnosis(Mutex<Option<Finding>>);

/// What ailed the database at some moment; without a cause: it was well, or refused for good.
#[derive(Debug)]
struct Finding {
    at: Instant,
    cause: Option<Cause>,
}

impl Diagnosis {
    /// The error of a call that got no connection. One caller at a time runs `probe`; those who waited
    /// for it, and those who come soon after, are told what it found.
    async fn name(&self, probe: impl Future<Output = Result<(), StoreError>>) -> StoreError {
        let mut last = self.0.lock().await;
        if let Some(finding) = &*last
            && finding.at.elapsed() < FRESH
        {
            return finding
                .cause
                .map_or_else(|| sqlx::Error::PoolTimedOut.into(), StoreError::NoConnection);
        }
        let found = probe.await.err();
        *last =
            Some(Finding { at: Instant::now(), cause: found.as_ref().and_then(StoreError::cause) });
        found.unwrap_or_else(|| sqlx::Error::PoolTimedOut.into())
    }
}

/// What a diagnosis has found.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Trouble {
    /// What the database, or the way to it, said. [`StoreError::Timeout`]: a write that did not end.
    #[source]
    pub error: StoreError,
    /// Whether the database gave a connection: then it is a write that failed.
    pub is_connected: bool,
}

fn timed_out() -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::from(std::io::ErrorKind::TimedOut))
}

impl Store {
    /// Finds out what ails the database, over a connection beside the pool: whether it can be reached,
    /// gives connections, has room and takes writes. The error's code names the cause. For health pages and
    /// operators, when an ordinary call has failed; takes at most some seconds.
    ///
    /// # Errors
    /// [`Trouble`], with [`StoreError::Unavailable`] and its [`crate::Cause`], or as any write.
    pub async fn diagnose(&self) -> Result<(), Trouble> {
        let write = "-- care_runs/probe
            insert into care_runs (task, finished_at) values ('write_probe', clock_timestamp())
            on conflict (task) do update set finished_at = excluded.finished_at";
        let connected = tokio::time::timeout(CONNECTING, self.options.connect()).await;
        let connected = connected.unwrap_or_else(|_| Err(timed_out()));
        let mut connection = connected
            .map_err(StoreError::of_session)
            .map_err(|error| Trouble { error, is_connected: false })?;
        let probe = outcome(async move {
            let mut tx = connection.begin().await?;
            for statement in [
                "-- server/probe_limit\nset local statement_timeout = '3s'",
                "-- server/probe_memory\nset local work_mem = '64kB'",
                PROBE_ROOM,
            ] {
                sqlx::query(statement).execute(&mut *tx).await?;
            }
            sqlx::query(write).execute(&mut *tx).await?;
            tx.commit().await?;
            connection.close().await?;
            Ok(())
        });
        let written = tokio::time::timeout(WRITING, probe).await;
        let written = written.unwrap_or_else(|_| Err(StoreError::Timeout(timed_out())));
        written.map_err(|error| Trouble { error, is_connected: true })
    }

    /// What a failed wait for a connection means. The pool keeps to itself why it could not open a
    /// further one.
    pub(super) async fn name_cause(&self, error: sqlx::Error) -> StoreError {
        match error {
            // Of a replica nobody asks why: the primary is read instead.
            sqlx::Error::PoolTimedOut
                if self.pool.size() < self.max_connections && !self.is_replica() =>
            {
                let probe = async { self.diagnose().await.map_err(|trouble| trouble.error) };
                self.diagnosis.name(probe).await
            }
            error => StoreError::of_session(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures::future::join_all;

    use super::*;

    #[tokio::test]
    async fn of_callers_that_get_no_connection_at_once_one_asks_and_all_are_told() {
        let diagnosis = Diagnosis::default();
        let probes = Cell::new(0);
        let probe = || async {
            probes.set(probes.get() + 1);
            tokio::task::yield_now().await;
            let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
            Err(StoreError::from(sqlx::Error::Io(refused)))
        };
        let told = join_all((0..20).map(|_| diagnosis.name(probe()))).await;
        for error in told {
            assert_eq!(error.cause(), Some(Cause::Unreachable));
            assert!(error.is_transient());
        }
        assert_eq!(probes.get(), 1);
    }

    #[tokio::test]
    async fn a_database_that_is_well_leaves_it_to_the_pool() {
        let diagnosis = Diagnosis::default();
        for _ in 0..2 {
            let error = diagnosis.name(async { Ok(()) }).await;
            assert_eq!(error.cause(), Some(Cause::PoolExhausted));
        }
    }
}
