//! From what is stored to the wallet's history in order.

use std::collections::BTreeMap;

use chain_client::Snapshot;
use persistence_layer::chain_data;
use pnl_core::TxId;

use super::fetch::{Cut, Fetched};
use super::order::{self, Placed, Sequence};
use crate::attempt::Attempt;
use crate::error::StageError;

/// A wallet's transactions in order, and what is known about their completeness.
#[derive(Debug)]
pub(crate) struct Ordered {
    /// Oldest first.
    pub placed: Vec<Placed>,
    /// What the wallet holds.
    pub snapshot: Snapshot,
    /// Whether the chain has transactions of it after the pin.
    pub newer_activity: bool,
    /// Why older transactions are missing, if so.
    pub cut: Option<Cut>,
}

impl Ordered {
    /// The block of the oldest transaction, when there is one.
    pub fn oldest_block(&self) -> Option<u64> {
        self.placed.first().map(|placed| placed.block)
    }
}

/// Places the transactions and applies the bound to the exact number.
pub(crate) async fn run(attempt: &Attempt, fetched: Fetched) -> Result<Ordered, StageError> {
    let crowded = order::crowded_blocks(&fetched.entries);
    let mut sequences: BTreeMap<u64, Vec<Sequence>> = BTreeMap::new();
    if let Some(newest) = crowded.last() {
        for address in &fetched.addresses {
            let rows =
                chain_data::signatures(&attempt.store, attempt.chain(), address, *newest).await?;
            let mut of_address: BTreeMap<u64, Vec<TxId>> = BTreeMap::new();
            for row in rows.into_iter().rev().filter(|row| crowded.contains(&row.slot)) {
                of_address.entry(row.slot).or_default().push(row.tx_id);
            }
            for (block, sequence) in of_address {
                sequences.entry(block).or_default().push(sequence);
            }
        }
    }
    let mut placed = order::place(fetched.entries, &sequences);
    let surplus = placed.len().saturating_sub(fetched.bound);
    placed.drain(..surplus);
    Ok(Ordered {
        placed,
        snapshot: fetched.snapshot,
        newer_activity: fetched.newer_activity,
        cut: fetched.cut,
    })
}
