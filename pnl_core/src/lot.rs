//! Lots and the books that hold them: matching and the splitting of costs.
//!
//! A lot is what one acquisition left in one place. A book holds the lots of one asset in one wallet
//! and gives them out in the order of the method. Money is split here and nowhere else: a piece
//! takes `cost left * quantity / quantity left`, rounded towards zero at 1e-36 USD with the product
//! in 512 bits; the piece that empties the lot takes all of the cost that is left. The pieces of a
//! lot therefore sum to its cost exactly. Average cost splits the cost of the pool the same way.

use std::collections::btree_map::{Entry, OccupiedEntry};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::amount::{AmountError, RawAmount, Usd};
use crate::held::{HeldLot, NarrowPiece, NarrowShares};
use crate::holding::Held;
use crate::line::Line;
use crate::method::Method;
use crate::narrow::NarrowUsd;
use crate::near::Way;
use crate::pool::Pool;
use crate::unit_cost::UnitCost;

/// What is left of one acquisition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lot {
    /// The event that made it, by its number: what order is decided by. A lot that moves between own
    /// wallets keeps it.
    pub(crate) order: u32,
    /// Place among all that ever came into the book; set by the book.
    pub(crate) arrival: u64,
    /// Base units left.
    pub(crate) quantity: RawAmount,
    /// Cost of the quantity left; `None` = unknown basis, never zero.
    pub(crate) basis: Option<Usd>,
    /// What HIFO compares, fixed when the lot is made and kept by moves; `None` where the basis is
    /// unknown, and for the other methods.
    pub(crate) unit_cost: Option<Arc<UnitCost>>,
}

/// A part of a lot that leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    /// The event that made the lot.
    pub(crate) order: u32,
    /// Base units.
    pub(crate) quantity: RawAmount,
    /// Cost; `None` = unknown basis.
    pub(crate) basis: Option<Usd>,
}

impl Lot {
    /// Whether there is something of it, and one of so many events made it.
    pub(crate) fn is_sound(&self, events: usize) -> bool {
        (self.order as usize) < events && !self.quantity.is_zero()
    }

    /// Gives at most `limit` (not zero) away; `None` when the share of the cost does not fit. A lot that is left with nothing is for its holder to
    /// remove.
    #[inline(always)]
    pub(crate) fn give(&mut self, limit: &RawAmount) -> Option<Piece> {
        if self.quantity <= *limit {
            let quantity = std::mem::take(&mut self.quantity);
            return Some(Piece { order: self.order, quantity, basis: self.basis });
        }
        let basis = match &mut self.basis {
            Some(left) => {
                let given = left.part(*limit, self.quantity)?;
                // At most what is left, and of its sign.
                *left = left.wrapping_sub(given);
                Some(given)
            }
            None => None,
        };
        self.quantity = self.quantity.wrapping_sub(*limit);
        Some(Piece { order: self.order, quantity: *limit, basis })
    }

    /// The same as a lot of its own, for another holder.
    pub(crate) fn split_off(&mut self, limit: RawAmount) -> Result<Self, AmountError> {
        let piece = self.give(&limit).ok_or(AmountError::Overflow)?;
        let Piece { order, quantity, basis } = piece;
        let (arrival, unit_cost) = (self.arrival, self.unit_cost.clone());
        Ok(Self { order, arrival, quantity, basis, unit_cost })
    }
}

/// The open lots of one asset in one wallet: one line of a cache, and the lots behind it.
#[derive(Debug, Clone)]
#[repr(align(64))]
pub(crate) struct LotBook {
    arrivals: u64,
    lots: Lots,
}

/// A book as a value.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StoredBook {
    arrivals: u64,
    lots: Vec<Lot>,
    pool: Option<Pool>,
}

impl StoredBook {
    /// Whether its lots are sound, each with an arrival of its own, and by average cost the pool is that of its
    /// lots.
    pub(crate) fn is_sound(&self, method: Method, events: usize) -> bool {
        /// More lots than ever come into a book: each event has a number of 32 bits, and brings or moves less than as
        /// many.
        const TOO_MANY_ARRIVALS: u64 = u32::MAX as u64 * u32::MAX as u64;
        let arrivals: BTreeSet<u64> = self.lots.iter().map(|lot| lot.arrival).collect();
        let known = self.lots.iter().filter(|lot| lot.basis.is_some());
        let pooled = known
            .map(|lot| lot.quantity)
            .try_fold(RawAmount::ZERO, |sum, quantity| sum.checked_add(quantity).ok());
        self.lots.iter().all(|lot| lot.is_sound(events) && lot.arrival < self.arrivals)
            && arrivals.len() == self.lots.len()
            && self.arrivals < TOO_MANY_ARRIVALS
            && match self.pool {
                Some(pool) => method == Method::Average && Some(pool.quantity) == pooled,
                None => method != Method::Average,
            }
    }
}

/// How a book finds its lots.
#[derive(Debug, Clone)]
enum Lots {
    /// In the order of the method. With a pool, what a piece costs is the pool's to say.
    InLine(Line, Option<Box<Pool>>),
    /// By place of acquisition and arrival, so that any lot can be named.
    Named(BTreeMap<(u32, u64), Lot>),
}

impl LotBook {
    /// An empty book.
    pub(crate) fn new(method: Method) -> Self {
        let line = Line::new(method.order());
        let lots = match method {
            Method::Fifo | Method::Lifo | Method::Hifo => Lots::InLine(line, None),
            Method::Average => Lots::InLine(line, Some(Box::default())),
            Method::Specific => Lots::Named(BTreeMap::new()),
        };
        Self { arrivals: 0, lots }
    }

    /// Adds a lot behind all that are consumed before it or together with it: made by event `order`, with what
    /// HIFO compares of it.
    #[inline(always)]
    pub(crate) fn add(
        &mut self,
        order: u32,
        quantity: &RawAmount,
        basis: Option<&Usd>,
        unit_cost: Option<Arc<UnitCost>>,
    ) -> Result<(), AmountError> {
        let arrival = self.arrivals;
        self.arrivals += 1;
        match &mut self.lots {
            Lots::InLine(line, pool) => {
                let basis = match pool {
                    Some(pool) => pool.take_in(quantity, basis)?,
                    None => basis,
                };
                line.add(HeldLot::new(order, arrival, quantity, basis), unit_cost);
            }
            Lots::Named(lots) => {
                let (quantity, basis) = (*quantity, basis.copied());
                let lot = Lot { order, arrival, quantity, basis, unit_cost };
                lots.insert((order, arrival), lot);
            }
        }
        Ok(())
    }

    /// Takes the next piece of what leaves, with its share of the proceeds, where all numbers are narrow.
    /// `None` says that everything has its share, that no lot is left, or that [`Self::take`] has to be asked.
    #[inline(always)]
    pub(crate) fn trade(&mut self, shares: &mut NarrowShares) -> Option<(NarrowPiece, NarrowUsd)> {
        if shares.is_done() {
            return None;
        }
        let (line, pool) = match &mut self.lots {
            Lots::InLine(line, None) => (line, None),
            Lots::InLine(line, Some(pool)) => {
                let (cost, quantity) = (NarrowUsd::of(&pool.cost)?, pool.quantity.word()?);
                (line, Some((pool, cost, quantity)))
            }
            Lots::Named(_) => return None,
        };
        let (place, HeldLot::Narrow(lot)) = line.first()? else { return None };
        let (mut piece, share) = lot.trade(shares);
        if lot.is_spent() {
            line.remove(place);
        }
        if let Some((pool, cost, quantity)) = pool
            && piece.known
        {
            piece.basis = cost.share(piece.quantity, quantity);
            pool.cost = cost.less_part(piece.basis).usd();
            pool.quantity = (quantity - piece.quantity).into();
        }
        Some((piece, share))
    }

    /// Takes the next piece: at most `limit` (not zero) from the lot that is consumed first. `None`
    /// when no lot is left.
    pub(crate) fn take(&mut self, limit: &RawAmount) -> Result<Option<Piece>, AmountError> {
        let overflow = || AmountError::Overflow;
        match &mut self.lots {
            Lots::InLine(line, pool) => {
                let Some((place, lot)) = line.first() else { return Ok(None) };
                let mut piece = lot.give(limit).ok_or_else(overflow)?;
                if lot.is_spent() {
                    line.remove(place);
                }
                if let Some(pool) = pool {
                    piece.basis = pool.give_out(piece.quantity, piece.basis)?;
                }
                Ok(Some(piece))
            }
            Lots::Named(lots) => lots
                .first_entry()
                .map(|held| from_held(held, |lot| lot.give(limit).ok_or_else(overflow)))
                .transpose(),
        }
    }

    /// The same as a lot of its own, for another holder.
    pub(crate) fn take_lot(&mut self, limit: RawAmount) -> Result<Option<Lot>, AmountError> {
        match &mut self.lots {
            Lots::InLine(line, pool) => {
                let Some(mut lot) = split_off_first(line, limit)? else { return Ok(None) };
                if let Some(pool) = pool {
                    lot.basis = pool.give_out(lot.quantity, lot.basis)?;
                }
                Ok(Some(lot))
            }
            Lots::Named(lots) => lots
                .first_entry()
                .map(|held| from_held(held, |lot| lot.split_off(limit)))
                .transpose(),
        }
    }

    /// Takes at most `limit` (not zero) of the lot that event `order` made, in a
    /// book of specific identification. `None` when nothing of it is here.
    pub(crate) fn take_named(
        &mut self,
        order: u32,
        limit: RawAmount,
    ) -> Result<Option<Lot>, AmountError> {
        let Lots::Named(lots) = &mut self.lots else { return Ok(None) };
        let first = lots.range((order, 0)..=(order, u64::MAX)).next().map(|(place, _)| *place);
        let Some(place) = first else { return Ok(None) };
        match lots.entry(place) {
            Entry::Occupied(held) => from_held(held, |lot| lot.split_off(limit)).map(Some),
            Entry::Vacant(_) => Ok(None),
        }
    }

    /// Has the lot brought near behind which one comes in, or that leaves first.
    #[inline(always)]
    pub(crate) fn fetch_lots(&self, way: Way) {
        if let Lots::InLine(line, _) = &self.lots {
            line.fetch_end(way);
        }
    }

    /// Sums over the open lots.
    pub(crate) fn held(&self) -> Result<Held, AmountError> {
        let mut held = Held::default();
        match &self.lots {
            Lots::InLine(line, pool) => {
                for lot in line.held() {
                    held.add(lot.quantity(), lot.basis())?;
                }
                if let Some(pool) = pool {
                    held.basis = pool.cost;
                }
            }
            Lots::Named(lots) => {
                for lot in lots.values() {
                    held.add(lot.quantity, lot.basis)?;
                }
            }
        }
        Ok(held)
    }

    /// The open lots as they are kept, in any order.
    pub(crate) fn lots(&self) -> Box<dyn Iterator<Item = Lot> + '_> {
        match &self.lots {
            Lots::InLine(line, _) => Box::new(line.lots()),
            Lots::Named(lots) => Box::new(lots.values().cloned()),
        }
    }

    /// Hands over the events that made the lots, in any order.
    pub(crate) fn for_each_order(&self, each: impl FnMut(u32)) {
        match &self.lots {
            Lots::InLine(line, _) => line.orders().for_each(each),
            Lots::Named(lots) => lots.values().map(|lot| lot.order).for_each(each),
        }
    }

    /// Gives the events that made the lots other numbers, which keep their order.
    pub(crate) fn renumber(&mut self, number: impl Fn(u32) -> u32) {
        match &mut self.lots {
            Lots::InLine(line, _) => line.renumber(number),
            Lots::Named(lots) => {
                *lots = std::mem::take(lots)
                    .into_iter()
                    .map(|((order, arrival), lot)| {
                        let order = number(order);
                        ((order, arrival), Lot { order, ..lot })
                    })
                    .collect();
            }
        }
    }

    /// The book as a value: its lots oldest first.
    pub(crate) fn store(&self) -> StoredBook {
        let mut lots: Vec<_> = self.lots().collect();
        lots.sort_by_key(|lot| (lot.order, lot.arrival));
        let pool = match &self.lots {
            Lots::InLine(_, pool) => pool.as_deref().copied(),
            Lots::Named(_) => None,
        };
        StoredBook { arrivals: self.arrivals, lots, pool }
    }

    /// The book that was stored.
    pub(crate) fn open(method: Method, stored: StoredBook) -> Self {
        let mut book = Self::new(method);
        book.arrivals = stored.arrivals;
        match &mut book.lots {
            Lots::InLine(line, pool) => {
                stored.lots.into_iter().for_each(|lot| hold(line, lot));
                if let Some(pool) = pool {
                    **pool = stored.pool.unwrap_or_default();
                }
            }
            Lots::Named(lots) => {
                lots.extend(stored.lots.into_iter().map(|lot| ((lot.order, lot.arrival), lot)));
            }
        }
        book
    }

    /// The open lots in the order of consumption.
    pub(crate) fn into_lots(self) -> Result<VecDeque<HeldLot>, AmountError> {
        match self.lots {
            Lots::InLine(line, pool) => {
                let mut lots = line.into_lots();
                if let Some(pool) = pool {
                    pool.share_out(&mut lots)?;
                }
                Ok(lots)
            }
            Lots::Named(lots) => Ok(lots.values().map(HeldLot::of).collect()),
        }
    }
}

/// Adds a lot as it is to a line.
fn hold(line: &mut Line, lot: Lot) {
    line.add(HeldLot::of(&lot), lot.unit_cost);
}

/// Takes at most `limit` of the lot that is consumed first as a lot of its own.
fn split_off_first(line: &mut Line, limit: RawAmount) -> Result<Option<Lot>, AmountError> {
    let Some((place, lot)) = line.first() else { return Ok(None) };
    let Piece { order, quantity, basis } = lot.give(&limit).ok_or(AmountError::Overflow)?;
    let (arrival, spent) = (lot.arrival(), lot.is_spent());
    let unit_cost = line.unit_cost(place);
    if spent {
        line.remove(place);
    }
    Ok(Some(Lot { order, arrival, quantity, basis, unit_cost }))
}

/// Takes something of a lot, and the lot away when nothing is left of it.
fn from_held<T>(
    mut held: OccupiedEntry<'_, (u32, u64), Lot>,
    take: impl FnOnce(&mut Lot) -> Result<T, AmountError>,
) -> Result<T, AmountError> {
    let taken = take(held.get_mut())?;
    if held.get().quantity.is_zero() {
        held.remove();
    }
    Ok(taken)
}

/// Gives out an amount of money piece by piece, in proportion to a quantity.
///
/// Each piece takes `money left * quantity / quantity left`, rounded towards zero; the last one
/// takes what is left. The shares sum to the whole exactly, also when it is negative (a fee larger
/// than the proceeds).
#[derive(Debug)]
pub(crate) struct Shares {
    money: Usd,
    quantity: RawAmount,
}

impl Shares {
    /// `money` for `quantity`.
    pub(crate) fn new(money: Usd, quantity: RawAmount) -> Self {
        Self { money, quantity }
    }

    /// The share of the next `quantity`, at most what is left.
    #[inline(always)]
    pub(crate) fn next(&mut self, quantity: &RawAmount) -> Result<Usd, AmountError> {
        let share = self.money.part(*quantity, self.quantity).ok_or(AmountError::Overflow)?;
        // At most what is left, and of its sign.
        self.money = self.money.wrapping_sub(share);
        self.quantity = self.quantity.wrapping_sub(*quantity);
        Ok(share)
    }

    /// The quantity that has no share yet.
    #[inline(always)]
    pub(crate) fn quantity_left(&self) -> &RawAmount {
        &self.quantity
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{I256, U256};
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    fn lot(order: u32, quantity: u64, basis: Option<&str>) -> Lot {
        Lot {
            order,
            arrival: 0,
            quantity: RawAmount::from(quantity),
            basis: basis.map(|text| text.parse().unwrap()),
            unit_cost: None,
        }
    }

    fn add(book: &mut LotBook, lot: Lot) {
        book.add(lot.order, &lot.quantity, lot.basis.as_ref(), None).unwrap();
    }

    #[test]
    fn a_book_takes_one_line_of_a_cache() {
        assert_eq!(size_of::<LotBook>(), 64);
    }

    #[test]
    fn the_pieces_of_a_lot_sum_to_its_cost() {
        let mut book = LotBook::new(Method::Fifo);
        add(&mut book, lot(0, 3, Some("1")));
        let one = RawAmount::from(1u64);
        let pieces: Vec<_> =
            (0..3).map(|_| book.take(&one).unwrap().unwrap().basis.unwrap().to_string()).collect();
        let third = format!("0.{}", "3".repeat(36));
        // 1 / 3 and (1 - 1/3) / 2 are rounded towards zero, the rest of 1e-36 goes to the last.
        assert_eq!(pieces, [third.clone(), third, format!("0.{}4", "3".repeat(35))]);
        assert!(book.take(&one).unwrap().is_none());
    }

    /// The events of the lots in the order of consumption, with the arrival of each.
    fn consumed(method: Method, lots: &[(u32, Option<&str>)]) -> Vec<(u32, u64)> {
        let mut book = LotBook::new(method);
        for (order, basis) in lots {
            add(&mut book, lot(*order, 1, *basis));
        }
        let first = book.take_lot(RawAmount::from(1u64)).unwrap().unwrap();
        let first = (first.order, first.arrival);
        let rest = book.into_lots().unwrap();
        let rest = rest.iter().map(|lot| (lot.order(), lot.arrival()));
        std::iter::once(first).chain(rest).collect()
    }

    #[test]
    fn a_moved_lot_is_sorted_in_by_its_own_age() {
        let lots = [2, 4, 3, 1, 3].map(|order| (order, Some("1")));
        let oldest_first = [(1, 3), (2, 0), (3, 2), (3, 4), (4, 1)];
        for method in [Method::Fifo, Method::Specific, Method::Average] {
            assert_eq!(consumed(method, &lots), oldest_first, "{method}");
        }
        let newest_first = [(4, 1), (3, 2), (3, 4), (2, 0), (1, 3)];
        assert_eq!(consumed(Method::Lifo, &lots), newest_first);
    }

    #[test]
    fn lots_of_unknown_basis_come_last_in_a_pool_only() {
        let lots = [(1, None), (2, Some("1")), (3, None), (4, Some("1"))];
        assert_eq!(consumed(Method::Average, &lots), [(2, 1), (4, 3), (1, 0), (3, 2)]);
        assert_eq!(consumed(Method::Fifo, &lots), [(1, 0), (2, 1), (3, 2), (4, 3)]);
    }

    #[test]
    fn a_pool_gives_out_its_average_and_keeps_every_unit_of_cost() {
        let mut book = LotBook::new(Method::Average);
        add(&mut book, lot(0, 1, Some("1")));
        add(&mut book, lot(1, 2, Some("1")));
        let first = book.take(&RawAmount::from(2u64)).unwrap().unwrap();
        let two_thirds = format!("0.{}", "6".repeat(36));
        assert_eq!((first.order, first.basis.unwrap().to_string()), (0, two_thirds));
        let left = book.into_lots().unwrap();
        assert_eq!(left[0].basis().unwrap().to_string(), format!("1.{}4", "3".repeat(35)));
    }

    #[test]
    fn a_named_lot_leaves_before_older_ones() {
        let mut book = LotBook::new(Method::Specific);
        for order in [1, 2] {
            add(&mut book, lot(order, 3, Some("3")));
        }
        let two = RawAmount::from(2u64);
        let mut taken = || book.take_named(2, two).unwrap().map(|lot| lot.quantity);
        assert_eq!([taken(), taken(), taken()], [Some(two), Some(RawAmount::from(1u64)), None]);
        assert_eq!(book.take(&two).unwrap().unwrap().order, 1);
    }

    /// What a disposal takes out of a book: pieces with their shares, and what is left without a lot.
    fn disposed(
        book: &mut LotBook,
        quantity: RawAmount,
        money: Usd,
        narrow: bool,
    ) -> (Vec<(Piece, Usd)>, RawAmount) {
        let mut pieces = Vec::new();
        let mut shares = Shares::new(money, quantity);
        if narrow && let (Some(money), Some(quantity)) = (NarrowUsd::of(&money), quantity.word()) {
            let mut left = NarrowShares::new(money, quantity);
            while let Some((piece, share)) = book.trade(&mut left) {
                pieces.push((piece.into(), share.usd()));
            }
            shares = left.in_full();
        }
        while !shares.quantity_left().is_zero()
            && let Some(piece) = book.take(shares.quantity_left()).unwrap()
        {
            let share = shares.next(&piece.quantity).unwrap();
            pieces.push((piece, share));
        }
        (pieces, *shares.quantity_left())
    }

    proptest! {
        /// Lots and disposals at and beyond what is narrow, mixed in one book.
        #[test]
        fn narrow_numbers_are_matched_like_all_others(
            lots in vec((edge(64), option::of(edge(190))), 0..8),
            disposals in vec((edge(64), edge(190)), 0..8),
            method in select(vec![Method::Fifo, Method::Lifo, Method::Average]),
        ) {
            let mut books = [LotBook::new(method), LotBook::new(method)];
            for (order, (quantity, basis)) in lots.into_iter().enumerate() {
                let basis = basis.map(|basis| Usd::from_units(I256::from_raw(basis)));
                for book in &mut books {
                    book.add(order as u32, &quantity.into(), basis.as_ref(), None).unwrap();
                }
            }
            for (quantity, money) in disposals {
                let (quantity, money) = (quantity.into(), Usd::from_units(I256::from_raw(money)));
                let [first, second] = &mut books;
                let expected = disposed(second, quantity, money, false);
                prop_assert_eq!(disposed(first, quantity, money, true), expected);
            }
            let [first, second] = books;
            let [first, second] = [first, second].map(|book| book.into_lots().unwrap());
            prop_assert!(first.iter().map(HeldLot::lot).eq(second.iter().map(HeldLot::lot)));
        }
    }

    /// Numbers of about so many bits, and small ones; not zero.
    fn edge(bits: usize) -> impl Strategy<Value = U256> {
        let about = (0usize..4, 0u8..3).prop_map(move |(more, less)| {
            (U256::from(1u8) << (bits - 1 + more)) - U256::from(less)
        });
        prop_oneof![about, (1u64..9).prop_map(U256::from), (1u64..).prop_map(U256::from)]
    }

    #[test]
    fn shares_of_a_negative_amount_sum_to_it() {
        let whole: Usd = "-1".parse().unwrap();
        let mut shares = Shares::new(whole, RawAmount::from(7u64));
        let mut sum = Usd::ZERO;
        for part in [1u64, 2, 4] {
            let share = shares.next(&RawAmount::from(part)).unwrap();
            assert!(share.is_negative());
            sum = sum.checked_add(share).unwrap();
        }
        assert_eq!(sum, whole);
    }
}
