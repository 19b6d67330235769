//! Lots in the order of a method.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;

use crate::held::HeldLot;
use crate::lot::Lot;
use crate::method::{LotOrder, Rank};
use crate::near::{self, Way};
use crate::unit_cost::UnitCost;

/// Open lots, the one that is consumed first at hand.
///
/// New acquisitions come in the order of the history: of FIFO, LIFO and average cost they stand in
/// line, and cost no comparison. What does not fit there waits in a heap: lots that were moved in, and
/// all lots of HIFO. Adding and taking costs at most the logarithm of the number of waiting lots.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    order: LotOrder,
    /// By place of acquisition, the oldest in front.
    line: VecDeque<HeldLot>,
    /// Nobody waits in most books, but all lots of HIFO.
    waiting: Option<Box<Queue>>,
}

/// Lots that wait, by what is compared of them.
#[derive(Debug, Clone, Default)]
struct Queue {
    heap: BinaryHeap<Waiting>,
    /// The lots, each in its place; what the heap moves is small.
    places: Vec<HeldLot>,
    /// Places of lots that are gone.
    free: Vec<u32>,
}

/// What is compared of a lot that waits in the heap; the greatest is consumed first.
#[derive(Debug, Clone)]
struct Waiting {
    order: LotOrder,
    rank: Rank,
    place: u32,
}

/// Where the lot stands that is consumed first.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    /// In front of the line.
    Front,
    /// At its end.
    Back,
    /// First of those that wait.
    Waiting(u32),
}

impl Line {
    /// Without lots.
    pub(crate) fn new(order: LotOrder) -> Self {
        Self { order, line: VecDeque::new(), waiting: None }
    }

    /// Adds a lot, with what HIFO compares of it.
    #[inline(always)]
    pub(crate) fn add(&mut self, lot: HeldLot, unit_cost: Option<Arc<UnitCost>>) {
        let last = self.line.back().map(HeldLot::order);
        let stands_in_line = match self.order {
            LotOrder::OldestFirst => last.is_none_or(|last| last <= lot.order()),
            // Of parts of one lot the first to arrive is consumed first: they do not stack.
            LotOrder::NewestFirst => last.is_none_or(|last| last < lot.order()),
            LotOrder::KnownThenOldest => {
                lot.is_known() && last.is_none_or(|last| last <= lot.order())
            }
            LotOrder::DearestFirst => false,
        };
        if stands_in_line {
            self.line.push_back(lot);
        } else {
            self.waiting.get_or_insert_default().add(self.order, lot, unit_cost);
        }
    }

    /// The lot that is consumed first, and where it stands. What is left of it keeps its place: no order
    /// looks at the quantity.
    #[inline(always)]
    pub(crate) fn first(&mut self) -> Option<(Place, &mut HeldLot)> {
        let newest_first = self.order == LotOrder::NewestFirst;
        // Without moves and HIFO nobody waits.
        if let Some(waiting) = &mut self.waiting {
            let first = if newest_first { self.line.back() } else { self.line.front() };
            if let Some(place) = waiting.first_before(first) {
                return Some((Place::Waiting(place), &mut waiting.places[place as usize]));
            }
        }
        if newest_first {
            self.line.back_mut().map(|lot| (Place::Back, lot))
        } else {
            self.line.front_mut().map(|lot| (Place::Front, lot))
        }
    }

    /// Removes the lot that [`Self::first`] gave, of which nothing is left.
    #[inline(always)]
    pub(crate) fn remove(&mut self, place: Place) {
        match place {
            Place::Front => drop(self.line.pop_front()),
            Place::Back => drop(self.line.pop_back()),
            Place::Waiting(place) => {
                if let Some(waiting) = &mut self.waiting {
                    waiting.heap.pop();
                    waiting.free.push(place);
                }
            }
        }
    }

    /// What HIFO compares of the lot that [`Self::first`] gave.
    pub(crate) fn unit_cost(&self, place: Place) -> Option<Arc<UnitCost>> {
        match place {
            Place::Front | Place::Back => None,
            Place::Waiting(_) => self.waiting.as_ref()?.heap.peek()?.rank.unit_cost.clone(),
        }
    }

    /// Has the lot brought near that stands where one comes in or leaves, and what is behind it: the place of the one that
    /// comes in, the next one to leave. Each of them asked for costs a look for its page of memory.
    #[inline(always)]
    pub(crate) fn fetch_end(&self, way: Way) {
        let lot = match (way, self.order) {
            (Way::Out, LotOrder::OldestFirst | LotOrder::KnownThenOldest) => self.line.front(),
            _ => self.line.back(),
        };
        if let Some(lot) = lot {
            near::fetch(lot);
            near::fetch_at(std::slice::from_ref(lot), 1);
        }
    }

    /// The lots as they are held, in any order.
    pub(crate) fn held(&self) -> impl Iterator<Item = &HeldLot> {
        let waiting = self.waiting.iter().flat_map(|waiting| waiting.held());
        self.line.iter().chain(waiting)
    }

    /// The lots, in any order.
    pub(crate) fn lots(&self) -> impl Iterator<Item = Lot> {
        let waiting = self.waiting.iter().flat_map(|waiting| waiting.lots());
        self.line.iter().map(HeldLot::lot).chain(waiting)
    }

    /// The events that made the lots, in any order.
    pub(crate) fn orders(&self) -> impl Iterator<Item = u32> {
        let waiting = self.waiting.iter().flat_map(|waiting| waiting.heap.iter());
        let waiting = waiting.map(|waiting| waiting.rank.order);
        self.line.iter().map(HeldLot::order).chain(waiting)
    }

    /// Gives the events that made the lots other numbers, which keep their order.
    pub(crate) fn renumber(&mut self, number: impl Fn(u32) -> u32) {
        self.line.iter_mut().for_each(|lot| lot.renumber(&number));
        if let Some(waiting) = &mut self.waiting {
            waiting.renumber(number);
        }
    }

    /// The lots in the order of consumption. Where nobody waits they stay where they are: of a long history
    /// they are many.
    pub(crate) fn into_lots(self) -> VecDeque<HeldLot> {
        let Self { order, mut line, waiting } = self;
        let Some(waiting) = waiting else {
            if order == LotOrder::NewestFirst {
                line.make_contiguous().reverse();
            }
            return line;
        };
        let Queue { heap, places, .. } = *waiting;
        let waiting = heap.into_iter().map(|Waiting { rank, place, .. }| (rank, place));
        let waiting = waiting.map(|(rank, place)| (rank, places[place as usize].clone()));
        let mut lots: Vec<_> =
            line.into_iter().map(|lot| (Rank::of(&lot, None), lot)).chain(waiting).collect();
        lots.sort_by(|(a, _), (b, _)| order.compare(a, b));
        lots.into_iter().map(|(_, lot)| lot).collect()
    }
}

impl Queue {
    fn add(&mut self, order: LotOrder, lot: HeldLot, unit_cost: Option<Arc<UnitCost>>) {
        let rank = Rank::of(&lot, unit_cost);
        let place = match self.free.pop() {
            Some(place) => {
                self.places[place as usize] = lot;
                place
            }
            None => {
                self.places.push(lot);
                // Lots are numbered by events, of which there are fewer than 2^32.
                (self.places.len() - 1) as u32
            }
        };
        self.heap.push(Waiting { order, rank, place });
    }

    /// The place of the first one, when it is consumed before the first in line.
    fn first_before(&self, first: Option<&HeldLot>) -> Option<u32> {
        let waiting = self.heap.peek()?;
        let first = first.map(|first| Rank::of(first, None));
        let waits = first.is_none_or(|first| waiting.order.compare(&waiting.rank, &first).is_lt());
        waits.then_some(waiting.place)
    }

    fn held(&self) -> impl Iterator<Item = &HeldLot> {
        self.heap.iter().map(|waiting| &self.places[waiting.place as usize])
    }

    fn lots(&self) -> impl Iterator<Item = Lot> {
        self.heap.iter().map(|waiting| {
            let lot = self.places[waiting.place as usize].lot();
            Lot { unit_cost: waiting.rank.unit_cost.clone(), ..lot }
        })
    }

    fn renumber(&mut self, number: impl Fn(u32) -> u32) {
        let mut heap = std::mem::take(&mut self.heap).into_vec();
        for Waiting { rank, place, .. } in &mut heap {
            rank.order = number(rank.order);
            self.places[*place as usize].renumber(|_| rank.order);
        }
        self.heap = heap.into();
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order.compare(&other.rank, &self.rank)
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
