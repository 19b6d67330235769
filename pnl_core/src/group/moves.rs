//! What one wallet of a group sent to another in one transaction.
//!
//! Ledgers know net movements, not who sent to whom: a move is what some wallets of the group sent of an
//! asset and others received of it in the same transaction. Equal quantities belong together; what is
//! left is matched in the order of the addresses. The received quantity is moved with its lots, what a
//! sender of it sent beyond is a fee, and what was received beyond came from elsewhere. Swaps are no
//! moves.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::order::Part;
use crate::amount::{AmountError, RawAmount};
use crate::asset::AssetId;
use crate::ledger::{LedgerEvent, LedgerKind, LegSide};
use crate::lot::Shares;

/// An event of a part: number of the part, number of the event.
type Place = (usize, usize);

/// A quantity that is open on one side of a move.
#[derive(Debug, Clone, Copy)]
struct Open {
    place: Place,
    left: RawAmount,
}

/// What becomes of a transfer: its moves in order, by number and quantity. Those of both ends have the
/// same number.
#[derive(Debug, Default)]
struct Split(BTreeMap<Place, Vec<(u32, RawAmount)>>);

/// The transaction with its moves linked.
#[derive(Debug)]
pub(super) struct Linked {
    /// Its parts; those that send come first, so that every link is open before it is taken up.
    pub parts: Vec<Part>,
    /// How many moves it has.
    pub moves: u32,
    /// Whether less arrived than was sent.
    pub is_short: bool,
}

/// Links what the wallets sent to each other.
pub(super) fn link(parts: Vec<Part>) -> Result<Linked, AmountError> {
    if parts.len() < 2 {
        return Ok(Linked { parts, moves: 0, is_short: false });
    }
    let mut ends: BTreeMap<&AssetId, [Vec<Open>; 2]> = BTreeMap::new();
    for (part, (_, events)) in parts.iter().enumerate() {
        for (number, event) in events.iter().enumerate() {
            let Some((asset, quantity, side)) = transfer(event) else { continue };
            let open = Open { place: (part, number), left: quantity };
            ends.entry(asset).or_default()[usize::from(side == LegSide::In)].push(open);
        }
    }
    let mut split = Split::default();
    let mut moves = 0;
    for [sent, received] in ends.values_mut() {
        match_up(sent, received, &mut split, &mut moves)?;
    }
    let mut is_short = false;
    let mut linked = Vec::with_capacity(parts.len());
    for (part, (member, events)) in parts.into_iter().enumerate() {
        let mut rewritten = Vec::with_capacity(events.len());
        let mut sends = false;
        for (number, event) in events.into_iter().enumerate() {
            match split.0.remove(&(part, number)) {
                None => rewritten.push(event),
                Some(pieces) => {
                    sends |= event.kind == LedgerKind::TransferOut;
                    is_short |= rewrite(event, &pieces, &mut rewritten)?;
                }
            }
        }
        linked.push((!sends, (member, rewritten)));
    }
    // A stable sort: otherwise the order of the addresses stays.
    linked.sort_by_key(|(is_receiver, _)| *is_receiver);
    let parts = linked.into_iter().map(|(_, part)| part).collect();
    Ok(Linked { parts, moves, is_short })
}

/// A transfer that may be one end of a move.
fn transfer(event: &LedgerEvent) -> Option<(&AssetId, RawAmount, LegSide)> {
    let side = match event.kind {
        LedgerKind::TransferOut => LegSide::Out,
        LedgerKind::TransferIn => LegSide::In,
        _ => return None,
    };
    let [leg] = &event.legs[..] else { return None };
    let is_open = leg.side == side && event.link.is_none() && !event.excluded;
    is_open.then(|| (&leg.asset, leg.raw.magnitude(), side))
}

/// Pairs what was sent of one asset with what was received.
fn match_up(
    sent: &mut [Open],
    received: &mut [Open],
    split: &mut Split,
    moves: &mut u32,
) -> Result<(), AmountError> {
    let mut pair = |out: &mut Open, into: &mut Open| -> Result<(), AmountError> {
        let quantity = out.left.min(into.left);
        // Nothing sends to itself.
        if quantity.is_zero() || out.place.0 == into.place.0 {
            return Ok(());
        }
        for end in [out, into] {
            end.left = end.left.checked_sub(quantity)?;
            split.0.entry(end.place).or_default().push((*moves, quantity));
        }
        *moves += 1;
        Ok(())
    };
    for out in sent.iter_mut() {
        let equal = received.iter_mut().find(|into| into.left == out.left);
        if let Some(into) = equal {
            pair(out, into)?;
        }
    }
    for out in sent.iter_mut() {
        for into in received.iter_mut() {
            pair(out, into)?;
        }
    }
    Ok(())
}

/// Writes a transfer as its moves and its rest. Whether it sent more than arrived.
fn rewrite(
    event: LedgerEvent,
    pieces: &[(u32, RawAmount)],
    events: &mut Vec<LedgerEvent>,
) -> Result<bool, AmountError> {
    let Some(leg) = event.legs.first() else { return Ok(false) };
    let sign = |quantity: RawAmount| match leg.raw.is_negative() {
        true => quantity.into_delta().opposite(),
        false => quantity.into_delta(),
    };
    let mut rest = leg.raw.magnitude();
    let mut shares = leg.value.map(|value| Shares::new(value, rest));
    let mut piece = |quantity: RawAmount| -> Result<LedgerEvent, AmountError> {
        let mut piece = event.clone();
        piece.legs[0].raw = sign(quantity);
        piece.legs[0].value = shares.as_mut().map(|shares| shares.next(&quantity)).transpose()?;
        Ok(piece)
    };
    for (number, quantity) in pieces {
        let mut moved = piece(*quantity)?;
        moved.link = Some(move_name(&event, *number));
        // It is known where it comes from.
        (moved.unsolicited, moved.basis_reset) = (false, false);
        events.push(moved);
        rest = rest.checked_sub(*quantity)?;
    }
    if rest.is_zero() {
        return Ok(false);
    }
    let mut rest = piece(rest)?;
    let is_short = event.kind == LedgerKind::TransferOut;
    if is_short {
        rest.kind = LedgerKind::Fee;
    }
    events.push(rest);
    Ok(is_short)
}

/// The link of a move.
fn move_name(event: &LedgerEvent, number: u32) -> Arc<str> {
    format!("{}:move:{number}", event.tx_id).into()
}
