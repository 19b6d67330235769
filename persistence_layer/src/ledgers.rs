//! Priced ledgers: append-only chunks and one current head per wallet.
//!
//! Chunks are written under a lease while a ledger is built. [`crate::wallet_tasks::finish`] makes
//! it the current one; those before stay readable as long as the store keeps them, at least for readers
//! under way. What an attempt leaves unfinished is removed when it ends, or by the sweep when its worker died, unless
//! the next attempt can go on with it ([`crate::wallet_work`]).

use std::cell::RefCell;
use std::time::Duration;

use chrono::{DateTime, Utc};
use pnl_core::{Chain, Pin, WalletRef};
use sqlx::PgConnection;
use uuid::Uuid;
use zstd::bulk::Decompressor;

use crate::batches::BatchRef;
use crate::convert::{from_bigint, from_integer, interval, to_integer};
use crate::error::StoreError;
use crate::store::{READERS_TIME, Store, read, run};
use crate::tenant::Tenant;
use crate::wallet_tasks::{Lease, hold};

/// Level of zstd for everything stored: beyond it the time grows faster than the gain.
pub(crate) const COMPRESSION_LEVEL: i32 = 3;

/// Whoever begins to read one that was replaced has at least this time.
const READ_IN: Duration = Duration::from_secs(60);

/// Ledgers of each kind removed in one sweep, so that it stays short.
const REMOVED_AT_ONCE: i64 = 20;

/// What a ledger is and was made from.
#[derive(Debug, Clone, PartialEq)]
pub struct LedgerHead {
    /// Its id, new for each build.
    pub ledger_id: Uuid,
    /// The block it was made at.
    pub pin: Pin,
    /// Hash of what it was made from.
    pub input_hash: String,
    /// Hash of the prices it used.
    pub price_set_hash: String,
    /// Which sources and ranges it covers, and what was missing.
    pub coverage: serde_json::Value,
    /// Number of chunks, numbered from 0.
    pub chunks: u32,
    /// Events in all chunks.
    pub events: u64,
    /// What a report needs besides the events: unexplained amounts, counts.
    pub context: serde_json::Value,
}

/// What becomes of a ledger when the task that made it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LedgerStays {
    /// It is the wallet's from then on, unless the wallet has one of a later pin.
    Current,
    /// It is of a part of the history, and kept for its result alone, as long as one that was replaced.
    ForResult,
    /// It goes.
    No,
}

/// The ledger of a wallet that is read.
#[derive(Debug, Clone, PartialEq)]
pub struct CurrentLedger {
    /// Its head.
    pub head: LedgerHead,
    /// When it was begun.
    pub created_at: DateTime<Utc>,
}

/// Events of a ledger on their way into the store; they are compressed there.
#[derive(Debug, Clone, Copy)]
pub struct NewChunk<'a> {
    /// How many.
    pub events: u32,
    /// JSON lines, one event each.
    pub lines: &'a [u8],
    /// The same as bytes without ids, in the form of whoever reads them.
    pub figures: &'a [u8],
}

/// A chunk as it is stored.
pub(crate) struct PackedChunk {
    events: i32,
    lines: Vec<u8>,
    figures: Vec<u8>,
}

impl PackedChunk {
    pub(crate) fn pack(chunk: &NewChunk<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            events: to_integer(chunk.events, "events of a chunk")?,
            lines: compress(chunk.lines)?,
            figures: compress(chunk.figures)?,
        })
    }

    /// Stores it as chunk `no`.
    pub(crate) async fn insert(
        &self,
        tx: &mut PgConnection,
        chain: &str,
        ledger_id: Uuid,
        no: i32,
    ) -> Result<(), StoreError> {
        sqlx::query_file!(
            "queries/ledger_chunks/insert.sql",
            chain,
            ledger_id,
            no,
            self.events,
            self.lines,
            self.figures
        )
        .execute(tx)
        .await?;
        Ok(())
    }
}

/// Stores chunk `no` of a ledger that is being built. Storing it again changes nothing.
///
/// Chunks are no progress of the task: they are made again from stored transactions.
///
/// # Errors
/// [`StoreError::LeaseLost`] when the fence is gone.
pub async fn append_chunk(
    store: &Store,
    lease: &Lease,
    ledger_id: Uuid,
    no: u32,
    chunk: &NewChunk<'_>,
) -> Result<(), StoreError> {
    let no = to_integer(no, "chunk number")?;
    let chunk = PackedChunk::pack(chunk)?;
    run!(store, "ledgers/append_chunk", async |tx| {
        hold(tx, lease).await?;
        begin_building(tx, lease, ledger_id).await?;
        chunk.insert(tx, lease.wallet.chain.as_str(), ledger_id, no).await
    })
}

/// The id of the wallet's current ledger among a tenant's: another one means other contents.
pub async fn current_id(
    store: &Store,
    tenant: &Tenant,
    wallet: &WalletRef,
) -> Result<Option<Uuid>, StoreError> {
    read!(store, async |connection| sqlx::query_file_scalar!(
        "queries/ledgers/current_id.sql",
        wallet.chain.as_str(),
        wallet.address.as_str(),
        tenant.as_str()
    )
    .fetch_optional(connection))
}

/// A hash of which ledgers the results of the batch's wallets, on `chain`, were computed from as far as those are stored now. A
/// newer analysis does not change it; once one of them is gone it never comes back.
///
/// # Errors
/// As every read.
pub async fn of_batch(
    store: &Store,
    batch: &BatchRef,
    chain: Chain,
) -> Result<Vec<u8>, StoreError> {
    read!(store, async |connection| sqlx::query_file_scalar!(
        "queries/ledgers/of_batch.sql",
        batch.id.0,
        chain.as_str(),
        batch.tenant.as_str(),
        interval(store.replaced_ledgers - READ_IN)? as _
    )
    .fetch_one(connection))
}

/// The head of the wallet's current ledger among a tenant's.
pub async fn current(
    store: &Store,
    tenant: &Tenant,
    wallet: &WalletRef,
) -> Result<Option<CurrentLedger>, StoreError> {
    let row = read!(store, async |connection| sqlx::query_file_as!(
        StoredHead,
        "queries/ledgers/current.sql",
        wallet.chain.as_str(),
        wallet.address.as_str(),
        tenant.as_str()
    )
    .fetch_optional(connection))?;
    row.map(StoredHead::read).transpose()
}

/// The head of the ledger that a result of the wallet was computed from, as far as it is still
/// stored: of those that were replaced, what [`Store::keeping_replaced_ledgers`] says.
pub async fn of_result(
    store: &Store,
    batch: &BatchRef,
    wallet: &WalletRef,
    input_hash: &str,
    price_set_hash: &str,
) -> Result<Option<CurrentLedger>, StoreError> {
    let row = read!(store, async |connection| sqlx::query_file_as!(
        StoredHead,
        "queries/ledgers/of_result.sql",
        wallet.chain.as_str(),
        wallet.address.as_str(),
        batch.tenant.as_str(),
        batch.id.0,
        input_hash,
        price_set_hash,
        interval(store.replaced_ledgers - READ_IN)? as _
    )
    .fetch_optional(connection))?;
    row.map(StoredHead::read).transpose()
}

/// A row of `ledgers/current` and `ledgers/of_result`.
struct StoredHead {
    ledger_id: Uuid,
    created_at: DateTime<Utc>,
    pin_block: i64,
    pin_block_time: i64,
    input_hash: String,
    price_set_hash: String,
    coverage: serde_json::Value,
    context: serde_json::Value,
    chunks: i32,
    events: i64,
}

impl StoredHead {
    fn read(self) -> Result<CurrentLedger, StoreError> {
        Ok(CurrentLedger {
            head: LedgerHead {
                ledger_id: self.ledger_id,
                pin: Pin {
                    block: from_bigint(self.pin_block, "pin block")?,
                    block_time: self.pin_block_time,
                },
                input_hash: self.input_hash,
                price_set_hash: self.price_set_hash,
                coverage: self.coverage,
                chunks: from_integer(self.chunks, "chunks")?,
                events: from_bigint(self.events, "events")?,
                context: self.context,
            },
            created_at: self.created_at,
        })
    }
}

/// One chunk's JSON lines. `None` when the ledger has no such chunk, was replaced and removed since,
/// or is another tenant's.
pub async fn chunk(
    store: &Store,
    tenant: &Tenant,
    chain: Chain,
    ledger_id: Uuid,
    no: u32,
) -> Result<Option<Vec<u8>>, StoreError> {
    let no = to_integer(no, "chunk number")?;
    let read = async |store: &Store| {
        read!(store, async |connection| sqlx::query_file_scalar!(
            "queries/ledger_chunks/get.sql",
            chain.as_str(),
            ledger_id,
            no,
            tenant.as_str(),
            store.is_replica()
        )
        .fetch_optional(connection))
    };
    let near = store.reading();
    let payload = match read(&near).await? {
        // A chunk of a whole ledger never changes, but a replica may not have it yet, or an older one of the time when
        // the ledger was built.
        None if near.is_replica() => read(store).await?,
        payload => payload,
    };
    payload.map(|payload| decompress(&payload, "a ledger chunk")).transpose()
}

/// The figures of a chunk, or its lines where a program wrote it that knew no figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkFigures {
    /// Events in it, those without figures included.
    pub events: u32,
    packed: Unpacked,
}

/// A chunk in one of its two forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unpacked {
    /// As bytes without ids.
    Figures(Vec<u8>),
    /// As JSON lines.
    Lines(Vec<u8>),
}

impl ChunkFigures {
    /// Unpacks it. That computes: not for a thread that others wait for.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`].
    pub fn unpack(&self) -> Result<Unpacked, StoreError> {
        Ok(match &self.packed {
            Unpacked::Figures(packed) => {
                Unpacked::Figures(decompress(packed, "the figures of a ledger chunk")?)
            }
            Unpacked::Lines(packed) => Unpacked::Lines(decompress(packed, "a ledger chunk")?),
        })
    }
}

/// The figures of the chunks from number `from` on and before `to`, in order; fewer when some are
/// gone.
pub async fn figures(
    store: &Store,
    tenant: &Tenant,
    chain: Chain,
    ledger_id: Uuid,
    from: u32,
    to: u32,
) -> Result<Vec<ChunkFigures>, StoreError> {
    let (from, to) = (to_integer(from, "chunk number")?, to_integer(to, "chunk number")?);
    let read = async |store: &Store| {
        read!(store, async |connection| sqlx::query_file!(
            "queries/ledger_chunks/figures.sql",
            chain.as_str(),
            ledger_id,
            from,
            to,
            tenant.as_str(),
            store.is_replica()
        )
        .fetch_all(connection))
    };
    let near = store.reading();
    let mut rows = read(&near).await?;
    // As a single chunk.
    if near.is_replica() && i64::try_from(rows.len()) != Ok(i64::from(to) - i64::from(from)) {
        rows = read(store).await?;
    }
    rows.into_iter()
        .map(|row| {
            let packed = match (row.figures, row.payload) {
                (Some(figures), _) => Unpacked::Figures(figures),
                (None, Some(lines)) => Unpacked::Lines(lines),
                (None, None) => {
                    return Err(StoreError::Corrupt("a ledger chunk without content".to_owned()));
                }
            };
            Ok(ChunkFigures { events: from_integer(row.events, "events of a chunk")?, packed })
        })
        .collect()
}

/// Removes what was built for the task and no later attempt can go on with.
pub(crate) async fn discard_unkept(tx: &mut PgConnection, lease: &Lease) -> Result<(), StoreError> {
    let chain = lease.wallet.chain.as_str();
    sqlx::query_file!("queries/ledgers/discard_unkept.sql", chain, lease.task_id)
        .execute(tx)
        .await?;
    Ok(())
}

/// Removes ledgers replaced long enough ago and those whose builder is gone; some at a time.
pub(crate) async fn remove_stale(store: &Store) -> Result<(), StoreError> {
    run!(store, "ledgers/remove_stale", async |tx| {
        remove_stale_in(tx, store.replaced_ledgers).await?;
        Ok(())
    })
}

/// The same inside of a transaction, with how long a replaced one that a result names stays; gives how
/// many were removed.
pub(crate) async fn remove_stale_in(
    tx: &mut PgConnection,
    replaced: Duration,
) -> Result<u64, StoreError> {
    let removed = sqlx::query_file!(
        "queries/ledgers/remove_stale.sql",
        interval(replaced.max(READERS_TIME))? as _,
        interval(READERS_TIME)? as _,
        REMOVED_AT_ONCE
    )
    .execute(tx)
    .await?;
    Ok(removed.rows_affected())
}

/// Notes that a ledger is being built under this lease.
pub(crate) async fn begin_building(
    tx: &mut PgConnection,
    lease: &Lease,
    ledger_id: Uuid,
) -> Result<(), StoreError> {
    sqlx::query_file!(
        "queries/ledgers/begin.sql",
        lease.wallet.chain.as_str(),
        ledger_id,
        lease.wallet.address.as_str(),
        lease.task_id,
        lease.fence,
        lease.tenant.as_str()
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Compresses what is stored.
pub(crate) fn compress(plain: &[u8]) -> Result<Vec<u8>, StoreError> {
    zstd::bulk::compress(plain, COMPRESSION_LEVEL)
        .map_err(|_| StoreError::OutOfRange("payload to compress"))
}

/// No payload unpacks to more bytes: a header that says so is broken.
const LARGEST_PAYLOAD: usize = 1 << 30;

thread_local! {
    /// A decompressor is larger than most payloads, so each thread keeps its own.
    static DECOMPRESSOR: RefCell<Decompressor<'static>> = RefCell::default();
}

/// Reads what was compressed.
pub(crate) fn decompress(packed: &[u8], what: &str) -> Result<Vec<u8>, StoreError> {
    DECOMPRESSOR
        .with_borrow_mut(|decompressor| decompressor.decompress(packed, LARGEST_PAYLOAD))
        .map_err(|error| StoreError::Corrupt(format!("{what} does not unpack: {error}")))
}
