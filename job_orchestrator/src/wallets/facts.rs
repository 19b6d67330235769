//! The facts of a history, from the events of its ledger alone.

use pnl_core::ledger::{HistoryFacts, LedgerEvent};
use pnl_core::{AmountError, TxId, TxStatus};

/// Facts while the events come by: of transactions, those with an event.
#[derive(Debug, Default)]
pub(super) struct FactsOfEvents {
    pub facts: HistoryFacts,
    last: Option<TxId>,
}

impl FactsOfEvents {
    /// Those of a history at its beginning, with all that can be noted.
    pub fn noting_doubts() -> Self {
        Self { facts: HistoryFacts::noting_doubts(), last: None }
    }

    /// Takes up the next event; gives whether it is the first of its transaction.
    ///
    /// # Errors
    /// [`AmountError::Overflow`] when a sum does not fit.
    pub fn take_up(&mut self, event: &LedgerEvent) -> Result<bool, AmountError> {
        self.facts.add_event(event)?;
        let is_first = self.last.as_ref() != Some(&event.tx_id);
        if is_first {
            self.facts.transactions += 1;
            self.facts.failed += u64::from(event.status == TxStatus::Failed);
            self.last = Some(event.tx_id.clone());
        }
        Ok(is_first)
    }
}
