//! The results of a job as files: rows read page by page and written in one of several formats as the client
//! takes them, in memory that does not grow with the job.

mod cell;
mod columnar;
mod disposals;
mod encoder;
mod group;
mod measure;
mod range;
mod replaced;
mod signed;
mod wallets;

use axum::body::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use job_orchestrator::wallets::WalletsError;
use persistence_layer::{StoreError, Tenant};
use tokio::sync::mpsc;
use tracing::Instrument as _;

pub use self::cell::{Cell, Column, Kind};
pub use self::encoder::{Format, Line};
pub use self::measure::{Exports, Measured};
pub use self::range::{Wanted, part, wanted};
pub use self::replaced::Sources;
pub use self::signed::signed;
pub use self::wallets::is_unbroken;
use crate::app::App;
use crate::dto::csv as table;
use crate::problems;
use encoder::Encoder;
use persistence_layer::batches::Batch;

/// What has a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// Every wallet of the job.
    Wallets,
    /// Every disposal behind the results of the job.
    Disposals,
}

impl Rows {
    /// The names in the address.
    pub const NAMES: [(&str, Self); 2] =
        [("wallets", Self::Wallets), ("disposals", Self::Disposals)];
}

/// A piece of a file.
#[derive(Debug)]
pub struct Piece {
    /// Its bytes.
    pub bytes: Bytes,
    /// Rows that are new in it.
    pub rows: u64,
}

/// A file as it is made. An error is the end of it.
pub type Document = BoxStream<'static, Result<Piece, ExportError>>;

/// Why an export broke off.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A ledger.
    #[error(transparent)]
    Ledger(#[from] WalletsError),
    /// What is stored is no row.
    #[error("a stored row cannot be read")]
    Row(#[from] serde_json::Error),
    /// A row does not fit the format.
    #[error("a row cannot be written")]
    Csv(#[from] csv::Error),
    /// The same.
    #[error("a row cannot be written")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// The same.
    #[error("a row cannot be written")]
    Arrow(#[from] arrow_schema::ArrowError),
    /// A column holds something else.
    #[error("the column {0} holds something else")]
    Kind(String),
    /// Rows are gone.
    #[error("the job was removed meanwhile")]
    Removed,
    /// The job has another end than it had.
    #[error("the job was retried meanwhile")]
    TakenUpAgain,
    /// A ledger that the file is made from is not kept any more.
    #[error("a ledger of the file was removed meanwhile")]
    Replaced,
}

impl ExportError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Store(error) => error.code(),
            Self::Ledger(error) => error.code(),
            Self::Row(_) | Self::Csv(_) | Self::Parquet(_) | Self::Arrow(_) | Self::Kind(_) => {
                "store-corrupt"
            }
            Self::Removed => problems::JOB_EXPIRED.code,
            Self::TakenUpAgain => problems::JOB_RUNNING.code,
            Self::Replaced => disposals::REPLACED,
        }
    }
}

/// The rows of a job of this tenant in a format.
///
/// # Errors
/// When the format cannot be begun; what fails later ends the document.
pub fn document(
    app: &App,
    tenant: &Tenant,
    batch: &Batch,
    rows: Rows,
    format: Format,
) -> Result<Document, ExportError> {
    let pages = wallets::pages(app.file_store.clone(), tenant, batch);
    match rows {
        Rows::Wallets => {
            let lines = wallets::lines(pages, batch.chain);
            written(lines, format, table::columns().to_vec())
        }
        Rows::Disposals => {
            let ledgers = app.wallets.read_through(app.file_store.clone()).of(tenant.clone());
            let lines = disposals::lines(ledgers, pages, batch, format);
            written(lines, format, disposals::columns())
        }
    }
}

/// Lines that are written as they come.
fn written<L: Line + Send + 'static>(
    lines: BoxStream<'static, Result<Vec<L>, ExportError>>,
    format: Format,
    columns: Vec<Column>,
) -> Result<Document, ExportError> {
    let (encoder, head) = Encoder::begin(format, columns)?;
    let head = stream::once(async { Ok(Piece { bytes: head.into(), rows: 0 }) });
    let begun = (Some(encoder), ahead(lines), 0);
    let rest = stream::try_unfold(begun, |(encoder, mut lines, last)| async move {
        let Some(mut encoder) = encoder else { return Ok(None) };
        // A piece is about as large as the one before it.
        let (mut bytes, mut rows) = (Vec::with_capacity(last + last / 8), 0);
        // Groups of rows come out when they are full.
        while bytes.is_empty() {
            let Some(some) = lines.try_next().await? else {
                encoder.finish(&mut bytes)?;
                return Ok(Some((Piece { bytes: bytes.into(), rows }, (None, lines, 0))));
            };
            encoder.push(&some, &mut bytes)?;
            rows += some.len() as u64;
        }
        let length = bytes.len();
        Ok(Some((Piece { bytes: bytes.into(), rows }, (Some(encoder), lines, length))))
    });
    Ok(head.chain(rest).boxed())
}

/// The same items, the next one made while one is written, from when the first one is asked for. Whoever drops the
/// stream ends the making.
fn ahead<T: Send + 'static>(items: BoxStream<'static, T>) -> BoxStream<'static, T> {
    stream::once(async { made_ahead(items) }).flatten().boxed()
}

fn made_ahead<T: Send + 'static>(mut items: BoxStream<'static, T>) -> BoxStream<'static, T> {
    let (sender, receiver) = mpsc::channel(1);
    let making = async move {
        while let Some(item) = items.next().await {
            if sender.send(item).await.is_err() {
                return;
            }
        }
    };
    let maker = tokio::spawn(making.in_current_span());
    let taken = stream::unfold((receiver, maker), |(mut receiver, maker)| async move {
        match receiver.recv().await {
            Some(item) => Some((item, (receiver, maker))),
            None => match maker.await {
                Ok(()) => None,
                // A file must not end as if it was whole.
                Err(failed) => std::panic::resume_unwind(
                    failed.try_into_panic().unwrap_or_else(|ended| Box::new(ended.to_string())),
                ),
            },
        }
    });
    taken.boxed()
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use arrow_array::{Array, RecordBatch};
    use arrow_ipc::reader::StreamReader;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;

    use super::*;

    struct Two(String, Option<i64>);

    impl Line for Two {
        fn cells(&self) -> Result<Vec<Cell<'_>>, ExportError> {
            let number = self.1.map_or(Cell::Null, Cell::Integer);
            Ok(vec![Cell::text(Some(&self.0)), number, Cell::Bool(self.1.is_some())])
        }

        fn json(&self, out: &mut Vec<u8>) -> Result<(), ExportError> {
            Ok(serde_json::to_writer(out, &(&self.0, self.1))?)
        }
    }

    fn columns() -> Vec<Column> {
        vec![
            Column::new("a.text", Kind::Text),
            Column::new("number", Kind::Integer),
            Column::new("is", Kind::Bool),
        ]
    }

    async fn file(count: i64, format: Format) -> (Vec<u8>, u64, usize) {
        let pages: Vec<_> = (0..count)
            .collect::<Vec<_>>()
            .chunks(100)
            .map(|page| {
                let line = |n: &i64| Two(format!("=row {n}"), (n % 3 != 0).then_some(*n));
                Ok(page.iter().map(line).collect::<Vec<_>>())
            })
            .collect();
        let mut document = written(stream::iter(pages).boxed(), format, columns()).unwrap();
        let (mut all, mut rows, mut largest) = (Vec::new(), 0, 0);
        while let Some(piece) = document.try_next().await.unwrap() {
            largest = largest.max(piece.bytes.len());
            rows += piece.rows;
            all.extend_from_slice(&piece.bytes);
        }
        (all, rows, largest)
    }

    #[tokio::test]
    async fn csv_and_ndjson_are_read_back() {
        let (csv, rows, _) = file(250, Format::Csv).await;
        assert_eq!(rows, 250);
        let mut reader = csv::Reader::from_reader(&csv[..]);
        assert_eq!(reader.headers().unwrap(), &["a.text", "number", "is"][..]);
        let lines: Vec<_> = reader.records().map(Result::unwrap).collect();
        assert_eq!(lines.len(), 250);
        assert_eq!(&lines[7], &["'=row 7", "7", "true"][..]);
        assert_eq!(&lines[9], &["'=row 9", "", "false"][..]);
        let (ndjson, ..) = file(2, Format::Ndjson).await;
        assert_eq!(ndjson, b"[\"=row 0\",null]\n[\"=row 1\",1]\n");
    }

    #[tokio::test]
    async fn parquet_is_read_back_and_made_in_small_pieces() {
        let (bytes, rows, largest) = file(25_000, Format::Parquet).await;
        assert_eq!(rows, 25_000);
        assert!(largest < bytes.len() / 5, "{largest} of {}", bytes.len());
        assert_eq!(file(25_000, Format::Parquet).await.0, bytes, "the same each time");
        let reader = SerializedFileReader::new(Bytes::from(bytes)).unwrap();
        let schema = reader.metadata().file_metadata().schema().clone();
        let names: Vec<_> =
            schema.get_fields().iter().map(|field| field.name().to_owned()).collect();
        assert_eq!(names, ["a_text", "number", "is"]);
        assert!(reader.num_row_groups() > 5);
        for (n, row) in reader.get_row_iter(None).unwrap().enumerate() {
            let row = row.unwrap();
            let fields: Vec<_> = row.get_column_iter().map(|(_, field)| field.clone()).collect();
            let number = if n % 3 == 0 { Field::Null } else { Field::Long(n as i64) };
            assert_eq!(fields, [Field::Str(format!("=row {n}")), number, Field::Bool(n % 3 != 0)]);
        }
        let (none, ..) = file(0, Format::Parquet).await;
        let reader = SerializedFileReader::new(Bytes::from(none)).unwrap();
        assert_eq!(reader.metadata().file_metadata().num_rows(), 0);
    }

    #[tokio::test]
    async fn arrow_is_read_back_with_the_schema_of_parquet() {
        let (bytes, rows, largest) = file(25_000, Format::Arrow).await;
        assert_eq!(rows, 25_000);
        assert!(largest < bytes.len() / 5, "{largest} of {}", bytes.len());
        assert_eq!(file(25_000, Format::Arrow).await.0, bytes, "the same each time");
        let reader = StreamReader::try_new(&bytes[..], None).unwrap();
        let parquet = Bytes::from(file(1, Format::Parquet).await.0);
        let parquet = ParquetRecordBatchReaderBuilder::try_new(parquet).unwrap();
        assert_eq!(&reader.schema(), parquet.schema());
        let groups: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
        assert!(groups.len() > 5);
        let mut n = 0;
        for group in groups {
            let (texts, is) = (group.column(0).as_string::<i32>(), group.column(2).as_boolean());
            let numbers = group.column(1).as_primitive::<Int64Type>();
            for row in 0..group.num_rows() {
                assert_eq!(texts.value(row), format!("=row {n}"));
                let number = numbers.is_valid(row).then(|| numbers.value(row));
                assert_eq!(number, (n % 3 != 0).then_some(n));
                assert_eq!(is.value(row), n % 3 != 0);
                n += 1;
            }
        }
        assert_eq!(n, 25_000);
        let (none, ..) = file(0, Format::Arrow).await;
        let reader = StreamReader::try_new(&none[..], None).unwrap();
        assert_eq!((reader.schema().fields().len(), reader.count()), (3, 0));
    }

    #[tokio::test]
    async fn long_texts_make_a_group_full_early() {
        let text = "x".repeat(3 << 20);
        let pages = (0..7).map(|_| Ok(vec![Two(text.clone(), None)])).collect::<Vec<_>>();
        let document = written(stream::iter(pages).boxed(), Format::Arrow, columns()).unwrap();
        let pieces: Vec<_> = document.try_collect().await.unwrap();
        let rows: Vec<_> = pieces.iter().map(|piece| piece.rows).collect();
        assert_eq!(rows, [0, 3, 3, 1]);
    }

    #[tokio::test]
    async fn an_error_ends_a_document() {
        let pages = stream::iter([Ok(vec![Two("x".into(), None)]), Err(ExportError::Removed)]);
        let document = written(pages.boxed(), Format::Ndjson, columns()).unwrap();
        let all: Vec<_> = document.collect().await;
        assert!(all.last().unwrap().is_err() && all.len() == 3);
    }
}
