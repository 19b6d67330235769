//! Apache Parquet: rows in groups, each written when it is full. Text is UTF-8, and every column may be null.
//! Nothing is compressed: that is up to the connection.

use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, Int64Type};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::{Type, TypePtr};

use super::{Cell, Column, ExportError, Kind};

/// Rows of a group: what is held at a time.
const GROUP_ROWS: usize = 1_000;

/// Where the writer writes to, and we take from.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file that is being written.
pub(super) struct Parquet {
    columns: Vec<Column>,
    writer: SerializedFileWriter<Sink>,
    sink: Sink,
    rows: Vec<Vec<Cell>>,
}

impl Parquet {
    pub fn begin(columns: Vec<Column>) -> Result<Self, ExportError> {
        // The same bytes whichever version of the library writes them, as far as that is up to us.
        let properties =
            WriterProperties::builder().set_created_by("pnl-tracker".to_owned()).build();
        let sink = Sink::default();
        let schema = schema(&columns)?;
        let writer = SerializedFileWriter::new(sink.clone(), schema, Arc::new(properties))?;
        Ok(Self { columns, writer, sink, rows: Vec::new() })
    }

    pub fn push(&mut self, row: Vec<Cell>, out: &mut Vec<u8>) -> Result<(), ExportError> {
        self.rows.push(row);
        if self.rows.len() < GROUP_ROWS {
            return Ok(());
        }
        self.write_group()?;
        self.take(out)
    }

    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<(), ExportError> {
        if !self.rows.is_empty() {
            self.write_group()?;
        }
        self.writer.finish()?;
        self.take(out)
    }

    /// Moves what is written to `out`.
    pub fn take(&mut self, out: &mut Vec<u8>) -> Result<(), ExportError> {
        self.writer.flush().map_err(ParquetError::from)?;
        out.append(&mut self.sink.0.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(())
    }

    fn write_group(&mut self) -> Result<(), ExportError> {
        let rows = mem::take(&mut self.rows);
        let mut group = self.writer.next_row_group()?;
        for (place, column) in self.columns.iter().enumerate() {
            let Some(writer) = group.next_column()? else { break };
            let cells = rows.iter().map(|row| row.get(place).unwrap_or(&Cell::Null));
            let written = match column.kind {
                Kind::Text => write::<ByteArrayType>(writer, cells, |cell| match cell {
                    Cell::Text(text) => Some(ByteArray::from(text.as_str())),
                    _ => None,
                }),
                Kind::Integer => write::<Int64Type>(writer, cells, |cell| match cell {
                    Cell::Integer(number) => Some(*number),
                    _ => None,
                }),
                Kind::Bool => write::<BoolType>(writer, cells, |cell| match cell {
                    Cell::Bool(is) => Some(*is),
                    _ => None,
                }),
            };
            if !written? {
                return Err(ExportError::Kind(column.name.clone()));
            }
        }
        group.close()?;
        Ok(())
    }
}

/// Writes a column; false when a cell is neither null nor what the column holds.
fn write<'a, T: DataType>(
    mut writer: SerializedColumnWriter<'_>,
    cells: impl Iterator<Item = &'a Cell>,
    value: impl Fn(&Cell) -> Option<T::T>,
) -> ParquetResult<bool> {
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    for cell in cells {
        match value(cell) {
            Some(value) => {
                values.push(value);
                levels.push(1);
            }
            None if *cell == Cell::Null => levels.push(0),
            None => return Ok(false),
        }
    }
    writer.typed::<T>().write_batch(&values, Some(&levels), None)?;
    writer.close()?;
    Ok(true)
}

fn schema(columns: &[Column]) -> ParquetResult<TypePtr> {
    let field = |column: &Column| {
        let (physical, logical) = match column.kind {
            Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Kind::Integer => (Physical::INT64, None),
            Kind::Bool => (Physical::BOOLEAN, None),
        };
        // Many readers take a dot for a way into a nested column.
        let name = column.name.replace('.', "_");
        let field = Type::primitive_type_builder(&name, physical)
            .with_repetition(Repetition::OPTIONAL)
            .with_logical_type(logical)
            .build()?;
        Ok(Arc::new(field))
    };
    let fields = columns.iter().map(field).collect::<ParquetResult<_>>()?;
    Ok(Arc::new(Type::group_type_builder("pnl").with_fields(fields).build()?))
}
