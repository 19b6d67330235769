//! What statements run with: their limits, and what the planner is told.
//!
//! A connection of our own has it from its startup packet on, so that a single statement needs no
//! transaction around it. A pooler shares its sessions among clients: it refuses such a packet, or
//! leaves that part of it unread. Behind one, every transaction says it for itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgConnection, PgPool};

/// What the planner is told of the statements of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plans {
    /// Nothing but that compilation and bitmaps do not pay.
    Free,
    /// That they find all their rows by key.
    ByKey,
}

/// Who keeps the settings of statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeptBy {
    /// The session, from its beginning on: the server is reached directly.
    Session,
    /// Each transaction: a pooler stands between.
    Transaction,
}

/// Longest pause between two statements of a transaction. No transaction waits for anything but the
/// database in between, so a longer one is a process that stands still. Well below a lease.
const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(10);

/// For the statements that every wallet pays. They find their rows by key, so each has one right plan
/// whatever the parameters and the statistics: it is made once per connection and not at each call
/// (measured: more than half of what a claim costs), and no table is read from end to end, neither by
/// itself nor to join it, which looks cheap while it is empty.
const BY_KEY: [(&str, &str); 4] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
];

/// What a server that was told nothing does in place of [`BY_KEY`].
const FREE: [(&str, &str); 4] = [
    ("plan_cache_mode", "auto"),
    ("enable_seqscan", "on"),
    ("enable_hashjoin", "on"),
    ("enable_mergejoin", "on"),
];

/// What every statement runs with.
///
/// Compilation is off: each of ours reads a few rows through an index, and compiling one whose cost was
/// overestimated takes a second (measured on the claim at 100,000 ready tasks).
///
/// Bitmap scans are off as well: with statistics from before a burst the planner prefers one over the
/// ordered walk of the same index that would end at the first row, and reads a batch whole.
///
/// A process that is frozen between two statements holds its rows; the server ends its transaction
/// after [`IDLE_IN_TRANSACTION`], so that the others do not stand still with it.
fn common(statement_timeout: Duration) -> [(&'static str, String); 5] {
    [
        ("statement_timeout", statement_timeout.as_millis().to_string()),
        ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION.as_millis().to_string()),
        ("jit", "off".to_owned()),
        ("enable_bitmapscan", "off".to_owned()),
        ("timezone", "UTC".to_owned()),
    ]
}

/// How a transaction begins, in one round trip.
///
/// `SET LOCAL` ends with the transaction, so it is right with and without a pooler between: a
/// session-wide `SET` would reach other clients of the pooler.
pub(crate) fn begin_statement(
    statement_timeout: Duration,
    plans: Plans,
    kept_by: KeptBy,
) -> String {
    let mut statement = "begin isolation level read committed".to_owned();
    let mut set = |name: &str, value: &str| {
        statement.push_str(&format!("; set local {name} = '{value}'"));
    };
    if kept_by == KeptBy::Transaction {
        for (name, value) in common(statement_timeout) {
            set(name, &value);
        }
    }
    match (kept_by, plans) {
        (KeptBy::Session, Plans::Free) => FREE.iter().for_each(|(name, value)| set(name, value)),
        (KeptBy::Transaction, Plans::ByKey) => {
            BY_KEY.iter().for_each(|(name, value)| set(name, value));
        }
        // The session's own, and the server's.
        (KeptBy::Session, Plans::ByKey) | (KeptBy::Transaction, Plans::Free) => {}
    }
    statement
}

/// What a session keeps: the settings of [`Plans::ByKey`], and how a statement alone is isolated.
fn kept(statement_timeout: Duration) -> Vec<(&'static str, String)> {
    let by_key = BY_KEY.map(|(name, value)| (name, value.to_owned()));
    let isolation = ("default_transaction_isolation", "read committed".to_owned());
    common(statement_timeout).into_iter().chain(by_key).chain([isolation]).collect()
}

/// A pool on sessions that keep the settings where the server lets them, on plain ones elsewhere.
pub(super) async fn connect(
    pool: &PgPoolOptions,
    options: &PgConnectOptions,
    statement_timeout: Duration,
) -> Result<(PgPool, KeptBy), sqlx::Error> {
    let are_kept = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&are_kept);
    let asking = pool.clone().after_connect(move |connection, _| {
        let seen = Arc::clone(&seen);
        Box::pin(async move {
            let keeps = keeps(connection, statement_timeout).await?;
            if !keeps && seen.load(Ordering::Relaxed) {
                // The address leads elsewhere since: after a restart it is a pooler's.
                let changed =
                    "the server no longer keeps settings with the session; restart the process";
                return Err(sqlx::Error::Protocol(changed.to_owned()));
            }
            seen.fetch_or(keeps, Ordering::Relaxed);
            Ok(())
        })
    });
    match asking.connect_with(options.clone().options(kept(statement_timeout))).await {
        Ok(connected) if are_kept.load(Ordering::Relaxed) => {
            return Ok((connected, KeptBy::Session));
        }
        Ok(shared) => shared.close().await,
        // Poolers refuse such a packet by different codes. What else was wrong, the plain one says again.
        Err(sqlx::Error::Database(_)) => {}
        Err(error) => return Err(error),
    }
    let plain = pool.clone().connect_with(options.clone()).await?;
    tracing::info!("a pooler stands before PostgreSQL: each transaction brings its settings");
    Ok((plain, KeptBy::Transaction))
}

/// Whether a session has all that its startup packet asked for.
async fn keeps(
    connection: &mut PgConnection,
    statement_timeout: Duration,
) -> Result<bool, sqlx::Error> {
    let (names, values): (Vec<&str>, Vec<String>) = kept(statement_timeout).into_iter().unzip();
    // A setting reads with its unit: set as given, for this statement alone, it compares.
    let same = "-- server/session
        select bool_and(current_setting(name) = set_config(name, value, true))
        from unnest($1::text[], $2::text[]) as asked (name, value)";
    sqlx::query_scalar(same).bind(names).bind(values).fetch_one(connection).await
}
