//! Formats of columns: Apache Parquet, and streams of Apache Arrow. Groups of rows come out when they are full. Nothing is compressed: that
//! is up to the connection.

use std::io;

use arrow_array::RecordBatch;
use arrow_ipc::writer::StreamWriter;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::group::Group;
use super::{Cell, Column, ExportError};

/// A file that is being written.
pub(super) struct Columnar {
    group: Group,
    writer: Writer,
}

/// What writes groups, into memory that we take from.
enum Writer {
    /// Of every group some kilobytes stay until the end of the file, which lists them.
    Parquet(ArrowWriter<Vec<u8>>),
    Arrow(StreamWriter<Vec<u8>>),
}

impl Columnar {
    /// A Parquet file.
    pub fn parquet(columns: &[Column]) -> Result<Self, ExportError> {
        let group = Group::of(columns);
        // The same bytes whichever version of the library writes them, as far as that is up to us.
        let properties =
            WriterProperties::builder().set_created_by("pnl-tracker".to_owned()).build();
        let options = ArrowWriterOptions::new()
            .with_properties(properties)
            .with_schema_root("pnl".to_owned())
            .with_skip_arrow_metadata(true);
        let schema = group.schema().clone();
        let writer = ArrowWriter::try_new_with_options(Vec::new(), schema, options)?;
        Ok(Self { group, writer: Writer::Parquet(writer) })
    }

    /// A stream of Arrow.
    pub fn arrow(columns: &[Column]) -> Result<Self, ExportError> {
        let group = Group::of(columns);
        let writer = StreamWriter::try_new(Vec::new(), group.schema())?;
        Ok(Self { group, writer: Writer::Arrow(writer) })
    }

    /// Adds a row; `out` gets what is ready.
    pub fn push(&mut self, row: &[Cell<'_>], out: &mut Vec<u8>) -> Result<(), ExportError> {
        if self.group.push(row)? {
            self.write_group()?;
            self.take(out)?;
        }
        Ok(())
    }

    /// Writes the end of the file.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<(), ExportError> {
        self.write_group()?;
        self.writer.finish()?;
        self.take(out)
    }

    /// Moves what is written to `out`.
    pub fn take(&mut self, out: &mut Vec<u8>) -> Result<(), ExportError> {
        out.append(self.writer.written().map_err(ParquetError::from)?);
        Ok(())
    }

    fn write_group(&mut self) -> Result<(), ExportError> {
        match self.group.take()? {
            Some(rows) => self.writer.write(&rows),
            None => Ok(()),
        }
    }
}

impl Writer {
    fn write(&mut self, rows: &RecordBatch) -> Result<(), ExportError> {
        match self {
            Self::Parquet(writer) => {
                writer.write(rows)?;
                Ok(writer.flush()?)
            }
            Self::Arrow(writer) => Ok(writer.write(rows)?),
        }
    }

    fn finish(&mut self) -> Result<(), ExportError> {
        match self {
            Self::Parquet(writer) => {
                writer.finish()?;
            }
            Self::Arrow(writer) => writer.finish()?,
        }
        Ok(())
    }

    /// What has been written and not taken.
    fn written(&mut self) -> io::Result<&mut Vec<u8>> {
        match self {
            Self::Parquet(writer) => {
                writer.sync()?;
                Ok(writer.inner_mut())
            }
            Self::Arrow(writer) => Ok(writer.get_mut()),
        }
    }
}
