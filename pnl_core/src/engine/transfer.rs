//! Transfers: what comes from elsewhere, what leaves, and moves between own wallets.
//!
//! A move is a transfer out and a transfer in with the same link. Between them its lots are under
//! way: they belong to no wallet, and cannot be sold.

use std::sync::Arc;

use super::apply::{Leg, NO_FEES, Now};
use super::error::Fault;
use super::{Engine, TransferInBasis, Transit};
use crate::amount::Usd;
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
        let mut pieces = Vec::new();
        let choice = self.choice(now);
        if self.books.entry(leg.asset).is_cash {
            choice.refuse()?;
        } else {
            let (taken, left) = self.books.take(now.wallet, leg.asset, *leg.quantity, choice)?;
            if !left.is_zero() {
                self.refuse_oversold(leg.asset, left)?;
            }
            pieces = taken;
        }
        if let Some(link) = link {
            let transit = Transit { asset: leg.asset, quantity: *leg.quantity, pieces };
            self.transit.insert(Arc::clone(link), transit);
        } else {
            for piece in pieces {
                let basis = piece.basis.unwrap_or(Usd::ZERO);
                self.transferred = self.transferred.checked_add(basis)?;
            }
        }
        Ok(())
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
        let book = self.books.book(now.wallet, leg.asset);
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
