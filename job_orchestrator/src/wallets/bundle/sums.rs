//! The sums that the events of a bundle come to, beside those that its first line says.

use std::collections::{BTreeMap, BTreeSet};

use pnl_core::ledger::{AssetFacts, Doubt, DoubtfulTransaction, Doubts, HistoryFacts, LedgerEvent};
use pnl_core::report::History;
use pnl_core::{AmountError, AssetId, Chain, RawDelta, WalletTransaction};
use tx_parser::PARSER_VERSION;

use crate::stages::ledger::ORDER_UNCERTAIN;
use crate::wallets::facts::FactsOfEvents;

/// Sums while the events come by.
pub(super) struct Sums {
    seen: FactsOfEvents,
    /// What the transactions that were read again say about themselves.
    lines: HistoryFacts,
    /// Assets of which a movement is left out of the accounts.
    left_out: BTreeSet<AssetId>,
    ts: i64,
}

impl Default for Sums {
    fn default() -> Self {
        Self {
            seen: FactsOfEvents::noting_doubts(),
            lines: HistoryFacts::noting_doubts(),
            left_out: BTreeSet::new(),
            ts: 0,
        }
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
        if event.excluded {
            self.left_out.extend(event.legs.iter().map(|leg| leg.asset.clone()));
        }
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
        let silent = said.transactions.saturating_sub(found.transactions);
        let silent_failed = said.failed.checked_sub(found.failed);
        let others = [
            ("the rent deposits", found.rent_pool != said.rent_pool),
            ("the number of transactions", found.transactions > said.transactions),
            (
                "the number of failed transactions",
                silent_failed.is_none_or(|failed| failed > silent),
            ),
        ];
        let others = others.into_iter().filter(|(_, differs)| *differs);
        assets
            .map(|asset| format!("the sums of {asset}"))
            .chain(
                self.left_out_in_part(history).map(|asset| {
                    format!("the movements of {asset}, of which others are left out,")
                }),
            )
            .chain(
                self.doubted(history).map(|asset| format!("the doubtful transactions of {asset}")),
            )
            .chain(others.map(|(name, _)| name.to_owned()))
            .chain(told_otherwise(&self.lines, history).map(str::to_owned))
            .collect()
    }

    /// The assets that are in the accounts and of which something is left out: an honest ledger has all of one, or
    /// nothing.
    fn left_out_in_part(&self, history: &History) -> impl Iterator<Item = &AssetId> {
        let read = self.lines.doubts.iter().flatten().filter(|_| is_of_this_parser(history));
        let too_large = read.filter(|(_, doubts)| !of_kind(doubts, is_too_large).is_empty());
        let left_out: BTreeSet<&AssetId> =
            self.left_out.iter().chain(too_large.map(|(asset, _)| asset)).collect();
        left_out.into_iter().filter(|asset| self.seen.facts.assets.contains_key(*asset))
    }

    /// The assets of which the events, or the transactions that were read, give other doubts than the history says. Of a
    /// version that did not note them there are none to compare with.
    fn doubted<'a>(&'a self, history: &'a History) -> impl Iterator<Item = &'a AssetId> {
        let noted = history.facts.doubts.as_ref();
        let [found, read] = [&self.seen.facts, &self.lines].map(|facts| facts.doubts.as_ref());
        let all = [noted, noted.and(found), noted.and(read)].into_iter().flatten();
        let assets: BTreeSet<&AssetId> = all.flat_map(BTreeMap::keys).collect();
        let all_read = self.lines.transactions == history.facts.transactions;
        assets.into_iter().filter(move |asset| {
            let [noted, found, read] = [noted, found, read].map(|doubts| doubts?.get(*asset));
            !events_agree(asset, found, noted, history)
                || is_of_this_parser(history) && !too_large_agree(read, noted, all_read)
        })
    }
}

/// Whether this program reads transactions as the one did that made the history.
fn is_of_this_parser(history: &History) -> bool {
    history.parser_version == PARSER_VERSION
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
        // Other versions make other notes.
        (
            "the notes",
            has_one_view
                && is_of_this_parser(history)
                && notes.any(|(read, said)| differs(read, said)),
        ),
    ];
    told.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name)
}

/// The doubts of an asset that events give, beside those that its transactions give, too: these are in no event, and take
/// the place of others in the list. Whether they are what the history says, as far as its list has them.
fn events_agree(
    asset: &AssetId,
    found: Option<&Doubts>,
    noted: Option<&Doubts>,
    history: &History,
) -> bool {
    let said = &history.facts;
    let is_unattributed = said.unexplained.contains_key(asset);
    let is_incomplete =
        asset.is_native() && (said.incomplete_native > 0 || said.incomplete_fee > 0);
    let Some(noted) = noted else { return found.is_none() };
    let is_too_large = history.chain != Chain::Solana && has_too_large(noted);
    if !(is_unattributed || is_incomplete || is_too_large) {
        return found == Some(noted);
    }
    // Behind a movement that could not be attributed, nothing counts as uncovered. What is not complete has no quantity.
    let raw = found.map_or(Some(RawDelta::ZERO), |found| found.raw);
    (is_unattributed || is_too_large || noted.raw == raw)
        && is_beginning(noted, found, is_of_event, is_unattributed)
}

/// Whether a movement that does not fit is among them: then the sum is not known, and it is in the list or behind it.
fn has_too_large(noted: &Doubts) -> bool {
    noted.raw.is_none() && (noted.more > 0 || !of_kind(noted, is_too_large).is_empty())
}

fn is_of_event(why: Doubt) -> bool {
    matches!(why, Doubt::Excluded | Doubt::Uncovered)
}

fn is_too_large(why: Doubt) -> bool {
    why == Doubt::TooLarge
}

/// The doubts of a kind, as far as they are listed.
fn of_kind(doubts: &Doubts, is_kind: fn(Doubt) -> bool) -> Vec<&DoubtfulTransaction> {
    doubts.transactions.iter().filter(|of| is_kind(of.why)).collect()
}

/// Whether the doubts of a kind are the first ones of those found, and no fewer than can be, or than `may_lack` allows.
fn is_beginning(
    noted: &Doubts,
    found: Option<&Doubts>,
    is_kind: fn(Doubt) -> bool,
    may_lack: bool,
) -> bool {
    let found = found.map(|found| of_kind(found, is_kind)).unwrap_or_default();
    let listed = of_kind(noted, is_kind);
    let is_whole = listed.len() >= found.len() || noted.more > 0 || may_lack;
    is_whole && found.starts_with(&listed)
}

/// Whether the history names the transactions that moved more of an asset than fits: all that were read, and no others
/// where all of them were.
fn too_large_agree(read: Option<&Doubts>, noted: Option<&Doubts>, all_read: bool) -> bool {
    let none = Doubts::default();
    let noted = noted.unwrap_or(&none);
    if all_read {
        return is_beginning(noted, read, is_too_large, false);
    }
    let read = read.map(|read| of_kind(read, is_too_large)).unwrap_or_default();
    noted.more > 0 || read.into_iter().all(|of| noted.transactions.contains(of))
}

#[cfg(test)]
mod tests {
    use pnl_core::report::Coverage;
    use pnl_core::{Address, Pin, TxId};

    use super::*;

    fn history(chain: Chain, facts: HistoryFacts) -> History {
        History {
            wallet: Address::from_chain_data("W"),
            chain,
            pin: Pin { block: 1, block_time: 1 },
            facts,
            prices: BTreeMap::new(),
            balances: None,
            is_past: false,
            compared_elsewhere: Default::default(),
            coverage: Coverage {
                complete: true,
                sources: vec![],
                missing: vec![],
                truncated: None,
            },
            parser_version: PARSER_VERSION.to_owned(),
            price_set_hash: String::new(),
            input_hash: String::new(),
        }
    }

    fn sums(found: &HistoryFacts, lines: &HistoryFacts) -> Sums {
        let mut sums = Sums { lines: lines.clone(), ..Sums::default() };
        sums.seen.facts = found.clone();
        sums
    }

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
        let differs = |found: &HistoryFacts, said: &HistoryFacts| {
            let history = history(Chain::Solana, said.clone());
            sums(found, &HistoryFacts::noting_doubts()).doubted(&history).count() > 0
        };
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
        let mut other_sum = said.clone();
        other_sum.doubts.as_mut().unwrap().get_mut(&native).unwrap().raw = None;
        assert!(differs(&found, &other_sum), "what is not complete has no quantity");
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

    #[test]
    fn doubts_about_what_does_not_fit_are_those_of_the_transactions() {
        use Doubt::{Excluded, TooLarge};
        let asset = AssetId::new("T");
        let noted = |doubts: &[(&str, Doubt)], is_known: bool| {
            let mut facts = facts(&asset, doubts);
            facts.transactions = 2;
            let of = facts.doubts.as_mut().unwrap().get_mut(&asset).unwrap();
            of.raw = is_known.then(RawDelta::default);
            facts
        };
        let found = noted(&[("a", Excluded)], true);
        let read = noted(&[("b", TooLarge)], false);
        let said = noted(&[("a", Excluded), ("b", TooLarge)], false);
        let differs = |chain, read: &HistoryFacts, said: &HistoryFacts| {
            let history = history(chain, said.clone());
            sums(&found, read).doubted(&history).count() > 0
        };
        let on_evm = |read: &_, said: &_| differs(Chain::Ethereum, read, said);
        assert!(!on_evm(&read, &said));
        assert!(differs(Chain::Solana, &read, &said), "there everything fits");
        let known = noted(&[("a", Excluded), ("b", TooLarge)], true);
        assert!(on_evm(&read, &known), "a sum that nobody knows");
        assert!(on_evm(&read, &noted(&[("b", TooLarge)], false)), "what events give is left out");
        let of_another = noted(&[("a", Excluded), ("c", TooLarge)], false);
        assert!(on_evm(&read, &of_another) && on_evm(&read, &found));
        let none = HistoryFacts { transactions: 2, ..HistoryFacts::noting_doubts() };
        assert!(on_evm(&none, &said), "all were read, and everything fits");

        // It can be a transaction that was not read.
        let one = |facts: HistoryFacts| HistoryFacts { transactions: 1, ..facts };
        assert!(!on_evm(&one(none), &said));
        let both = noted(&[("a", Excluded), ("b", TooLarge), ("c", TooLarge)], false);
        assert!(!on_evm(&one(read.clone()), &both));
        assert!(on_evm(&one(read.clone()), &of_another) && on_evm(&one(read), &found));

        // Another parser read other things.
        let mut older = history(Chain::Ethereum, said);
        assert_eq!(sums(&found, &noted(&[], true)).doubted(&older).count(), 1);
        older.parser_version = "0".to_owned();
        assert_eq!(sums(&found, &noted(&[], true)).doubted(&older).count(), 0);
    }

    #[test]
    fn notes_are_compared_with_those_of_the_same_parser() {
        let read = HistoryFacts { notes: [("n".to_owned(), 1)].into(), ..HistoryFacts::default() };
        let mut said = history(Chain::Solana, HistoryFacts::default());
        assert_eq!(told_otherwise(&read, &said).collect::<Vec<_>>(), ["the notes"]);
        said.parser_version = "0".to_owned();
        assert_eq!(told_otherwise(&read, &said).count(), 0);
    }

    #[test]
    fn so_many_transactions_can_have_failed_as_have_no_event() {
        let found = HistoryFacts { transactions: 3, failed: 1, ..HistoryFacts::noting_doubts() };
        let sums = sums(&found, &HistoryFacts { transactions: 3, ..HistoryFacts::default() });
        let differs = |transactions, failed| {
            let said = HistoryFacts { transactions, failed, ..HistoryFacts::default() };
            sums.contradicted(&history(Chain::Solana, said))
        };
        assert!(differs(3, 1).is_empty() && differs(5, 3).is_empty());
        for (transactions, failed) in [(3, 0), (3, 2), (5, 4)] {
            assert_eq!(differs(transactions, failed), ["the number of failed transactions"]);
        }
    }
}
