//! A lot as a line of lots holds it: 48 bytes where its numbers fit, as those of nearly all lots do.

use crate::amount::{RawAmount, Usd};
use crate::lot::{Lot, Piece, Shares};
use crate::narrow::NarrowUsd;

/// An open lot. What HIFO compares of it is not here: it stands with its rank.
///
/// A lot is narrow when its quantity has 64 bits and its cost 192 at the time it comes in; what is left of
/// it fits as well. One that is not is kept in full, and stays so.
#[derive(Debug, Clone)]
pub(crate) enum HeldLot {
    Narrow(NarrowLot),
    Wide(Box<Lot>),
}

/// A lot of which quantity and cost fit into words.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NarrowLot {
    quantity: u64,
    /// Nothing where it is not known.
    basis: NarrowUsd,
    arrival: u64,
    order: u32,
    known: bool,
}

/// A part of a narrow lot that leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NarrowPiece {
    /// The event that made the lot.
    pub(crate) order: u32,
    /// Base units.
    pub(crate) quantity: u64,
    /// Whether its cost is known.
    pub(crate) known: bool,
    /// Its cost; nothing where it is not known.
    pub(crate) basis: NarrowUsd,
}

impl NarrowLot {
    /// Gives at most `limit` (not zero) away. A lot that is left with nothing is for its holder to remove.
    fn give(&mut self, limit: u64) -> NarrowPiece {
        self.trade(&mut NarrowShares::new(NarrowUsd::ZERO, limit)).0
    }

    /// Gives away what is asked for, or all there is, and says what share of the proceeds it has.
    ///
    /// One of the two is used up by it, and takes along all that is left of its money: only the other one is
    /// split.
    #[inline(always)]
    pub(crate) fn trade(&mut self, shares: &mut NarrowShares) -> (NarrowPiece, NarrowUsd) {
        let Self { order, known, .. } = *self;
        if self.quantity <= shares.quantity {
            let quantity = std::mem::take(&mut self.quantity);
            let share = shares.money.share(quantity, shares.quantity);
            shares.money = shares.money.less_part(share);
            shares.quantity -= quantity;
            return (NarrowPiece { order, quantity, known, basis: self.basis }, share);
        }
        let quantity = std::mem::take(&mut shares.quantity);
        let basis = self.basis.share(quantity, self.quantity);
        self.basis = self.basis.less_part(basis);
        self.quantity -= quantity;
        (NarrowPiece { order, quantity, known, basis }, shares.money)
    }

    #[inline(always)]
    pub(crate) fn is_spent(&self) -> bool {
        self.quantity == 0
    }
}

/// What leaves and what was received for it, as far as no piece has its share yet.
#[derive(Debug)]
pub(crate) struct NarrowShares {
    /// Has no meaning once nothing is left of the quantity.
    money: NarrowUsd,
    quantity: u64,
}

impl NarrowShares {
    /// `money` for `quantity`.
    #[inline(always)]
    pub(crate) fn new(money: NarrowUsd, quantity: u64) -> Self {
        Self { money, quantity }
    }

    /// Whether everything has its share.
    #[inline(always)]
    pub(crate) fn is_done(&self) -> bool {
        self.quantity == 0
    }

    /// The same in full numbers.
    pub(crate) fn in_full(&self) -> Shares {
        Shares::new(self.money.usd(), self.quantity.into())
    }
}

impl From<NarrowPiece> for Piece {
    fn from(piece: NarrowPiece) -> Self {
        let NarrowPiece { order, quantity, known, basis } = piece;
        Self { order, quantity: quantity.into(), basis: known.then(|| basis.usd()) }
    }
}

impl HeldLot {
    /// The lot without what HIFO compares.
    #[inline(always)]
    pub(crate) fn new(order: u32, arrival: u64, quantity: &RawAmount, basis: Option<&Usd>) -> Self {
        match (quantity.word(), NarrowUsd::of(basis.unwrap_or(&Usd::ZERO))) {
            (Some(quantity), Some(cost)) => {
                let known = basis.is_some();
                Self::Narrow(NarrowLot { quantity, basis: cost, arrival, order, known })
            }
            _ => Self::wide(order, arrival, quantity, basis),
        }
    }

    /// The same of a lot in full.
    pub(crate) fn of(lot: &Lot) -> Self {
        Self::new(lot.order, lot.arrival, &lot.quantity, lot.basis.as_ref())
    }

    #[cold]
    fn wide(order: u32, arrival: u64, quantity: &RawAmount, basis: Option<&Usd>) -> Self {
        let (quantity, basis) = (*quantity, basis.copied());
        Self::Wide(Box::new(Lot { order, arrival, quantity, basis, unit_cost: None }))
    }

    /// Gives at most `limit` (not zero) away; `None` when the share of the cost does not fit. A lot that is
    /// left with nothing is for its holder to remove.
    pub(crate) fn give(&mut self, limit: &RawAmount) -> Option<Piece> {
        match self {
            // A limit that does not fit is more than all of it.
            Self::Narrow(lot) => Some(lot.give(limit.word().unwrap_or(u64::MAX)).into()),
            Self::Wide(lot) => lot.give(limit),
        }
    }

    pub(crate) fn is_spent(&self) -> bool {
        match self {
            Self::Narrow(lot) => lot.is_spent(),
            Self::Wide(lot) => lot.quantity.is_zero(),
        }
    }

    /// Base units left.
    pub(crate) fn quantity(&self) -> RawAmount {
        match self {
            Self::Narrow(lot) => lot.quantity.into(),
            Self::Wide(lot) => lot.quantity,
        }
    }

    /// Cost of the quantity left; `None` = unknown.
    pub(crate) fn basis(&self) -> Option<Usd> {
        match self {
            Self::Narrow(lot) => lot.known.then(|| lot.basis.usd()),
            Self::Wide(lot) => lot.basis,
        }
    }

    /// The event that made it.
    #[inline(always)]
    pub(crate) fn order(&self) -> u32 {
        match self {
            Self::Narrow(lot) => lot.order,
            Self::Wide(lot) => lot.order,
        }
    }

    /// Place among all that ever came into the book.
    pub(crate) fn arrival(&self) -> u64 {
        match self {
            Self::Narrow(lot) => lot.arrival,
            Self::Wide(lot) => lot.arrival,
        }
    }

    /// Whether its basis is known.
    #[inline(always)]
    pub(crate) fn is_known(&self) -> bool {
        match self {
            Self::Narrow(lot) => lot.known,
            Self::Wide(lot) => lot.basis.is_some(),
        }
    }

    /// Gives the event that made it another number.
    pub(crate) fn renumber(&mut self, number: impl Fn(u32) -> u32) {
        match self {
            Self::Narrow(lot) => lot.order = number(lot.order),
            Self::Wide(lot) => lot.order = number(lot.order),
        }
    }

    /// The lot in full.
    pub(crate) fn lot(&self) -> Lot {
        match self {
            Self::Narrow(NarrowLot { quantity, basis, arrival, order, known }) => Lot {
                order: *order,
                arrival: *arrival,
                quantity: (*quantity).into(),
                basis: known.then(|| basis.usd()),
                unit_cost: None,
            },
            Self::Wide(lot) => (**lot).clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{I256, U256};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_lot_takes_48_bytes() {
        assert_eq!(size_of::<HeldLot>(), 48);
    }

    fn number() -> impl Strategy<Value = U256> {
        let edges = [63usize, 64, 65, 127, 128, 191, 192].map(|bits| U256::from(1u8) << bits);
        let edge = proptest::sample::select(edges.to_vec());
        prop_oneof![
            (edge, 0u8..3).prop_map(|(edge, less)| edge - U256::from(less)),
            any::<u128>().prop_map(U256::from),
            any::<u64>().prop_map(U256::from),
        ]
    }

    proptest! {
        /// Pieces and what is left, of lots at and beyond what is narrow, as of a lot kept in full.
        #[test]
        fn narrow_and_wide_lots_give_the_same(
            quantity in number(), basis in proptest::option::of((number(), any::<bool>())),
            limits in proptest::collection::vec(number(), 1..6),
        ) {
            let basis = basis.map(|(size, negative)| {
                let units = I256::from_raw(size);
                Usd::from_units(if negative { -units } else { units })
            });
            let quantity = RawAmount::from(quantity.max(U256::from(1u8)));
            let mut held = HeldLot::new(7, 3, &quantity, basis.as_ref());
            let mut full = Lot { order: 7, arrival: 3, quantity, basis, unit_cost: None };
            for limit in limits {
                let limit = RawAmount::from(limit.max(U256::from(1u8)));
                prop_assert_eq!(held.give(&limit), full.give(&limit));
                let left = held.lot();
                prop_assert_eq!((left.order, left.arrival, left.quantity), (7, 3, full.quantity));
                prop_assert_eq!(held.is_spent(), full.quantity.is_zero());
                if held.is_spent() {
                    break;
                }
                prop_assert_eq!(left.basis, full.basis);
            }
        }
    }
}
