//! Rows gathered column by column, in groups: what Parquet and Arrow are written from, so that both have the same schema. Text is UTF-8,
//! and every column may be null.

use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, Int64Builder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};

use super::{Cell, Column, ExportError, Kind};

/// Rows of a group: what is held at a time.
const GROUP_ROWS: usize = 4_000;

/// A group is full early when its texts have become this large, in bytes.
const GROUP_BYTES: usize = 8 << 20;

/// The group under way.
pub(super) struct Group {
    schema: SchemaRef,
    values: Vec<Values>,
    rows: usize,
    bytes: usize,
}

impl Group {
    /// Without rows.
    pub fn of(columns: &[Column]) -> Self {
        let field = |column: &Column| {
            let data_type = match column.kind {
                Kind::Text => DataType::Utf8,
                Kind::Integer => DataType::Int64,
                Kind::Bool => DataType::Boolean,
            };
            // Many readers take a dot for a way into a nested column.
            Field::new(column.name.replace('.', "_"), data_type, true)
        };
        let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
        let values = columns.iter().map(|column| Values::of(column.kind)).collect();
        Self { schema, values, rows: 0, bytes: 0 }
    }

    /// Its columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Adds a row; true when the group is full with it.
    pub fn push(&mut self, row: &[Cell<'_>]) -> Result<bool, ExportError> {
        let cells = row.iter().chain(std::iter::repeat(&Cell::Null));
        for ((field, values), cell) in self.schema.fields().iter().zip(&mut self.values).zip(cells)
        {
            if !values.push(cell) {
                return Err(ExportError::Kind(field.name().clone()));
            }
            if let Cell::Text(text) = cell {
                self.bytes += text.len();
            }
        }
        self.rows += 1;
        Ok(self.rows >= GROUP_ROWS || self.bytes >= GROUP_BYTES)
    }

    /// The rows, if there are any; the group is empty then.
    pub fn take(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        if self.rows == 0 {
            return Ok(None);
        }
        (self.rows, self.bytes) = (0, 0);
        let columns = self.values.iter_mut().map(Values::take).collect();
        RecordBatch::try_new(Arc::clone(&self.schema), columns).map(Some)
    }
}

/// A column of a group.
enum Values {
    Text(StringBuilder),
    Integer(Int64Builder),
    Bool(BooleanBuilder),
}

impl Values {
    fn of(kind: Kind) -> Self {
        match kind {
            Kind::Text => Self::Text(StringBuilder::new()),
            Kind::Integer => Self::Integer(Int64Builder::new()),
            Kind::Bool => Self::Bool(BooleanBuilder::new()),
        }
    }

    /// Adds a row; false when the cell is neither null nor what the column holds.
    fn push(&mut self, cell: &Cell<'_>) -> bool {
        match (self, cell) {
            (Self::Text(values), Cell::Text(text)) => values.append_value(text),
            (Self::Text(values), Cell::Null) => values.append_null(),
            (Self::Integer(values), Cell::Integer(number)) => values.append_value(*number),
            (Self::Integer(values), Cell::Null) => values.append_null(),
            (Self::Bool(values), Cell::Bool(is)) => values.append_value(*is),
            (Self::Bool(values), Cell::Null) => values.append_null(),
            _ => return false,
        }
        true
    }

    fn take(&mut self) -> ArrayRef {
        match self {
            Self::Text(values) => {
                // The next group is about as large.
                let bytes = values.values_slice().len();
                let next = StringBuilder::with_capacity(GROUP_ROWS, bytes + bytes / 8);
                Arc::new(std::mem::replace(values, next).finish())
            }
            Self::Integer(values) => Arc::new(values.finish()),
            Self::Bool(values) => Arc::new(values.finish()),
        }
    }
}
