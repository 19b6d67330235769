//! Lots in the order of a method.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::collections::binary_heap::{BinaryHeap, PeekMut};

use crate::amount::{AmountError, RawAmount};
use crate::lot::Lot;
use crate::method::LotOrder;

/// Open lots, the one that is consumed first at hand.
///
/// New acquisitions come in the order of the history: of FIFO, LIFO and average cost they stand in
/// line, and cost no comparison. What does not fit there waits in a heap: lots that were moved in, and
/// all lots of HIFO. Adding and taking costs at most the logarithm of the number of waiting lots.
#[derive(Debug)]
pub(crate) struct Line {
    order: LotOrder,
    /// By place of acquisition, the oldest in front.
    line: VecDeque<Lot>,
    waiting: BinaryHeap<Waiting>,
}

/// A lot that waits in the heap; the greatest is consumed first.
#[derive(Debug)]
struct Waiting {
    order: LotOrder,
    lot: Lot,
}

impl Line {
    /// Without lots.
    pub(crate) fn new(order: LotOrder) -> Self {
        Self { order, line: VecDeque::new(), waiting: BinaryHeap::new() }
    }

    /// Adds a lot.
    pub(crate) fn add(&mut self, lot: Lot) {
        let last = self.line.back().map(|last| last.order);
        let stands_in_line = match self.order {
            LotOrder::OldestFirst => last.is_none_or(|last| last <= lot.order),
            // Of parts of one lot the first to arrive is consumed first: they do not stack.
            LotOrder::NewestFirst => last.is_none_or(|last| last < lot.order),
            LotOrder::KnownThenOldest => {
                lot.basis.is_some() && last.is_none_or(|last| last <= lot.order)
            }
            LotOrder::DearestFirst => false,
        };
        if stands_in_line {
            self.line.push_back(lot);
        } else {
            self.waiting.push(Waiting { order: self.order, lot });
        }
    }

    /// Takes the next piece: at most `limit` (not zero) from the lot that is consumed first. `None`
    /// when no lot is left.
    pub(crate) fn take(&mut self, limit: RawAmount) -> Result<Option<Lot>, AmountError> {
        let newest_first = self.order == LotOrder::NewestFirst;
        let first = if newest_first { self.line.back_mut() } else { self.line.front_mut() };
        if let Some(mut waiting) = self.waiting.peek_mut()
            && first.as_ref().is_none_or(|lot| self.order.compare(&waiting.lot, lot).is_lt())
        {
            return if waiting.lot.quantity > limit {
                // What is left keeps its place: no order looks at the quantity.
                waiting.lot.split_off(limit).map(Some)
            } else {
                Ok(Some(PeekMut::pop(waiting).lot))
            };
        }
        match first {
            Some(lot) if lot.quantity > limit => lot.split_off(limit).map(Some),
            _ if newest_first => Ok(self.line.pop_back()),
            _ => Ok(self.line.pop_front()),
        }
    }

    /// The lots in the order of consumption.
    pub(crate) fn into_lots(self) -> Vec<Lot> {
        let mut lots: Vec<_> = self.line.into();
        lots.extend(self.waiting.into_iter().map(|waiting| waiting.lot));
        lots.sort_by(|a, b| self.order.compare(a, b));
        lots
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order.compare(&other.lot, &self.lot)
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Waiting {}
