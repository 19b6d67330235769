//! Reading stored ledger chunks back into an engine.

use pnl_core::ledger::{LedgerError, LedgerEvent};
use pnl_core::{Engine, EngineError};

/// Why a stored chunk cannot be read back.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum ReplayError {
    /// It is no text, or not the text of events.
    #[error("{0}")]
    Corrupt(String),
    /// An event breaks the rules of its form.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The engine refuses it.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// The lines of a chunk.
pub(crate) fn lines(chunk: &[u8]) -> Result<impl Iterator<Item = &str>, ReplayError> {
    let text = std::str::from_utf8(chunk).map_err(|error| ReplayError::Corrupt(error.to_string()));
    Ok(text?.lines())
}

/// The event of a line.
pub(crate) fn event(line: &str) -> Result<LedgerEvent, ReplayError> {
    serde_json::from_str(line).map_err(|error| ReplayError::Corrupt(error.to_string()))
}

/// Applies the events of a chunk, the first of which is number `seq` of the history; gives the
/// engine, the number of the next event and the time of the last one, unix seconds.
pub(crate) fn apply(
    mut engine: Engine,
    mut seq: u64,
    chunk: &[u8],
) -> Result<(Engine, u64, Option<i64>), ReplayError> {
    let mut last_time = None;
    for line in lines(chunk)? {
        let row = event(line)?;
        last_time = Some(row.ts);
        if let Some(event) = row.to_event(seq)? {
            engine.apply(&event)?;
        }
        seq += 1;
    }
    Ok((engine, seq, last_time))
}
