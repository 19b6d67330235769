//! Tokens that are left out of the accounts of a group: those of which its wallets together got more than 256 bits, or
//! sent and claim to hold more.
//!
//! No token is like that, but anybody can make up events that are, each of which fits into the ledger of its
//! wallet. They are known from the sums of the wallets before the first event is merged.

use std::collections::{BTreeMap, BTreeSet};

use crate::amount::{AmountError, RawAmount};
use crate::asset::AssetId;
use crate::ledger::{Doubts, EXCHANGE_SOURCE, HistoryFacts, LedgerEvent, LedgerKind, LegSide};
use crate::report::History;

/// The tokens that are set aside, and what moved of them.
#[derive(Debug)]
pub(super) struct Aside {
    assets: BTreeSet<AssetId>,
    /// Of their movements, the doubts.
    noted: HistoryFacts,
}

impl Aside {
    /// The tokens of which more came in than fits, of all wallets together, or more went out and is said to be held:
    /// so much could be missing from the events.
    pub fn of(histories: &[History]) -> Self {
        let mut sums: BTreeMap<&AssetId, [RawAmount; 2]> = BTreeMap::new();
        let mut assets = BTreeSet::new();
        let mut add = |asset, which: usize, more: RawAmount| {
            let sum = &mut sums.entry(asset).or_default()[which];
            match sum.checked_add(more) {
                Ok(all) => *sum = all,
                Err(_) => drop(assets.insert(asset.clone())),
            }
        };
        for history in histories {
            for (asset, facts) in &history.facts.assets {
                // A version that noted no flows says nothing of what is to come.
                let Some(flows) = &facts.flows else { continue };
                add(asset, 0, flows.came_in);
                add(asset, 1, flows.went_out);
            }
            for (asset, balance) in history.balances.iter().flatten() {
                add(asset, 1, *balance);
            }
        }
        Self { assets, noted: HistoryFacts::noting_doubts() }
    }

    /// Whether the asset is set aside.
    pub fn has(&self, asset: &AssetId) -> bool {
        self.assets.contains(asset)
    }

    /// Leaves their movements in these events, all that a wallet has of a transaction, out of the accounts, and notes
    /// them. What was exchanged for them is a transfer, and its fees stand by themselves; the legs of one exchange can be
    /// in several events, all of which are taken apart.
    ///
    /// # Errors
    /// [`AmountError::Overflow`] when a sum does not fit.
    pub fn set(&mut self, events: Vec<LedgerEvent>) -> Result<Vec<LedgerEvent>, AmountError> {
        // What the wallet itself has left out is in none of its exchanges.
        let is_aside = |aside: &Self, event: &LedgerEvent| {
            !event.excluded && event.legs.iter().any(|leg| aside.has(&leg.asset))
        };
        if !events.iter().any(|event| is_aside(self, event)) {
            return Ok(events);
        }
        let mut all = Vec::with_capacity(events.len());
        for event in events {
            if !event.kind.is_exchange() && !is_aside(self, &event) {
                all.push(event);
                continue;
            }
            for event in self.apart(&event) {
                if event.excluded {
                    self.noted.add_event(&event)?;
                }
                all.push(event);
            }
        }
        Ok(all)
    }

    /// An event for each leg. What had its value from the other side of the exchange has none by itself.
    fn apart(&self, event: &LedgerEvent) -> Vec<LedgerEvent> {
        let legs = event.legs.iter().cloned().map(|mut leg| {
            let excluded = self.has(&leg.asset);
            if excluded || leg.price_source.as_deref() == Some(EXCHANGE_SOURCE) {
                (leg.value, leg.price_source, leg.price_time) = (None, None, None);
            }
            let kind = match leg.side {
                LegSide::Fee => LedgerKind::Fee,
                _ if leg.raw.is_negative() => LedgerKind::TransferOut,
                _ => LedgerKind::TransferIn,
            };
            let flags = LedgerEvent { unsolicited: false, basis_reset: false, ..event.clone() };
            LedgerEvent { kind, legs: vec![leg], excluded, ..flags }
        });
        legs.collect()
    }

    /// What was noted of them, beside what the wallets have noted.
    pub fn doubts(&self) -> Option<&BTreeMap<AssetId, Doubts>> {
        self.noted.doubts.as_ref()
    }
}
