//! Signature lists of addresses, listed newest first and stored page by page.
//!
//! A list is read in *passes*: from the newest signature (the head) down to where the coverage
//! before it ended. A pass that was interrupted goes on behind its last stored page, whoever does
//! it. Two readers of one address keep to one pass: a page of another pass is refused.
//!
//! Only the node's lists tell the order of signatures inside a slot. Each row carries its place: the
//! number of the *walk* that last came over it, which began at the newest end of the list, and its
//! position in that walk. A walk that comes over a row has come over all that are newer, so of two
//! rows the one of the later walk is the newer one, and in one walk that with the lower position:
//! also where walks left gaps that later ones have filled.

use std::collections::HashMap;

use futures::TryStreamExt;
use pnl_core::{Address, Chain, TxId};
use sqlx::PgConnection;

use crate::convert::{from_bigint, to_bigint};
use crate::error::StoreError;
use crate::store::{Plans, Store, one, read, run};
use crate::wallet_tasks::{Lease, hold};

/// One signature in the list of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureRow {
    /// The transaction.
    pub tx_id: TxId,
    /// Its slot.
    pub slot: u64,
    /// Unix seconds, when the node knows them.
    pub block_time: Option<i64>,
    /// Whether the transaction failed.
    pub failed: bool,
}

/// A part of a list as one answer of a node gives it, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignaturePage {
    /// Its rows.
    pub rows: Vec<SignatureRow>,
    /// Whether it begins with the last row of the page before it, which is stored; otherwise it
    /// begins at the newest end of the list.
    pub goes_on: bool,
}

/// How far the list of an address is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressScan {
    /// Newest signature of the finished coverage; `None` when none was seen yet.
    pub covered_until: Option<TxId>,
    /// Everything up to this slot is stored.
    pub covered_slot: u64,
    /// The pass under way.
    pub pass: Option<ScanPass>,
}

/// An unfinished pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanPass {
    /// The newest signature it began with.
    pub head: TxId,
    /// Its oldest stored signature: the next page begins behind it.
    pub before: TxId,
}

/// Where a pass stands after a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScanProgress {
    /// More pages follow behind `before`.
    More {
        /// The newest signature of the pass.
        head: TxId,
        /// The oldest one of this page.
        before: TxId,
    },
    /// The pass has met the coverage before it, or the beginning.
    Finished {
        /// The newest signature now covered: the head of the pass, or what was covered before when
        /// the pass was empty.
        covered_until: Option<TxId>,
        /// The slot up to which the list was asked for: the pin.
        covered_slot: u64,
    },
}

/// How far the list of an address is known; `None` when it was never asked for. Marks it as used.
pub async fn scan(
    store: &Store,
    chain: Chain,
    address: &Address,
) -> Result<Option<AddressScan>, StoreError> {
    Ok(scans(store, chain, std::slice::from_ref(address)).await?.remove(address))
}

/// How far the lists of addresses are known; those never asked for are left out. Marks them as used.
pub async fn scans(
    store: &Store,
    chain: Chain,
    addresses: &[Address],
) -> Result<HashMap<Address, AddressScan>, StoreError> {
    let addresses: Vec<&str> = addresses.iter().map(Address::as_str).collect();
    let known = one!(store, "address_scans/get_many", async |connection| {
        scan_rows(connection, chain, &addresses)
    })?;
    let (old, mut rows): (Vec<_>, Vec<_>) = known.into_iter().partition(|row| row.is_old);
    if !old.is_empty() {
        let old: Vec<&str> = old.iter().map(|row| row.address.as_str()).collect();
        let marked = run!(store, "address_scans/mark_used", Plans::ByKey, async |tx| {
            sqlx::query_file!(
                "queries/address_scans/mark_used.sql",
                chain.as_str(),
                &old as &[&str]
            )
            .execute(&mut *tx)
            .await?;
            Ok(scan_rows(tx, chain, &old).await?)
        })?;
        // What was not marked here was removed while this waited, or marked by another one.
        rows.extend(marked.into_iter().filter(|row| !row.is_old));
    }
    rows.into_iter()
        .map(|row| {
            let address = Address::from_chain_data(&row.address);
            scan_of(row.covered_until, row.covered_slot, row.head.zip(row.before))
                .map(|scan| (address, scan))
        })
        .collect()
}

/// One row of `address_scans/get_many`.
struct ScanRow {
    address: String,
    covered_until: Option<String>,
    covered_slot: i64,
    head: Option<String>,
    before: Option<String>,
    /// It was not marked as used for a day.
    is_old: bool,
}

async fn scan_rows(
    connection: &mut PgConnection,
    chain: Chain,
    addresses: &[&str],
) -> Result<Vec<ScanRow>, sqlx::Error> {
    let known = sqlx::query_file_as!(
        ScanRow,
        "queries/address_scans/get_many.sql",
        chain.as_str(),
        addresses as _
    );
    known.fetch_all(connection).await
}

fn scan_of(
    covered_until: Option<String>,
    covered_slot: i64,
    pass: Option<(String, String)>,
) -> Result<AddressScan, StoreError> {
    Ok(AddressScan {
        covered_until: covered_until.as_deref().map(TxId::new),
        covered_slot: from_bigint(covered_slot, "covered slot")?,
        pass: pass
            .map(|(head, before)| ScanPass { head: TxId::new(&head), before: TxId::new(&before) }),
    })
}

/// Stores one page of a list together with where the pass then stands. Gives what counts as
/// progress: new signatures, and one when the list is now known further than before.
///
/// # Errors
/// [`StoreError::LeaseLost`] when the fence is gone; [`StoreError::Conflict`] when another pass
/// over this address is under way, or the row with which the page goes on is not stored any more:
/// read [`scan`] again and go on with that.
pub async fn put_signature_page(
    store: &Store,
    lease: &Lease,
    address: &Address,
    page: &SignaturePage,
    next: &ScanProgress,
) -> Result<u64, StoreError> {
    let chain = lease.wallet.chain.as_str();
    let ids: Vec<&str> = page.rows.iter().map(|row| row.tx_id.as_str()).collect();
    let slots = page
        .rows
        .iter()
        .map(|row| to_bigint(row.slot, "slot"))
        .collect::<Result<Vec<i64>, StoreError>>()?;
    let times: Vec<Option<i64>> = page.rows.iter().map(|row| row.block_time).collect();
    let failed: Vec<bool> = page.rows.iter().map(|row| row.failed).collect();
    let (head, before, covered_until, covered_slot) = match next {
        ScanProgress::More { head, before } => (Some(head), Some(before), None, None),
        ScanProgress::Finished { covered_until, covered_slot } => {
            (None, None, covered_until.as_ref(), Some(to_bigint(*covered_slot, "covered slot")?))
        }
    };
    let (head, before) = (head.map(TxId::as_str), before.map(TxId::as_str));
    let covered_until = covered_until.map(TxId::as_str);
    run!(store, "address_signatures/put_page", async |tx| {
        hold(tx, lease).await?;
        let known = sqlx::query_file!("queries/address_scans/lock.sql", chain, address.as_str())
            .fetch_one(&mut *tx)
            .await?;
        let this_pass = head.or(covered_until);
        if known.head.is_some() && known.head.as_deref() != this_pass {
            return Err(StoreError::Conflict(
                "another pass over this address's signatures is under way",
            ));
        }
        let (walk, first_pos) = match ids.first().filter(|_| page.goes_on) {
            Some(first) => {
                let place = sqlx::query_file!(
                    "queries/address_signatures/place.sql",
                    chain,
                    address.as_str(),
                    first
                )
                .fetch_optional(&mut *tx)
                .await?;
                let place = place.ok_or(StoreError::Conflict(
                    "the row with which this page goes on is not stored any more",
                ))?;
                (place.walk, place.pos)
            }
            None if ids.is_empty() => (known.walk, 0),
            None => (known.walk.saturating_add(1), 0),
        };
        let new = if ids.is_empty() {
            0
        } else {
            let new = sqlx::query_file_scalar!(
                "queries/address_signatures/insert.sql",
                chain,
                address.as_str(),
                &ids as &[&str],
                &slots,
                &times as &[Option<i64>],
                &failed,
                walk,
                first_pos
            )
            .fetch_one(&mut *tx)
            .await?;
            from_bigint(new, "new signatures")?
        };
        let next_pos = first_pos.saturating_add(i64::try_from(ids.len()).unwrap_or(i64::MAX));
        let further = covered_slot.is_some_and(|slot| slot > known.covered_slot);
        let progress = new + u64::from(further);
        sqlx::query_file!(
            "queries/address_scans/advance.sql",
            chain,
            address.as_str(),
            walk,
            next_pos,
            head,
            before,
            covered_until,
            covered_slot,
            lease.task_id,
            to_bigint(progress, "progress")?
        )
        .execute(&mut *tx)
        .await?;
        Ok(progress)
    })
}

/// The stored list of an address up to and including `max_slot`, newest first, inside a slot in the
/// node's order.
pub async fn signatures(
    store: &Store,
    chain: Chain,
    address: &Address,
    max_slot: u64,
) -> Result<Vec<SignatureRow>, StoreError> {
    // A slot beyond bigint is beyond every stored one.
    let max_slot = i64::try_from(max_slot).unwrap_or(i64::MAX);
    let rows = read!(store, async |connection| sqlx::query_file!(
        "queries/address_signatures/list.sql",
        chain.as_str(),
        address.as_str(),
        max_slot
    )
    .fetch_all(connection))?;
    rows.into_iter()
        .map(|row| {
            Ok(SignatureRow {
                tx_id: TxId::new(&row.tx_id),
                slot: from_bigint(row.slot, "slot")?,
                block_time: row.block_time,
                failed: row.failed,
            })
        })
        .collect()
}

/// What is wanted of the lists of some addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedView {
    /// Transactions up to and including this slot.
    pub max_slot: u64,
    /// At most so many of each list, the newest; those in the slot of the oldest of them all come.
    pub bound: usize,
    /// Whether there are newer ones is told up to and including this slot.
    pub newer_until: u64,
}

/// What the stored lists of some addresses have. Nothing else is kept of a row, so a long list takes
/// little memory.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The transactions with their slots.
    pub slots: HashMap<TxId, u64>,
    /// Whether there are newer ones.
    pub newer: bool,
}

/// So many transactions are read before it is asked whether there is room for them; later it is asked
/// each time that they are a quarter more.
const ROOM_AFTER: usize = 4_000;

/// The transactions in the stored lists of the addresses, as far as they are wanted. `has_room` is
/// asked while they are read, and at the end, whether so many may be kept; `None` when it refuses.
pub async fn listed(
    store: &Store,
    chain: Chain,
    addresses: &[Address],
    view: ListedView,
    has_room: impl Fn(&HashMap<TxId, u64>) -> bool,
) -> Result<Option<Listed>, StoreError> {
    // What is beyond bigint is beyond every stored one.
    let max_slot = i64::try_from(view.max_slot).unwrap_or(i64::MAX);
    let newer_until = i64::try_from(view.newer_until).unwrap_or(i64::MAX);
    let bound = i64::try_from(view.bound).unwrap_or(i64::MAX);
    let addresses: Vec<&str> = addresses.iter().map(Address::as_str).collect();
    run!(store, "address_signatures/slots", async |tx| {
        let mut rows = sqlx::query_file!(
            "queries/address_signatures/slots.sql",
            chain.as_str(),
            &addresses as &[&str],
            max_slot,
            bound,
            newer_until
        )
        .fetch(tx);
        let mut listed = Listed::default();
        let mut ask_at = ROOM_AFTER;
        while let Some(row) = rows.try_next().await? {
            let Some(tx_id) = row.tx_id else {
                listed.newer = true;
                continue;
            };
            listed.slots.insert(TxId::new(&tx_id), from_bigint(row.slot, "slot")?);
            let count = listed.slots.len();
            if count >= ask_at {
                if !has_room(&listed.slots) {
                    return Ok(None);
                }
                ask_at = count + count / 4;
            }
        }
        Ok(has_room(&listed.slots).then_some(listed))
    })
}

/// Transactions of one slot in the order of one address's list, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotSequence {
    /// The slot.
    pub slot: u64,
    /// Its transactions.
    pub tx_ids: Vec<TxId>,
}

/// What the stored lists of the addresses say about the order inside the slots: one sequence per
/// address and slot. The caller asks for at most some thousand slots at a time.
pub async fn sequences(
    store: &Store,
    chain: Chain,
    addresses: &[Address],
    slots: &[u64],
) -> Result<Vec<SlotSequence>, StoreError> {
    let addresses: Vec<&str> = addresses.iter().map(Address::as_str).collect();
    let slots = slots.iter().map(|slot| to_bigint(*slot, "slot")).collect::<Result<Vec<_>, _>>()?;
    let rows = run!(store, "address_signatures/in_blocks", async |tx| {
        Ok(sqlx::query_file!(
            "queries/address_signatures/in_blocks.sql",
            chain.as_str(),
            &addresses as &[&str],
            &slots
        )
        .fetch_all(tx)
        .await?)
    })?;
    let of_one_list = rows.chunk_by(|a, b| (&a.address, a.slot) == (&b.address, b.slot));
    of_one_list
        .map(|rows| {
            Ok(SlotSequence {
                slot: from_bigint(rows[0].slot, "slot")?,
                tx_ids: rows.iter().map(|row| TxId::new(&row.tx_id)).collect(),
            })
        })
        .collect()
}

/// What a walk from the newest transaction down to some place has passed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Walked {
    /// Stored transactions that count.
    pub rows: u64,
    /// The one right above the place.
    pub above: Option<TxId>,
}

/// What is stored of the list of an address from its newest transaction down to `place`. Those up to
/// and including `max_slot` count; none when `place` is not in the list.
pub async fn walked(
    store: &Store,
    chain: Chain,
    address: &Address,
    max_slot: u64,
    place: &TxId,
) -> Result<Walked, StoreError> {
    let max_slot = i64::try_from(max_slot).unwrap_or(i64::MAX);
    let row = run!(store, "address_signatures/walked", async |tx| {
        Ok(sqlx::query_file!(
            "queries/address_signatures/walked.sql",
            chain.as_str(),
            address.as_str(),
            max_slot,
            place.as_str()
        )
        .fetch_one(tx)
        .await?)
    })?;
    let above = row.above.as_deref().map(TxId::new);
    Ok(Walked { rows: from_bigint(row.rows, "walked rows")?, above })
}
