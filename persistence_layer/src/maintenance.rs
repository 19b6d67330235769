//! Renewing what the planner knows of the large tables, on demand.

use std::fmt;

use sqlx::AssertSqlSafe;

use crate::error::StoreError;
use crate::store::{Store, run};

/// A table that grows with use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LargeTable(&'static str);

impl LargeTable {
    /// All of them; with the first name of a partitioned one all its partitions are meant.
    pub const ALL: [Self; 10] = [
        Self("raw_transactions"),
        Self("address_signatures"),
        Self("ledger_chunks"),
        Self("ledgers"),
        Self("pnl_results"),
        Self("latest_results"),
        Self("wallet_tasks"),
        Self("wallet_attempts"),
        Self("job_events"),
        Self("prices"),
    ];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for LargeTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Renews the statistics of a table; false: another process does it at the moment. Reads and writes go on beside.
///
/// # Errors
/// As every transaction.
pub async fn analyze(store: &Store, table: LargeTable) -> Result<bool, StoreError> {
    run!(store, "maintenance/analyze", async |tx| {
        let name = table.as_str();
        let is_alone =
            sqlx::query_file_scalar!("queries/maintenance/try_lock.sql", name).fetch_one(&mut *tx);
        if !is_alone.await? {
            return Ok(false);
        }
        // The name is one of the constants above.
        sqlx::query(AssertSqlSafe(format!("-- maintenance/analyze\nanalyze {name}")))
            .execute(tx)
            .await?;
        Ok(true)
    })
}
