//! The formats of files.

use axum::http::HeaderValue;

use super::columnar::Columnar;
use super::{Cell, Column, ExportError};
use crate::dto::csv;

/// A format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// RFC 4180.
    Csv,
    /// A JSON object on each line.
    Ndjson,
    /// Apache Parquet.
    Parquet,
    /// A stream of Apache Arrow.
    Arrow,
}

impl Format {
    /// The end of its file names.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
            Self::Parquet => "parquet",
            // `arrow` is for the format that is not a stream.
            Self::Arrow => "arrows",
        }
    }

    /// Its media type, with parameters.
    pub const fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Ndjson => "application/x-ndjson",
            Self::Parquet => "application/vnd.apache.parquet",
            Self::Arrow => "application/vnd.apache.arrow.stream",
        })
    }
}

/// What a row is written from.
pub trait Line {
    /// What stands in its columns.
    ///
    /// # Errors
    /// When what is stored is none.
    fn cells(&self) -> Result<Vec<Cell<'_>>, ExportError>;

    /// Writes the same, and what fits no column, as a JSON object.
    ///
    /// # Errors
    /// When what is stored is none.
    fn json(&self, out: &mut Vec<u8>) -> Result<(), ExportError>;
}

/// A file that is being written.
pub(super) enum Encoder {
    Csv,
    Ndjson,
    Columnar(Box<Columnar>),
}

impl Encoder {
    /// A file of these columns, and what it begins with.
    pub fn begin(format: Format, columns: Vec<Column>) -> Result<(Self, Vec<u8>), ExportError> {
        Ok(match format {
            Format::Csv => {
                let mut head = Vec::new();
                let mut lines = csv::Lines::to(&mut head);
                lines.header(&columns)?;
                lines.finish()?;
                (Self::Csv, head)
            }
            Format::Ndjson => (Self::Ndjson, Vec::new()),
            Format::Parquet => Self::columnar(Columnar::parquet(&columns)?)?,
            Format::Arrow => Self::columnar(Columnar::arrow(&columns)?)?,
        })
    }

    fn columnar(mut file: Columnar) -> Result<(Self, Vec<u8>), ExportError> {
        let mut head = Vec::new();
        file.take(&mut head)?;
        Ok((Self::Columnar(Box::new(file)), head))
    }

    /// Writes rows; `out` gets what is ready.
    pub fn push(&mut self, rows: &[impl Line], out: &mut Vec<u8>) -> Result<(), ExportError> {
        match self {
            Self::Csv => {
                let mut lines = csv::Lines::to(out);
                for row in rows {
                    lines.push(&row.cells()?)?;
                }
                lines.finish()?;
            }
            Self::Ndjson => {
                for row in rows {
                    row.json(out)?;
                    out.push(b'\n');
                }
            }
            Self::Columnar(file) => {
                for row in rows {
                    file.push(&row.cells()?, out)?;
                }
            }
        }
        Ok(())
    }

    /// Writes the end of the file.
    pub fn finish(self, out: &mut Vec<u8>) -> Result<(), ExportError> {
        match self {
            Self::Csv | Self::Ndjson => Ok(()),
            Self::Columnar(file) => file.finish(out),
        }
    }
}
