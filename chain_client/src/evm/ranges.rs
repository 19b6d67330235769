//! How many blocks one question may span, and which answers may be only a part.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use pnl_core::Address;

/// After a refusal so many questions are asked before a longer one is tried.
const HOLD: u32 = 32;

/// A length that is halved when a node refuses it and doubled again when all goes well.
///
/// Nodes cap the span of blocks, the number of results, or the time of a question, and say so in
/// many ways. What one of them takes is found out, and kept for the process.
#[derive(Debug)]
pub(crate) struct AdaptiveRange(Mutex<State>);

#[derive(Debug, Clone, Copy)]
struct State {
    blocks: u64,
    hold: u32,
}

impl AdaptiveRange {
    /// Begins with all blocks there are.
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(State { blocks: u64::MAX, hold: 0 }))
    }

    /// The last block of a question that begins at `from` and shall end at `to`.
    pub(crate) fn end(&self, from: u64, to: u64) -> u64 {
        to.min(from.saturating_add(self.lock().blocks - 1))
    }

    /// A question over so many blocks was answered.
    pub(crate) fn answered(&self, blocks: u64) {
        let mut state = self.lock();
        if blocks < state.blocks {
            return;
        }
        match state.hold.checked_sub(1) {
            Some(left) => state.hold = left,
            None => state.blocks = state.blocks.saturating_mul(2),
        }
    }

    /// A question over so many blocks was refused; whether a shorter one can be asked.
    pub(crate) fn refused(&self, blocks: u64) -> bool {
        let mut state = self.lock();
        state.blocks = state.blocks.min((blocks / 2).max(1));
        state.hold = HOLD;
        blocks > 1
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // A panic elsewhere cannot leave this state half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lists whose spans are remembered at most: those that are being read now.
const MOST_LISTS: usize = 1_000;

/// How many blocks of a wallet's list an explorer answers for, where it does not answer for all.
#[derive(Debug, Default)]
pub(crate) struct Spans(Mutex<HashMap<(Address, &'static str), u64>>);

impl Spans {
    /// The last block of a question that begins at `from` and shall end at `to`.
    pub(crate) fn end(&self, list: &(Address, &'static str), from: u64, to: u64) -> u64 {
        let blocks = self.lock().get(list).copied();
        blocks.map_or(to, |blocks| to.min(from.saturating_add(blocks - 1)))
    }

    /// A question was answered; `is_over`: the list is read.
    pub(crate) fn answered(&self, list: &(Address, &'static str), is_over: bool) {
        let mut spans = self.lock();
        if is_over {
            spans.remove(list);
        } else if let Some(blocks) = spans.get_mut(list) {
            *blocks = blocks.saturating_mul(2);
        }
    }

    /// A question was refused; whether a shorter one can be asked.
    pub(crate) fn refused(&self, list: &(Address, &'static str), from: u64, end: u64) -> bool {
        let blocks = end.saturating_sub(from) / 2;
        let mut spans = self.lock();
        if spans.len() >= MOST_LISTS {
            spans.clear();
        }
        spans.insert(list.clone(), blocks.max(1));
        end > from
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(Address, &'static str), u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Providers cap answers at round numbers and say nothing: at some multiple of this.
const ROUND: usize = 50;
/// Nobody gives shorter pages than this of a longer list.
const SHORTEST_CAP: usize = 20;

/// Whether an answer of so many rows may have been cut in silence.
pub(crate) const fn is_round(rows: usize) -> bool {
    rows > 0 && rows.is_multiple_of(ROUND)
}

/// The longest page of each list of each explorer, by its place, that was shown to be whole. A list with an odd
/// cap gives no longer one, so whatever is shorter was not cut.
#[derive(Debug, Default)]
pub(crate) struct WholePages(Mutex<BTreeMap<(usize, &'static str), usize>>);

impl WholePages {
    /// Pages of so many rows or more are in doubt.
    pub(crate) fn doubtful_from(&self, place: usize, list: &'static str) -> usize {
        self.lock().get(&(place, list)).copied().unwrap_or_default().max(SHORTEST_CAP)
    }

    /// A page of so many rows was shown to be whole.
    pub(crate) fn shown(&self, place: usize, list: &'static str, rows: usize) {
        let mut longest = self.lock();
        let longest = longest.entry((place, list)).or_default();
        *longest = rows.max(*longest);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<(usize, &'static str), usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_finds_what_a_node_takes_and_seldom_asks_for_more() {
        const CAP: u64 = 1000;
        let range = AdaptiveRange::new();
        let (mut from, to) = (0, 24_000_000);
        let (mut answered, mut refused) = (0, 0);
        while from <= to {
            let end = range.end(from, to);
            let blocks = end - from + 1;
            if blocks > CAP {
                refused += 1;
                assert!(range.refused(blocks));
            } else {
                answered += 1;
                range.answered(blocks);
                from = end + 1;
            }
        }
        assert!(answered <= 2 * 24_000, "{answered}");
        assert!(refused <= answered / 30 + 20, "{refused} of {answered}");
    }

    #[test]
    fn a_single_block_cannot_be_halved() {
        let range = AdaptiveRange::new();
        assert!(range.refused(2) && !range.refused(1));
        assert_eq!(range.end(7, 100), 7);
    }
}
