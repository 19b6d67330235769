//! The order of the transactions of one block, seen by several wallets.
//!
//! Each wallet's ledger has its own transactions in their order; a place in the block is comparable
//! between ledgers only where the chain gave it. So the ledgers are merged like sorted lists that share
//! entries: a transaction comes when it is next in every ledger that has it, and of several such ones
//! that with the lowest place, then with the lowest id. Where ledgers contradict each other (places that
//! were decided by ids), the lowest of all that are next in some ledger comes.

use std::collections::{BTreeMap, VecDeque};

use crate::chain::TxId;
use crate::ledger::LedgerEvent;

/// One wallet's events of one transaction: its number in the group, and the events.
pub(super) type Part = (usize, Vec<LedgerEvent>);

/// A transaction that is next in a ledger.
type Head = (Option<u32>, TxId);

/// Puts the events of one block, wallet by wallet in the order of their ledgers, into the order of the
/// transactions. The parts of a transaction are in the order of the wallets.
pub(super) fn transactions(block: Vec<(usize, Vec<LedgerEvent>)>) -> Vec<Vec<Part>> {
    let mut ledgers: Vec<(usize, VecDeque<Vec<LedgerEvent>>)> =
        block.into_iter().map(|(member, events)| (member, by_transaction(events))).collect();
    ledgers.sort_by_key(|(member, _)| *member);
    let mut left: BTreeMap<TxId, usize> = BTreeMap::new();
    for (_, transactions) in &ledgers {
        for events in transactions {
            *left.entry(events[0].tx_id.clone()).or_default() += 1;
        }
    }
    let mut ordered = Vec::with_capacity(left.len());
    while let Some(next) = next(&ledgers, &left) {
        let mut parts = Vec::new();
        for (member, transactions) in &mut ledgers {
            let place = transactions.iter().position(|events| events[0].tx_id == next);
            if let Some(events) = place.and_then(|place| transactions.remove(place)) {
                parts.push((*member, events));
            }
        }
        left.remove(&next);
        ordered.push(parts);
    }
    ordered
}

/// The transaction that comes next; `None` at the end.
fn next(
    ledgers: &[(usize, VecDeque<Vec<LedgerEvent>>)],
    left: &BTreeMap<TxId, usize>,
) -> Option<TxId> {
    let mut heads: BTreeMap<&TxId, (Option<u32>, usize)> = BTreeMap::new();
    for (_, transactions) in ledgers {
        let Some(event) = transactions.front().map(|events| &events[0]) else { continue };
        let (place, count) = heads.entry(&event.tx_id).or_insert((event.order.index, 0));
        *place = (*place).min(event.order.index);
        *count += 1;
    }
    let lowest = |only_ready: bool| -> Option<Head> {
        let heads = heads.iter().filter(|(id, (_, count))| !only_ready || left[**id] == *count);
        heads.map(|(id, (place, _))| (*place, (*id).clone())).min()
    };
    lowest(true).or_else(|| lowest(false)).map(|(_, id)| id)
}

/// The events of a wallet in a block, transaction by transaction.
fn by_transaction(events: Vec<LedgerEvent>) -> VecDeque<Vec<LedgerEvent>> {
    let mut transactions: VecDeque<Vec<LedgerEvent>> = VecDeque::new();
    for event in events {
        match transactions.back_mut() {
            Some(open) if open[0].tx_id == event.tx_id => open.push(event),
            _ => transactions.push_back(vec![event]),
        }
    }
    transactions
}
