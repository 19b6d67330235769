//! Specific identification: which lots leave, where the holder says so.

use std::collections::VecDeque;
use std::sync::Arc;

use super::error::Fault;
use crate::amount::RawAmount;
use crate::lot::{Lot, LotBook};

/// The lots named for what leaves by one event, and how much of each. Nothing is chosen for the
/// other methods.
#[derive(Debug, Default)]
pub(super) struct Choice(VecDeque<Part>);

#[derive(Debug)]
struct Part {
    lot: Arc<str>,
    /// Place of the lot's acquisition in the history; `None` when no event before made it.
    order: Option<u64>,
    /// Base units still to take of it.
    quantity: RawAmount,
}

impl Choice {
    /// The parts of a choice, in order.
    pub(super) fn new(parts: impl Iterator<Item = (Arc<str>, Option<u64>, RawAmount)>) -> Self {
        Self(parts.map(|(lot, order, quantity)| Part { lot, order, quantity }).collect())
    }

    /// Refuses a choice where no lot can be touched.
    pub(super) fn refuse(&self) -> Result<(), Fault> {
        match self.0.front() {
            Some(part) => Err(Fault::ChosenTooMuch { lot: Arc::clone(&part.lot) }),
            None => Ok(()),
        }
    }

    /// The next piece of `left` base units that leave `book`: of the chosen lots, then in the order of
    /// the method. `None` when nothing is left to leave, or no lot to take it from.
    pub(super) fn next_piece(
        &mut self,
        book: &mut LotBook,
        left: RawAmount,
    ) -> Result<Option<Lot>, Fault> {
        let Some(part) = self.0.front_mut() else {
            return if left.is_zero() { Ok(None) } else { Ok(book.take(left)?) };
        };
        if part.quantity > left {
            return Err(Fault::ChosenTooMuch { lot: Arc::clone(&part.lot) });
        }
        let piece = match part.order {
            Some(order) => book.take_named(order, part.quantity)?,
            None => None,
        };
        let Some(piece) = piece else {
            let (lot, quantity) = (Arc::clone(&part.lot), part.quantity);
            return Err(Fault::ChosenNotHeld { lot, quantity });
        };
        part.quantity = part.quantity.checked_sub(piece.quantity)?;
        if part.quantity.is_zero() {
            self.0.pop_front();
        }
        Ok(Some(piece))
    }
}
