//! The sums that the events of a bundle come to, beside those that its first line says.

use std::collections::BTreeSet;

use pnl_core::ledger::{AssetFacts, HistoryFacts, LedgerEvent};
use pnl_core::report::History;
use pnl_core::{AmountError, AssetId};

use crate::wallets::facts::FactsOfEvents;

/// Sums while the events come by.
#[derive(Default)]
pub(super) struct Sums {
    seen: FactsOfEvents,
    ts: i64,
}

impl Sums {
    /// Takes up the next event; whether it stands where it can, not before its block or before the event that came
    /// before it.
    pub fn take_up(&mut self, event: &LedgerEvent) -> Result<bool, AmountError> {
        self.seen.take_up(event)?;
        for leg in &event.legs {
            // What is left out of the accounts has no sums.
            if let Some(facts) = self.seen.facts.assets.get_mut(&leg.asset) {
                facts.decimals = leg.decimals;
            }
        }
        // It can stand later: a transaction without an event between them has moved the time on.
        let earliest = event.block_time.map_or(self.ts, |time| time.max(self.ts));
        self.ts = event.ts;
        Ok(event.ts >= earliest)
    }

    /// The sums so far: of transactions, those with an event.
    pub fn facts(&self) -> &HistoryFacts {
        &self.seen.facts
    }

    /// What the history says and the events do not come to: assets, and sums by name. Transactions without
    /// an event are counted by the history alone.
    pub fn contradicted(&self, history: &History) -> Vec<String> {
        let (found, said) = (&self.seen.facts, &history.facts);
        let assets: BTreeSet<&AssetId> = found.assets.keys().chain(said.assets.keys()).collect();
        let differs = |asset: &AssetId| match (found.assets.get(asset), said.assets.get(asset)) {
            (Some(found), Some(said)) => {
                // Of a version that did not note them there are none to compare with.
                let flows = said.flows.as_ref().and(found.flows.clone());
                *said != AssetFacts { flows, ..found.clone() }
            }
            _ => true,
        };
        let assets = assets.into_iter().filter(|asset| differs(asset));
        let others = [
            ("the rent deposits", found.rent_pool != said.rent_pool),
            ("the number of transactions", found.transactions > said.transactions),
            ("the number of failed transactions", found.failed > said.failed),
        ];
        let others = others.into_iter().filter(|(_, differs)| *differs);
        assets
            .map(|asset| format!("the sums of {asset}"))
            .chain(others.map(|(name, _)| name.to_owned()))
            .collect()
    }
}
