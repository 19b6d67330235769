//! Why the store could not do what it was asked.

use std::error::Error;

/// An error of the store. Each variant is something a caller can act on.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The lease was taken away: its fence is not the task's, or the task does not run. Nothing was
    /// stored. Whoever sees it stops working on the wallet.
    #[error("the lease on wallet task {task} is lost")]
    LeaseLost {
        /// The task.
        task: i64,
    },
    /// The database cannot do it at the moment: connection lost or refused, pool exhausted, server
    /// stopping, read-only or out of disk, or a conflict between transactions that a few repeats
    /// did not settle. The same call may succeed later.
    #[error("the database is unavailable")]
    Unavailable(#[source] sqlx::Error),
    /// A statement ran into `database.statement_timeout_seconds` and was cancelled.
    #[error("the database did not answer within the statement timeout")]
    Timeout(#[source] sqlx::Error),
    /// Somebody else changed what the call was based on; read it again.
    #[error("conflict: {0}")]
    Conflict(&'static str),
    /// Stored data is not what the code that wrote it can have written.
    #[error("stored data is corrupt: {0}")]
    Corrupt(String),
    /// A value does not fit its column: a bug of the caller, not of the data.
    #[error("a value does not fit the schema: {0}")]
    OutOfRange(&'static str),
    /// The database is older or newer than this program, or a migration failed.
    #[error("the schema could not be migrated")]
    Migration(#[source] Box<dyn Error + Send + Sync>),
    /// The address of the database cannot be used.
    #[error("database.postgres_url cannot be used")]
    Settings(#[source] sqlx::Error),
    /// Anything else the database refused.
    #[error("the database refused a statement")]
    Database(#[source] sqlx::Error),
    /// Redis cannot be reached or refused a command. Redis is optional: degrade and say so.
    #[error("redis is unavailable")]
    Redis(#[source] redis::RedisError),
}

impl StoreError {
    /// A stable name for logs, metrics and problem bodies.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::LeaseLost { .. } => "lease-lost",
            Self::Unavailable(_) => "db-unavailable",
            Self::Timeout(_) => "db-timeout",
            Self::Conflict(_) => "store-conflict",
            Self::Corrupt(_) => "store-corrupt",
            Self::OutOfRange(_) => "store-out-of-range",
            Self::Migration(_) => "db-migration",
            Self::Settings(_) => "db-settings",
            Self::Database(_) => "db-error",
            Self::Redis(_) => "redis-unavailable",
        }
    }

    /// Whether the same call may succeed later without anybody changing anything.
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::Timeout(_) | Self::Redis(_) => true,
            Self::LeaseLost { .. }
            | Self::Conflict(_)
            | Self::Corrupt(_)
            | Self::OutOfRange(_)
            | Self::Migration(_)
            | Self::Settings(_)
            | Self::Database(_) => false,
        }
    }

    /// Whether two transactions met and repeating this one at once is the cure.
    pub(crate) fn is_collision(&self) -> bool {
        match self {
            Self::Unavailable(sqlx::Error::Database(error)) => {
                matches!(error.code().as_deref(), Some(SERIALIZATION_FAILURE | DEADLOCK))
            }
            _ => false,
        }
    }

    /// The constraint that refused a row, when one did.
    #[cfg(feature = "queries")]
    pub(crate) fn constraint(&self) -> Option<&str> {
        match self {
            Self::Database(sqlx::Error::Database(error)) => error.constraint(),
            _ => None,
        }
    }
}

const SERIALIZATION_FAILURE: &str = "40001";
const DEADLOCK: &str = "40P01";
const QUERY_CANCELED: &str = "57014";

/// Whether an SQLSTATE means "not now" rather than "not this".
///
/// 08 connection, 40 rolled back, 53 out of disk, memory or connections, 57P server stopping or
/// starting, 58 system error, 25006 read-only (a primary that became a replica), 25P03 and 25P04 a
/// transaction that the server ended because we stood still in it, 55P03 lock.
fn is_passing(state: &str) -> bool {
    ["08", "40", "53", "57P", "58"].iter().any(|class| state.starts_with(class))
        || matches!(state, "25006" | "25P03" | "25P04" | "55P03")
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(refused) => match refused.code().as_deref() {
                Some(QUERY_CANCELED) => Self::Timeout(error),
                Some(state) if is_passing(state) => Self::Unavailable(error),
                _ => Self::Database(error),
            },
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::BeginFailed
            | sqlx::Error::WorkerCrashed => Self::Unavailable(error),
            sqlx::Error::Configuration(_) => Self::Settings(error),
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
                Self::Corrupt(error.to_string())
            }
            _ => Self::Database(error),
        }
    }
}

impl From<redis::RedisError> for StoreError {
    fn from(error: redis::RedisError) -> Self {
        Self::Redis(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlstates_that_pass_are_told_from_those_that_stay() {
        for passing in [
            "08006", "40001", "40P01", "53100", "53300", "57P01", "57P03", "58030", "25006",
            "25P03",
        ] {
            assert!(is_passing(passing), "{passing}");
        }
        for staying in ["23505", "23514", "42P01", "22003", "25001"] {
            assert!(!is_passing(staying), "{staying}");
        }
    }

    #[test]
    fn an_exhausted_pool_is_transient_and_a_lost_lease_is_not() {
        assert!(StoreError::from(sqlx::Error::PoolTimedOut).is_transient());
        assert_eq!(StoreError::from(sqlx::Error::PoolTimedOut).code(), "db-unavailable");
        assert!(!StoreError::LeaseLost { task: 1 }.is_transient());
    }
}
