//! Apache Parquet: rows in groups, each written when it is full. Text is UTF-8, and every column may be null.
//! Nothing is compressed: that is up to the connection.

use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, Int64Type};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::{Type, TypePtr};

use super::{Cell, Column, ExportError, Kind};

/// Rows of a group: what is held at a time. Of every group some kilobytes stay until the end of the file, which lists them.
const GROUP_ROWS: usize = 4_000;

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
    /// The group under way.
    group: Vec<Values>,
    rows: usize,
}

impl Parquet {
    pub fn begin(columns: Vec<Column>) -> Result<Self, ExportError> {
        // The same bytes whichever version of the library writes them, as far as that is up to us.
        let properties =
            WriterProperties::builder().set_created_by("pnl-tracker".to_owned()).build();
        let sink = Sink::default();
        let schema = schema(&columns)?;
        let writer = SerializedFileWriter::new(sink.clone(), schema, Arc::new(properties))?;
        let group = columns.iter().map(|column| Values::of(column.kind)).collect();
        Ok(Self { columns, writer, sink, group, rows: 0 })
    }

    pub fn push(&mut self, row: &[Cell<'_>], out: &mut Vec<u8>) -> Result<(), ExportError> {
        let cells = row.iter().chain(std::iter::repeat(&Cell::Null));
        for ((column, values), cell) in self.columns.iter().zip(&mut self.group).zip(cells) {
            if !values.push(cell) {
                return Err(ExportError::Kind(column.name.clone()));
            }
        }
        self.rows += 1;
        if self.rows < GROUP_ROWS {
            return Ok(());
        }
        self.write_group()?;
        self.take(out)
    }

    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<(), ExportError> {
        if self.rows > 0 {
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
        self.rows = 0;
        let mut group = self.writer.next_row_group()?;
        for values in &mut self.group {
            let Some(writer) = group.next_column()? else { break };
            values.write(writer)?;
        }
        group.close()?;
        Ok(())
    }
}

/// A column of a group: what is not null, and by row whether it is (1) or not (0).
enum Values {
    /// Texts one behind the other, with where each ends.
    Text(Vec<u8>, Vec<usize>, Vec<i16>),
    Integer(Vec<i64>, Vec<i16>),
    Bool(Vec<bool>, Vec<i16>),
}

impl Values {
    const fn of(kind: Kind) -> Self {
        match kind {
            Kind::Text => Self::Text(Vec::new(), Vec::new(), Vec::new()),
            Kind::Integer => Self::Integer(Vec::new(), Vec::new()),
            Kind::Bool => Self::Bool(Vec::new(), Vec::new()),
        }
    }

    /// Adds a row; false when the cell is neither null nor what the column holds.
    fn push(&mut self, cell: &Cell<'_>) -> bool {
        match (&mut *self, cell) {
            (Self::Text(bytes, ends, _), Cell::Text(text)) => {
                bytes.extend_from_slice(text.as_bytes());
                ends.push(bytes.len());
            }
            (Self::Integer(values, _), Cell::Integer(number)) => values.push(*number),
            (Self::Bool(values, _), Cell::Bool(is)) => values.push(*is),
            (_, Cell::Null) => {}
            _ => return false,
        }
        let (Self::Text(.., levels) | Self::Integer(_, levels) | Self::Bool(_, levels)) = self;
        levels.push(i16::from(*cell != Cell::Null));
        true
    }

    /// Writes the column, and is empty then.
    fn write(&mut self, writer: SerializedColumnWriter<'_>) -> ParquetResult<()> {
        match self {
            Self::Text(bytes, ends, levels) => {
                let all = Bytes::from(mem::take(bytes));
                let mut begin = 0;
                let texts = ends.drain(..).map(|end| {
                    let text = all.slice(begin..end);
                    begin = end;
                    ByteArray::from(text)
                });
                write::<ByteArrayType>(writer, texts.collect(), levels)
            }
            Self::Integer(values, levels) => write::<Int64Type>(writer, mem::take(values), levels),
            Self::Bool(values, levels) => write::<BoolType>(writer, mem::take(values), levels),
        }
    }
}

fn write<T: DataType>(
    mut writer: SerializedColumnWriter<'_>,
    values: Vec<T::T>,
    levels: &mut Vec<i16>,
) -> ParquetResult<()> {
    writer.typed::<T>().write_batch(&values, Some(levels), None)?;
    levels.clear();
    writer.close()
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
