//! What is held: sums over open lots.

use crate::amount::{AmountError, RawAmount, Usd};

/// Sums over open lots.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Held {
    /// Base units.
    pub(crate) quantity: RawAmount,
    /// Of them: with known basis.
    pub(crate) known: RawAmount,
    /// Basis of the known ones.
    pub(crate) basis: Usd,
}

impl Held {
    /// Adds a lot.
    pub(crate) fn add(
        &mut self,
        quantity: RawAmount,
        basis: Option<Usd>,
    ) -> Result<(), AmountError> {
        self.quantity = self.quantity.checked_add(quantity)?;
        if let Some(basis) = basis {
            self.known = self.known.checked_add(quantity)?;
            self.basis = self.basis.checked_add(basis)?;
        }
        Ok(())
    }

    /// Adds what is held elsewhere.
    pub(crate) fn add_held(&mut self, other: &Self) -> Result<(), AmountError> {
        self.quantity = self.quantity.checked_add(other.quantity)?;
        self.known = self.known.checked_add(other.known)?;
        self.basis = self.basis.checked_add(other.basis)?;
        Ok(())
    }
}
