//! The order of a wallet's transactions: (block, index in the block).
//!
//! A block's time says nothing about the order inside it, and accounting depends on that order. The
//! index is the node's `transactionIndex` when *all* of the wallet's transactions of the block have
//! one. Otherwise it is the rank within the block, oldest first, in the signature lists of the
//! wallet and its token accounts, merged. What the lists leave open is decided by the bytes of the
//! transaction id, and marked.
//!
//! Pure: no network, no database.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use pnl_core::TxId;
use serde::{Deserialize, Serialize};

/// What must be known of a transaction to place it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The transaction.
    pub tx_id: TxId,
    /// Slot or block number.
    pub block: u64,
    /// The node's index of it inside the block, when it gives one.
    pub index: Option<u32>,
}

/// A transaction with its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// The transaction.
    #[serde(rename = "t")]
    pub tx_id: TxId,
    /// Slot or block number.
    #[serde(rename = "b")]
    pub block: u64,
    /// Index in the block, or rank among the wallet's transactions of the block.
    #[serde(rename = "i")]
    pub index: u32,
    /// Whether the place relative to some other transaction of the block was decided by the bytes
    /// of the ids alone.
    #[serde(rename = "u", default, skip_serializing_if = "std::ops::Not::not")]
    pub uncertain: bool,
    /// Whether no list of the wallet's coins names it, so that no contract sent it coins there.
    #[serde(rename = "c", default, skip_serializing_if = "std::ops::Not::not")]
    pub no_coins: bool,
}

/// Transactions of one block in the order of one address's list, oldest first.
pub type Sequence = Vec<TxId>;

/// The blocks for which the signature lists are needed, in order: more than one transaction, and not
/// all of them with an index. Sorts the entries.
pub fn crowded_blocks(entries: &mut [Entry]) -> Vec<u64> {
    entries.sort_unstable_by(|a, b| (a.block, &a.tx_id).cmp(&(b.block, &b.tx_id)));
    blocks(entries)
        .filter(|block| block.len() > 1 && block.iter().any(|entry| entry.index.is_none()))
        .map(|block| block[0].block)
        .collect()
}

/// Sorted entries, block by block.
fn blocks(entries: &[Entry]) -> impl Iterator<Item = &[Entry]> {
    entries.chunk_by(|a, b| a.block == b.block)
}

/// Places all entries, oldest first. `sequences` holds the lists' view of the crowded blocks; ids
/// in them that are no entries are ignored.
pub fn place(mut entries: Vec<Entry>, sequences: &BTreeMap<u64, Vec<Sequence>>) -> Vec<Placed> {
    entries.sort_unstable_by(|a, b| (a.block, &a.tx_id).cmp(&(b.block, &b.tx_id)));
    let mut placed = Vec::with_capacity(entries.len());
    for entries in blocks(&entries) {
        let block = entries[0].block;
        match indexes(entries) {
            Some(by_index) => place_by_index(block, by_index, &mut placed),
            None => {
                let ids: Vec<TxId> = entries.iter().map(|entry| entry.tx_id.clone()).collect();
                let lists = sequences.get(&block).map_or(&[][..], Vec::as_slice);
                for (rank, (tx_id, uncertain)) in (0..).zip(merge(ids, lists)) {
                    placed.push(Placed { tx_id, block, index: rank, uncertain, no_coins: false });
                }
            }
        }
    }
    placed
}

/// The entries of a block with their indexes, or `None` when one of them has no index.
fn indexes(entries: &[Entry]) -> Option<Vec<(u32, TxId)>> {
    entries.iter().map(|entry| entry.index.map(|index| (index, entry.tx_id.clone()))).collect()
}

fn place_by_index(block: u64, mut by_index: Vec<(u32, TxId)>, placed: &mut Vec<Placed>) {
    by_index.sort();
    // Two transactions cannot share an index; a node that says so leaves their order open.
    let shared: BTreeSet<u32> =
        by_index.windows(2).filter(|pair| pair[0].0 == pair[1].0).map(|pair| pair[0].0).collect();
    placed.extend(by_index.into_iter().map(|(index, tx_id)| Placed {
        tx_id,
        block,
        index,
        uncertain: shared.contains(&index),
        no_coins: false,
    }));
}

/// Merges the lists of one block topologically. The flag tells which ids are not ordered by the
/// lists against every other id of the block.
fn merge(mut ids: Vec<TxId>, lists: &[Sequence]) -> Vec<(TxId, bool)> {
    ids.sort();
    ids.dedup();
    let count = ids.len();
    let node_of: HashMap<&TxId, usize> = ids.iter().zip(0..).collect();
    let mut followers: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); count];
    let mut waiting_for = vec![0usize; count];
    for list in lists {
        let nodes: Vec<usize> = list.iter().filter_map(|id| node_of.get(id).copied()).collect();
        for pair in nodes.windows(2) {
            if pair[0] != pair[1] && followers[pair[0]].insert(pair[1]) {
                waiting_for[pair[1]] += 1;
            }
        }
    }

    // Nodes are numbered in the order of their bytes, so the smallest free one is the tie rule.
    let mut free: BTreeSet<usize> = (0..count).filter(|node| waiting_for[*node] == 0).collect();
    let mut left: BTreeSet<usize> = (0..count).collect();
    let mut order = Vec::with_capacity(count);
    let mut contradicted = vec![false; count];
    while let Some(next) = free.pop_first().or_else(|| {
        // Lists that contradict each other: nothing is free. Take the smallest id and go on.
        let stuck = left.first().copied()?;
        left.iter().for_each(|node| contradicted[*node] = true);
        Some(stuck)
    }) {
        left.remove(&next);
        order.push(next);
        for follower in &followers[next] {
            waiting_for[*follower] = waiting_for[*follower].saturating_sub(1);
            if waiting_for[*follower] == 0 && left.contains(follower) {
                free.insert(*follower);
            }
        }
    }

    let ordered_pairs = comparable_counts(&order, &followers);
    order
        .into_iter()
        .map(|node| {
            let open = ordered_pairs[node] + 1 < count;
            (ids[node].clone(), contradicted[node] || open)
        })
        .collect()
}

/// For each node, with how many other nodes a chain of list entries orders it.
fn comparable_counts(order: &[usize], followers: &[BTreeSet<usize>]) -> Vec<usize> {
    let count = order.len();
    let words = count.div_ceil(64);
    let mut reaches = vec![vec![0u64; words]; count];
    for node in order.iter().rev() {
        let mut row = vec![0u64; words];
        for follower in &followers[*node] {
            row[follower / 64] |= 1 << (follower % 64);
            for (word, more) in row.iter_mut().zip(&reaches[*follower]) {
                *word |= more;
            }
        }
        reaches[*node] = row;
    }
    let mut counts = vec![0usize; count];
    for (node, row) in reaches.iter().enumerate() {
        for other in (0..count).filter(|other| row[other / 64] & (1 << (other % 64)) != 0) {
            counts[node] += 1;
            counts[other] += 1;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: &str, block: u64, index: Option<u32>) -> Entry {
        Entry { tx_id: TxId::new(id), block, index }
    }

    fn list(ids: &str) -> Sequence {
        ids.chars().map(|id| TxId::new(&id.to_string())).collect()
    }

    fn placed(entries: Vec<Entry>, lists: &[(u64, &[&str])]) -> Vec<(String, u64, u32, bool)> {
        let sequences = lists
            .iter()
            .map(|(block, lists)| (*block, lists.iter().map(|ids| list(ids)).collect()))
            .collect();
        place(entries, &sequences)
            .into_iter()
            .map(|p| (p.tx_id.to_string(), p.block, p.index, p.uncertain))
            .collect()
    }

    fn rows(expected: &[(&str, u64, u32, bool)]) -> Vec<(String, u64, u32, bool)> {
        expected
            .iter()
            .map(|(id, block, rank, open)| (id.to_string(), *block, *rank, *open))
            .collect()
    }

    #[test]
    fn blocks_come_oldest_first_and_a_lone_transaction_has_rank_zero() {
        let mut entries = vec![entry("b", 9, None), entry("a", 7, Some(3))];
        assert!(crowded_blocks(&mut entries).is_empty());
        assert_eq!(placed(entries, &[]), rows(&[("a", 7, 3, false), ("b", 9, 0, false)]));
    }

    #[test]
    fn the_nodes_index_is_used_when_every_transaction_of_the_block_has_it() {
        let mut entries = vec![entry("a", 5, Some(12)), entry("b", 5, Some(4))];
        assert!(crowded_blocks(&mut entries).is_empty());
        assert_eq!(
            placed(entries, &[(5, &["ab"])]),
            rows(&[("b", 5, 4, false), ("a", 5, 12, false)])
        );
    }

    #[test]
    fn one_missing_index_makes_the_whole_block_ranked_by_the_lists() {
        let mut entries =
            vec![entry("a", 5, Some(12)), entry("b", 5, Some(4)), entry("c", 5, None)];
        assert_eq!(crowded_blocks(&mut entries), [5]);
        assert_eq!(
            placed(entries, &[(5, &["cab"])]),
            rows(&[("c", 5, 0, false), ("a", 5, 1, false), ("b", 5, 2, false)])
        );
    }

    #[test]
    fn several_lists_are_merged_into_one_order() {
        let entries = "abcd".chars().map(|id| entry(&id.to_string(), 1, None)).collect();
        // The wallet saw d, b and c; a token account saw b, a and c in between.
        assert_eq!(
            placed(entries, &[(1, &["dbc", "bac"])]),
            rows(&[("d", 1, 0, false), ("b", 1, 1, false), ("a", 1, 2, false), ("c", 1, 3, false)])
        );
    }

    #[test]
    fn what_the_lists_leave_open_is_decided_by_the_ids_and_marked() {
        let entries = "abcz".chars().map(|id| entry(&id.to_string(), 1, None)).collect();
        // z is first for both lists; a and c follow each other; b is unrelated to both.
        assert_eq!(
            placed(entries, &[(1, &["zca", "zb"])]),
            rows(&[("z", 1, 0, false), ("b", 1, 1, true), ("c", 1, 2, true), ("a", 1, 3, true)])
        );
    }

    #[test]
    fn an_unlisted_transaction_is_uncertain_against_all() {
        let entries = "ab".chars().map(|id| entry(&id.to_string(), 1, None)).collect();
        assert_eq!(placed(entries, &[]), rows(&[("a", 1, 0, true), ("b", 1, 1, true)]));
    }

    #[test]
    fn contradicting_lists_still_give_one_order_and_say_so() {
        let entries = "abc".chars().map(|id| entry(&id.to_string(), 1, None)).collect();
        assert_eq!(
            placed(entries, &[(1, &["bac", "ab"])]),
            rows(&[("a", 1, 0, true), ("b", 1, 1, true), ("c", 1, 2, true)])
        );
    }

    #[test]
    fn ids_that_are_not_asked_for_still_order_those_around_them_when_listed() {
        let entries = vec![entry("a", 1, None), entry("c", 1, None)];
        assert_eq!(
            placed(entries, &[(1, &["cxa"])]),
            rows(&[("c", 1, 0, false), ("a", 1, 1, false)])
        );
    }

    #[test]
    fn an_index_named_twice_is_uncertain() {
        let entries = vec![entry("b", 1, Some(1)), entry("a", 1, Some(1)), entry("c", 1, Some(2))];
        assert_eq!(
            placed(entries, &[]),
            rows(&[("a", 1, 1, true), ("b", 1, 1, true), ("c", 1, 2, false)])
        );
    }
}
