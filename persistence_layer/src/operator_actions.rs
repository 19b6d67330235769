//! What operators have asked of the service: a row before anything is done, and what came of it.

use uuid::Uuid;

use crate::error::StoreError;
use crate::store::{Store, run};

/// Rows that are kept.
const KEPT: i64 = 10_000;

/// Something that an operator asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Kept answers are forgotten, statistics and summaries renewed.
    Optimize,
    /// Rounds of continuous mode begin from now on.
    ContinuousStart,
    /// None begins any more.
    ContinuousStop,
}

impl Action {
    /// Its name, as it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Optimize => "optimize",
            Self::ContinuousStart => "continuous-start",
            Self::ContinuousStop => "continuous-stop",
        }
    }
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
pub async fn begin(store: &Store, action: Action, asked: Asked<'_>) -> Result<Uuid, StoreError> {
    let id = Uuid::now_v7();
    run!(store, "operator_actions/begin", async |tx| {
        sqlx::query_file!(
            "queries/operator_actions/insert.sql",
            id,
            action.as_str(),
            asked.key,
            asked.trace_id,
            asked.process
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
