//! The pool of average cost.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::amount::{AmountError, RawAmount, Usd};
use crate::held::HeldLot;

/// What average cost knows of the lots with a known basis: their quantity and cost together. The
/// lots themselves only carry their dates, their own basis is a zero.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Pool {
    pub(crate) quantity: RawAmount,
    pub(crate) cost: Usd,
}

impl Pool {
    /// Takes in what a lot brings, and gives what the lot has of its own then.
    pub(crate) fn take_in<'a>(
        &mut self,
        quantity: &RawAmount,
        basis: Option<&'a Usd>,
    ) -> Result<Option<&'a Usd>, AmountError> {
        let Some(basis) = basis else { return Ok(None) };
        self.cost = self.cost.checked_add(*basis)?;
        self.quantity = self.quantity.checked_add(*quantity)?;
        Ok(Some(&Usd::ZERO))
    }

    /// The basis of a piece at the average cost of the pool.
    pub(crate) fn give_out(
        &mut self,
        quantity: RawAmount,
        basis: Option<Usd>,
    ) -> Result<Option<Usd>, AmountError> {
        if basis.is_none() {
            return Ok(None);
        }
        let basis = self.cost.share(quantity, self.quantity)?;
        self.cost = self.cost.checked_sub(basis)?;
        self.quantity = self.quantity.checked_sub(quantity)?;
        Ok(Some(basis))
    }

    /// Gives each open lot its share of the pool's cost.
    pub(crate) fn share_out(mut self, lots: &mut VecDeque<HeldLot>) -> Result<(), AmountError> {
        for lot in lots {
            let quantity = lot.quantity();
            let basis = self.give_out(quantity, lot.basis())?;
            *lot = HeldLot::new(lot.order(), lot.arrival(), &quantity, basis.as_ref());
        }
        Ok(())
    }
}
