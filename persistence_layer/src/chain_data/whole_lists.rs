//! A list that fits on one page, of an address nobody has asked for before: what most wallets of a
//! large batch are. One statement stores it, with the balances that were read before it; those of
//! several wallets that come at the same time are stored together.

use pnl_core::{Address, Chain};

use super::{SignatureRow, StoredSnapshot};
use crate::convert::{from_bigint, json_text, to_bigint, to_integer};
use crate::error::StoreError;
use crate::store::{Store, one};
use crate::together::Together;
use crate::wallet_tasks::Lease;

/// What is stored now.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredList {
    /// What counts as progress.
    pub progress: u64,
    /// The balances that are stored for the pin, when some were given: the first ones stay.
    pub snapshot: Option<StoredSnapshot>,
}

/// Stores the whole list of `address`, newest first, as covered up to `covered_slot`, and the
/// wallet's balances. `None` when the address was asked for by somebody else in the meantime: then
/// nothing is stored.
///
/// # Errors
/// [`StoreError::LeaseLost`] when the fence is gone.
pub async fn put_whole_list(
    store: &Store,
    lease: &Lease,
    address: &Address,
    page: &[SignatureRow],
    covered_slot: u64,
    snapshot: Option<&StoredSnapshot>,
) -> Result<Option<StoredList>, StoreError> {
    let list = WholeList {
        lease: lease.clone(),
        address: address.clone(),
        page: page.to_vec(),
        covered_slot,
        snapshot: snapshot.cloned(),
    };
    match store.waiting.lists.write(store, list).await? {
        Covered::Stored(stored) => Ok(Some(stored)),
        Covered::AskedMeanwhile => Ok(None),
        Covered::LeaseLost => Err(StoreError::LeaseLost { task: lease.task_id }),
    }
}

/// What became of one list. The others are stored also when one was not.
pub(crate) enum Covered {
    Stored(StoredList),
    AskedMeanwhile,
    LeaseLost,
}

/// A list to be stored.
pub(crate) struct WholeList {
    lease: Lease,
    address: Address,
    page: Vec<SignatureRow>,
    covered_slot: u64,
    snapshot: Option<StoredSnapshot>,
}

impl Together for WholeList {
    type Key = Chain;
    type Outcome = Covered;

    fn key(&self) -> Chain {
        self.lease.wallet.chain
    }

    fn bytes(&self) -> usize {
        const LIST: usize = 1_000;
        const ROW: usize = 200;
        LIST + ROW * self.page.len()
    }

    async fn store(store: &Store, lists: &[Self]) -> Result<Vec<Covered>, StoreError> {
        let Some(first) = lists.first() else { return Ok(Vec::new()) };
        let mut columns = Columns::default();
        for list in lists {
            columns.add(list)?;
        }
        let stored = one!(store, "address_scans/cover", async |connection| {
            sqlx::query_file!(
                "queries/address_scans/cover.sql",
                first.key().as_str(),
                &columns.tasks,
                &columns.fences,
                &columns.addresses as &[&str],
                &columns.newest as &[Option<&str>],
                &columns.covered_slots,
                &columns.wallets as &[Option<&str>],
                &columns.pins as &[Option<i64>],
                &columns.nodes as &[Option<i64>],
                &columns.balances as &[Option<String>],
                &columns.row_addresses as &[&str],
                &columns.places,
                &columns.ids as &[&str],
                &columns.slots,
                &columns.times as &[Option<i64>],
                &columns.failed,
                &columns.lengths
            )
            .fetch_all(connection)
        })?;
        lists
            .iter()
            .zip(stored)
            .map(|(list, stored)| {
                if !stored.held {
                    return Ok(Covered::LeaseLost);
                }
                if !stored.began {
                    return Ok(Covered::AskedMeanwhile);
                }
                let snapshot = match (&list.snapshot, stored.node_block, stored.balances) {
                    (Some(asked), Some(node), Some(balances)) => Some(StoredSnapshot {
                        pin_slot: asked.pin_slot,
                        node_slot: from_bigint(node, "node slot")?,
                        balances,
                    }),
                    _ => None,
                };
                let progress = from_bigint(stored.listed, "listed")? + 1;
                Ok(Covered::Stored(StoredList { progress, snapshot }))
            })
            .collect()
    }
}

/// The arrays of the statement.
#[derive(Default)]
struct Columns<'a> {
    tasks: Vec<i64>,
    fences: Vec<i64>,
    addresses: Vec<&'a str>,
    newest: Vec<Option<&'a str>>,
    covered_slots: Vec<i64>,
    wallets: Vec<Option<&'a str>>,
    pins: Vec<Option<i64>>,
    nodes: Vec<Option<i64>>,
    balances: Vec<Option<String>>,
    row_addresses: Vec<&'a str>,
    places: Vec<i32>,
    ids: Vec<&'a str>,
    slots: Vec<i64>,
    times: Vec<Option<i64>>,
    failed: Vec<bool>,
    lengths: Vec<i32>,
}

impl<'a> Columns<'a> {
    fn add(&mut self, list: &'a WholeList) -> Result<(), StoreError> {
        let (lease, snapshot) = (&list.lease, list.snapshot.as_ref());
        self.tasks.push(lease.task_id);
        self.fences.push(lease.fence);
        self.addresses.push(list.address.as_str());
        self.newest.push(list.page.first().map(|row| row.tx_id.as_str()));
        self.covered_slots.push(to_bigint(list.covered_slot, "covered slot")?);
        self.wallets.push(snapshot.map(|_| lease.wallet.address.as_str()));
        self.pins.push(snapshot.map(|of| to_bigint(of.pin_slot, "pin slot")).transpose()?);
        self.nodes.push(snapshot.map(|of| to_bigint(of.node_slot, "node slot")).transpose()?);
        self.balances.push(snapshot.map(|of| json_text(&of.balances)));
        let length = u32::try_from(list.page.len()).map_err(|_| StoreError::OutOfRange("list"))?;
        self.lengths.push(to_integer(length, "list")?);
        for (place, row) in (0..).zip(&list.page) {
            self.row_addresses.push(list.address.as_str());
            self.places.push(to_integer(place, "place in a list")?);
            self.ids.push(row.tx_id.as_str());
            self.slots.push(to_bigint(row.slot, "slot")?);
            self.times.push(row.block_time);
            self.failed.push(row.failed);
        }
        Ok(())
    }
}
