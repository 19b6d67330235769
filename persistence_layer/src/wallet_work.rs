//! What an attempt at a long wallet leaves for the next one: looks into its transactions, their
//! order, and where the building of its ledger stands.
//!
//! All of it can be made again from the stored chain data; it is kept so that an attempt that spends
//! its time computing gets somewhere. Every write names the lease, and counts as progress when a later
//! attempt goes on behind it. Everything carries what it was made by: another one begins anew. What is in the pages is the caller's.

use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::convert::{from_bigint, from_integer, json_text, to_bigint, to_integer};
use crate::error::StoreError;
use crate::ledgers::{NewChunk, PackedChunk, begin_building, compress, decompress};
use crate::store::{Store, run};
use crate::wallet_tasks::{Lease, add_progress, hold};

/// Tasks whose work is removed in one transaction, so that it stays short.
const REMOVED_AT_ONCE: i64 = 20;

/// How long work is removed in one go, by one transaction after the other: the next sweep, which is
/// to find expired leases soon, takes the rest.
const REMOVED_FOR: Duration = Duration::from_secs(2);

/// The transactions of a wallet in order, page by page.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredPlan {
    /// Pages, numbered from 0.
    pub pages: u32,
    /// What is known about the whole, in the form of whoever made it.
    pub head: serde_json::Value,
}

/// Where the building of a ledger stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The ledger.
    pub ledger_id: Uuid,
    /// Its chunks so far.
    pub chunks: u32,
    /// Events in them.
    pub events: u64,
    /// What the ledger carries to the next transaction.
    pub state: Vec<u8>,
}

/// Stores a page of looks behind those stored before.
///
/// # Errors
/// [`StoreError::LeaseLost`] when the fence is gone.
pub async fn put_look(
    store: &Store,
    lease: &Lease,
    made_by: &str,
    page: &[u8],
) -> Result<(), StoreError> {
    let page = compress(page)?;
    run!(store, "wallet_work/put_look", async |tx| {
        hold(tx, lease).await?;
        sqlx::query_file!("queries/wallet_work/begin.sql", lease.task_id).execute(&mut *tx).await?;
        sqlx::query_file!("queries/wallet_work/put_look.sql", lease.task_id, made_by, page)
            .execute(&mut *tx)
            .await?;
        add_progress(tx, lease, 1).await
    })
}

/// The first page of looks behind number `after` (-1: the first one of all), and its number.
///
/// # Errors
/// [`StoreError::Corrupt`] when it does not unpack.
pub async fn look(
    store: &Store,
    lease: &Lease,
    made_by: &str,
    after: i32,
) -> Result<Option<(i32, Vec<u8>)>, StoreError> {
    let row = run!(store, "wallet_work/look", async |tx| {
        Ok(sqlx::query_file!("queries/wallet_work/look.sql", lease.task_id, made_by, after)
            .fetch_optional(tx)
            .await?)
    })?;
    row.map(|row| Ok((row.no, decompress(&row.payload, "a page of looks")?))).transpose()
}

/// Stores pages of a plan that is not whole yet, the first of them under `first`. The plan stored
/// before, if any, is void. No progress: an attempt that ends before the plan is whole makes all of
/// them again.
///
/// # Errors
/// [`StoreError::LeaseLost`] when the fence is gone.
pub async fn put_plan_pages(
    store: &Store,
    lease: &Lease,
    first: u32,
    pages: &[Vec<u8>],
) -> Result<(), StoreError> {
    let pages = pages.iter().map(|page| compress(page)).collect::<Result<Vec<_>, _>>()?;
    run!(store, "wallet_work/put_plan_pages", async |tx| {
        hold(tx, lease).await?;
        sqlx::query_file!("queries/wallet_work/begin.sql", lease.task_id).execute(&mut *tx).await?;
        sqlx::query_file!("queries/wallet_work/unplan.sql", lease.task_id)
            .execute(&mut *tx)
            .await?;
        for (no, page) in (first..).zip(&pages) {
            let no = to_integer(no, "page of a plan")?;
            sqlx::query_file!("queries/wallet_work/put_plan_page.sql", lease.task_id, no, page)
                .execute(&mut *tx)
                .await?;
        }
        Ok(())
    })
}

/// Makes the stored pages the plan of the wallet at `pin_block`.
///
/// # Errors
/// [`StoreError::LeaseLost`] when the fence is gone.
pub async fn put_plan(
    store: &Store,
    lease: &Lease,
    pin_block: u64,
    made_by: &str,
    plan: &StoredPlan,
) -> Result<(), StoreError> {
    let pin = to_bigint(pin_block, "pin block")?;
    let pages = to_integer(plan.pages, "pages of a plan")?;
    run!(store, "wallet_work/put_plan", async |tx| {
        hold(tx, lease).await?;
        sqlx::query_file!(
            "queries/wallet_work/put_plan.sql",
            lease.task_id,
            pin,
            pages,
            json_text(&plan.head),
            made_by
        )
        .execute(&mut *tx)
        .await?;
        add_progress(tx, lease, 1).await
    })
}

/// The plan that an earlier attempt made for this pin.
pub async fn plan(
    store: &Store,
    lease: &Lease,
    pin_block: u64,
    made_by: &str,
) -> Result<Option<StoredPlan>, StoreError> {
    let pin = to_bigint(pin_block, "pin block")?;
    let row = run!(store, "wallet_work/plan", async |tx| {
        Ok(sqlx::query_file!("queries/wallet_work/plan.sql", lease.task_id, pin, made_by)
            .fetch_optional(tx)
            .await?)
    })?;
    row.map(|row| {
        Ok(StoredPlan { pages: from_integer(row.pages, "pages of a plan")?, head: row.head })
    })
    .transpose()
}

/// One page of the plan.
///
/// # Errors
/// [`StoreError::Corrupt`] when it is not there or does not unpack.
pub async fn plan_page(store: &Store, lease: &Lease, no: u32) -> Result<Vec<u8>, StoreError> {
    let number = to_integer(no, "page of a plan")?;
    let payload = run!(store, "wallet_work/plan_page", async |tx| {
        Ok(sqlx::query_file_scalar!("queries/wallet_work/plan_page.sql", lease.task_id, number)
            .fetch_optional(tx)
            .await?)
    })?;
    let payload =
        payload.ok_or_else(|| StoreError::Corrupt(format!("page {no} of a plan is gone")))?;
    decompress(&payload, "a page of a plan")
}

/// Stores the checkpoint, and together with it its last chunk (number `chunks - 1`), unless that is
/// stored already: the next attempt goes on behind it.
///
/// # Errors
/// [`StoreError::LeaseLost`] when the fence is gone.
pub async fn put_checkpoint(
    store: &Store,
    lease: &Lease,
    made_by: &str,
    checkpoint: &Checkpoint,
    chunk: Option<&NewChunk<'_>>,
) -> Result<(), StoreError> {
    let chain = lease.wallet.chain.as_str();
    let chunks = to_integer(checkpoint.chunks, "chunks")?;
    let events = to_bigint(checkpoint.events, "events")?;
    let chunk = chunk.map(PackedChunk::pack).transpose()?;
    let state = compress(&checkpoint.state)?;
    run!(store, "wallet_work/put_checkpoint", async |tx| {
        hold(tx, lease).await?;
        begin_building(tx, lease, checkpoint.ledger_id).await?;
        if let Some(chunk) = &chunk {
            chunk.insert(tx, chain, checkpoint.ledger_id, chunks - 1).await?;
        }
        sqlx::query_file!("queries/wallet_work/begin.sql", lease.task_id).execute(&mut *tx).await?;
        sqlx::query_file!(
            "queries/wallet_work/put_checkpoint.sql",
            lease.task_id,
            chain,
            checkpoint.ledger_id,
            chunks,
            events,
            made_by,
            state
        )
        .execute(&mut *tx)
        .await?;
        add_progress(tx, lease, 1).await
    })
}

/// Takes over the ledger that an earlier attempt of this version was building. What it holds behind
/// the checkpoint is removed.
///
/// # Errors
/// [`StoreError::LeaseLost`] when the fence is gone.
pub async fn resume_ledger(
    store: &Store,
    lease: &Lease,
    made_by: &str,
) -> Result<Option<Checkpoint>, StoreError> {
    let row = run!(store, "wallet_work/resume_ledger", async |tx| {
        hold(tx, lease).await?;
        let row = sqlx::query_file!(
            "queries/wallet_work/resume_ledger.sql",
            lease.task_id,
            lease.fence,
            made_by
        )
        .fetch_optional(&mut *tx)
        .await?;
        if let Some(row) = &row {
            sqlx::query_file!(
                "queries/ledger_chunks/remove_behind.sql",
                lease.wallet.chain.as_str(),
                row.ledger_id,
                row.chunks
            )
            .execute(&mut *tx)
            .await?;
        }
        Ok(row)
    })?;
    row.map(|row| {
        Ok(Checkpoint {
            ledger_id: row.ledger_id,
            chunks: from_integer(row.chunks, "chunks")?,
            events: from_bigint(row.events, "events")?,
            state: decompress(&row.state, "a checkpoint")?,
        })
    })
    .transpose()
}

/// Removes all that attempts at the leased task have left: the next one begins anew.
///
/// # Errors
/// [`StoreError::LeaseLost`] when the fence is gone.
pub async fn discard(store: &Store, lease: &Lease) -> Result<(), StoreError> {
    run!(store, "wallet_work/discard", async |tx| {
        hold(tx, lease).await?;
        sqlx::query_file!("queries/wallet_work/discard.sql", lease.task_id)
            .execute(&mut *tx)
            .await?;
        Ok(())
    })
}

/// Removes what ended tasks have left, as much as some seconds allow. Gives of how many tasks.
pub async fn remove_ended(store: &Store) -> Result<u64, StoreError> {
    let begun = Instant::now();
    let mut removed = 0;
    loop {
        let some = run!(store, "wallet_work/remove_ended", async |tx| {
            Ok(sqlx::query_file!("queries/wallet_work/remove_ended.sql", REMOVED_AT_ONCE)
                .execute(tx)
                .await?
                .rows_affected())
        })?;
        removed += some;
        if some < REMOVED_AT_ONCE.unsigned_abs() || begun.elapsed() >= REMOVED_FOR {
            return Ok(removed);
        }
    }
}
