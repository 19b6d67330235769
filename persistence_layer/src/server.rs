//! The server behind the pool, as an operator wants to know it.

use chrono::{DateTime, Utc};

use crate::error::StoreError;
use crate::store::{Store, run};

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFacts {
    /// Its version as it writes it, such as `15.18 (Debian 15.18-1)`.
    pub version: String,
    /// The same as a number: 150018.
    pub version_number: i32,
    /// Its clock.
    pub clock: DateTime<Utc>,
    /// Whether it follows another server.
    pub is_replica: bool,
    /// Size of the database in bytes.
    pub database_bytes: i64,
    /// Connections of clients to the whole server, this one included.
    pub connections: i64,
    /// Settings by name, as the server writes them.
    settings: Vec<(String, String)>,
}

impl ServerFacts {
    /// A setting; empty when this server does not know it.
    pub fn setting(&self, name: &str) -> &str {
        self.settings.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

/// Asks the server.
///
/// # Errors
/// [`StoreError::Unavailable`] when it does not answer.
pub async fn facts(store: &Store) -> Result<ServerFacts, StoreError> {
    let about = "-- server/about
        select current_setting('server_version'), current_setting('server_version_num')::int,
            clock_timestamp(), pg_is_in_recovery(), pg_database_size(current_database()),
            (select count(*) from pg_stat_activity where backend_type = 'client backend')";
    // `reset_val`: what a session begins with, whatever this one has set for itself.
    let settings = "-- server/settings
        select name, reset_val from pg_settings where name in ('fsync', 'full_page_writes',
            'synchronous_commit', 'data_checksums', 'autovacuum', 'default_transaction_read_only',
            'statement_timeout', 'idle_in_transaction_session_timeout')";
    let ((version, version_number, clock, is_replica, database_bytes, connections), settings) =
        run!(store, "server/facts", async |tx| {
            let about: (String, i32, DateTime<Utc>, bool, i64, i64) =
                sqlx::query_as(about).fetch_one(&mut *tx).await?;
            let settings: Vec<(String, String)> = sqlx::query_as(settings).fetch_all(tx).await?;
            Ok((about, settings))
        })?;
    Ok(ServerFacts {
        version,
        version_number,
        clock,
        is_replica,
        database_bytes,
        connections,
        settings,
    })
}
