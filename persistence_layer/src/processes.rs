//! What running processes say of themselves, for operators.
//!
//! Each process publishes a report every few seconds and removes it when it stops in good order. A
//! report that is not renewed counts as gone after [`GONE_AFTER`]; retention removes it later.
//! Nothing in the queue depends on it: leases alone decide who is dead.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::convert::{from_bigint, from_integer, interval, json_text, to_integer};
use crate::error::StoreError;
use crate::store::{Store, run};

/// Age at which a report counts as that of a process that is gone: several missed ones.
pub const GONE_AFTER: Duration = Duration::from_secs(30);

/// What a process says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct ProcessReport {
    /// Its worker id, new at each start; a process without worker takes one for this.
    pub id: String,
    /// `all`, `api` or `worker`.
    pub role: String,
    /// Name of its machine.
    pub host: String,
    /// Its process id there.
    pub pid: u32,
    /// Version of the program.
    pub version: String,
    /// When it started, by its own clock.
    pub started_at: DateTime<Utc>,
    /// Working slots; 0 without worker.
    pub slots: u32,
    /// Slots in use.
    pub slots_in_use: u32,
    /// `[{task, wallet, chain, stage, since, claimed}]` of the wallets it works on.
    pub wallets: serde_json::Value,
    /// Its chain endpoints, by chain, and how they are. Without secrets.
    pub providers: serde_json::Value,
    /// Chains it has paused, and why.
    pub gates: serde_json::Value,
    /// State of its Redis: `absent`, `unknown` (not looked at yet), `up` or `down`.
    pub redis: String,
}

/// A report and how old it is.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenProcess {
    /// What it said.
    pub report: ProcessReport,
    /// When, by the clock of the database.
    pub seen_at: DateTime<Utc>,
    /// How long ago that is, by the same clock.
    pub age: Duration,
}

/// Stores a process's report in place of its last one.
///
/// # Errors
/// [`StoreError::Database`] for a role that is none; else as every write.
pub async fn publish(store: &Store, report: &ProcessReport) -> Result<(), StoreError> {
    let pid = to_integer(report.pid, "process id")?;
    let slots = to_integer(report.slots, "slots")?;
    let slots_in_use = to_integer(report.slots_in_use, "slots in use")?;
    run!(store, "processes/publish", async |tx| {
        sqlx::query_file!(
            "queries/processes/publish.sql",
            report.id,
            report.role,
            report.host,
            pid,
            report.version,
            report.started_at,
            slots,
            slots_in_use,
            json_text(&report.wallets),
            json_text(&report.providers),
            json_text(&report.gates),
            report.redis
        )
        .execute(tx)
        .await?;
        Ok(())
    })
}

/// Removes a process's report: it stops.
pub async fn remove(store: &Store, id: &str) -> Result<(), StoreError> {
    run!(store, "processes/remove", async |tx| {
        sqlx::query_file!("queries/processes/remove.sql", id).execute(tx).await?;
        Ok(())
    })
}

/// The processes that have reported within [`GONE_AFTER`], the one that started first at the top.
pub async fn live(store: &Store) -> Result<Vec<SeenProcess>, StoreError> {
    let rows = run!(store, "processes/list", async |tx| {
        Ok(sqlx::query_file!("queries/processes/list.sql", interval(GONE_AFTER)? as _)
            .fetch_all(tx)
            .await?)
    })?;
    rows.into_iter()
        .map(|row| {
            Ok(SeenProcess {
                report: ProcessReport {
                    id: row.id,
                    role: row.role,
                    host: row.host,
                    pid: from_integer(row.pid, "process id")?,
                    version: row.version,
                    started_at: row.started_at,
                    slots: from_integer(row.slots, "slots")?,
                    slots_in_use: from_integer(row.slots_in_use, "slots in use")?,
                    wallets: row.wallets,
                    providers: row.providers,
                    gates: row.gates,
                    redis: row.redis,
                },
                seen_at: row.seen_at,
                age: Duration::from_millis(from_bigint(row.age_ms.max(0), "age")?),
            })
        })
        .collect()
}
