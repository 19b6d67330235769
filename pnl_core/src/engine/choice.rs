//! Specific identification: which lots leave, where the holder says so.

use std::collections::VecDeque;
use std::sync::Arc;

use super::error::Fault;
use crate::amount::RawAmount;
use crate::lot::{Lot, LotBook, Piece};

/// The lots named for what leaves by one event, and how much of each. Nothing is chosen for the
/// other methods.
#[derive(Debug, Default)]
pub(super) struct Choice(Option<VecDeque<Part>>);

#[derive(Debug)]
struct Part {
    lot: Arc<str>,
    /// Number of the event that made the lot; `None` when no event before made it.
    order: Option<u32>,
    /// Base units still to take of it.
    quantity: RawAmount,
}

impl Choice {
    /// The parts of a choice, in order.
    pub(super) fn new(parts: impl Iterator<Item = (Arc<str>, Option<u32>, RawAmount)>) -> Self {
        let parts = parts.map(|(lot, order, quantity)| Part { lot, order, quantity });
        Self(Some(parts.collect()))
    }

    /// Whether lots are named.
    #[inline(always)]
    pub(super) fn is_made(&self) -> bool {
        self.0.is_some()
    }

    /// Refuses a choice where no lot can be touched.
    pub(super) fn refuse(&self) -> Result<(), Fault> {
        match self.0.as_ref().and_then(|parts| parts.front()) {
            Some(part) => Err(Fault::ChosenTooMuch { lot: Arc::clone(&part.lot) }),
            None => Ok(()),
        }
    }

    /// The next piece of `left` base units that leave `book`: of the chosen lots, then in the order of
    /// the method. `None` when nothing is left to leave, or no lot to take it from.
    #[inline(always)]
    pub(super) fn next_piece(
        &mut self,
        book: &mut LotBook,
        left: &RawAmount,
    ) -> Result<Option<Piece>, Fault> {
        match &mut self.0 {
            Some(parts) if !parts.is_empty() => {
                let lot = next_chosen(parts, book, *left)?;
                Ok(Some(Piece { order: lot.order, quantity: lot.quantity, basis: lot.basis }))
            }
            _ if left.is_zero() => Ok(None),
            _ => Ok(book.take(left)?),
        }
    }

    /// The same as a lot of its own, for another holder.
    pub(super) fn next_lot(
        &mut self,
        book: &mut LotBook,
        left: RawAmount,
    ) -> Result<Option<Lot>, Fault> {
        match &mut self.0 {
            Some(parts) if !parts.is_empty() => next_chosen(parts, book, left).map(Some),
            _ if left.is_zero() => Ok(None),
            _ => Ok(book.take_lot(left)?),
        }
    }
}

fn next_chosen(
    parts: &mut VecDeque<Part>,
    book: &mut LotBook,
    left: RawAmount,
) -> Result<Lot, Fault> {
    let part = parts.front_mut().expect("the caller looked");
    if part.quantity > left {
        return Err(Fault::ChosenTooMuch { lot: Arc::clone(&part.lot) });
    }
    let taken = part.order.map(|order| book.take_named(order, part.quantity)).transpose()?;
    let Some(lot) = taken.flatten() else {
        let (lot, quantity) = (Arc::clone(&part.lot), part.quantity);
        return Err(Fault::ChosenNotHeld { lot, quantity });
    };
    part.quantity = part.quantity.checked_sub(lot.quantity)?;
    if part.quantity.is_zero() {
        parts.pop_front();
    }
    Ok(lot)
}
