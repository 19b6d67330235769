//! A row for each wallet of a job, in the order of the submission.

use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use persistence_layer::batches::{self, Batch, BatchRef};
use persistence_layer::results::{self, ResultRow};
use persistence_layer::{Store, Tenant};
use pnl_core::Chain;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{Cell, ExportError, Line};
use crate::dto::csv::{self, CsvRow};
use crate::dto::result::wallet_status;

/// Rows read from the database at a time: a report can be large.
const ROWS_AT_ONCE: u32 = 100;

/// The wallets of a job, page by page. A job of which rows are missing has been removed, and one that has another
/// end than it had was retried: its rows are those of two ends.
pub(super) fn pages(
    store: Store,
    tenant: &Tenant,
    batch: &Batch,
) -> BoxStream<'static, Result<Vec<ResultRow>, ExportError>> {
    let job = BatchRef { tenant: tenant.clone(), id: batch.id };
    let (total, ended) = (batch.total, batch.finished_at);
    let pages = stream::try_unfold(0, move |next: u32| {
        let (store, job) = (store.clone(), job.clone());
        async move {
            if next >= total {
                return Ok::<_, ExportError>(None);
            }
            let rows = results::page(&store, &job, next.checked_sub(1), ROWS_AT_ONCE).await?;
            if !is_unbroken(&rows, next) {
                return Err(ExportError::Removed);
            }
            if ended.is_some() && batches::ended(&store, &job).await? != ended {
                return Err(ExportError::TakenUpAgain);
            }
            let next = next + rows.len() as u32;
            Ok(Some((rows, next)))
        }
    });
    pages.boxed()
}

/// Whether `rows` are those from `first` on, with none left out: every wallet has a row from the
/// submission to the day the job is removed.
pub fn is_unbroken(rows: &[ResultRow], first: u32) -> bool {
    !rows.is_empty() && rows.iter().zip(first..).all(|(row, ordinal)| row.ordinal == ordinal)
}

/// The same as lines of a file.
pub(super) fn lines(
    pages: BoxStream<'static, Result<Vec<ResultRow>, ExportError>>,
    chain: Chain,
) -> BoxStream<'static, Result<Vec<WalletLine>, ExportError>> {
    pages
        .map_ok(move |rows| rows.into_iter().map(|row| WalletLine { row, chain }).collect())
        .boxed()
}

/// A wallet.
pub(super) struct WalletLine {
    row: ResultRow,
    chain: Chain,
}

/// A line of NDJSON: what a page of results has, without what differs between two runs over equal inputs.
#[derive(Serialize)]
struct JsonLine<'a> {
    wallet: &'a str,
    chain: &'a str,
    status: &'static str,
    result: Option<&'a RawValue>,
    error: Option<&'a persistence_layer::wallet_tasks::TaskError>,
}

impl Line for WalletLine {
    fn cells(&self) -> Result<Vec<Cell<'_>>, ExportError> {
        csv::cells(&CsvRow::of(&self.row, self.chain))
    }

    fn json(&self, out: &mut Vec<u8>) -> Result<(), ExportError> {
        let row = &self.row;
        let result = row.report_json.as_deref().map(serde_json::from_str).transpose()?;
        let line = JsonLine {
            wallet: row.wallet.as_str(),
            chain: self.chain.as_str(),
            status: wallet_status(row.state),
            result,
            error: row.error.as_ref(),
        };
        Ok(serde_json::to_writer(out, &line)?)
    }
}

#[cfg(test)]
mod tests {
    use persistence_layer::batches::{BatchId, NewBatch};
    use persistence_layer::test_util::TestDatabase;
    use pnl_core::Address;
    use serde_json::json;

    use super::super::{Document, Format, written};
    use super::*;

    async fn submitted(store: &Store, wallets: u32) -> Batch {
        let job = of_default(BatchId::generate());
        let wallet = |n: u32| Address::from_chain_data(&format!("wallet{n}"));
        let batch = NewBatch {
            id: job.id,
            tenant: job.tenant.clone(),
            chain: Chain::Solana,
            wallets: (0..wallets).map(wallet).collect(),
            request: json!({}),
            trace_id: "0af7651916cd43dd8448eb211c80319c".to_owned(),
            created_at: chrono::Utc::now(),
            idempotency: None,
            webhook: None,
            response: json!({}),
        };
        batches::submit(store, &batch, batches::Admission::rejecting(1)).await.unwrap();
        batches::get(store, &job).await.unwrap().unwrap()
    }

    fn of_default(id: BatchId) -> BatchRef {
        BatchRef { tenant: Tenant::default(), id }
    }

    fn document_of(store: &Store, batch: &Batch) -> Document {
        let lines = lines(pages(store.clone(), &Tenant::default(), batch), Chain::Solana);
        written(lines, Format::Csv, csv::columns().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn an_export_of_an_ended_job_that_is_retried_meanwhile_ends_with_an_error() {
        let database = TestDatabase::create().await;
        let store = database.store();
        let job = of_default(submitted(store, 1).await.id);
        batches::cancel(store, &job).await.unwrap();
        let failed = "update wallet_tasks set state = 'failed',
            error = '{\"code\": \"x\", \"title\": \"x\", \"detail\": \"x\", \"retryable\": true}'";
        database.execute(failed).await;
        let ended = batches::get(store, &job).await.unwrap().unwrap();
        assert!(ended.state.is_terminal());
        assert!(document_of(store, &ended).all(async |piece| piece.is_ok()).await);
        batches::retry(store, &job, batches::Admission::rejecting(1)).await.unwrap();
        assert!(document_of(store, &ended).any(async |piece| piece.is_err()).await);
        // It has ended again, and all of its rows are there: those of another end.
        batches::cancel(store, &job).await.unwrap();
        assert!(document_of(store, &ended).any(async |piece| piece.is_err()).await);
        let again = batches::get(store, &job).await.unwrap().unwrap();
        assert!(document_of(store, &again).all(async |piece| piece.is_ok()).await);
    }

    #[tokio::test]
    async fn an_export_that_loses_its_database_or_its_job_ends_with_an_error() {
        let database = TestDatabase::create().await;
        // More pages than are made ahead.
        let total = 8 * ROWS_AT_ONCE + 1;
        let batch = submitted(database.store(), total).await;
        let document = |store: &Store| document_of(store, &batch);
        let whole: Vec<_> = document(database.store()).try_collect().await.unwrap();
        let text: Vec<u8> = whole.iter().flat_map(|piece| piece.bytes.to_vec()).collect();
        assert_eq!(text.split(|byte| *byte == b'\n').count() - 1, 1 + total as usize);
        assert_eq!(whole.iter().map(|piece| piece.rows).sum::<u64>(), u64::from(total));

        let store = database.second_store().await;
        let mut broken = document(&store);
        for _ in ["header", "first page"] {
            broken.next().await.unwrap().unwrap();
        }
        store.close().await;
        assert!(broken.any(async |piece| piece.is_err()).await);

        let mut broken = document(database.store());
        for _ in ["header", "first page"] {
            broken.next().await.unwrap().unwrap();
        }
        let left = "with removed as (delete from wallet_tasks where ordinal >= 100 returning 1)
            select count(*) from removed";
        assert_eq!(database.number(left).await, i64::from(total - 100));
        assert!(broken.any(async |piece| piece.is_err()).await);
    }
}
