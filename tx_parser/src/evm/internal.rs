//! Native coin that contracts sent each other inside the transaction.

use std::collections::HashSet;

use super::movements::{Asset, Movement};
use super::wire::Internal;
use crate::json::Loose;

/// Calls that run another contract's code in the caller's place: what they carry stays there.
const WITHOUT_TRANSFER: [&str; 3] = ["delegatecall", "callcode", "staticcall"];

/// Calls nest 1,024 deep at most; a path of so many bytes names no frame.
const LONGEST_PATH: usize = 8_192;

/// The transfers that took effect, and how many rows make no sense.
///
/// A row that failed moved nothing, and neither did any row below it: `trace_id` is a path such as
/// `0_1_3` where the provider gives one.
pub(super) fn transfers(rows: &[Loose<Internal<'_>>]) -> (Vec<Movement>, usize) {
    let mut unreadable = 0;
    let mut read = Vec::new();
    for row in rows {
        match row.0.as_ref().and_then(Row::read) {
            Some(row) => read.push(row),
            None => unreadable += 1,
        }
    }
    let reverted: HashSet<&str> =
        read.iter().filter(|row| row.failed).filter_map(|row| row.path).collect();
    let is_reverted = |row: &Row<'_>| {
        row.failed || (!reverted.is_empty() && row.ancestors().any(|path| reverted.contains(path)))
    };
    let transfers =
        read.iter().filter(|row| !is_reverted(row)).filter_map(|row| row.movement).collect();
    (transfers, unreadable)
}

struct Row<'a> {
    failed: bool,
    path: Option<&'a str>,
    /// `None` when the row carries nothing.
    movement: Option<Movement>,
}

impl<'a> Row<'a> {
    /// `None` when the row makes no sense.
    ///
    /// Of one that failed only the path is needed: there is no created contract to name, and whatever
    /// else is missing moved nothing.
    fn read(row: &'a Internal<'_>) -> Option<Self> {
        let path = row.trace_id.text().filter(|path| path.len() <= LONGEST_PATH);
        if row.is_error.flag()? {
            return Some(Self { failed: true, path, movement: None });
        }
        let amount = row.value.quantity()?;
        let kind = row.kind.text().unwrap_or_default();
        let is_transfer = !amount.is_zero()
            && !WITHOUT_TRANSFER.iter().any(|name| kind.eq_ignore_ascii_case(name));
        let movement = if is_transfer {
            // A created contract stands in a member of its own.
            let to = row.to.account().or_else(|| row.contract_address.account())?;
            Some(Movement {
                asset: Asset::Native,
                from: Some(row.from.account()?),
                to: Some(to),
                amount,
            })
        } else {
            None
        };
        Some(Self { failed: false, path, movement })
    }

    /// The paths of the frames above this one.
    fn ancestors(&self) -> impl Iterator<Item = &'a str> {
        let path = self.path.unwrap_or_default();
        path.match_indices('_').map(|(end, _)| &path[..end])
    }
}
