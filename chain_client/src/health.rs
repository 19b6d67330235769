//! What the calls of the recent past say about a provider.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::failure::Failure;

/// After so many failures in a row without any answer between, an endpoint counts as down: one or
/// two closed connections happen to healthy ones.
pub(crate) const SILENT_FAILURES: u32 = 3;

/// The health of one provider.
#[derive(Debug)]
pub(crate) struct Health {
    state: Mutex<State>,
    calls: AtomicU64,
    errors: AtomicU64,
}

#[derive(Debug)]
struct State {
    up: bool,
    since: SystemTime,
    detail: Option<String>,
    silent_failures: u32,
    throttled_since: Option<SystemTime>,
    answered_at: Option<Instant>,
    next_trial: Instant,
}

/// A provider's health at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    pub up: bool,
    pub since: SystemTime,
    pub detail: Option<String>,
    pub throttled_since: Option<SystemTime>,
    pub answered_at: Option<Instant>,
    pub calls: u64,
    pub errors: u64,
}

impl Health {
    pub(crate) fn new() -> Self {
        let state = State {
            up: true,
            since: SystemTime::now(),
            detail: None,
            silent_failures: 0,
            throttled_since: None,
            answered_at: None,
            next_trial: Instant::now(),
        };
        Self { state: Mutex::new(state), calls: AtomicU64::new(0), errors: AtomicU64::new(0) }
    }

    pub(crate) fn sent(&self, calls: usize) {
        self.calls.fetch_add(calls as u64, Ordering::Relaxed);
    }

    /// The provider answered, be it that it does not have what was asked for.
    pub(crate) fn answered(&self) {
        let mut state = self.lock();
        state.silent_failures = 0;
        state.throttled_since = None;
        state.answered_at = Some(Instant::now());
        state.detail = None;
        if !state.up {
            state.up = true;
            state.since = SystemTime::now();
        }
    }

    /// The provider failed. While it is down it gets one trial per `trial_every`.
    pub(crate) fn failed(&self, failure: &Failure, trial_every: Duration) {
        let mut state = self.lock();
        if let Failure::Throttled { .. } = failure {
            state.silent_failures = 0;
            state.throttled_since.get_or_insert_with(SystemTime::now);
            state.detail = Some(failure.detail());
            return;
        }
        self.errors.fetch_add(1, Ordering::Relaxed);
        state.detail = Some(failure.detail());
        let down = match failure {
            Failure::Endpoint(_) => {
                state.silent_failures = state.silent_failures.saturating_add(1);
                true
            }
            Failure::Dropped(_) | Failure::Transient(_) => {
                state.silent_failures = state.silent_failures.saturating_add(1);
                state.silent_failures >= SILENT_FAILURES
            }
            // A refusal of all calls (no key, wrong path) makes the provider useless; that it lacks
            // one method does not.
            Failure::Refused { code, .. } => {
                state.silent_failures = 0;
                code.starts_with("provider-")
            }
            Failure::Missing | Failure::PlaceUnknown(_) | Failure::Throttled { .. } => false,
        };
        if down {
            state.next_trial = Instant::now() + trial_every;
            if state.up {
                state.up = false;
                state.since = SystemTime::now();
            }
        }
    }

    /// Whether the provider has answered anything since `moment`.
    pub(crate) fn answered_since(&self, moment: Instant) -> bool {
        self.lock().answered_at.is_some_and(|answered| answered > moment)
    }

    /// Failures in a row without any answer between.
    pub(crate) fn silent_failures(&self) -> u32 {
        self.lock().silent_failures
    }

    /// Whether calls may go here as to a healthy provider: it is up, or its next trial is due.
    pub(crate) fn is_worth_a_call(&self) -> bool {
        let state = self.lock();
        state.up || Instant::now() >= state.next_trial
    }

    /// A call was sent here: the next trial of a provider that is down is later.
    pub(crate) fn begin_trial(&self, trial_every: Duration) {
        let mut state = self.lock();
        if !state.up {
            state.next_trial = Instant::now() + trial_every;
        }
    }

    pub(crate) fn reading(&self) -> Reading {
        let state = self.lock();
        Reading {
            up: state.up,
            since: state.since,
            detail: state.detail.clone(),
            throttled_since: state.throttled_since,
            answered_at: state.answered_at,
            calls: self.calls.load(Ordering::Relaxed),
            errors: self.errors.load(Ordering::Relaxed),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // A panic elsewhere cannot leave this state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: Duration = Duration::from_secs(3600);

    #[test]
    fn an_endpoint_failure_is_down_at_once_and_an_answer_brings_it_back() {
        let health = Health::new();
        health.failed(&Failure::Endpoint("refused".into()), LATER);
        assert!(!health.reading().up && !health.is_worth_a_call());
        assert_eq!(health.reading().detail.as_deref(), Some("refused"));
        health.answered();
        assert!(health.reading().up && health.reading().detail.is_none());
    }

    #[test]
    fn single_losses_are_no_outage_but_a_row_of_them_is() {
        let health = Health::new();
        for _ in 0..10 {
            health.failed(&Failure::Dropped("reset".into()), LATER);
            health.failed(&Failure::Transient("cut".into()), LATER);
            assert!(health.reading().up);
            health.answered();
        }
        for _ in 0..SILENT_FAILURES {
            health.failed(&Failure::Dropped("reset".into()), LATER);
        }
        assert!(!health.reading().up);
    }

    #[test]
    fn a_provider_that_is_down_gets_a_trial_now_and_then() {
        let health = Health::new();
        health.failed(&Failure::Endpoint("refused".into()), Duration::ZERO);
        assert!(health.is_worth_a_call());
        health.begin_trial(LATER);
        assert!(!health.is_worth_a_call());
    }

    #[test]
    fn being_put_off_is_neither_an_error_nor_down() {
        let health = Health::new();
        health.failed(&Failure::Throttled { retry_after: LATER }, LATER);
        let reading = health.reading();
        assert!(reading.up && reading.errors == 0 && reading.throttled_since.is_some());
    }
}
