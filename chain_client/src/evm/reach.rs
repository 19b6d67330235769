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
    /// When an answer last fell short of the block asked for; whether it told how far they are.
    short: Option<(Instant, bool)>,
}

/// What one explorer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// It has everything up to this block.
    Reach(u64),
    /// It may list, and does not say how far.
    Nothing,
    /// It lists nothing at all.
    NoLists,
}

impl Index {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer for `block`, when there is one that is proven or not older than `fresh_for`.
    fn answer(&self, block: u64, fresh_for: Duration) -> Option<Option<u64>> {
        let known = self.known();
        if known.reach >= block {
            return Some(Some(block));
        }
        let (at, is_told) = known.short?;
        (at.elapsed() < fresh_for).then(|| is_told.then_some(known.reach))
    }

    fn note(&self, block: u64, told: Option<u64>) {
        let mut known = self.known();
        known.reach = known.reach.max(told.unwrap_or_default());
        known.short = (known.reach < block).then(|| (Instant::now(), told.is_some()));
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
            let told = timeout_at(until, self.told(explorers, block, time, fresh_for)).await;
            let told = told.unwrap_or_default();
            let is_proven = told.is_some_and(|reach| reach >= block);
            if is_proven || !is_young || Instant::now() + LOOK_AGAIN_AFTER >= until {
                return told;
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
    ) -> Option<u64> {
        if let Some(answer) = self.index.answer(block, fresh_for) {
            return answer;
        }
        let _alone = self.index.turn.lock().await;
        if let Some(answer) = self.index.answer(block, fresh_for) {
            return answer;
        }
        let asked = timeout(ASKED_FOR, ask_all(explorers, time)).await;
        let told = asked.unwrap_or_default();
        self.index.note(block, told);
        told.map(|reach| reach.min(block))
    }
}

/// How far the last of the explorers is that list.
async fn ask_all(explorers: &Endpoints, time: i64) -> Option<u64> {
    let places = 0..explorers.iter().count();
    let mut reach: Option<u64> = None;
    for told in join_all(places.map(|place| ask(explorers, place, time))).await {
        match told {
            Told::Reach(own) => reach = Some(reach.map_or(own, |reach| reach.min(own))),
            Told::Nothing => return None,
            Told::NoLists => {}
        }
    }
    reach
}

/// What one explorer says, in the first form that it knows.
async fn ask(explorers: &Endpoints, place: usize, time: i64) -> Told {
    let mut forbidden = false;
    // Blocks may share a second: one second later, the block is not the last of its time.
    for (name, request) in [
        ("getblocknobytime", explorer::block_at_request(time.saturating_add(1))),
        ("eth_block_number", explorer::newest_block_request()),
    ] {
        match explorers.call_one(place, name, &request, explorer::read_block).await {
            Ok(reach) => return Told::Reach(reach),
            Err(SourceError::Permanent { code, .. }) => forbidden |= FORBIDDEN.contains(&code),
            Err(SourceError::NotFound { .. }) => {}
            // It may list a moment later.
            Err(_) => return Told::Nothing,
        }
    }
    if !forbidden {
        return Told::Nothing;
    }
    // A plan may have the lists and not these questions.
    let request = explorer::list_request("txlist", &Address::from_chain_data(NOBODY), 0, 0);
    match explorers
        .call_one(place, "txlist", &request, |body| explorer::read_page(body, 0, 0))
        .await
    {
        Err(SourceError::Permanent { code, .. }) if FORBIDDEN.contains(&code) => Told::NoLists,
        _ => Told::Nothing,
    }
}

/// Whether a block of this time is so new that explorers may be about to index it.
fn is_young(time: i64) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let time = Duration::from_secs(u64::try_from(time).unwrap_or_default());
    now.saturating_sub(time) < YOUNG
}
