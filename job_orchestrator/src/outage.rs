//! The gate of each chain: closed while every provider of the chain is down.
//!
//! A closed gate keeps the chain's tasks in the queue at no cost. One probe runs per closed chain,
//! with growing pauses; its first answer opens the gate. A chain that stays in trouble longer than
//! the limit is let through again, and then its tasks fail with `provider-outage`.
//!
//! Trouble begins at the first outage and ends when a wallet of the chain is done or has stored
//! something, not when a probe succeeds: an endpoint that answers probes and fails at work must reach
//! the limit too. The price source has no gate; only its answers end its trouble. Each wallet has the
//! same limit for itself beside that of the chain (see [`crate::outcome`]).
//!
//! A long wait that all providers of one kind asked for closes the gate too, until it is over: every other
//! wallet of the chain would be told the same, and the whole queue would pass through the slots in vain. A
//! wallet that is done opens it, and so does the limit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use chain_client::{CallPolicy, ChainSource, ProviderStatus};
use pnl_core::Chain;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Pause before the first probe; doubles up to [`PROBE_PAUSE_MAX`].
const PROBE_PAUSE_MIN: Duration = Duration::from_millis(500);
/// Longest pause between two probes: how late an endpoint's return may be noticed.
const PROBE_PAUSE_MAX: Duration = Duration::from_secs(30);

/// A chain whose tasks wait for its providers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PausedChain {
    /// The chain.
    pub chain: Chain,
    /// Since when it is in trouble.
    pub since: SystemTime,
    /// What the providers' last failure was.
    pub detail: String,
    /// Whether the limit has passed: tasks are no longer held back and fail.
    pub limit_passed: bool,
}

/// The gates of all chains of this process.
#[derive(Debug)]
pub struct OutageGates {
    limit: Duration,
    /// An outage this long after a gate opened is a new one, not the old one going on.
    memory: Duration,
    troubles: Mutex<BTreeMap<Chain, Trouble>>,
    /// The waits that the providers of a chain asked for since a wallet of it was last done.
    waits: Mutex<BTreeMap<Chain, Wait>>,
    /// First and last outage of the price source since its last answer.
    prices: Mutex<Option<(Instant, Instant)>>,
    opened: Arc<Notify>,
}

/// Waits, one after the other.
#[derive(Debug)]
struct Wait {
    since: Instant,
    until: Instant,
}

#[derive(Debug)]
struct Trouble {
    since: Instant,
    since_wall: SystemTime,
    detail: String,
    state: GateState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GateState {
    Closed,
    /// A probe was answered at this time.
    Opened(Instant),
}

impl OutageGates {
    /// Gates that hold tasks for at most `limit`. `memory` is about as long as a wallet may take;
    /// `opened` is notified when a gate opens.
    pub fn new(limit: Duration, memory: Duration, opened: Arc<Notify>) -> Self {
        Self {
            limit,
            memory,
            troubles: Mutex::default(),
            waits: Mutex::default(),
            prices: Mutex::default(),
            opened,
        }
    }

    /// How long trouble may last.
    pub const fn limit(&self) -> Duration {
        self.limit
    }

    /// The chains whose tasks are not to be claimed now.
    pub fn closed(&self) -> BTreeSet<Chain> {
        let is_closed =
            |trouble: &Trouble| trouble.state == GateState::Closed && !self.passed(trouble);
        let waits = self.waits();
        let troubles = self.lock();
        let waiting = waits.iter().filter(|(_, wait)| self.holds(wait)).map(|(chain, _)| chain);
        let down =
            troubles.iter().filter(|(_, trouble)| is_closed(trouble)).map(|(chain, _)| chain);
        down.chain(waiting).copied().collect()
    }

    /// A wallet of `chain` was put off by its providers, which are as given. What the calls of a wallet wait
    /// for themselves is nothing new.
    pub fn throttled(&self, chain: Chain, providers: &[ProviderStatus]) {
        let mut by_kind: BTreeMap<&str, Duration> = BTreeMap::new();
        for provider in providers {
            let pause = by_kind.entry(provider.kind).or_insert(Duration::MAX);
            *pause = provider.paused.min(*pause);
        }
        let Some(pause) = by_kind.into_values().max() else { return };
        if pause <= CallPolicy::default().longest_wait {
            return;
        }
        let now = Instant::now();
        let mut waits = self.waits();
        let wait = waits.entry(chain).or_insert(Wait { since: now, until: now });
        if !self.holds(wait) {
            let seconds = pause.as_secs();
            tracing::warn!(%chain, seconds, "the providers ask for a long wait; the chain's wallets wait");
        }
        wait.until = now + pause;
    }

    fn holds(&self, wait: &Wait) -> bool {
        wait.until > Instant::now() && wait.since.elapsed() < self.limit
    }

    fn waits(&self) -> MutexGuard<'_, BTreeMap<Chain, Wait>> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the chain has been in trouble longer than the limit.
    pub fn limit_passed(&self, chain: Chain) -> bool {
        self.lock().get(&chain).is_some_and(|trouble| self.passed(trouble))
    }

    /// The chains with a closed gate, for the status page.
    pub fn paused(&self) -> Vec<PausedChain> {
        self.lock()
            .iter()
            .filter(|(_, trouble)| trouble.state == GateState::Closed)
            .map(|(chain, trouble)| PausedChain {
                chain: *chain,
                since: trouble.since_wall,
                detail: trouble.detail.clone(),
                limit_passed: self.passed(trouble),
            })
            .collect()
    }

    /// Closes the gate of `chain` and starts its probe, unless it is closed already.
    pub fn close(
        self: &Arc<Self>,
        chain: Chain,
        detail: &str,
        source: Arc<dyn ChainSource>,
        stop: CancellationToken,
    ) {
        if !self.mark_closed(chain, detail) {
            return;
        }
        tracing::warn!(%chain, detail, "every provider of the chain is down; its wallets wait");
        let gates = Arc::clone(self);
        tokio::spawn(async move {
            stop.run_until_cancelled(gates.probe_until_open(chain, source)).await;
        });
    }

    /// A price source was down when a wallet needed it. Its wallets wait one by one: what they
    /// fetch from the chain meanwhile is kept.
    pub fn prices_away(&self) {
        let now = Instant::now();
        let mut prices = self.prices.lock().unwrap_or_else(PoisonError::into_inner);
        let since =
            prices.filter(|(_, last)| last.elapsed() <= self.memory).map(|(since, _)| since);
        if since.is_none() {
            tracing::warn!("the price source is down; wallets that need it wait");
        }
        *prices = Some((since.unwrap_or(now), now));
    }

    /// Since when the price source is away, as far as wallets that needed it lately know.
    pub fn prices_away_since(&self) -> Option<SystemTime> {
        let prices = self.prices.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, _) = prices.filter(|(_, last)| last.elapsed() <= self.memory)?;
        SystemTime::now().checked_sub(since.elapsed())
    }

    /// The price source answered: its trouble, if any, is over.
    pub fn prices_answered(&self) {
        *self.prices.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// A wallet of `chain` was done, or has stored something: the trouble, if any, is over.
    pub fn worked(&self, chain: Chain) {
        self.waits().remove(&chain);
        let mut troubles = self.lock();
        if troubles.get(&chain).is_some_and(|trouble| trouble.state != GateState::Closed) {
            troubles.remove(&chain);
        }
    }

    /// Returns whether the gate was open before.
    fn mark_closed(&self, chain: Chain, detail: &str) -> bool {
        let now = Instant::now();
        let mut troubles = self.lock();
        match troubles.get_mut(&chain) {
            Some(trouble) => {
                let was_open = match trouble.state {
                    GateState::Closed => return false,
                    GateState::Opened(at) => at,
                };
                if now.duration_since(was_open) > self.memory {
                    trouble.since = now;
                    trouble.since_wall = SystemTime::now();
                }
                trouble.state = GateState::Closed;
                trouble.detail = detail.to_owned();
            }
            None => {
                let trouble = Trouble {
                    since: now,
                    since_wall: SystemTime::now(),
                    detail: detail.to_owned(),
                    state: GateState::Closed,
                };
                troubles.insert(chain, trouble);
            }
        }
        true
    }

    async fn probe_until_open(&self, chain: Chain, source: Arc<dyn ChainSource>) {
        let mut pause = PROBE_PAUSE_MIN;
        let mut limit_told = false;
        loop {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PROBE_PAUSE_MAX);
            match source.probe().await {
                Ok(()) => break,
                Err(error) => {
                    if let Some(trouble) = self.lock().get_mut(&chain) {
                        trouble.detail = error.to_string();
                    }
                }
            }
            if !limit_told && self.limit_passed(chain) {
                limit_told = true;
                tracing::error!(
                    %chain,
                    limit_seconds = self.limit.as_secs(),
                    "the chain is down longer than the limit; its wallets fail from now on"
                );
                self.opened.notify_one();
            }
        }
        if let Some(trouble) = self.lock().get_mut(&chain) {
            trouble.state = GateState::Opened(Instant::now());
        }
        tracing::info!(%chain, "a provider of the chain answers again");
        self.opened.notify_one();
    }

    fn passed(&self, trouble: &Trouble) -> bool {
        trouble.since.elapsed() >= self.limit
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Chain, Trouble>> {
        // Nothing panics while holding the lock; a poisoned map is still a consistent map.
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

    use async_trait::async_trait;
    use chain_client::{ProviderState, SourceError};
    use pnl_core::Pin;

    use super::*;

    /// A chain of which only the probe is ever asked.
    #[derive(Default)]
    struct Probed {
        answers: AtomicBool,
        probes: AtomicU32,
    }

    fn down() -> SourceError {
        SourceError::Outage { detail: "refused".to_owned() }
    }

    #[async_trait]
    impl ChainSource for Probed {
        async fn pin(&self) -> Result<Pin, SourceError> {
            Err(down())
        }
        async fn probe(&self) -> Result<(), SourceError> {
            self.probes.fetch_add(1, Ordering::SeqCst);
            if self.answers.load(Ordering::SeqCst) { Ok(()) } else { Err(down()) }
        }
        fn status(&self) -> Vec<ProviderStatus> {
            Vec::new()
        }
    }

    const LIMIT: Duration = Duration::from_secs(3600);
    const MEMORY: Duration = Duration::from_secs(240);

    fn gates() -> (Arc<OutageGates>, Arc<Notify>) {
        let opened = Arc::new(Notify::new());
        (Arc::new(OutageGates::new(LIMIT, MEMORY, Arc::clone(&opened))), opened)
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_gate_holds_its_chain_until_the_probe_is_answered() {
        let (gates, opened) = gates();
        let source = Arc::new(Probed::default());
        gates.close(Chain::Solana, "refused", source.clone(), CancellationToken::new());
        gates.close(Chain::Solana, "refused", source.clone(), CancellationToken::new());
        assert_eq!(gates.closed(), BTreeSet::from([Chain::Solana]));
        tokio::time::sleep(Duration::from_secs(300)).await;
        assert_eq!(gates.closed(), BTreeSet::from([Chain::Solana]));
        // One probe, not two: 0.5 + 1 + ... + 16 s, then every 30 s.
        let probes = source.probes.load(Ordering::SeqCst);
        assert!((10..=16).contains(&probes), "{probes} probes in 300 s");

        source.answers.store(true, Ordering::SeqCst);
        opened.notified().await;
        assert!(gates.closed().is_empty() && gates.paused().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn past_the_limit_the_chain_is_let_through_to_fail() {
        let (gates, opened) = gates();
        let source = Arc::new(Probed::default());
        gates.close(Chain::Base, "refused", source, CancellationToken::new());
        assert!(!gates.limit_passed(Chain::Base));
        opened.notified().await;
        assert!(gates.limit_passed(Chain::Base) && gates.closed().is_empty());
        assert!(gates.paused()[0].limit_passed, "the status still shows it");
    }

    #[tokio::test(start_paused = true)]
    async fn an_endpoint_that_only_answers_probes_reaches_the_limit_too() {
        let (gates, opened) = gates();
        let source = Arc::new(Probed::default());
        source.answers.store(true, Ordering::SeqCst);
        let begin = Instant::now();
        while !gates.limit_passed(Chain::Solana) {
            assert!(begin.elapsed() < LIMIT * 2, "the trouble never ends");
            gates.close(Chain::Solana, "HTTP 503", source.clone(), CancellationToken::new());
            opened.notified().await;
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
    }

    /// Providers of a kind with what is left of their pauses, in seconds.
    fn paused(kind: &'static str, pauses: &[u64]) -> Vec<ProviderStatus> {
        let provider = |&seconds| ProviderStatus {
            name: kind.to_owned(),
            kind,
            state: ProviderState::Throttled,
            since: SystemTime::now(),
            detail: None,
            answered_at: None,
            paused: Duration::from_secs(seconds),
            calls: 1,
            errors: 0,
        };
        pauses.iter().map(provider).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_wait_holds_its_chain_until_it_is_over_and_a_short_one_holds_nobody() {
        let (gates, _opened) = gates();
        gates.throttled(Chain::Solana, &paused("solana-rpc", &[10]));
        gates.throttled(Chain::Solana, &paused("solana-rpc", &[300, 0]));
        assert!(gates.closed().is_empty(), "somebody can be asked");
        gates.throttled(Chain::Solana, &paused("solana-rpc", &[300, 400]));
        gates.throttled(Chain::Solana, &paused("solana-rpc", &[299, 399]));
        tokio::time::sleep(Duration::from_secs(298)).await;
        assert_eq!(gates.closed(), BTreeSet::from([Chain::Solana]));
        assert!(gates.paused().is_empty(), "nobody is down");
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert!(gates.closed().is_empty());
        // Explorers stand for what nodes cannot tell.
        let mut of_base = paused("etherscan", &[300]);
        of_base.extend(paused("evm-rpc", &[0]));
        gates.throttled(Chain::Base, &of_base);
        assert_eq!(gates.closed(), BTreeSet::from([Chain::Base]));
        gates.worked(Chain::Base);
        assert!(gates.closed().is_empty(), "a wallet was done all the same");
    }

    #[tokio::test(start_paused = true)]
    async fn waits_without_end_hold_a_chain_no_longer_than_the_limit() {
        let (gates, _opened) = gates();
        let begin = Instant::now();
        loop {
            gates.throttled(Chain::Solana, &paused("solana-rpc", &[600]));
            if gates.closed().is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_secs(601)).await;
        }
        assert!(begin.elapsed() >= LIMIT && begin.elapsed() < LIMIT * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn the_trouble_of_the_price_source_ends_with_its_answer() {
        let (gates, _opened) = gates();
        for _ in 0..40 {
            gates.prices_away();
            // Wallets that need no price are done all the same.
            gates.worked(Chain::Solana);
            tokio::time::sleep(Duration::from_secs(100)).await;
        }
        assert!(gates.prices_away_since().is_some());
        gates.prices_answered();
        assert!(gates.prices_away_since().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_finished_wallet_or_a_long_calm_ends_the_trouble() {
        let (gates, opened) = gates();
        let source = Arc::new(Probed::default());
        source.answers.store(true, Ordering::SeqCst);
        for calm in [true, false] {
            gates.close(Chain::Solana, "HTTP 503", source.clone(), CancellationToken::new());
            opened.notified().await;
            if calm {
                tokio::time::sleep(LIMIT).await;
            } else {
                tokio::time::sleep(LIMIT - Duration::from_secs(1)).await;
                gates.worked(Chain::Solana);
            }
            gates.close(Chain::Solana, "HTTP 503", source.clone(), CancellationToken::new());
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert!(!gates.limit_passed(Chain::Solana), "a new outage has its own limit");
            opened.notified().await;
            gates.worked(Chain::Solana);
        }
    }
}
