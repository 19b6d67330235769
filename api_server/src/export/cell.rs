//! What stands in a column.

use serde_json::Value;
use serde_json::value::RawValue;

use super::ExportError;

/// What a column holds, beside nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text; money and amounts too, exact.
    Text,
    /// A whole number.
    Integer,
    /// Yes or no.
    Bool,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
}

impl Column {
    /// Of this name.
    pub fn new(name: impl Into<String>, kind: Kind) -> Self {
        Self { name: name.into(), kind }
    }

    /// The cell that a member of a JSON object is.
    ///
    /// # Errors
    /// [`ExportError::Kind`] when it is something else than the column holds.
    pub fn cell(&self, value: Option<&RawValue>) -> Result<Cell, ExportError> {
        let Some(value) = value else { return Ok(Cell::Null) };
        let other = || ExportError::Kind(self.name.clone());
        Ok(match (self.kind, serde_json::from_str(value.get())?) {
            (_, Value::Null) => Cell::Null,
            (Kind::Text, Value::String(text)) => Cell::Text(text),
            (Kind::Text, Value::Number(number)) => Cell::Text(number.to_string()),
            (Kind::Integer, Value::Number(number)) => {
                Cell::Integer(number.as_i64().ok_or_else(other)?)
            }
            (Kind::Bool, Value::Bool(is)) => Cell::Bool(is),
            _ => return Err(other()),
        })
    }
}

/// What stands in a column of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// Nothing.
    Null,
    /// Text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// Yes or no.
    Bool(bool),
}

impl Cell {
    /// A text, if there is one.
    pub fn text(text: Option<&str>) -> Self {
        text.map_or(Self::Null, |text| Self::Text(text.to_owned()))
    }
}
