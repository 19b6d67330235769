//! What stands in a column.

use std::borrow::Cow;

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
    pub fn cell<'a>(&self, value: Option<&'a RawValue>) -> Result<Cell<'a>, ExportError> {
        let Some(value) = value else { return Ok(Cell::Null) };
        // Most cells are texts without anything to unescape.
        if self.kind == Kind::Text
            && let Ok(text) = serde_json::from_str::<&str>(value.get())
        {
            return Ok(Cell::Text(text.into()));
        }
        let other = || ExportError::Kind(self.name.clone());
        Ok(match (self.kind, serde_json::from_str(value.get())?) {
            (_, Value::Null) => Cell::Null,
            (Kind::Text, Value::String(text)) => Cell::Text(text.into()),
            (Kind::Text, Value::Number(number)) => Cell::Text(number.to_string().into()),
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
pub enum Cell<'a> {
    /// Nothing.
    Null,
    /// Text.
    Text(Cow<'a, str>),
    /// A whole number.
    Integer(i64),
    /// Yes or no.
    Bool(bool),
}

impl<'a> Cell<'a> {
    /// A text, if there is one.
    pub fn text(text: Option<&'a str>) -> Self {
        text.map_or(Self::Null, |text| Self::Text(text.into()))
    }
}
