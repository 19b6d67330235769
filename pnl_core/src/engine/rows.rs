//! The records as they are kept: rows without names, about 200 bytes for an event.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::error::Fault;
use super::records::DisposalLeg;
use crate::amount::{RawAmount, Usd};
use crate::asset::AssetId;

/// In place of the index of an asset: none.
pub(super) const NONE: u32 = u32::MAX;

/// An event by its number: what lots and records refer to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Origin {
    pub(super) id: Arc<str>,
    /// Unix seconds.
    pub(super) ts: i64,
}

/// A disposal; its matches begin at `matches` and end where those of the next one begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DisposalRow {
    pub(super) quantity: RawAmount,
    /// Zero when not priced.
    pub(super) proceeds: Usd,
    pub(super) event: u32,
    pub(super) asset: u32,
    pub(super) wallet: u32,
    pub(super) matches: u32,
    pub(super) leg: DisposalLeg,
    pub(super) priced: bool,
}

/// A piece of a lot that a disposal consumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MatchRow {
    pub(super) quantity: RawAmount,
    /// Zero when not known.
    pub(super) basis: Usd,
    /// Zero when the disposal is not priced.
    pub(super) proceeds: Usd,
    /// The event that made the lot.
    pub(super) lot: u32,
    pub(super) known: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IncomeRow {
    pub(super) value: Usd,
    pub(super) event: u32,
    pub(super) asset: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FeeRow {
    /// Zero when not priced.
    pub(super) value: Usd,
    pub(super) event: u32,
    /// May be [`NONE`].
    pub(super) asset: u32,
    pub(super) priced: bool,
    pub(super) expense: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ActivityRow {
    /// Zero when not priced.
    pub(super) value: Usd,
    pub(super) event: u32,
    pub(super) first: u32,
    /// May be [`NONE`].
    pub(super) second: u32,
    pub(super) priced: bool,
    pub(super) bought: bool,
}

/// Everything that happened in a history, or since records were last taken from the engine
/// ([`super::Engine::take_records`]).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Records {
    pub(super) origins: Vec<Origin>,
    /// Names by index; set when the records are given out.
    pub(super) assets: Vec<AssetId>,
    pub(super) wallets: Vec<Arc<str>>,
    pub(super) disposals: Vec<DisposalRow>,
    pub(super) matches: Vec<MatchRow>,
    pub(super) incomes: Vec<IncomeRow>,
    pub(super) fees: Vec<FeeRow>,
    pub(super) activity: Vec<ActivityRow>,
    /// Whether the proceeds of what no lot covers are a gain (`oversold = zero_basis`).
    pub(super) unmatched_gains: bool,
}

impl Records {
    /// Notes the next event and gives its number.
    pub(super) fn begin(&mut self, id: &Arc<str>, ts: i64) -> Result<u32, Fault> {
        let number = index(self.origins.len())?;
        self.origins.push(Origin { id: Arc::clone(id), ts });
        Ok(number)
    }
}

/// A place in a table of rows.
pub(super) fn index(place: usize) -> Result<u32, Fault> {
    u32::try_from(place).ok().filter(|index| *index != NONE).ok_or(Fault::TooLong)
}
