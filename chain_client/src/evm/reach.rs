//! How far the explorers of a chain have indexed it, and whether it is this chain.
//!
//! An explorer leaves out what it has not indexed without a word, so nothing is taken for complete
//! that is not proven. The proof is the explorer's own word for the newest block it has: by time, or
//! by number. Neither is worth a wallet's time limit: an answer is waited for shortly, shared by all
//! wallets, and an explorer that is behind, or says nothing, is left alone for a while.
//!
//! One of another chain has no rows of a wallet either, so the same word must fit this chain: no two
//! chains have about the same number of blocks at a time.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::future::join_all;
use pnl_core::Address;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::explorer;
use super::listing;
use super::node::WRONG_CHAIN;
use super::pool::{EvmPool, NOBODY};
use super::{BlockHead, EvmSource};
use crate::error::SourceError;
use crate::failure::{Failure, Scope};
use crate::retry::Endpoints;

/// The longest time that one question to all explorers may take.
const ASKED_FOR: Duration = Duration::from_secs(10);
/// The longest time that a wallet waits, for the answer or for an explorer that is about to catch up.
const PATIENCE: Duration = Duration::from_secs(15);
/// For so long an explorer that is behind, or does not tell, is not asked again.
const TOLD_FOR: Duration = Duration::from_secs(30);
/// A block is young for so long: explorers that lag by seconds are waited for.
const YOUNG: Duration = Duration::from_secs(60);
/// Between two looks whether a young block is indexed.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(2);

/// No chain makes more blocks in a second. Other chains are farther away than that, millions of blocks
/// as a rule.
const MOST_BLOCKS_A_SECOND: u64 = 64;

/// Codes of refusals by which an explorer may mean all of its lists.
const FORBIDDEN: [&str; 3] = ["not-in-plan", "provider-unauthorized", "provider-payment-required"];

/// What the explorers of a chain have said about their index.
#[derive(Debug, Default)]
pub(super) struct Index {
    known: Mutex<Known>,
    /// One asks, for [`ASKED_FOR`] at most; the others take its answer.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    /// All of them have everything up to this block. It only grows.
    reach: u64,
    /// The last answer that fell short of the block asked for, and when it came.
    short: Option<(Instant, Told)>,
    /// Places of the explorers that are known to be of this chain.
    proven: BTreeSet<usize>,
}

/// What one explorer says, or all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// Everything up to this block is indexed.
    Reach(u64),
    /// Nothing now.
    Nothing,
    /// Nothing ever, at least for minutes: the question is unknown or forbidden.
    Never,
    /// There are no lists either.
    NoLists,
}

impl Index {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer for `block`, when there is one that is proven or not older than `fresh_for`.
    fn answer(&self, block: u64, fresh_for: Duration) -> Option<Told> {
        let known = self.known();
        if known.reach >= block {
            return Some(Told::Reach(known.reach));
        }
        let (at, told) = known.short?;
        (at.elapsed() < fresh_for).then_some(told)
    }

    fn note(&self, block: u64, told: Told) {
        let mut known = self.known();
        if let Told::Reach(reach) = told {
            known.reach = known.reach.max(reach);
        }
        known.short = (known.reach < block).then(|| (Instant::now(), told));
    }
}

impl EvmPool {
    /// How far all explorers have indexed the chain, at most to `block`, the block of this time (unix
    /// seconds); `None`: there is none, or one of them does not tell.
    ///
    /// Trouble with the question is no error: whoever fails altogether fails the lists, too.
    pub(super) async fn reach(&self, block: u64, time: i64) -> Option<u64> {
        let explorers = self.explorers.as_ref()?;
        let until = Instant::now() + PATIENCE;
        loop {
            let is_young = is_young(time);
            let fresh_for = if is_young { LOOK_AGAIN_AFTER } else { TOLD_FOR };
            let asked = timeout_at(until, self.told(explorers, block, time, fresh_for)).await;
            let told = asked.unwrap_or(Told::Nothing);
            let may_change = match told {
                Told::Reach(reach) => reach < block,
                Told::Nothing => true,
                Told::Never | Told::NoLists => false,
            };
            if !(may_change && is_young) || Instant::now() + LOOK_AGAIN_AFTER >= until {
                return match told {
                    Told::Reach(reach) => Some(reach.min(block)),
                    Told::Nothing | Told::Never | Told::NoLists => None,
                };
            }
            sleep(LOOK_AGAIN_AFTER).await;
        }
    }

    /// The answer that is known, else that of the one who asks.
    async fn told(
        &self,
        explorers: &Endpoints,
        block: u64,
        time: i64,
        fresh_for: Duration,
    ) -> Told {
        if let Some(answer) = self.index.answer(block, fresh_for) {
            return answer;
        }
        let _alone = self.index.turn.lock().await;
        if let Some(answer) = self.index.answer(block, fresh_for) {
            return answer;
        }
        let asked = timeout(ASKED_FOR, self.ask_all(explorers, (block, time))).await;
        let told = asked.unwrap_or(Told::Nothing);
        self.index.note(block, told);
        told
    }

    /// How far the last of the explorers is that list.
    async fn ask_all(&self, explorers: &Endpoints, pin: (u64, i64)) -> Told {
        let places = 0..explorers.iter().count();
        let asked = places.map(|place| self.ask_explorer(Explorer { explorers, place }, pin));
        let answers = join_all(asked).await;
        answers.into_iter().fold(Told::NoLists, |all, one| match (all, one) {
            (Told::NoLists, told) | (told, Told::NoLists) => told,
            (Told::Never, _) | (_, Told::Never) => Told::Never,
            (Told::Nothing, _) | (_, Told::Nothing) => Told::Nothing,
            (Told::Reach(first), Told::Reach(second)) => Told::Reach(first.min(second)),
        })
    }

    /// What one explorer says, in the first form that it knows.
    async fn ask_explorer(&self, explorer: Explorer<'_>, (block, time): (u64, i64)) -> Told {
        let mut refusals = Vec::with_capacity(2);
        match explorer.newest_at(time).await {
            Ok(told) => return self.judged_by_time(explorer, (block, time), told).await,
            Err(SourceError::Permanent { code: WRONG_CHAIN, .. }) => return Told::NoLists,
            Err(SourceError::Permanent { code, .. }) => refusals.push(code),
            // It may tell, and list, a moment later.
            Err(_) => return Told::Nothing,
        }
        match explorer.newest().await {
            Ok(told) => return self.judged_by_number(explorer, (block, time), told),
            Err(SourceError::Permanent { code, .. }) => refusals.push(code),
            Err(_) => return Told::Nothing,
        }
        let is_forbidden = |code: &&str| FORBIDDEN.contains(code);
        if !refusals.iter().all(|code| is_forbidden(code) || *code == "method-not-found") {
            return Told::Nothing;
        }
        if !refusals.iter().any(is_forbidden) {
            return Told::Never;
        }
        // A plan may have the lists and not these questions.
        match explorer.lists().await {
            Err(SourceError::Permanent { code, .. }) if FORBIDDEN.contains(&code) => Told::NoLists,
            _ => Told::Never,
        }
    }

    /// What the newest block `told` for the time of `block` is worth: whether an explorer of this chain
    /// can have said so. One that is behind names an older block, so it is asked once more: for the
    /// time that this block has here. Whoever has been right once is not asked again.
    async fn judged_by_time(
        &self,
        explorer: Explorer<'_>,
        (block, time): (u64, i64),
        told: u64,
    ) -> Told {
        // Nothing is indexed: there is nothing to judge it by, and nothing to be taken from it.
        if told == 0 || self.index.known().proven.contains(&explorer.place) {
            return Told::Reach(told);
        }
        let (expected, said) = if told >= block {
            (block, told)
        } else {
            let Ok(BlockHead { time, .. }) = self.block(told).await else { return Told::Nothing };
            let Ok(again) = explorer.newest_at(time).await else { return Told::Nothing };
            (told, again)
        };
        if said.abs_diff(expected) > MOST_BLOCKS_A_SECOND {
            return self.rejected(explorer, (block, time), told);
        }
        self.index.known().proven.insert(explorer.place);
        Told::Reach(told)
    }

    /// The same of its newest block of all. That proves little: only that the chain can have come so far.
    fn judged_by_number(
        &self,
        explorer: Explorer<'_>,
        (block, time): (u64, i64),
        told: u64,
    ) -> Told {
        let most = age(time).as_secs().saturating_add(1).saturating_mul(MOST_BLOCKS_A_SECOND);
        if told.saturating_sub(block) > most {
            return self.rejected(explorer, (block, time), told);
        }
        Told::Reach(told)
    }

    fn rejected(&self, explorer: Explorer<'_>, (block, time): (u64, i64), told: u64) -> Told {
        let (expected, chain) = (explorer::chain_id(self.chain), self.chain);
        let detail = format!(
            "the explorer serves another chain than {expected} ({chain}): it names block {told} for \
             the time {time} of block {block}; correct the provider's url"
        );
        let failure = Failure::Refused { code: WRONG_CHAIN, detail, scope: Scope::Provider };
        explorer.explorers.reject(explorer.place, failure);
        Told::NoLists
    }
}

/// One of the explorers.
#[derive(Debug, Clone, Copy)]
struct Explorer<'a> {
    explorers: &'a Endpoints,
    place: usize,
}

impl Explorer<'_> {
    /// The newest block it has of this time, in unix seconds.
    async fn newest_at(self, time: i64) -> Result<u64, SourceError> {
        // Blocks may share a second: one second later, the block is not the last of its time.
        let request = explorer::block_at_request(time.saturating_add(1));
        let name = "getblocknobytime";
        self.explorers.call_one(self.place, name, &request, explorer::read_block).await
    }

    /// The newest block it has.
    async fn newest(self) -> Result<u64, SourceError> {
        let request = explorer::newest_block_request();
        let name = "eth_block_number";
        self.explorers.call_one(self.place, name, &request, explorer::read_block).await
    }

    /// Whether it lists anything.
    async fn lists(self) -> Result<(), SourceError> {
        let nobody = Address::from_chain_data(NOBODY);
        let request = explorer::list_request("txlist", &nobody, 0, 0);
        let read = |body: &[u8]| listing::read_page(body, 0, 0, usize::MAX).map(drop);
        self.explorers.call_one(self.place, "txlist", &request, read).await
    }
}

/// Whether a block of this time is so new that explorers may be about to index it.
fn is_young(time: i64) -> bool {
    age(time) < YOUNG
}

/// How long ago a time in unix seconds is; nothing of one to come.
fn age(time: i64) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let time = Duration::from_secs(u64::try_from(time).unwrap_or_default());
    now.saturating_sub(time)
}
