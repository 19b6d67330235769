//! Wallets of one owner as one history.
//!
//! The stored ledgers of several wallets of a chain are merged in chain order into one ledger. What one
//! of them sent to another in the same transaction becomes a *move*: the lots keep their date and their
//! cost, nothing is realized and nothing is acquired. Everything else stays what it is in the ledgers.
//! The order in which the wallets are named changes nothing: they are numbered by their addresses.
//!
//! [`GroupBuilder`] takes the events block by block, so that of ledgers of any length only one block is
//! held, and carries what the [history](GroupHistory) of the group needs beside its events. The merged
//! events go into an engine like those of a wallet; [`Members`] tells what of its outcome is whose.

mod aside;
mod history;
mod members;
mod moves;
mod order;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use history::GroupHistory;
pub(crate) use history::MOVE_SHORTFALL;
pub use members::{GroupReport, MemberRow, Members};

use crate::amount::{AmountError, RawAmount};
use crate::asset::AssetId;
use crate::chain::Address;
use crate::engine::Window;
use crate::ledger::{HistoryFacts, LedgerEvent, moved};
use crate::movement::TxStatus;
use crate::report::History;
use aside::Aside;
use order::Part;

/// Merges the ledgers of a group, from the first block on.
#[derive(Debug)]
pub struct GroupBuilder {
    members: Vec<Member>,
    aside: Aside,
    /// Decimals of every asset in the accounts: of the first wallet that knows them.
    decimals: BTreeMap<AssetId, Option<u8>>,
    window: Window,
    ts: i64,
    facts: HistoryFacts,
    moves: u64,
    /// Transactions of which less arrived than was sent.
    short: u64,
    /// Views of a transaction beside the first one.
    repeated: u64,
    repeated_failed: u64,
    in_window: u64,
    /// For each event that is in the accounts, whose it is.
    owners: Vec<u32>,
}

/// One wallet of the group.
#[derive(Debug)]
struct Member {
    history: History,
    /// What its lots hold, by asset; its pool of deposits apart.
    held: BTreeMap<AssetId, RawAmount>,
}

impl GroupBuilder {
    /// A builder for wallets with these histories, that counts transactions inside `window`.
    pub fn new(mut histories: Vec<History>, window: Window) -> Self {
        histories.sort_by(|a, b| a.wallet.cmp(&b.wallet));
        let aside = Aside::of(&histories);
        let mut decimals: BTreeMap<AssetId, Option<u8>> = BTreeMap::new();
        for history in &histories {
            let assets = history.facts.assets.iter();
            for (asset, facts) in assets.filter(|(asset, _)| !aside.has(asset)) {
                let known = decimals.entry(asset.clone()).or_default();
                *known = known.or(facts.decimals);
            }
        }
        let member = |history| Member { history, held: BTreeMap::new() };
        Self {
            members: histories.into_iter().map(member).collect(),
            aside,
            decimals,
            window,
            ts: 0,
            facts: HistoryFacts::default(),
            moves: 0,
            short: 0,
            repeated: 0,
            repeated_failed: 0,
            in_window: 0,
            owners: Vec::new(),
        }
    }

    /// The wallets in the order of their numbers.
    pub fn wallets(&self) -> impl Iterator<Item = &Address> {
        self.members.iter().map(|member| &member.history.wallet)
    }

    /// Takes the next block: for each wallet that has events in it its number and these, in the order of
    /// its ledger. Gives the events of the group.
    ///
    /// # Errors
    /// [`AmountError::Overflow`] when a sum does not fit. The builder must not be used after an error.
    pub fn push(
        &mut self,
        block: Vec<(usize, Vec<LedgerEvent>)>,
    ) -> Result<Vec<LedgerEvent>, AmountError> {
        let mut events = Vec::new();
        for parts in order::transactions(block) {
            self.transaction(parts, &mut events)?;
        }
        Ok(events)
    }

    fn transaction(
        &mut self,
        parts: Vec<Part>,
        events: &mut Vec<LedgerEvent>,
    ) -> Result<(), AmountError> {
        let views = parts.len() as u64;
        let aside = |(member, events)| Ok((member, self.aside.set(events)?));
        let parts = parts.into_iter().map(aside).collect::<Result<_, AmountError>>()?;
        let moves::Linked { parts, moves, is_short } = moves::link(parts)?;
        self.moves += u64::from(moves);
        self.short += u64::from(is_short);
        self.repeated += views.saturating_sub(1);
        let mut number = 0;
        for (member, of_member) in parts {
            for mut event in of_member {
                if number == 0 {
                    self.ts = self.ts.max(event.ts);
                    self.in_window += u64::from(self.window.contains(self.ts));
                    let failed = event.status == TxStatus::Failed;
                    self.repeated_failed += u64::from(failed) * views.saturating_sub(1);
                }
                event.id = format!("{}:{number}", event.tx_id).into();
                number += 1;
                event.ts = self.ts;
                self.own(member, &mut event);
                self.count(member, &event)?;
                events.push(event);
            }
        }
        Ok(())
    }

    /// Makes the names of a wallet's event those of the group.
    fn own(&self, member: usize, event: &mut LedgerEvent) {
        for leg in &mut event.legs {
            leg.decimals = self.decimals.get(&leg.asset).copied().flatten().or(leg.decimals);
        }
        // Deposits have a link in the ledger of each wallet, by the transaction alone.
        let is_move = |link: &Arc<str>| link.contains(":move:");
        if let Some(link) = event.link.take_if(|link| !is_move(link)) {
            let wallet = self.members[member].history.wallet.as_str();
            event.link = Some(format!("{link}:{wallet}").into());
        }
    }

    fn count(&mut self, member: usize, event: &LedgerEvent) -> Result<(), AmountError> {
        self.facts.add_event(event)?;
        if event.excluded {
            return Ok(());
        }
        // More wallets than 32 bits count do not fit anywhere.
        self.owners.push(u32::try_from(member).unwrap_or(u32::MAX));
        let held = &mut self.members[member].held;
        for leg in &event.legs {
            let held = held.entry(leg.asset.clone()).or_default();
            *held = moved(*held, leg.raw)?;
        }
        Ok(())
    }
}
