//! A call that is tried until it is answered: at one provider after the other, with pauses between,
//! and with a verdict when it never is.

use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};
use futures::future::join_all;

use crate::endpoint::{Endpoint, Outgoing};
use crate::error::SourceError;
use crate::failure::{Failure, RANGE_TOO_LARGE, Scope};
use crate::health::SILENT_FAILURES;
use crate::json_rpc::BATCH_REFUSED;

/// How often and how patiently a call is tried.
#[derive(Debug, Clone)]
pub struct CallPolicy {
    /// The longest one try may take, from sending to the last byte (`worker.call_timeout_seconds`).
    pub call_timeout: Duration,
    /// How often a call is tried before it has failed (`worker.call_tries`), at least once at every
    /// provider. A try that is answered with 429 does not count.
    pub call_tries: u32,
    /// Pause before the second try; it doubles from try to try, with jitter.
    pub backoff_start: Duration,
    /// The longest pause between tries.
    pub backoff_cap: Duration,
    /// A provider that asks for a longer wait than this is not waited for.
    pub longest_wait: Duration,
    /// When all waits that were asked for during one call exceed this, the call is given back.
    pub longest_throttle: Duration,
    /// A provider that is down is passed over, but for one call in so much time.
    pub trial_every: Duration,
}

impl Default for CallPolicy {
    fn default() -> Self {
        Self {
            call_timeout: Duration::from_secs(60),
            call_tries: 5,
            backoff_start: Duration::from_millis(200),
            backoff_cap: Duration::from_secs(5),
            longest_wait: Duration::from_secs(10),
            longest_throttle: Duration::from_secs(30),
            trial_every: Duration::from_secs(10),
        }
    }
}

impl CallPolicy {
    /// The pauses between tries: exponential, each lengthened at random by up to its own length,
    /// so that callers that failed together do not come back together.
    fn pauses(&self) -> impl Iterator<Item = Duration> + use<> {
        let cap = self.backoff_cap;
        ExponentialBuilder::new()
            .with_min_delay(self.backoff_start)
            .with_max_delay(cap)
            .with_factor(2.0)
            .with_jitter()
            .without_max_times()
            .build()
            .map(move |pause| pause.min(cap))
    }
}

/// Refusals that hold for every call of the method: it is not asked again for a while.
const NOT_OFFERED: [&str; 3] = ["method-not-found", "not-in-plan", "l1-fee-missing"];

/// Refusals after which a batch is worth trying in smaller parts.
pub(crate) const TOO_LONG: [&str; 3] =
    [BATCH_REFUSED, "provider-request-too-large", "provider-answer-too-large"];

/// Whether a refusal is about the size of the question, which a smaller one may be spared. Whoever says so
/// offers the method, so it is the word that counts, before those of others who do not.
pub(crate) fn is_about_size(code: &str) -> bool {
    code == RANGE_TOO_LARGE || TOO_LONG.contains(&code)
}

/// The ordered providers of one thing.
#[derive(Debug)]
pub(crate) struct Endpoints {
    list: Vec<Endpoint>,
    policy: CallPolicy,
}

/// What one call has seen of one endpoint.
#[derive(Debug, Default, Clone)]
struct Record {
    tries: u32,
    last: Option<Failure>,
    /// The provider asks for a longer pause than this call sits out.
    paused: Option<Duration>,
    /// Every try so far ended without a single byte of an answer.
    silent: bool,
    /// Every try so far was answered with "do not have it".
    missing: bool,
    /// The call is for others.
    left_out: bool,
}

impl Endpoints {
    /// `list` is not empty.
    pub(crate) const fn new(list: Vec<Endpoint>, policy: CallPolicy) -> Self {
        Self { list, policy }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Endpoint> {
        self.list.iter()
    }

    /// Takes nothing more from the provider at `place` for a while.
    pub(crate) fn reject(&self, place: usize, failure: Failure) {
        self.list[place].reject(failure, self.policy.trial_every);
    }

    /// How often a call is tried before it has failed.
    pub(crate) fn tries(&self) -> u32 {
        let providers = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        self.policy.call_tries.max(providers)
    }

    /// Calls of the longest batch that every provider's budget lets through.
    pub(crate) fn largest_batch(&self) -> usize {
        self.list.iter().map(|endpoint| endpoint.budget.largest_batch()).min().unwrap_or(1)
    }

    /// Calls until an answer is read, or until it is clear that there will be none.
    pub(crate) async fn call<T>(
        &self,
        method: &'static str,
        request: &Outgoing,
        read: impl Fn(&[u8]) -> Result<T, Failure>,
    ) -> Result<T, SourceError> {
        self.call_some(None, method, request, read).await
    }

    /// As [`Self::call`], of one provider by its place: for what is not the same at all of them.
    pub(crate) async fn call_one<T>(
        &self,
        place: usize,
        method: &'static str,
        request: &Outgoing,
        read: impl Fn(&[u8]) -> Result<T, Failure>,
    ) -> Result<T, SourceError> {
        self.call_some(Some(place), method, request, read).await
    }

    /// As [`Self::call`], of the provider at `only`, where one is named.
    pub(crate) async fn call_some<T>(
        &self,
        only: Option<usize>,
        method: &'static str,
        request: &Outgoing,
        read: impl Fn(&[u8]) -> Result<T, Failure>,
    ) -> Result<T, SourceError> {
        self.call_placed(only, method, request, |_, body| read(body)).await
    }

    /// As [`Self::call_some`]; `read` is told the place of the provider that answered.
    pub(crate) async fn call_placed<T>(
        &self,
        only: Option<usize>,
        method: &'static str,
        request: &Outgoing,
        read: impl Fn(usize, &[u8]) -> Result<T, Failure>,
    ) -> Result<T, SourceError> {
        let policy = &self.policy;
        let tries = usize::try_from(self.tries()).unwrap_or(usize::MAX);
        let mut records: Vec<Record> =
            self.list.iter().map(|endpoint| Record::new(endpoint.lacks(method))).collect();
        for (place, record) in records.iter_mut().enumerate() {
            record.left_out = only.is_some_and(|only| only != place);
        }
        let mut pauses = policy.pauses();
        let mut throttles = policy.pauses();
        let mut throttled = Duration::ZERO;
        let mut tried = 0;
        // When the last but one try failed, and the last one.
        let mut failed = [Instant::now(); 2];
        loop {
            let Some(chosen) = self.choose(&records, tries - tried) else {
                return Err(self.verdict(&records, failed[0]));
            };
            let endpoint = &self.list[chosen];
            let answer = match endpoint.prove(policy.call_timeout, policy).await {
                Ok(()) => {
                    let waiting =
                        endpoint.budget.acquire_many(request.calls(), policy.longest_wait);
                    let slot = match waiting.await {
                        Ok(slot) => slot,
                        Err(paused) => {
                            records[chosen].paused = Some(paused.remaining);
                            continue;
                        }
                    };
                    let (timeout, trial_every) = (policy.call_timeout, policy.trial_every);
                    let read = |body: &[u8]| read(chosen, body);
                    endpoint.attempt(method, request, slot, timeout, trial_every, read).await
                }
                Err(failure) => Err(failure),
            };
            let failure = match answer {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            match &failure {
                Failure::Throttled { retry_after } if *retry_after > policy.longest_wait => {
                    records[chosen].paused = Some(*retry_after);
                    continue;
                }
                Failure::Throttled { retry_after } => {
                    // Everybody obeys the wait that was asked for; the same call put off again and
                    // again lets the others go first.
                    let own = throttles.next().unwrap_or_default();
                    throttled += own.max(*retry_after);
                    if throttled > policy.longest_throttle {
                        let retry_after = own.max(*retry_after);
                        return Err(SourceError::RateLimited { retry_after });
                    }
                    if !self.another_is_fresh(&records, chosen) {
                        tokio::time::sleep(own.saturating_sub(*retry_after)).await;
                    }
                    continue;
                }
                Failure::Refused { code, scope: Scope::Request, .. } => {
                    return Err(SourceError::Permanent {
                        code,
                        detail: format!("{}: {}", endpoint.name, failure.detail()),
                    });
                }
                Failure::Refused { code, .. } if NOT_OFFERED.contains(code) => {
                    endpoint.note_lack(method, failure.clone());
                }
                _ => {}
            }
            records[chosen].note(failure);
            tried += 1;
            failed = [failed[1], Instant::now()];
            if tried >= tries || !records.iter().any(Record::is_candidate) {
                return Err(self.verdict(&records, failed[0]));
            }
            if !self.another_is_fresh(&records, chosen) {
                // An endless iterator; the cap only satisfies the types.
                tokio::time::sleep(pauses.next().unwrap_or(policy.backoff_cap)).await;
            }
        }
    }

    /// One try at each provider in turn, until one answers: a probe, without retries.
    pub(crate) async fn probe<T>(
        &self,
        method: &'static str,
        request: &Outgoing,
        read: impl Fn(&[u8]) -> Result<T, Failure>,
    ) -> Result<T, SourceError> {
        let mut records = vec![Record::default(); self.list.len()];
        for (endpoint, record) in self.list.iter().zip(&mut records) {
            match self.try_once(endpoint, method, request, &read).await {
                Ok(answer) => return Ok(answer),
                Err(Failure::Throttled { retry_after }) => record.paused = Some(retry_after),
                Err(failure) => record.note(failure),
            }
        }
        if let Some(retry_after) = records.iter().filter_map(|record| record.paused).min() {
            return Err(SourceError::RateLimited { retry_after });
        }
        Err(self.verdict(&records, Instant::now()))
    }

    /// One try at every provider, at the same time; the answers in the order of the providers.
    pub(crate) async fn each<T>(
        &self,
        method: &'static str,
        request: &Outgoing,
        read: impl Fn(&[u8]) -> Result<T, Failure>,
    ) -> Vec<Result<T, Failure>> {
        let asked = self.list.iter().map(|one| self.try_once(one, method, request, &read));
        join_all(asked).await
    }

    async fn try_once<T>(
        &self,
        endpoint: &Endpoint,
        method: &'static str,
        request: &Outgoing,
        read: impl Fn(&[u8]) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let policy = &self.policy;
        let timeout = policy.call_timeout.min(policy.longest_wait);
        endpoint.prove(timeout, policy).await?;
        let slot = endpoint.budget.acquire(policy.longest_wait).await;
        let slot = slot.map_err(|paused| Failure::Throttled { retry_after: paused.remaining })?;
        endpoint.attempt(method, request, slot, timeout, policy.trial_every, read).await
    }

    /// The provider for the next try: the one in the best standing, of those the one tried least,
    /// of those the first configured. `None` when all refuse or ask for too long a pause.
    ///
    /// The last of the `remaining` tries are kept for those not tried yet, in whatever standing: no
    /// call fails before everybody was asked.
    fn choose(&self, records: &[Record], remaining: usize) -> Option<usize> {
        let candidates = || (0..records.len()).filter(|&i| records[i].is_candidate());
        let untried = candidates().filter(|&i| records[i].tries == 0).count();
        let only_untried = untried > 0 && untried >= remaining;
        candidates()
            .filter(|&i| !only_untried || records[i].tries == 0)
            .min_by_key(|&i| (self.standing(&self.list[i]), records[i].tries, i))
    }

    /// Whether a provider other than `this` is well and was tried less often.
    fn another_is_fresh(&self, records: &[Record], this: usize) -> bool {
        records.iter().zip(&self.list).any(|(record, other)| {
            record.is_candidate()
                && record.tries < records[this].tries.max(1)
                && !std::ptr::eq(other, &self.list[this])
                && self.standing(other) == Standing::Fine
        })
    }

    fn standing(&self, endpoint: &Endpoint) -> Standing {
        let pause = endpoint.budget.pause_remaining();
        if pause > self.policy.longest_wait {
            Standing::LongPause
        } else if !endpoint.health.is_worth_a_call() {
            Standing::Down
        } else if !pause.is_zero() {
            Standing::ShortPause
        } else {
            Standing::Fine
        }
    }

    /// What a call that was never answered means. It is no outage when somebody has answered another
    /// call since `lately`, between the last tries of this one; earlier answers tell nothing, since an
    /// endpoint may go down in the middle of the work.
    fn verdict(&self, records: &[Record], lately: Instant) -> SourceError {
        let asked = || self.list.iter().zip(records).filter(|(_, record)| !record.left_out);
        let detail = asked()
            .filter_map(|(e, r)| r.last.as_ref().map(|f| format!("{}: {}", e.name, f.detail())))
            .collect::<Vec<_>>()
            .join("; ");
        let refusal = asked()
            .filter_map(|(_, record)| record.refusal())
            .min_by_key(|code| (*code != RANGE_TOO_LARGE, !is_about_size(code)));
        let usable: Vec<(&Endpoint, &Record)> =
            asked().filter(|(_, record)| record.refusal().is_none()).collect();
        match refusal {
            Some(code) if usable.is_empty() => return SourceError::Permanent { code, detail },
            _ => {}
        }
        // Everybody else was tried, so nobody but those who ask for a wait can still answer.
        if let Some(retry_after) = usable.iter().filter_map(|(_, record)| record.paused).min() {
            return SourceError::RateLimited { retry_after };
        }
        if usable.iter().all(|(_, record)| record.tries > 0 && record.missing) {
            return SourceError::NotFound { detail };
        }
        let answers = asked().any(|(endpoint, _)| endpoint.health.answered_since(lately));
        if !answers && usable.iter().all(|(endpoint, record)| record.is_outage(endpoint)) {
            return SourceError::Outage { detail };
        }
        SourceError::Transient { detail }
    }
}

/// How well a provider is placed for the next call, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Fine,
    ShortPause,
    Down,
    LongPause,
}

impl Record {
    /// What is known of a provider before the call: it may have said that it does not offer this.
    fn new(lacks: Option<Failure>) -> Self {
        Self { last: lacks, ..Self::default() }
    }

    fn is_candidate(&self) -> bool {
        !self.left_out && self.refusal().is_none() && self.paused.is_none()
    }

    fn note(&mut self, failure: Failure) {
        let first = self.tries == 0;
        self.tries += 1;
        let silent = matches!(failure, Failure::Dropped(_) | Failure::Endpoint(_));
        self.silent = (first || self.silent) && silent;
        let missing = matches!(failure, Failure::Missing | Failure::PlaceUnknown(_));
        self.missing = (first || self.missing) && missing;
        self.last = Some(failure);
    }

    /// The code under which this provider refused the call for good.
    const fn refusal(&self) -> Option<&'static str> {
        match &self.last {
            Some(Failure::Refused { code, .. }) => Some(code),
            _ => None,
        }
    }

    /// Whether this provider failed at its endpoint: its last try did, or it has closed every
    /// connection without a word for a while.
    fn is_outage(&self, endpoint: &Endpoint) -> bool {
        match &self.last {
            Some(Failure::Endpoint(_)) => true,
            Some(Failure::Dropped(_)) => {
                self.silent && endpoint.health.silent_failures() >= SILENT_FAILURES
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_with_jitter_up_to_the_cap() {
        let policy = CallPolicy::default();
        for _ in 0..50 {
            let pauses: Vec<Duration> = policy.pauses().take(8).collect();
            assert!(pauses[0] >= policy.backoff_start && pauses[0] <= 2 * policy.backoff_start);
            assert!(pauses[1] >= 2 * policy.backoff_start);
            assert!(pauses.iter().all(|&pause| pause <= policy.backoff_cap));
            assert_eq!(pauses[7], policy.backoff_cap);
        }
    }
}
