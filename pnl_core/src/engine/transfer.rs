//! Transfers: what comes from elsewhere, what leaves, and moves between own wallets.
//!
//! A move is a transfer out and a transfer in with the same link. Between them its lots are under
//! way: they belong to no wallet, and cannot be sold.

use std::sync::Arc;

use super::apply::{Holder, Leg, NO_FEES, Now};
use super::block::Act;
use super::choice::Choice;
use super::error::Fault;
use super::{Engine, TransferInBasis, Transit};
use crate::amount::{RawAmount, Usd};
use crate::lot::Lot;

impl Engine {
    /// A transfer in from elsewhere.
    pub(super) fn receive(&mut self, now: Now<'_>, leg: Leg<'_>) -> Result<(), Fault> {
        let worth = match self.options.transfer_in {
            TransferInBasis::Market => leg,
            TransferInBasis::Unknown => Leg { value: None, residue: None, ..leg },
            TransferInBasis::Zero => Leg { value: Some(&Usd::ZERO), residue: None, ..leg },
            TransferInBasis::Income => {
                self.earn(now, leg)?;
                leg
            }
        };
        self.acquire(now, worth, &NO_FEES)
    }

    /// A transfer out: the lots leave at their basis, and wait under the link if there is one.
    pub(super) fn depart(
        &mut self,
        now: Now<'_>,
        leg: Leg<'_>,
        link: Option<&Arc<str>>,
    ) -> Result<(), Fault> {
        if let Some(link) = link
            && self.transit.contains_key(link)
        {
            return Err(Fault::LinkReused { link: Arc::clone(link) });
        }
        let choice = self.choice(now);
        let is_cash = self.books.entry(leg.asset).is_cash;
        if is_cash {
            choice.refuse()?;
        }
        let Some(link) = link else {
            if is_cash {
                return Ok(());
            }
            let holder = self.holder(now, leg.asset);
            if self.queues {
                self.block.push(Act::Leave, holder, now.event, leg.quantity, None);
                return Ok(());
            }
            return self.leave(holder, leg.quantity, choice);
        };
        let pieces = if is_cash {
            Vec::new()
        } else {
            let holder = self.holder(now, leg.asset);
            self.take_out(holder, leg.quantity, choice)?
        };
        let transit = Transit { asset: leg.asset, quantity: *leg.quantity, pieces };
        self.transit.insert(Arc::clone(link), transit);
        Ok(())
    }

    /// Lots leave at their basis for good.
    pub(super) fn leave(
        &mut self,
        holder: Holder,
        quantity: &RawAmount,
        choice: Choice,
    ) -> Result<(), Fault> {
        for piece in self.take_out(holder, quantity, choice)? {
            let basis = piece.basis.unwrap_or(Usd::ZERO);
            self.transferred = self.transferred.checked_add(basis)?;
        }
        Ok(())
    }

    fn take_out(
        &mut self,
        holder: Holder,
        quantity: &RawAmount,
        choice: Choice,
    ) -> Result<Vec<Lot>, Fault> {
        let (pieces, left) = self.books.take(holder, *quantity, choice)?;
        if !left.is_zero() {
            self.refuse_oversold(holder.asset, left)?;
        }
        Ok(pieces)
    }

    /// The other end of a move between own wallets: lots keep id, time and basis.
    pub(super) fn arrive(
        &mut self,
        now: Now<'_>,
        leg: Leg<'_>,
        link: &Arc<str>,
    ) -> Result<(), Fault> {
        let Some(transit) = self.transit.remove(link) else {
            return Err(Fault::LinkUnknown { link: Arc::clone(link) });
        };
        if (transit.asset, transit.quantity) != (leg.asset, *leg.quantity) {
            return Err(Fault::LinkMismatch { link: Arc::clone(link) });
        }
        if self.books.entry(leg.asset).is_cash {
            return Ok(());
        }
        self.books.count_in(leg.asset, leg.quantity, None)?;
        self.note_lot(now);
        let holder = self.holder(now, leg.asset);
        let book = self.books.book(holder.book);
        let mut missing = *leg.quantity;
        for piece in transit.pieces {
            missing = missing.checked_sub(piece.quantity)?;
            let Lot { order, quantity, basis, unit_cost, .. } = piece;
            book.add(order, &quantity, basis.as_ref(), unit_cost)?;
        }
        if !missing.is_zero() {
            // No lot covered it where it left, so its basis is unknown here.
            book.add(now.event, &missing, None, None)?;
            self.books.entry_mut(leg.asset).unknown_from.get_or_insert(self.last_ts);
        }
        Ok(())
    }
}
