//! The sums that the events of a bundle come to, beside those that its first line says.

use std::collections::BTreeSet;

use pnl_core::ledger::{AssetFacts, Doubt, Doubts, HistoryFacts, LedgerEvent};
use pnl_core::report::History;
use pnl_core::{AmountError, AssetId, Chain, WalletTransaction};
use tx_parser::evm::AMOUNT_TOO_LARGE;

use crate::stages::ledger::ORDER_UNCERTAIN;
use crate::wallets::facts::FactsOfEvents;

/// Sums while the events come by.
pub(super) struct Sums {
    seen: FactsOfEvents,
    /// What the transactions that were read again say about themselves.
    lines: HistoryFacts,
    ts: i64,
}

impl Default for Sums {
    fn default() -> Self {
        Self { seen: FactsOfEvents::noting_doubts(), lines: HistoryFacts::default(), ts: 0 }
    }
}

impl Sums {
    /// Takes up a transaction that was read again.
    pub fn take_up_line(&mut self, line: &WalletTransaction) -> Result<(), AmountError> {
        self.lines.add_line(line)
    }

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
            .chain(
                doubted(found, said).map(|asset| format!("the doubtful transactions of {asset}")),
            )
            .chain(others.map(|(name, _)| name.to_owned()))
            .chain(told_otherwise(&self.lines, history).map(str::to_owned))
            .collect()
    }
}

/// What the transactions that were read say about themselves and the history does not: the same where all were read,
/// else no more.
fn told_otherwise(
    read: &HistoryFacts,
    history: &History,
) -> impl Iterator<Item = &'static str> + use<> {
    let said = &history.facts;
    // Which of two views of a transaction of the EVM the ledger had is known as far as its events tell.
    let has_one_view = history.chain == Chain::Solana;
    let all_read = read.transactions == said.transactions;
    let differs = |read: u64, said: u64| if all_read { read != said } else { read > said };
    let count = |facts: &HistoryFacts, code: &str| facts.notes.get(code).copied().unwrap_or(0);
    // Of this the place in the block decides, not the transaction.
    let codes = read.notes.keys().chain(said.notes.keys()).filter(|code| *code != ORDER_UNCERTAIN);
    let mut notes = codes.map(|code| (count(read, code), count(said, code)));
    let told = [
        (
            "the movements that could not be attributed",
            all_read && read.unexplained != said.unexplained,
        ),
        (
            "the number of transactions with such movements",
            differs(read.unexplained_transactions, said.unexplained_transactions),
        ),
        (
            "the number of transactions whose native movements are not all known",
            has_one_view && differs(read.incomplete_native, said.incomplete_native),
        ),
        (
            "the number of transactions whose whole fee is not known",
            differs(read.incomplete_fee, said.incomplete_fee),
        ),
        (
            "the number of transactions without a block time",
            differs(read.missing_block_time, said.missing_block_time),
        ),
        ("the notes", has_one_view && notes.any(|(read, said)| differs(read, said))),
    ];
    told.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name)
}

/// The assets of which the events give other doubts than the history says. Of a version that did not note them there
/// are none to compare with.
fn doubted<'a>(
    found: &'a HistoryFacts,
    said: &'a HistoryFacts,
) -> impl Iterator<Item = &'a AssetId> {
    let both = found.doubts.as_ref().zip(said.doubts.as_ref());
    let assets: BTreeSet<&AssetId> =
        both.iter().flat_map(|(found, said)| found.keys().chain(said.keys())).collect();
    assets.into_iter().filter(move |asset| {
        both.is_some_and(|(found, doubts)| {
            // These come from transactions, not from events, and take the place of others in the list.
            let is_unattributed = said.unexplained.contains_key(*asset);
            let is_incomplete =
                asset.is_native() && (said.incomplete_native > 0 || said.incomplete_fee > 0);
            let is_mixed =
                is_unattributed || is_incomplete || said.notes.contains_key(AMOUNT_TOO_LARGE);
            let (found, doubts) = (found.get(*asset), doubts.get(*asset));
            match doubts.filter(|_| is_mixed) {
                Some(doubts) => !is_beginning(doubts, found, is_unattributed),
                None => doubts != found,
            }
        })
    })
}

/// Whether the doubts that come from events are the first ones of those found, and no fewer than can be. Behind a
/// movement that could not be attributed, nothing counts as uncovered.
fn is_beginning(said: &Doubts, found: Option<&Doubts>, is_unattributed: bool) -> bool {
    let of_events = |why: Doubt| matches!(why, Doubt::Excluded | Doubt::Uncovered);
    let said_of_events = said.transactions.iter().filter(|doubtful| of_events(doubtful.why));
    let found = found.map_or(&[][..], |found| &found.transactions);
    let count = said_of_events.clone().count();
    let is_whole = count >= found.len() || said.more > 0 || is_unattributed;
    is_whole && said_of_events.eq(found.iter().take(count))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use pnl_core::TxId;
    use pnl_core::ledger::DoubtfulTransaction;

    use super::*;

    fn facts(asset: &AssetId, doubts: &[(&str, Doubt)]) -> HistoryFacts {
        let transactions = doubts.iter().map(|(tx_id, why)| DoubtfulTransaction {
            tx_id: TxId::new(tx_id),
            block: 1,
            why: *why,
            raw: None,
        });
        let doubts = Doubts { transactions: transactions.collect(), ..Doubts::default() };
        let doubts = BTreeMap::from([(asset.clone(), doubts)]);
        HistoryFacts { doubts: Some(doubts), ..HistoryFacts::default() }
    }

    #[test]
    fn doubts_that_events_give_are_compared_beside_those_of_transactions() {
        use Doubt::{FeeIncomplete, Unattributed, Uncovered};
        let differs = |found: &HistoryFacts, said: &HistoryFacts| doubted(found, said).count() > 0;
        let native = AssetId::native();
        let found = facts(&native, &[("a", Uncovered), ("b", Uncovered)]);
        assert!(!differs(&found, &found));
        assert!(!differs(&found, &HistoryFacts::default()), "not noted");
        let mixed = [("a", Uncovered), ("x", FeeIncomplete), ("b", Uncovered)];
        let mut said = facts(&native, &mixed);
        assert!(differs(&found, &said), "no fee is incomplete");
        said.incomplete_fee = 1;
        assert!(!differs(&found, &said));
        let incomplete =
            |doubts: &[_]| HistoryFacts { incomplete_fee: 1, ..facts(&native, doubts) };
        assert!(differs(&found, &incomplete(&mixed[..2])), "one is left out");
        assert!(differs(&found, &incomplete(&[("a", Uncovered), ("c", Uncovered)])), "another one");
        assert!(differs(&HistoryFacts { doubts: Some(BTreeMap::new()), ..said.clone() }, &said));

        // Behind what could not be attributed nothing is uncovered.
        let mut said = facts(&native, &[("a", Uncovered), ("x", Unattributed)]);
        said.unexplained.insert(native.clone(), Default::default());
        assert!(!differs(&found, &said));
        let mut said = facts(&native, &[("b", Uncovered), ("x", Unattributed)]);
        said.unexplained.insert(native, Default::default());
        assert!(differs(&found, &said), "the first one is left out");
    }
}
