//! Storing results: wallets of one batch that are done at the same time are stored together.

use sqlx::PgConnection;

use super::gate::{enter_shared, pass_alone};
use super::{FinishedWallet, Lease, notify};
use crate::batches::BatchId;
use crate::convert::{json_text, to_bigint};
use crate::error::StoreError;
use crate::ledgers::{self, LedgerHead};
use crate::store::{Plans, Store, run};
use crate::together::Together;

/// Stores a wallet's result and ends its task as done, in one transaction: the result's row, the
/// ledger made current (when it is whole and its pin is not older than the present one's), the
/// wallet's latest figures, the attempt and, with its last wallet, the batch. Other wallets of the
/// batch that are done in the meantime come into the same transaction.
///
/// # Errors
/// [`StoreError::LeaseLost`] when the fence is gone; nothing was stored. Also for a second finish
/// under one lease: a result is stored once.
pub async fn finish(
    store: &Store,
    lease: &Lease,
    finished: FinishedWallet,
) -> Result<(), StoreError> {
    store.waiting.finishes.write(store, Finish { lease: lease.clone(), finished }).await
}

/// The end of one task.
pub(crate) struct Finish {
    lease: Lease,
    finished: FinishedWallet,
}

/// No other task of the batch waits, so the ends are to be written alone. Never leaves this module.
const LAST_OF_ITS_BATCH: &str = "the last waiting tasks of their batch";

impl Together for Finish {
    type Key = BatchId;
    type Outcome = ();

    fn key(&self) -> BatchId {
        self.lease.batch
    }

    fn bytes(&self) -> usize {
        // A ledger's context holds about as much as a report.
        self.finished.report_json.len() * 2
    }

    async fn store(store: &Store, finishes: &[Self]) -> Result<Vec<()>, StoreError> {
        let Some(first) = finishes.first() else { return Ok(Vec::new()) };
        let lease = &first.lease;
        let shared = run!(store, "wallet_tasks/finish", Plans::ByKey, async |tx| {
            enter_shared(tx, lease).await?;
            let written = write(tx, lease.batch, finishes).await?;
            if !written.others_wait {
                return Err(StoreError::Conflict(LAST_OF_ITS_BATCH));
            }
            // A notification makes commits wait for each other, and the worker that ended these looks
            // for the next by itself.
            if written.wallet_waits { notify(tx).await } else { Ok(()) }
        });
        match shared {
            Err(StoreError::Conflict(LAST_OF_ITS_BATCH)) => {
                run!(store, "wallet_tasks/finish_alone", Plans::ByKey, async |tx| {
                    let passed = pass_alone(tx, lease).await?;
                    write(tx, lease.batch, finishes).await?;
                    passed.settle(tx).await?;
                    notify(tx).await
                })?
            }
            outcome => outcome?,
        }
        Ok(vec![(); finishes.len()])
    }
}

/// What stored results showed of the others.
struct Written {
    /// Other tasks of the batch wait.
    others_wait: bool,
    /// Tasks of one of the wallets wait for it, in other batches.
    wallet_waits: bool,
}

async fn write(
    tx: &mut PgConnection,
    batch: BatchId,
    finishes: &[Finish],
) -> Result<Written, StoreError> {
    // Rows are locked in the order of their ids everywhere.
    let mut finishes: Vec<&Finish> = finishes.iter().collect();
    finishes.sort_unstable_by_key(|finish| finish.lease.task_id);
    let written = write_results(tx, batch, &finishes).await?;
    let is_kept = |finish: &&Finish| finish.finished.ledger.as_ref().is_some_and(|head| !head.cut);
    let (kept, mut unkept): (Vec<&Finish>, Vec<&Finish>) = finishes.into_iter().partition(is_kept);
    let ledgers: Vec<(&Lease, &LedgerHead)> =
        kept.iter().filter_map(|f| Some((&f.lease, f.finished.ledger.as_ref()?))).collect();
    let current = ledgers::complete(tx, &ledgers).await?;
    unkept.extend(kept.into_iter().filter(|finish| !current.contains(&finish.lease.task_id)));
    let unkept: Vec<&Lease> = unkept.iter().map(|finish| &finish.lease).collect();
    ledgers::discard_unfinished(tx, &unkept).await?;
    Ok(written)
}

async fn write_results(
    tx: &mut PgConnection,
    batch: BatchId,
    finishes: &[&Finish],
) -> Result<Written, StoreError> {
    let mut columns = Columns::default();
    for Finish { lease, finished } in finishes {
        columns.add(lease, finished)?;
    }
    let Columns {
        tasks, fences, calls, reports, latest, pins, money, trades, transactions, ..
    } = &columns;
    let [total, realized, unrealized, fees] = money;
    let rows = sqlx::query_file!(
        "queries/wallet_tasks/finish.sql",
        batch.0,
        tasks,
        fences,
        calls,
        reports as &[&str],
        latest,
        pins,
        total,
        realized,
        unrealized,
        fees,
        trades,
        transactions,
        &columns.win_rates as &[Option<&str>],
        &columns.complete
    )
    .fetch_all(tx)
    .await?;
    // One short also when a task is there twice: one of the two is late.
    if rows.len() != tasks.len() {
        let is_ended = |task: &i64| rows.iter().any(|row| row.task == *task);
        let lost = tasks.iter().find(|task| !is_ended(task)).or(tasks.first());
        return Err(StoreError::LeaseLost { task: lost.copied().unwrap_or_default() });
    }
    Ok(Written {
        others_wait: rows.iter().any(|row| row.others_wait),
        wallet_waits: rows.iter().any(|row| row.wallet_waits),
    })
}

/// The arrays of the statement.
#[derive(Default)]
struct Columns<'a> {
    tasks: Vec<i64>,
    fences: Vec<i64>,
    calls: Vec<String>,
    reports: Vec<&'a str>,
    latest: Vec<bool>,
    pins: Vec<i64>,
    /// Total, realized, unrealized, fees.
    money: [Vec<String>; 4],
    trades: Vec<i64>,
    transactions: Vec<i64>,
    win_rates: Vec<Option<&'a str>>,
    complete: Vec<bool>,
}

impl<'a> Columns<'a> {
    fn add(&mut self, lease: &Lease, finished: &'a FinishedWallet) -> Result<(), StoreError> {
        let summary = &finished.summary;
        self.tasks.push(lease.task_id);
        self.fences.push(lease.fence);
        self.calls.push(json_text(&finished.calls));
        self.reports.push(&finished.report_json);
        self.latest.push(summary.full_history_default_method);
        self.pins.push(to_bigint(summary.pin.block, "pin block")?);
        let money = [
            summary.total_pnl_usd,
            summary.realized_gain_usd,
            summary.unrealized_gain_usd,
            summary.fees_usd,
        ];
        for (column, usd) in self.money.iter_mut().zip(money) {
            column.push(usd.to_string());
        }
        self.trades.push(to_bigint(summary.trades, "trades")?);
        self.transactions.push(to_bigint(summary.transactions, "transactions")?);
        self.win_rates.push(summary.token_win_rate.as_deref());
        self.complete.push(summary.complete);
        Ok(())
    }
}
