//! What rounding left to the pieces of lots.

use pnl_core::Options;
use pnl_core::explain::MadeLot;

use super::Found;
use crate::stages::replay;
use crate::wallets::WalletsError;

/// Adds what the lots cost when they were made, and what rounding left to the pieces.
pub(super) fn added(options: &Options, mut found: Found) -> Result<Found, WalletsError> {
    for piece in &mut found.matches {
        let (Some(row), Some(basis)) = (&piece.ledger, piece.basis) else { continue };
        let Some(event) = replay::event(row.get())?.to_event(0)? else { continue };
        let Some(made) = MadeLot::of(&event, &found.asset, options)? else { continue };
        piece.lot_basis = Some(made.cost);
        piece.rounding_remainder = Some(made.remainder(piece.qty, basis)?);
    }
    Ok(found)
}
