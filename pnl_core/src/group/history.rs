//! What is known of a group beside its events.

use std::collections::{BTreeMap, BTreeSet};

use super::{GroupBuilder, Member, Members};
use crate::amount::{AmountError, RawAmount};
use crate::asset::AssetId;
use crate::chain::{Pin, WalletRef};
use crate::hash;
use crate::ledger::{Doubts, HistoryFacts};
use crate::report::{Comparison, Coverage, History};

/// The note of a transaction of which less arrived at a wallet of the group than others had sent.
pub(crate) const MOVE_SHORTFALL: &str = "move_shortfall";

/// A group at its end.
#[derive(Debug)]
pub struct GroupHistory {
    /// As of a wallet: sums, prices, balances and coverage of all of them together.
    pub history: History,
    /// Whose the events are.
    pub members: Members,
    /// Transactions in the window: of the whole history all, of a part those with an event.
    pub transactions: u64,
    /// Moves between its wallets.
    pub moves: u64,
}

impl GroupBuilder {
    /// Ends the group under a name. `missing` tells of its wallets that have no ledger.
    ///
    /// # Errors
    /// [`AmountError::Overflow`] when a sum does not fit.
    pub fn finish(
        self,
        name: &WalletRef,
        pin: Pin,
        missing: &[String],
    ) -> Result<GroupHistory, AmountError> {
        let histories: Vec<&History> = self.members.iter().map(|member| &member.history).collect();
        let versions: BTreeSet<&str> =
            histories.iter().map(|history| history.parser_version.as_str()).collect();
        let versions: Vec<&str> = versions.into_iter().collect();
        let hashes = |of: fn(&History) -> &str| -> String {
            let parts: Vec<_> = histories.iter().map(|one| (&one.wallet, of(one))).collect();
            hash::of_values(&("group", pin, missing, parts))
        };
        let told = if missing.is_empty() { balances(&histories) } else { None };
        let mut compared_elsewhere = comparison(&histories, missing)?;
        let beyond = told.iter().flatten().filter(|(_, balance)| balance.is_none());
        compared_elsewhere.differing.extend(beyond.map(|(asset, _)| asset.clone()));
        let fitting = |told: Balances| {
            let told = told.into_iter();
            told.filter_map(|(asset, balance)| Some((asset, balance?))).collect()
        };
        let history = History {
            wallet: name.address.clone(),
            chain: name.chain,
            pin,
            facts: self.facts()?,
            prices: histories.iter().rev().flat_map(|one| one.prices.clone()).collect(),
            balances: told.map(fitting),
            is_past: histories.iter().any(|one| one.is_past),
            compared_elsewhere,
            coverage: coverage(&histories, missing)?,
            parser_version: versions.join(", "),
            price_set_hash: hashes(|one| &one.price_set_hash),
            input_hash: hashes(|one| &one.input_hash),
        };
        let is_whole = self.window == crate::engine::Window::ALL;
        let transactions = if is_whole { history.facts.transactions } else { self.in_window };
        let wallets = self.members.into_iter().map(|member| member.history.wallet).collect();
        let members = Members { wallets, owners: self.owners };
        Ok(GroupHistory { history, members, transactions, moves: self.moves })
    }

    /// The sums of the group. What is of single events is of the merged ones; what is of lines is that of
    /// the wallets together, where a transaction counts for each wallet that has it, but in their number.
    fn facts(&self) -> Result<HistoryFacts, AmountError> {
        let mut facts = self.facts.clone();
        let doubts = self.members.iter().map(|member| member.history.facts.doubts.as_ref());
        let mut doubts = doubts.chain([self.aside.doubts()]);
        facts.doubts = doubts.try_fold(BTreeMap::new(), |all, more| Some(joined(all, more?)));
        for (asset, decimals) in &self.decimals {
            let asset = facts.assets.entry(asset.clone()).or_default();
            // Lots are held by wallets: one that has none of an asset cannot take another's.
            (asset.decimals, asset.held) = (*decimals, RawAmount::ZERO);
            asset.flows.get_or_insert_default();
        }
        for Member { history, held } in &self.members {
            let of = &history.facts;
            facts.transactions += of.transactions;
            facts.failed += of.failed;
            facts.unexplained_transactions += of.unexplained_transactions;
            facts.incomplete_native += of.incomplete_native;
            facts.incomplete_fee += of.incomplete_fee;
            facts.missing_block_time += of.missing_block_time;
            facts.absurd_values += of.absurd_values;
            facts.differing_decimals += of.differing_decimals;
            for (asset, rest) in &of.unexplained {
                let sum = facts.unexplained.entry(asset.clone()).or_default();
                *sum = sum.checked_add(*rest)?;
            }
            for (code, count) in &of.notes {
                *facts.notes.entry(code.clone()).or_default() += count;
            }
            for (asset, held) in held {
                let sum = &mut facts.assets.entry(asset.clone()).or_default().held;
                *sum = sum.checked_add(*held)?;
            }
        }
        facts.transactions = facts.transactions.saturating_sub(self.repeated);
        facts.failed = facts.failed.saturating_sub(self.repeated_failed);
        if self.short > 0 {
            facts.notes.insert(MOVE_SHORTFALL.to_owned(), self.short);
        }
        Ok(facts)
    }
}

/// The doubtful transactions of several wallets.
fn joined(
    mut doubts: BTreeMap<AssetId, Doubts>,
    more: &BTreeMap<AssetId, Doubts>,
) -> BTreeMap<AssetId, Doubts> {
    for (asset, more) in more {
        doubts.entry(asset.clone()).or_default().join(more);
    }
    doubts
}

/// Balances; `None`: more than fits.
type Balances = BTreeMap<AssetId, Option<RawAmount>>;

/// What the wallets hold together, or claim to; `None` when it is not known of all of them: what came from a wallet that
/// is missing looks like a deposit.
fn balances(histories: &[&History]) -> Option<Balances> {
    let mut sums = Balances::new();
    for history in histories {
        for (asset, balance) in history.balances.as_ref()? {
            let sum = sums.entry(asset.clone()).or_insert(Some(RawAmount::ZERO));
            *sum = sum.and_then(|sum| sum.checked_add(*balance).ok());
        }
    }
    Some(sums)
}

/// What the balances of each wallet have shown.
fn comparison(histories: &[&History], missing: &[String]) -> Result<Comparison, AmountError> {
    let mut all = Comparison { is_made: missing.is_empty(), differing: BTreeSet::new() };
    for history in histories {
        let of = history.comparison()?;
        all.is_made &= of.is_made;
        all.differing.extend(of.differing);
    }
    Ok(all)
}

/// What was looked at: complete only when it is of all wallets, and none is missing.
fn coverage(histories: &[&History], missing: &[String]) -> Result<Coverage, AmountError> {
    let of_all = histories.iter().map(|history| history.judged());
    let of_all = of_all.collect::<Result<Vec<Coverage>, AmountError>>()?;
    let sources: BTreeSet<&String> = of_all.iter().flat_map(|one| &one.sources).collect();
    let gaps: BTreeSet<&String> = of_all.iter().flat_map(|one| &one.missing).collect();
    Ok(Coverage {
        complete: missing.is_empty() && of_all.iter().all(|one| one.complete),
        sources: sources.into_iter().cloned().collect(),
        missing: missing.iter().chain(gaps).cloned().collect(),
        truncated: of_all.iter().find_map(|one| one.truncated.clone()),
    })
}
