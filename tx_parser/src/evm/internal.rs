//! Native coin that contracts sent each other inside the transaction.

use std::borrow::Cow;
use std::collections::HashSet;

use super::movements::{Asset, Movement};
use super::path::Path;
use super::wire::Internal;
use crate::json::{Loose, Scalar};

/// Calls that run another contract's code in the caller's place: what they carry stays there.
const WITHOUT_TRANSFER: [&str; 3] = ["delegatecall", "callcode", "staticcall"];

/// What the rows of a recording tell.
#[derive(Debug, Default)]
pub(super) struct Transfers {
    /// Those that took effect, for all that is known.
    pub(super) list: Vec<Movement>,
    /// Of these, those that may stand below a call that failed.
    pub(super) doubtful: Vec<Movement>,
    /// How many rows make no sense.
    pub(super) unreadable: usize,
}

/// Reads the rows of a transaction whose own call moved `own`.
///
/// A row that failed moved nothing, and neither did any row below it: `trace_id` is a path in the tree
/// of calls where the provider gives one. A recording without paths marks the rows below a failed one
/// as well; providers do not. Some of them name the transaction's own call, too.
pub(super) fn transfers(rows: &[Loose<Internal<'_>>], own: Option<Movement>) -> Transfers {
    let mut transfers = Transfers::default();
    let mut own = own;
    let mut failed = Vec::new();
    let mut moved = Vec::new();
    for row in rows {
        match row.0.as_ref().and_then(Row::read) {
            Some(Row::Failed(place)) => failed.push(place),
            Some(Row::Moved(_, movement)) if own.is_some_and(|own| is_own(own, movement)) => {
                own = None;
            }
            Some(Row::Moved(path, movement)) => moved.push((path, movement)),
            Some(Row::Nothing) => {}
            None => transfers.unreadable += 1,
        }
    }
    if failed.is_empty() {
        transfers.list = moved.into_iter().map(|(_, movement)| movement).collect();
        return transfers;
    }
    let is_any_lost = failed.iter().any(|place| matches!(place, Place::Lost));
    let at = |place| if let Place::At(steps) = place { Some(steps) } else { None };
    let reverted: HashSet<Cow<'_, [u32]>> = failed.into_iter().filter_map(at).collect();
    for (path, movement) in moved {
        let steps = path.steps();
        let is_below = |steps: &[u32]| (0..steps.len()).any(|end| reverted.contains(&steps[..end]));
        if steps.as_deref().is_some_and(is_below) {
            continue;
        }
        if is_any_lost || (steps.is_none() && !reverted.is_empty()) {
            transfers.doubtful.push(movement);
        }
        transfers.list.push(movement);
    }
    transfers
}

/// Whether a row is the transaction's own call or creation. Inside of it nothing is sent from the sender's
/// address, unless that has code of its own. The contract created may not be known.
fn is_own(own: Movement, row: Movement) -> bool {
    own.from == row.from && own.amount == row.amount && (own.to.is_none() || own.to == row.to)
}

/// Where a row failed.
enum Place<'a> {
    /// There; what stands below failed, too.
    At(Cow<'a, [u32]>),
    /// What stands below is marked as well.
    Alone,
    /// Nobody says where.
    Lost,
}

enum Row<'a> {
    /// Rolled back.
    Failed(Place<'a>),
    Moved(&'a Path<'a>, Movement),
    /// It carries nothing.
    Nothing,
}

impl<'a> Row<'a> {
    /// `None` when the row makes no sense.
    ///
    /// Of one that failed only the path is needed: there is no created contract to name, and whatever
    /// else is missing moved nothing.
    fn read(row: &'a Internal<'_>) -> Option<Self> {
        let path = if row.trace_id.is_absent() { &row.theirs.trace_id } else { &row.trace_id };
        if has_failed(row)? {
            return Some(Self::Failed(match path.steps() {
                Some(steps) => Place::At(steps),
                None if path.is_absent() && row.is_error.flag() == Some(true) => Place::Alone,
                None => Place::Lost,
            }));
        }
        let amount = row.value.quantity()?;
        let is_without = |kind: &Scalar<'_>| {
            let kind = kind.text().unwrap_or_default();
            WITHOUT_TRANSFER.iter().any(|name| kind.eq_ignore_ascii_case(name))
        };
        if amount.is_zero() || is_without(&row.kind) || is_without(&row.theirs.call_type) {
            return Some(Self::Nothing);
        }
        // A created contract stands in a member of its own.
        let created = [&row.contract_address, &row.theirs.contract_address];
        let created = || created.into_iter().find_map(Scalar::account);
        let to = row.to.account().or_else(created)?;
        let from = Some(row.from.account()?);
        Some(Self::Moved(path, Movement { asset: Asset::Native, from, to: Some(to), amount }))
    }
}

/// Whether a row says that it failed, by a flag or by the words of an error.
fn has_failed(row: &Internal<'_>) -> Option<bool> {
    let has_error = match &row.theirs.error {
        Scalar::Absent | Scalar::Bool(false) | Scalar::Number(0) => false,
        Scalar::Text(words) => !words.is_empty(),
        Scalar::Bool(true) | Scalar::Number(_) | Scalar::Other => true,
    };
    Some(row.is_error.flag()? || row.theirs.is_error.flag()? || has_error)
}
