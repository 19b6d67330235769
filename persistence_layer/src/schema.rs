//! The embedded migrations. Nothing here is checked against a database at compile time, so that
//! this module can make the database which the rest is checked against.

use std::collections::BTreeSet;

use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};

use crate::error::StoreError;

static MIGRATOR: Migrator = sqlx::migrate!("../migrations");

/// Key of the advisory lock that migrating processes queue at: "pnl-mig1" in ASCII.
const MIGRATION_LOCK: i64 = 0x706e_6c2d_6d69_6731;

/// The newest schema version this program knows.
pub fn newest_version() -> i64 {
    MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// The schema version of the database: up to it nothing that this program knows is missing. 0 when it was
/// never migrated.
pub(crate) async fn applied_version(connection: &mut PgConnection) -> Result<i64, StoreError> {
    let migrated: bool =
        sqlx::query_scalar("-- schema/exists\nselect to_regclass('_sqlx_migrations') is not null")
            .fetch_one(&mut *connection)
            .await?;
    if !migrated {
        return Ok(0);
    }
    let applied: BTreeSet<i64> = sqlx::query_scalar(
        "-- schema/versions\nselect version from _sqlx_migrations where success",
    )
    .fetch_all(connection)
    .await?
    .into_iter()
    .collect();
    Ok(version_of(&applied, &MIGRATOR.iter().map(|migration| migration.version).collect()))
}

fn version_of(applied: &BTreeSet<i64>, known: &BTreeSet<i64>) -> i64 {
    let whole = match known.difference(applied).next() {
        Some(missing) => known.range(..missing).next_back(),
        None => applied.last(),
    };
    whole.copied().unwrap_or(0)
}

/// Applies what is missing, one migration per transaction.
///
/// The lock is a transaction-level one held by a second connection: unlike the session lock that
/// the migrator would take by itself, it also holds when a pooler stands between.
pub(crate) async fn migrate(options: &PgConnectOptions) -> Result<(), StoreError> {
    let mut guard = options.connect().await?;
    let mut lock = guard.begin().await?;
    sqlx::query(
        "-- schema/lock: waits as long as it takes\n\
         select set_config('statement_timeout', '0', true), \
                set_config('lock_timeout', '0', true), \
                set_config('idle_in_transaction_session_timeout', '0', true)",
    )
    .execute(&mut *lock)
    .await?;
    sqlx::query("-- schema/lock: $1 key\nselect pg_advisory_xact_lock($1)")
        .bind(MIGRATION_LOCK)
        .execute(&mut *lock)
        .await?;
    let mut migrator = Migrator::with_migrations(MIGRATOR.iter().cloned().collect());
    // A newer program may have migrated further: each migration leaves room for the code before it.
    migrator.set_locking(false).set_ignore_missing(true);
    let mut connection = options.connect().await?;
    migrator.run(&mut connection).await.map_err(|error| StoreError::Migration(Box::new(error)))?;
    connection.close().await?;
    lock.commit().await?;
    guard.close().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_one_with_nothing_missing_before_it() {
        let known = BTreeSet::from([1, 2, 10]);
        for (applied, version) in [
            (vec![], 0),
            (vec![1], 1),
            (vec![1, 2, 10], 10),
            (vec![1, 2, 10, 11], 11),
            (vec![1, 10, 11], 1),
            (vec![2, 10], 0),
        ] {
            let applied = BTreeSet::from_iter(applied);
            assert_eq!(version_of(&applied, &known), version, "{applied:?}");
        }
    }
}
