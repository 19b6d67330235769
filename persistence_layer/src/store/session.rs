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

/// Connections whose sessions keep the settings, those of [`Plans::ByKey`].
fn keeping(options: &PgConnectOptions, statement_timeout: Duration) -> PgConnectOptions {
    options.clone().options(common(statement_timeout)).options(BY_KEY)
}

/// A pool on sessions that keep the settings where the server lets them, on plain ones elsewhere.
pub(super) async fn connect(
    pool: &PgPoolOptions,
    options: &PgConnectOptions,
    statement_timeout: Duration,
) -> Result<(PgPool, KeptBy), sqlx::Error> {
    let kept = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&kept);
    let asking = pool.clone().after_connect(move |connection, _| {
        let seen = Arc::clone(&seen);
        Box::pin(async move {
            seen.store(keeps(connection).await?, Ordering::Relaxed);
            Ok(())
        })
    });
    match asking.connect_with(keeping(options, statement_timeout)).await {
        Ok(connected) if kept.load(Ordering::Relaxed) => return Ok((connected, KeptBy::Session)),
        Ok(shared) => shared.close().await,
        Err(error) if is_refused_packet(&error) => {}
        Err(error) => return Err(error),
    }
    tracing::info!("a pooler stands before PostgreSQL: each transaction brings its settings");
    Ok((pool.clone().connect_with(options.clone()).await?, KeptBy::Transaction))
}

/// Whether a session has what its startup packet asked for.
async fn keeps(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let (name, value) = BY_KEY[0];
    let asked = sqlx::query_scalar::<_, String>("-- server/session\nselect current_setting($1)");
    Ok(asked.bind(name).fetch_one(connection).await? == value)
}

/// PgBouncer's answer to a parameter it does not know: a protocol violation.
fn is_refused_packet(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(refused) if refused.code().as_deref() == Some("08P01"))
}
