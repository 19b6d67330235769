//! Lots and the books that hold them: matching and the splitting of costs.
//!
//! A lot is what one acquisition left in one place. A book holds the lots of one asset in one wallet
//! and gives them out in the order of the method. Money is split here and nowhere else: a piece
//! takes `cost left * quantity / quantity left`, rounded towards zero at 1e-36 USD with the product
//! in 512 bits; the piece that empties the lot takes all of the cost that is left. The pieces of a
//! lot therefore sum to its cost exactly.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::amount::{AmountError, RawAmount, Usd};
use crate::method::LotOrder;

/// What is left of one acquisition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lot {
    /// The event that made it. A lot that moves between own wallets keeps it.
    pub(crate) id: Arc<str>,
    /// Unix seconds of the acquisition. Kept by moves as well.
    pub(crate) acquired_ts: i64,
    /// Place of the acquisition in the history: what order is decided by.
    pub(crate) order: u64,
    /// Base units left.
    pub(crate) quantity: RawAmount,
    /// Cost of the quantity left; `None` = unknown basis, never zero.
    pub(crate) basis: Option<Usd>,
}

impl Lot {
    /// Takes `quantity` of this lot, which has more than that.
    fn split_off(&mut self, quantity: RawAmount) -> Result<Self, AmountError> {
        let basis = match self.basis {
            Some(left) => {
                let taken = left.share(quantity, self.quantity)?;
                self.basis = Some(left.checked_sub(taken)?);
                Some(taken)
            }
            None => None,
        };
        self.quantity = self.quantity.checked_sub(quantity)?;
        Ok(Self { id: Arc::clone(&self.id), quantity, basis, ..*self })
    }
}

/// The open lots of one asset in one wallet, the next one to consume in front.
#[derive(Debug)]
pub(crate) struct LotBook {
    order: LotOrder,
    open: VecDeque<Lot>,
}

impl LotBook {
    /// An empty book.
    pub(crate) fn new(order: LotOrder) -> Self {
        Self { order, open: VecDeque::new() }
    }

    /// Adds a lot behind all that are consumed before it or together with it.
    pub(crate) fn add(&mut self, lot: Lot) {
        // New acquisitions of a FIFO book go to the back; only moved lots are sorted in.
        if self.open.back().is_none_or(|last| self.order.compare(last, &lot).is_le()) {
            self.open.push_back(lot);
            return;
        }
        let place = self.open.partition_point(|held| self.order.compare(held, &lot).is_le());
        self.open.insert(place, lot);
    }

    /// Takes the next piece: at most `limit` (not zero) from the lot in front. `None` when no lot
    /// is left.
    pub(crate) fn take(&mut self, limit: RawAmount) -> Result<Option<Lot>, AmountError> {
        match self.open.front_mut() {
            Some(lot) if lot.quantity > limit => lot.split_off(limit).map(Some),
            _ => Ok(self.open.pop_front()),
        }
    }

    /// The open lots in the order of consumption.
    pub(crate) fn into_lots(self) -> impl Iterator<Item = Lot> {
        self.open.into_iter()
    }
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
    pub(crate) fn next(&mut self, quantity: RawAmount) -> Result<Usd, AmountError> {
        let share = self.money.share(quantity, self.quantity)?;
        self.money = self.money.checked_sub(share)?;
        self.quantity = self.quantity.checked_sub(quantity)?;
        Ok(share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lot(id: &str, order: u64, quantity: u64, basis: Option<&str>) -> Lot {
        Lot {
            id: id.into(),
            acquired_ts: 0,
            order,
            quantity: RawAmount::from(quantity),
            basis: basis.map(|text| text.parse().unwrap()),
        }
    }

    #[test]
    fn the_pieces_of_a_lot_sum_to_its_cost() {
        let mut book = LotBook::new(LotOrder::OldestFirst);
        book.add(lot("a", 0, 3, Some("1")));
        let one = RawAmount::from(1u64);
        let pieces: Vec<_> =
            (0..3).map(|_| book.take(one).unwrap().unwrap().basis.unwrap().to_string()).collect();
        let third = format!("0.{}", "3".repeat(36));
        // 1 / 3 and (1 - 1/3) / 2 are rounded towards zero, the rest of 1e-36 goes to the last.
        assert_eq!(pieces, [third.clone(), third, format!("0.{}4", "3".repeat(35))]);
        assert!(book.take(one).unwrap().is_none());
    }

    #[test]
    fn a_moved_lot_is_sorted_in_by_its_own_age() {
        let mut book = LotBook::new(LotOrder::OldestFirst);
        for (id, order) in [("b", 2), ("d", 4), ("c", 3), ("a", 1), ("c2", 3)] {
            book.add(lot(id, order, 1, None));
        }
        let ids: Vec<_> = book.into_lots().map(|lot| lot.id).collect();
        assert_eq!(ids, ["a", "b", "c", "c2", "d"].map(Arc::from));
    }

    #[test]
    fn shares_of_a_negative_amount_sum_to_it() {
        let whole: Usd = "-1".parse().unwrap();
        let mut shares = Shares::new(whole, RawAmount::from(7u64));
        let mut sum = Usd::ZERO;
        for part in [1u64, 2, 4] {
            let share = shares.next(RawAmount::from(part)).unwrap();
            assert!(share.is_negative());
            sum = sum.checked_add(share).unwrap();
        }
        assert_eq!(sum, whole);
    }
}
