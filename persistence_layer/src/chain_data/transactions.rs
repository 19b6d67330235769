//! Raw transactions: stored once, shared by all wallets they touch.

use std::collections::{HashMap, HashSet};

use pnl_core::{Chain, RawTransaction, TxId};
use sqlx::PgConnection;

use crate::convert::{from_bigint, to_bigint};
use crate::error::StoreError;
use crate::ledgers::{compress, decompress};
use crate::store::{Store, read, run};
use crate::wallet_tasks::{Lease, add_progress, hold};

/// Those of `ids` that are not stored, in the given order. Marks the others as used.
pub async fn missing_transactions(
    store: &Store,
    chain: Chain,
    ids: &[TxId],
) -> Result<Vec<TxId>, StoreError> {
    let ids: Vec<&str> = ids.iter().map(TxId::as_str).collect();
    let missing = run!(store, "raw_transactions/missing", async |tx| {
        let mut missing = absent(tx, chain, &ids).await?;
        let unsure: Vec<&str> =
            missing.iter().filter(|row| row.unsure).map(|row| row.tx_id.as_str()).collect();
        if !unsure.is_empty() {
            // A statement of its own, so that it sees what the others have committed meanwhile.
            let gone: HashSet<String> =
                absent(tx, chain, &unsure).await?.into_iter().map(|row| row.tx_id).collect();
            missing.retain(|row| !row.unsure || gone.contains(&row.tx_id));
        }
        Ok(missing)
    })?;
    Ok(missing.iter().map(|row| TxId::new(&row.tx_id)).collect())
}

/// A transaction that is not stored, as far as one statement can tell.
struct Absent {
    tx_id: String,
    /// It was stored when the statement began and could not be marked: somebody else has marked it, or
    /// removed it.
    unsure: bool,
}

async fn absent(
    tx: &mut PgConnection,
    chain: Chain,
    ids: &[&str],
) -> Result<Vec<Absent>, StoreError> {
    Ok(sqlx::query_file_as!(
        Absent,
        "queries/raw_transactions/missing.sql",
        chain.as_str(),
        ids as _
    )
    .fetch_all(tx)
    .await?)
}

/// Stores transactions, compressed, in one commit; at most 100 are meant. Those already stored are
/// left as they are. Gives how many were new.
///
/// # Errors
/// [`StoreError::LeaseLost`] when the fence is gone.
pub async fn put_transactions(
    store: &Store,
    lease: &Lease,
    transactions: &[RawTransaction],
) -> Result<u64, StoreError> {
    put(store, lease, transactions, Known::Stays).await
}

/// Stores transactions in a form that knows more than the stored one may. As [`put_transactions`],
/// but what is there is replaced.
pub async fn replace_transactions(
    store: &Store,
    lease: &Lease,
    transactions: &[RawTransaction],
) -> Result<u64, StoreError> {
    put(store, lease, transactions, Known::Goes).await
}

/// What becomes of a row that is there.
#[derive(Clone, Copy)]
enum Known {
    Stays,
    Goes,
}

async fn put(
    store: &Store,
    lease: &Lease,
    transactions: &[RawTransaction],
    known: Known,
) -> Result<u64, StoreError> {
    let mut rows = transactions
        .iter()
        .map(|raw| {
            let size = i32::try_from(raw.json.len())
                .map_err(|_| StoreError::OutOfRange("size of a transaction"))?;
            let block = to_bigint(raw.block, "block")?;
            Ok((
                raw.chain.as_str(),
                raw.tx_id.as_str(),
                block,
                raw.block_time,
                size,
                compress(&raw.json)?,
            ))
        })
        .collect::<Result<Vec<_>, StoreError>>()?;
    // In key order: two workers that store the same transactions cannot wait for each other in a
    // circle.
    rows.sort_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)));
    let chains: Vec<&str> = rows.iter().map(|row| row.0).collect();
    let ids: Vec<&str> = rows.iter().map(|row| row.1).collect();
    let blocks: Vec<i64> = rows.iter().map(|row| row.2).collect();
    let times: Vec<Option<i64>> = rows.iter().map(|row| row.3).collect();
    let sizes: Vec<i32> = rows.iter().map(|row| row.4).collect();
    let payloads: Vec<&[u8]> = rows.iter().map(|row| row.5.as_slice()).collect();
    run!(store, "raw_transactions/put", async |tx| {
        hold(tx, lease).await?;
        let stored = match known {
            Known::Stays => {
                sqlx::query_file!(
                    "queries/raw_transactions/insert.sql",
                    &chains as &[&str],
                    &ids as &[&str],
                    &blocks,
                    &times as &[Option<i64>],
                    &sizes,
                    &payloads as &[&[u8]]
                )
                .execute(&mut *tx)
                .await?
            }
            Known::Goes => {
                sqlx::query_file!(
                    "queries/raw_transactions/replace.sql",
                    &chains as &[&str],
                    &ids as &[&str],
                    &blocks,
                    &times as &[Option<i64>],
                    &sizes,
                    &payloads as &[&[u8]]
                )
                .execute(&mut *tx)
                .await?
            }
        }
        .rows_affected();
        add_progress(tx, lease, stored).await?;
        Ok(stored)
    })
}

/// The stored ones of `ids`, in the given order; those not stored are left out. The caller asks
/// for at most some hundred at a time: they come into memory.
///
/// # Errors
/// [`StoreError::Corrupt`] when a stored one does not unpack.
pub async fn transactions(
    store: &Store,
    chain: Chain,
    ids: &[TxId],
) -> Result<Vec<RawTransaction>, StoreError> {
    let texts: Vec<&str> = ids.iter().map(TxId::as_str).collect();
    let rows = read!(store, async |connection| sqlx::query_file!(
        "queries/raw_transactions/get.sql",
        chain.as_str(),
        &texts as &[&str]
    )
    .fetch_all(connection))?;
    let mut stored: HashMap<TxId, RawTransaction> = rows
        .into_iter()
        .map(|row| {
            let tx_id = TxId::new(&row.tx_id);
            let raw = RawTransaction {
                chain,
                tx_id: tx_id.clone(),
                block: from_bigint(row.block, "block")?,
                block_time: row.block_time,
                json: decompress(&row.payload, &row.tx_id)?,
            };
            Ok((tx_id, raw))
        })
        .collect::<Result<_, StoreError>>()?;
    Ok(ids.iter().filter_map(|id| stored.remove(id)).collect())
}
