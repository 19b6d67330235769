//! What the pool is told, and whether the server can carry it.

use std::fmt;
use std::time::Duration;

/// Settings of the connection pool; section `[database]` of the configuration.
#[derive(Clone)]
pub struct StoreSettings {
    /// `postgres://user:password@host:port/database`. A secret.
    pub url: String,
    /// Most connections of this process.
    pub max_connections: u32,
    /// Connections kept open when idle.
    pub min_connections: u32,
    /// Longest wait for a free connection.
    pub acquire_timeout: Duration,
    /// An idle connection above `min_connections` is closed after this time.
    pub idle_timeout: Duration,
    /// A connection is replaced at this age.
    pub max_lifetime: Duration,
    /// The server cancels a statement that runs longer. Zero: no limit.
    pub statement_timeout: Duration,
}

impl fmt::Debug for StoreSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreSettings")
            .field("url", &"[redacted]")
            .field("max_connections", &self.max_connections)
            .field("min_connections", &self.min_connections)
            .field("acquire_timeout", &self.acquire_timeout)
            .field("idle_timeout", &self.idle_timeout)
            .field("max_lifetime", &self.max_lifetime)
            .field("statement_timeout", &self.statement_timeout)
            .finish()
    }
}

/// Settings of a replica that is read from.
#[derive(Clone)]
pub struct ReplicaSettings {
    /// `postgres://user:password@host:port/database`. A secret.
    pub url: String,
    /// Most connections of this process to it.
    pub max_connections: u32,
    /// One that is further behind is not read from.
    pub max_lag: Duration,
}

impl fmt::Debug for ReplicaSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplicaSettings")
            .field("url", &"[redacted]")
            .field("max_connections", &self.max_connections)
            .field("max_lag", &self.max_lag)
            .finish()
    }
}

/// How many connections the server gives to ordinary roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerBudget {
    /// `max_connections` of the server.
    pub max_connections: u32,
    /// What it keeps for superusers and reserved roles.
    pub reserved: u32,
}

/// Whether a pool fits the server it is connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// It fits beside others.
    Ok,
    /// It works, but one process could take every connection.
    Warn(String),
    /// Not even the connections kept open fit: do not start.
    Refuse(String),
}

impl ServerBudget {
    /// Connections that ordinary roles can have together.
    pub const fn usable(&self) -> u32 {
        self.max_connections.saturating_sub(self.reserved)
    }

    /// Judges a pool of `min` to `max` connections against the server. The text names both numbers
    /// and the keys to change.
    pub fn judge(&self, min: u32, max: u32) -> Judgement {
        let usable = self.usable();
        let server = format!(
            "the server gives {usable} (max_connections {} minus {} reserved)",
            self.max_connections, self.reserved
        );
        if min > usable {
            return Judgement::Refuse(format!(
                "database.min_connections = {min} does not fit: {server}"
            ));
        }
        if max >= usable {
            return Judgement::Warn(format!(
                "one process can take every connection: database.max_connections = {max}, {server}; \
                 lower database.max_connections or raise max_connections of the server"
            ));
        }
        Judgement::Ok
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STOCK: ServerBudget = ServerBudget { max_connections: 100, reserved: 3 };

    #[test]
    fn a_pool_that_fits_beside_others_is_fine() {
        assert_eq!(STOCK.judge(5, 30), Judgement::Ok);
        assert_eq!(STOCK.judge(20, 96), Judgement::Ok);
    }

    #[test]
    fn a_pool_that_can_take_everything_is_warned_about_with_both_numbers() {
        let Judgement::Warn(text) = STOCK.judge(20, 100) else { panic!("100 of 97 must warn") };
        assert!(text.contains("100") && text.contains("97"), "{text}");
        assert!(matches!(STOCK.judge(20, 97), Judgement::Warn(_)));
    }

    #[test]
    fn a_minimum_beyond_the_server_is_refused() {
        assert!(matches!(STOCK.judge(97, 100), Judgement::Warn(_)));
        let Judgement::Refuse(text) = STOCK.judge(98, 100) else { panic!("98 of 97 must refuse") };
        assert!(text.contains("98") && text.contains("97"), "{text}");
    }

    #[test]
    fn the_url_is_never_printed() {
        let settings = StoreSettings {
            url: "postgres://u:secret@h/d".into(),
            max_connections: 2,
            min_connections: 1,
            acquire_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(600),
            max_lifetime: Duration::from_secs(1800),
            statement_timeout: Duration::from_secs(60),
        };
        assert!(!format!("{settings:?}").contains("secret"));
    }
}
