//! Storing results: wallets of one batch that are done at the same time are stored together.

use sqlx::PgConnection;
use uuid::Uuid;

use super::gate::pass_alone;
use super::{CHANNEL, FinishedWallet, Lease, notify};
use crate::batches::BatchId;
use crate::convert::{json_text, to_bigint, to_integer};
use crate::error::StoreError;
use crate::ledgers::{LedgerHead, LedgerStays};
use crate::store::{Plans, Store, one, run};
use crate::together::Together;

/// Stores a wallet's result and ends its task as done, at once: the result's row, the ledger made
/// current (when it is whole and its pin is not older than the present one's) or kept for its result, the wallet's latest
/// figures, the attempt and, with its last wallet, the batch. Other wallets of the batch that are done
/// in the meantime are stored by the same statement.
///
/// # Errors
/// [`StoreError::LeaseLost`] when the fence is gone; nothing was stored. Also for a second finish
/// under one lease: a result is stored once. [`StoreError::Conflict`] when the chunks of the ledger are not
/// those its head names.
pub async fn finish(
    store: &Store,
    lease: &Lease,
    finished: FinishedWallet,
) -> Result<(), StoreError> {
    let finish = Finish { lease: lease.clone(), finished };
    match store.waiting.finishes.write(store, finish).await? {
        End::Stored => Ok(()),
        End::LeaseLost => Err(StoreError::LeaseLost { task: lease.task_id }),
        End::LedgerNotWhole => {
            Err(StoreError::Conflict("the ledger's chunks are not those its head names"))
        }
    }
}

/// The end of one task.
pub(crate) struct Finish {
    lease: Lease,
    finished: FinishedWallet,
}

/// What became of one end. The others are stored also when one was not.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    Stored,
    LeaseLost,
    LedgerNotWhole,
}

impl Together for Finish {
    type Key = BatchId;
    type Outcome = End;

    fn key(&self) -> BatchId {
        self.lease.batch
    }

    fn bytes(&self) -> usize {
        // A ledger's context holds about as much as a report.
        self.finished.report_json.len() * 2
    }

    async fn store(store: &Store, finishes: &[Self]) -> Result<Vec<End>, StoreError> {
        let Some(Self { lease, .. }) = finishes.first() else { return Ok(Vec::new()) };
        let mut columns = Columns::default();
        for finish in finishes {
            columns.add(finish)?;
        }
        let ends = Self::write(store, lease, &columns).await?;
        store.bus().tell(lease.batch);
        Ok(ends)
    }
}

impl Finish {
    /// Stores ends beside others of their batch, or alone when they may be its last.
    async fn write(
        store: &Store,
        lease: &Lease,
        columns: &Columns<'_>,
    ) -> Result<Vec<End>, StoreError> {
        let shared = one!(store, "wallet_tasks/finish", async |connection| {
            write(connection, lease, columns, false)
        })?;
        if let Some(ends) = shared {
            return Ok(ends);
        }
        let alone = run!(store, "wallet_tasks/finish_alone", Plans::ByKey, async |tx| {
            let passed = pass_alone(tx, lease).await?;
            let ends = write(tx, lease, columns, true).await?;
            passed.settle(tx).await?;
            notify(tx).await?;
            Ok(ends)
        })?;
        alone.ok_or(StoreError::Conflict("ends that were not written"))
    }
}

/// What became of each end, in order. `None`: no other task of the batch waits, so the gate has to be
/// passed alone, and nothing was written.
async fn write(
    connection: &mut PgConnection,
    lease: &Lease,
    columns: &Columns<'_>,
    is_alone: bool,
) -> Result<Option<Vec<End>>, sqlx::Error> {
    let [total, realized, unrealized, fees] = &columns.money;
    let rows = sqlx::query_file!(
        "queries/wallet_tasks/finish.sql",
        lease.batch.0,
        is_alone,
        lease.wallet.chain.as_str(),
        CHANNEL,
        &columns.tasks,
        &columns.fences,
        &columns.calls,
        &columns.reports as &[&str],
        &columns.latest,
        &columns.pins,
        total,
        realized,
        unrealized,
        fees,
        &columns.trades,
        &columns.transactions,
        &columns.win_rates as &[Option<&str>],
        &columns.complete,
        &columns.wallets as &[&str],
        &columns.ledgers as &[Option<Uuid>],
        &columns.ledger_pins as &[Option<i64>],
        &columns.ledger_times as &[Option<i64>],
        &columns.input_hashes as &[Option<&str>],
        &columns.price_set_hashes as &[Option<&str>],
        &columns.coverages as &[Option<String>],
        &columns.contexts as &[Option<String>],
        &columns.chunks as &[Option<i32>],
        &columns.events as &[Option<i64>],
        lease.tenant.as_str(),
        &columns.parts
    )
    .fetch_all(connection)
    .await?;
    let mut ends = vec![End::LeaseLost; columns.tasks.len()];
    let mut is_written = false;
    for row in rows {
        let Some(no) = row.no else { continue };
        is_written = true;
        // Numbered from 1.
        let place = usize::try_from(no - 1).ok().and_then(|place| ends.get_mut(place));
        if let Some(end) = place {
            *end = match (row.ended, row.is_broken) {
                (true, _) => End::Stored,
                (false, Some(true)) => End::LedgerNotWhole,
                (false, _) => End::LeaseLost,
            };
        }
    }
    Ok(is_written.then_some(ends))
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
    wallets: Vec<&'a str>,
    ledgers: Vec<Option<Uuid>>,
    ledger_pins: Vec<Option<i64>>,
    ledger_times: Vec<Option<i64>>,
    input_hashes: Vec<Option<&'a str>>,
    price_set_hashes: Vec<Option<&'a str>>,
    coverages: Vec<Option<String>>,
    contexts: Vec<Option<String>>,
    chunks: Vec<Option<i32>>,
    events: Vec<Option<i64>>,
    parts: Vec<bool>,
}

impl<'a> Columns<'a> {
    fn add(&mut self, Finish { lease, finished }: &'a Finish) -> Result<(), StoreError> {
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
        self.wallets.push(lease.wallet.address.as_str());
        self.parts.push(finished.ledger_stays == LedgerStays::ForResult);
        let stays = finished.ledger_stays != LedgerStays::No;
        self.add_ledger(finished.ledger.as_ref().filter(|_| stays))
    }

    fn add_ledger(&mut self, head: Option<&'a LedgerHead>) -> Result<(), StoreError> {
        self.ledgers.push(head.map(|head| head.ledger_id));
        self.ledger_pins.push(head.map(|head| to_bigint(head.pin.block, "pin block")).transpose()?);
        self.ledger_times.push(head.map(|head| head.pin.block_time));
        self.input_hashes.push(head.map(|head| head.input_hash.as_str()));
        self.price_set_hashes.push(head.map(|head| head.price_set_hash.as_str()));
        self.coverages.push(head.map(|head| json_text(&head.coverage)));
        self.contexts.push(head.map(|head| json_text(&head.context)));
        self.chunks.push(head.map(|head| to_integer(head.chunks, "chunks")).transpose()?);
        self.events.push(head.map(|head| to_bigint(head.events, "events")).transpose()?);
        Ok(())
    }
}
