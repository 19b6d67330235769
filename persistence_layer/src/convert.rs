//! Conversions between domain types and columns.

use std::time::Duration;

use pnl_core::{Chain, Pin};
use sqlx::postgres::types::PgInterval;

use crate::error::StoreError;

/// A block, slot or count as a bigint column.
pub(crate) fn to_bigint(value: u64, what: &'static str) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_| StoreError::OutOfRange(what))
}

/// A count as an integer column.
pub(crate) fn to_integer(value: u32, what: &'static str) -> Result<i32, StoreError> {
    i32::try_from(value).map_err(|_| StoreError::OutOfRange(what))
}

/// A bigint column that is never negative.
pub(crate) fn from_bigint(value: i64, what: &str) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|_| StoreError::Corrupt(format!("{what} is {value}")))
}

/// An integer column that is never negative.
pub(crate) fn from_integer(value: i32, what: &str) -> Result<u32, StoreError> {
    u32::try_from(value).map_err(|_| StoreError::Corrupt(format!("{what} is {value}")))
}

/// A count from the database, which fits 32 bits by the limits on batches.
pub(crate) fn from_count(value: i64, what: &str) -> Result<u32, StoreError> {
    u32::try_from(value).map_err(|_| StoreError::Corrupt(format!("{what} is {value}")))
}

/// A chain column.
pub(crate) fn chain(text: &str) -> Result<Chain, StoreError> {
    text.parse().map_err(|_| StoreError::Corrupt(format!("chain is {text:?}")))
}

/// The two columns of a pin.
pub(crate) fn pin(block: Option<i64>, time: Option<i64>) -> Result<Option<Pin>, StoreError> {
    match (block, time) {
        (Some(block), Some(block_time)) => {
            Ok(Some(Pin { block: from_bigint(block, "pin block")?, block_time }))
        }
        _ => Ok(None),
    }
}

/// JSON for a column of type `json`, which keeps it byte for byte. The driver would send a value as
/// `jsonb`, which reorders members and refuses `\u0000`.
pub(crate) fn json_text(value: &serde_json::Value) -> String {
    value.to_string()
}

/// A span of time as an interval, in whole microseconds.
pub(crate) fn interval(span: Duration) -> Result<PgInterval, StoreError> {
    let microseconds =
        i64::try_from(span.as_micros()).map_err(|_| StoreError::OutOfRange("duration"))?;
    Ok(PgInterval { months: 0, days: 0, microseconds })
}
