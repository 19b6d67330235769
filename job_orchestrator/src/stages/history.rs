//! From what is stored to the wallet's history in order.

use std::collections::BTreeMap;

use persistence_layer::chain_data;
use pnl_core::Pin;

use super::fetch::Fetched;
use super::order::{self, Sequence};
use super::plan::Plan;
use crate::attempt::Attempt;
use crate::error::StageError;

/// Blocks whose order is asked for at a time.
const BLOCKS_AT_ONCE: usize = 5_000;

/// Places the transactions and applies the bound to the exact number.
pub(crate) async fn run(
    attempt: &Attempt,
    pin: Pin,
    mut fetched: Fetched,
) -> Result<Plan, StageError> {
    let crowded = order::crowded_blocks(&mut fetched.entries);
    let mut sequences: BTreeMap<u64, Vec<Sequence>> = BTreeMap::new();
    for blocks in crowded.chunks(BLOCKS_AT_ONCE) {
        let (store, addresses) = (&attempt.store, &fetched.addresses);
        for sequence in chain_data::sequences(store, attempt.chain(), addresses, blocks).await? {
            sequences.entry(sequence.slot).or_default().push(sequence.tx_ids);
        }
    }
    let mut placed = order::place(fetched.entries, &sequences);
    let surplus = placed.len().saturating_sub(fetched.bound);
    placed.drain(..surplus);
    Plan::new(placed, fetched.newer_activity, fetched.cut).keep(attempt, pin).await
}
