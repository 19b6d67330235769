//! Tokens that are left out of the accounts of a group: those of which its wallets together moved, or claim to hold,
//! more than 256 bits.
//!
//! No token is like that, but anybody can make up events that are, each of which fits into the ledger of its
//! wallet. They are known from the sums of the wallets before the first event is merged.

use std::collections::{BTreeMap, BTreeSet};

use crate::amount::{AmountError, RawAmount};
use crate::asset::AssetId;
use crate::ledger::{Doubts, HistoryFacts, LedgerEvent, LedgerKind, LegSide};
use crate::report::History;

/// The tokens that are set aside, and what moved of them.
#[derive(Debug)]
pub(super) struct Aside {
    assets: BTreeSet<AssetId>,
    /// Of their movements, the doubts.
    noted: HistoryFacts,
}

impl Aside {
    /// The tokens of which more came in, went out, or is said to be held, of all wallets together than fits.
    pub fn of(histories: &[History]) -> Self {
        let mut sums: BTreeMap<&AssetId, [RawAmount; 3]> = BTreeMap::new();
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
                add(asset, 2, *balance);
            }
        }
        Self { assets, noted: HistoryFacts::noting_doubts() }
    }

    /// Whether the asset is set aside.
    pub fn has(&self, asset: &AssetId) -> bool {
        self.assets.contains(asset)
    }

    /// Leaves their movements in these events out of the accounts. As in the ledger of a wallet, what was exchanged
    /// for them is a transfer, and its fees stand by themselves.
    pub fn set(&self, events: Vec<LedgerEvent>) -> Vec<LedgerEvent> {
        let is_aside = |event: &LedgerEvent| event.legs.iter().any(|leg| self.has(&leg.asset));
        if !events.iter().any(is_aside) {
            return events;
        }
        let apart = |event| if is_aside(&event) { self.apart(&event) } else { vec![event] };
        events.into_iter().flat_map(apart).collect()
    }

    /// An event for each leg.
    fn apart(&self, event: &LedgerEvent) -> Vec<LedgerEvent> {
        let legs = event.legs.iter().cloned().map(|mut leg| {
            let excluded = self.has(&leg.asset);
            if excluded {
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

    /// Notes what an event of the group moves of them.
    pub fn note(&mut self, event: &LedgerEvent) -> Result<(), AmountError> {
        let is_noted = event.excluded && event.legs.iter().any(|leg| self.has(&leg.asset));
        if is_noted { self.noted.add_event(event) } else { Ok(()) }
    }

    /// Their doubtful transactions in the group.
    pub fn doubts(&self) -> BTreeMap<AssetId, Doubts> {
        self.noted.doubts.clone().unwrap_or_default()
    }
}
