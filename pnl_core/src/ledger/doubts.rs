//! The transactions that are known to be a part of why a balance is not the sum of the movements.

use serde::{Deserialize, Serialize};

use crate::amount::RawDelta;
use crate::chain::TxId;

/// So many transactions are kept of an asset, the first ones; of the others their number and sum.
pub const MOST_DOUBTS: usize = 20;

/// Why the accounts do not have all that a transaction moved, or have what it did not move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doubt {
    /// Balances contradict the movement: it is left out of the accounts.
    Excluded,
    /// The parser saw the movement and could not attribute it: it is in no event.
    Unattributed,
    /// More left than was there: so much came in before, in transactions that were not seen.
    Uncovered,
    /// Not all movements of the native coin are known.
    NativeIncomplete,
    /// Not the whole fee is known.
    FeeIncomplete,
    /// The change of the asset does not fit into 256 bits: it is in no event. No token is like that, but anybody can
    /// make up one that is.
    TooLarge,
}

/// A transaction whose movements of an asset are not, or not all, in the accounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoubtfulTransaction {
    /// The transaction.
    pub tx_id: TxId,
    /// Slot or block number.
    pub block: u64,
    /// Why.
    pub why: Doubt,
    /// What is not in the accounts, base units as the wallet sees them; `None` = unknown.
    pub raw: Option<RawDelta>,
}

/// The doubtful transactions of an asset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doubts {
    /// The first ones in chain order, at most [`MOST_DOUBTS`]; of a group wallet by wallet.
    pub transactions: Vec<DoubtfulTransaction>,
    /// How many more there are.
    pub more: u64,
    /// The sum of all quantities that are known, of those that are not listed, too; `None` when it does not fit:
    /// anybody can make up events of a token.
    pub raw: Option<RawDelta>,
}

impl Default for Doubts {
    fn default() -> Self {
        Self { transactions: Vec::new(), more: 0, raw: Some(RawDelta::ZERO) }
    }
}

impl Doubts {
    pub(super) fn add(&mut self, doubtful: DoubtfulTransaction) {
        let is_beyond = doubtful.why == Doubt::TooLarge;
        self.sum((!is_beyond).then(|| doubtful.raw.unwrap_or_default()));
        if self.transactions.len() < MOST_DOUBTS {
            self.transactions.push(doubtful);
        } else {
            self.more += 1;
        }
    }

    fn sum(&mut self, more: Option<RawDelta>) {
        self.raw = self.raw.zip(more).and_then(|(sum, more)| sum.checked_add(more).ok());
    }

    /// Takes up those of another history.
    pub(crate) fn join(&mut self, other: &Self) {
        let room = MOST_DOUBTS.saturating_sub(self.transactions.len());
        let kept = other.transactions.len().min(room);
        self.transactions.extend_from_slice(&other.transactions[..kept]);
        self.more += other.more + (other.transactions.len() - kept) as u64;
        self.sum(other.raw);
    }
}
