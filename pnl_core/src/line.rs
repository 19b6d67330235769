//! Lots in the order of a method.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::collections::binary_heap::{BinaryHeap, PeekMut};

use crate::amount::AmountError;
use crate::lot::Lot;
use crate::method::LotOrder;

/// Open lots, the one that is consumed first at hand.
///
/// New acquisitions come in the order of the history: of FIFO, LIFO and average cost they stand in
/// line, and cost no comparison. What does not fit there waits in a heap: lots that were moved in, and
/// all lots of HIFO. Adding and taking costs at most the logarithm of the number of waiting lots.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    order: LotOrder,
    /// By place of acquisition, the oldest in front.
    line: VecDeque<Lot>,
    waiting: BinaryHeap<Waiting>,
}

/// A lot that waits in the heap; the greatest is consumed first.
#[derive(Debug, Clone)]
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

    /// Takes something of the lot that is consumed first, and the lot away when nothing is left of it.
    /// `None` when no lot is left.
    #[inline]
    pub(crate) fn take_from_first<T>(
        &mut self,
        take: impl FnOnce(&mut Lot) -> Result<T, AmountError>,
    ) -> Result<Option<T>, AmountError> {
        let newest_first = self.order == LotOrder::NewestFirst;
        let first = if newest_first { self.line.back_mut() } else { self.line.front_mut() };
        // Without moves and HIFO nobody waits.
        if !self.waiting.is_empty()
            && let Some(mut waiting) = self.waiting.peek_mut()
            && first.as_ref().is_none_or(|lot| self.order.compare(&waiting.lot, lot).is_lt())
        {
            // What is left keeps its place: no order looks at the quantity.
            let taken = take(&mut waiting.lot)?;
            if waiting.lot.quantity.is_zero() {
                PeekMut::pop(waiting);
            }
            return Ok(Some(taken));
        }
        let Some(lot) = first else { return Ok(None) };
        let taken = take(lot)?;
        if lot.quantity.is_zero() {
            if newest_first {
                self.line.pop_back()
            } else {
                self.line.pop_front()
            };
        }
        Ok(Some(taken))
    }

    /// The lots, in any order.
    pub(crate) fn lots(&self) -> impl Iterator<Item = &Lot> {
        self.line.iter().chain(self.waiting.iter().map(|waiting| &waiting.lot))
    }

    /// Gives the events that made the lots other numbers, which keep their order.
    pub(crate) fn renumber(&mut self, number: impl Fn(u32) -> u32) {
        self.line.iter_mut().for_each(|lot| lot.order = number(lot.order));
        let mut waiting = std::mem::take(&mut self.waiting).into_vec();
        waiting.iter_mut().for_each(|waiting| waiting.lot.order = number(waiting.lot.order));
        self.waiting = waiting.into();
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
