//! Why the store could not do what it was asked.

use std::error::Error;

use sqlx::error::DatabaseError;

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
    /// The pool could not open a further connection; another call has just found out why.
    #[error("the database gives no further connection ({})", .0.code())]
    NoConnection(Cause),
    /// A statement ran into its limit (`database.*statement_timeout_seconds`) and was cancelled.
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

/// Why the database cannot do it at the moment, as far as it or the connection to it tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// It takes no writes: a replica, or set so.
    ReadOnly,
    /// A statement failed for want of disk space.
    Full,
    /// The server gives no further connection.
    NoConnections,
    /// The server does not let us in: password, permission to connect, or name of the database.
    Denied,
    /// The server stops or starts.
    Restarting,
    /// Nothing there answers, or the connection broke.
    Unreachable,
    /// All connections of this process stayed in use for the whole acquire timeout.
    PoolExhausted,
    /// Transactions stood in each other's way, also when repeated.
    Conflict,
    /// Out of memory, I/O errors, errors inside the server and the like: its log says more.
    Failing,
}

impl Cause {
    /// All causes.
    pub const ALL: [Self; 9] = [
        Self::ReadOnly,
        Self::Full,
        Self::NoConnections,
        Self::Denied,
        Self::Restarting,
        Self::Unreachable,
        Self::PoolExhausted,
        Self::Conflict,
        Self::Failing,
    ];

    /// A stable name for logs, metrics, health and problem bodies.
    pub const fn code(self) -> &'static str {
        match self {
            Self::ReadOnly => "database-read-only",
            Self::Full => "database-full",
            Self::NoConnections => "database-no-connections",
            Self::Denied => "database-denied",
            Self::Restarting => "database-restarting",
            Self::Unreachable => "database-unreachable",
            Self::PoolExhausted => "database-pool-exhausted",
            Self::Conflict => "database-conflict",
            Self::Failing => "database-failing",
        }
    }

    fn of(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(refused) => {
                Self::of_refusal(refused.as_ref()).unwrap_or(match refused.code().as_deref() {
                    // No session is let in: the permission to connect is gone, or the database takes none.
                    Some(INSUFFICIENT_PRIVILEGE | NOT_IN_STATE) => Self::Denied,
                    _ => Self::Failing,
                })
            }
            sqlx::Error::PoolTimedOut => Self::PoolExhausted,
            _ => Self::Unreachable,
        }
    }

    /// What a refusal that means "not now" says; `None`: it means "not this".
    fn of_refusal(refused: &dyn DatabaseError) -> Option<Self> {
        // PostgreSQL has no SQLSTATE for a temporary file that cannot be created, which is the first thing
        // to fail on many a full disk.
        if refused.message().contains("No space left on device") {
            return Some(Self::Full);
        }
        // The same code as for a role that lacks a right; this one is about a file: its permissions, or a file
        // system that takes no writes any more.
        let is_about_a_file = refused.message().starts_with("could not ");
        if is_about_a_file && refused.code().as_deref() == Some(INSUFFICIENT_PRIVILEGE) {
            return Some(Self::Failing);
        }
        refused.code().as_deref().and_then(Self::of_state)
    }

    /// The same by its SQLSTATE alone.
    fn of_state(state: &str) -> Option<Self> {
        Some(match state {
            // What a primary says that became a replica.
            "25006" => Self::ReadOnly,
            "53100" => Self::Full,
            "53300" => Self::NoConnections,
            // 55P03: a lock was not to be had in time.
            "55P03" => Self::Conflict,
            "3D000" => Self::Denied,
            _ if state.starts_with("28") => Self::Denied,
            _ if state.starts_with("40") => Self::Conflict,
            // Shut down, crashed, starting up; a database that is dropped counts as gone.
            _ if state.starts_with("57P") => Self::Restarting,
            // The server ended our session because we stood still in a transaction.
            _ if state.starts_with("08") || matches!(state, "25P03" | "25P04") => Self::Unreachable,
            // Out of memory or another resource; errors of the system below.
            _ if state.starts_with("53") || state.starts_with("58") => Self::Failing,
            _ => return None,
        })
    }
}

impl StoreError {
    /// What it means that no session could be had. There was no statement yet that could be at fault.
    pub(crate) fn of_session(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(refused) if refused.code().as_deref() != Some(QUERY_CANCELED) => {
                Self::Unavailable(sqlx::Error::Database(refused))
            }
            error => error.into(),
        }
    }

    /// A stable name for logs, metrics and problem bodies.
    pub fn code(&self) -> &'static str {
        match self {
            Self::LeaseLost { .. } => "lease-lost",
            Self::Unavailable(error) => Cause::of(error).code(),
            Self::NoConnection(cause) => cause.code(),
            Self::Timeout(_) => "database-timeout",
            Self::Conflict(_) => "store-conflict",
            Self::Corrupt(_) => "store-corrupt",
            Self::OutOfRange(_) => "store-out-of-range",
            Self::Migration(_) => "database-migration",
            Self::Settings(_) => "database-settings",
            Self::Database(_) => "database-error",
            Self::Redis(_) => "redis-unavailable",
        }
    }

    /// Why the database cannot do it at the moment, when that is what happened.
    pub fn cause(&self) -> Option<Cause> {
        match self {
            Self::Unavailable(error) => Some(Cause::of(error)),
            Self::NoConnection(cause) => Some(*cause),
            _ => None,
        }
    }

    /// Whether the same call may succeed later without anybody changing anything.
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::NoConnection(_) | Self::Timeout(_) | Self::Redis(_) => {
                true
            }
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
const INSUFFICIENT_PRIVILEGE: &str = "42501";
const NOT_IN_STATE: &str = "55000";

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(refused) => match refused.code().as_deref() {
                Some(QUERY_CANCELED) => Self::Timeout(error),
                _ if Cause::of_refusal(refused.as_ref()).is_some() => Self::Unavailable(error),
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
    fn sqlstates_that_pass_name_their_cause_and_those_that_stay_have_none() {
        for (state, cause) in [
            ("25006", Cause::ReadOnly),
            ("53100", Cause::Full),
            ("53300", Cause::NoConnections),
            ("57P01", Cause::Restarting),
            ("57P02", Cause::Restarting),
            ("57P03", Cause::Restarting),
            ("08006", Cause::Unreachable),
            ("25P03", Cause::Unreachable),
            ("40001", Cause::Conflict),
            ("40P01", Cause::Conflict),
            ("55P03", Cause::Conflict),
            ("53200", Cause::Failing),
            ("58030", Cause::Failing),
            ("28P01", Cause::Denied),
            ("3D000", Cause::Denied),
        ] {
            assert_eq!(Cause::of_state(state), Some(cause), "{state}");
        }
        for staying in [
            "XX000", "XX001", "42501", "55000", "23505", "23514", "42P01", "22003", "25001",
            "57014",
        ] {
            assert_eq!(Cause::of_state(staying), None, "{staying}");
        }
    }

    #[test]
    fn broken_connections_and_exhausted_pools_are_transient_and_a_lost_lease_is_not() {
        let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        for (error, code) in [
            (sqlx::Error::PoolTimedOut, "database-pool-exhausted"),
            (sqlx::Error::PoolClosed, "database-unreachable"),
            (sqlx::Error::Io(reset), "database-unreachable"),
        ] {
            let error = StoreError::from(error);
            assert!(error.is_transient());
            assert_eq!(error.code(), code);
        }
        assert!(!StoreError::LeaseLost { task: 1 }.is_transient());
    }

    #[test]
    fn no_two_causes_share_a_code() {
        let codes: std::collections::BTreeSet<&str> =
            Cause::ALL.into_iter().map(Cause::code).collect();
        assert_eq!(codes.len(), Cause::ALL.len());
    }
}
