//! Where a ledger stands between two transactions, in a form that can be stored.

use serde::{Deserialize, Serialize};

use super::facts::HistoryFacts;

/// What [`super::LedgerBuilder`] carries from one transaction to the next. It grows with the assets
/// of the history, not with its length.
///
/// The hashes inside are states of their algorithm, not results: only the version of the program
/// that wrote one may go on from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerState {
    pub(super) ts: i64,
    pub(super) in_window: u64,
    pub(super) lines: String,
    pub(super) prices: String,
    pub(super) facts: HistoryFacts,
}
