//! How far the explorers of a chain have indexed it.
//!
//! An explorer leaves out what it has not indexed without a word, so nothing is taken for complete
//! that is not proven. The proof is the explorer's own word for the newest block it has: by time, or
//! by number. Neither is worth a wallet's time limit: an answer is waited for shortly, shared by all
//! wallets, and an explorer that is behind, or says nothing, is left alone for a while.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::future::join_all;
use pnl_core::Address;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::explorer;
use super::pool::{EvmPool, NOBODY};
use crate::error::SourceError;
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
        let asked = timeout(ASKED_FOR, ask_all(explorers, time)).await;
        let told = asked.unwrap_or(Told::Nothing);
        self.index.note(block, told);
        told
    }
}

/// How far the last of the explorers is that list.
async fn ask_all(explorers: &Endpoints, time: i64) -> Told {
    let places = 0..explorers.iter().count();
    let answers = join_all(places.map(|place| ask(explorers, place, time))).await;
    answers.into_iter().fold(Told::NoLists, |all, one| match (all, one) {
        (Told::NoLists, told) | (told, Told::NoLists) => told,
        (Told::Never, _) | (_, Told::Never) => Told::Never,
        (Told::Nothing, _) | (_, Told::Nothing) => Told::Nothing,
        (Told::Reach(first), Told::Reach(second)) => Told::Reach(first.min(second)),
    })
}

/// What one explorer says, in the first form that it knows.
async fn ask(explorers: &Endpoints, place: usize, time: i64) -> Told {
    let mut refusals = Vec::with_capacity(2);
    // Blocks may share a second: one second later, the block is not the last of its time.
    for (name, request) in [
        ("getblocknobytime", explorer::block_at_request(time.saturating_add(1))),
        ("eth_block_number", explorer::newest_block_request()),
    ] {
        match explorers.call_one(place, name, &request, explorer::read_block).await {
            Ok(reach) => return Told::Reach(reach),
            Err(SourceError::Permanent { code, .. }) => refusals.push(code),
            // It may tell, and list, a moment later.
            Err(_) => return Told::Nothing,
        }
    }
    let is_forbidden = |code: &&str| FORBIDDEN.contains(code);
    if !refusals.iter().all(|code| is_forbidden(code) || *code == "method-not-found") {
        return Told::Nothing;
    }
    if !refusals.iter().any(is_forbidden) {
        return Told::Never;
    }
    // A plan may have the lists and not these questions.
    let request = explorer::list_request("txlist", &Address::from_chain_data(NOBODY), 0, 0);
    match explorers
        .call_one(place, "txlist", &request, |body| explorer::read_page(body, 0, 0))
        .await
    {
        Err(SourceError::Permanent { code, .. }) if FORBIDDEN.contains(&code) => Told::NoLists,
        _ => Told::Never,
    }
}

/// Whether a block of this time is so new that explorers may be about to index it.
fn is_young(time: i64) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let time = Duration::from_secs(u64::try_from(time).unwrap_or_default());
    now.saturating_sub(time) < YOUNG
}
