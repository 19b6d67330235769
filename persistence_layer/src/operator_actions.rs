//! What operators have asked of the service: a row before anything is done, and what came of it.

use std::time::Duration;

use uuid::Uuid;

use crate::convert::interval;
use crate::error::StoreError;
use crate::store::{Store, read, run};

/// Rows that are kept.
const KEPT: i64 = 10_000;

/// Something that an operator asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action<'a> {
    /// Kept answers are forgotten, statistics and summaries renewed.
    Optimize,
    /// Every process forgets what it keeps of these tags.
    Purge(&'a [String]),
    /// Rounds of continuous mode begin from now on.
    ContinuousStart,
    /// None begins any more.
    ContinuousStop,
}

impl Action<'_> {
    /// Its name, as it is stored.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Optimize => "optimize",
            Self::Purge(_) => "purge",
            Self::ContinuousStart => "continuous-start",
            Self::ContinuousStop => "continuous-stop",
        }
    }

    const fn tags(&self) -> Option<&[String]> {
        match self {
            Self::Optimize | Self::ContinuousStart | Self::ContinuousStop => None,
            Self::Purge(tags) => Some(*tags),
        }
    }
}

/// A purge that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purge {
    /// Its row.
    pub id: Uuid,
    /// What is forgotten.
    pub tags: Vec<String>,
}

/// Who asks, and where.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// The key; none where nobody is asked for one.
    pub key: Option<Uuid>,
    /// Trace id of the request.
    pub trace_id: &'a str,
    /// Id of the process that was asked.
    pub process: &'a str,
}

/// Notes that an operator asks for `action`; gives the id of the row. Old rows make room.
///
/// # Errors
/// As every write.
pub async fn begin(
    store: &Store,
    action: Action<'_>,
    asked: Asked<'_>,
) -> Result<Uuid, StoreError> {
    let id = Uuid::now_v7();
    run!(store, "operator_actions/begin", async |tx| {
        sqlx::query_file!(
            "queries/operator_actions/insert.sql",
            id,
            action.as_str(),
            asked.key,
            asked.trace_id,
            asked.process,
            action.tags()
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query_file!("queries/operator_actions/trim.sql", KEPT).execute(tx).await?;
        Ok(id)
    })
}

/// Notes what came of it.
///
/// # Errors
/// As every write.
pub async fn finish(
    store: &Store,
    id: Uuid,
    outcome: &serde_json::Value,
) -> Result<(), StoreError> {
    run!(store, "operator_actions/finish", async |tx| {
        sqlx::query_file!("queries/operator_actions/finish.sql", id, outcome).execute(tx).await?;
        Ok(())
    })
}

/// The ids of those that [`purges`] gives, in no order: a look that costs next to nothing.
///
/// # Errors
/// As every read.
pub async fn purge_ids(store: &Store, past: Duration, most: u32) -> Result<Vec<Uuid>, StoreError> {
    let past = interval(past)?;
    read!(store, async |connection| {
        sqlx::query_file_scalar!(
            "queries/operator_actions/purge_ids.sql",
            past as _,
            i64::from(most)
        )
        .fetch_all(connection)
    })
}

/// The purges that were asked for within `past`, at most `most`: the newest ones, by the clock of the database.
///
/// # Errors
/// As every read.
pub async fn purges(store: &Store, past: Duration, most: u32) -> Result<Vec<Purge>, StoreError> {
    let past = interval(past)?;
    read!(store, async |connection| {
        sqlx::query_file_as!(
            Purge,
            "queries/operator_actions/purges.sql",
            past as _,
            i64::from(most)
        )
        .fetch_all(connection)
    })
}
