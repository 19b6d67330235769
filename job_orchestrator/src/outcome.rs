//! What the end of an attempt costs: one pure table.
//!
//! An attempt ends in one way ([`AttemptEnd`]); the table ([`decide`]) says what becomes of the
//! task: nothing (the lease is gone), back into the queue for free, back at the price of an attempt
//! with backoff, or an end. The rules:
//!
//! | ended by | becomes |
//! |---|---|
//! | time limit, something new stored | `continued`: queued at once, free, at most `max_continuations` times |
//! | time limit, nothing new stored | one attempt, backoff; the last one ends `timed_out` |
//! | a call that failed all its tries, a transaction or a list the node does not have, an unreadable answer, a list that other processes kept reading | one attempt, backoff; the last one ends `failed` |
//! | the provider or the price source asked to wait | queued after that wait, free; past the outage limit `failed` |
//! | every provider of the chain down | queued, free, the chain pauses; past the outage limit `failed` |
//! | the price source down, a statement that took too long or failed inside the server | queued, free; past the outage limit `failed` |
//! | a permanent error, a panic | `failed` at once |
//! | cancelled | `cancelled` |
//! | released at shutdown, database away, no room in memory beside other long wallets, a group whose wallets have not ended | queued, free |
//! | lease lost | nothing is written: somebody else holds the task |
//!
//! The outage limit is that of the wallet: put off for so long, and more than a few times, with nothing
//! stored since ([`put_off_for_too_long`]). A chain that is down has the same limit for all its wallets.

use std::time::Duration;

use persistence_layer::wallet_tasks::{EndState, PutOff, TaskError, Transition, WaitReason};

use crate::error::StageError;

/// How an attempt at a wallet ended, short of a stored result.
#[derive(Debug)]
pub enum AttemptEnd {
    /// The time limit was reached.
    TimedOut {
        /// The limit.
        limit: Duration,
        /// Whether anything new was stored since the claim.
        progressed: bool,
    },
    /// A stage gave up.
    Failed(StageError),
    /// The code of a stage panicked.
    Panicked,
    /// The batch was cancelled.
    Cancelled,
    /// The process stops and gives the task back.
    Released,
    /// The lease could not be renewed in time or belongs to somebody else.
    LeaseLost,
}

/// What the task has used up so far, as the claim read it.
#[derive(Debug, Clone, Copy)]
pub struct Spent {
    /// Attempts that cost.
    pub attempts: u32,
    /// Free continuations after a time limit.
    pub continuations: u32,
}

/// The limits that the table applies.
#[derive(Debug, Clone, Copy)]
pub struct RetryRules {
    /// Attempts until a task ends.
    pub max_attempts: u32,
    /// Free continuations until a time limit costs an attempt all the same.
    pub max_continuations: u32,
    /// First wait after an attempt that cost; doubles with each.
    pub backoff: Duration,
    /// Whether the outage limit has passed: nothing more is free that waits for somebody else.
    pub outage_limit_passed: bool,
}

/// What becomes of the task.
#[derive(Debug, Clone)]
pub enum Decision {
    /// Nothing is written.
    Leave,
    /// The store applies this, naming the fence.
    Apply(Transition),
}

/// Longest wait between two attempts.
const BACKOFF_CEILING: Duration = Duration::from_secs(15 * 60);
/// Shortest wait after a provider asked for one: a zero would make a busy loop.
const THROTTLE_FLOOR: Duration = Duration::from_secs(1);
/// Wait of a task whose chain is down; the closed gate of the chain holds it longer.
const OUTAGE_DELAY: Duration = Duration::from_secs(1);
/// Wait of a task that has all but its prices: nothing but time brings the source back.
const PRICES_DELAY: Duration = Duration::from_secs(15);
/// Wait of a task that the database refused, so that a sick database is not hammered.
const DATABASE_DELAY: Duration = Duration::from_secs(2);

/// Wait of a task that found no room: the long wallets before it take a while.
const ROOM_DELAY: Duration = Duration::from_secs(10);

/// Looks up the row of the table. `jitter` in 0..=1000 spreads the backoff by up to a quarter.
pub fn decide(end: &AttemptEnd, spent: Spent, rules: &RetryRules, jitter: u32) -> Decision {
    let failed = |error: TaskError| costing(EndState::Failed, error, spent, rules, jitter);
    Decision::Apply(match end {
        AttemptEnd::LeaseLost | AttemptEnd::Failed(StageError::LeaseLost) => {
            return Decision::Leave;
        }
        AttemptEnd::Cancelled => Transition::End { state: EndState::Cancelled, error: None },
        AttemptEnd::Released => free(Duration::ZERO, WaitReason::Released, None),
        AttemptEnd::TimedOut { progressed: true, .. }
            if spent.continuations < rules.max_continuations =>
        {
            free(Duration::ZERO, WaitReason::Continued, None)
        }
        AttemptEnd::TimedOut { limit, .. } => {
            let error = TaskError {
                code: "timed-out".to_owned(),
                title: "The wallet took longer than its time limit".to_owned(),
                detail: format!("the attempt {}", limit_text(*limit)),
                retryable: true,
            };
            costing(EndState::TimedOut, error, spent, rules, jitter)
        }
        AttemptEnd::Panicked => ended(TaskError {
            code: "internal".to_owned(),
            title: "Internal error".to_owned(),
            detail: "the wallet's work ended unexpectedly; the log has the details".to_owned(),
            retryable: false,
        }),
        AttemptEnd::Failed(error) => match error {
            error if error.puts_off() && rules.outage_limit_passed => ended(error.to_task_error()),
            StageError::RateLimited { retry_after }
            | StageError::PricesThrottled { retry_after } => {
                let delay = (*retry_after).max(THROTTLE_FLOOR);
                free(delay, WaitReason::ProviderThrottled, Some(error.to_task_error()))
            }
            StageError::Outage { .. } => {
                free(OUTAGE_DELAY, WaitReason::Outage, Some(error.to_task_error()))
            }
            StageError::PricesAway { .. } => {
                free(PRICES_DELAY, WaitReason::Outage, Some(error.to_task_error()))
            }
            StageError::DatabaseAway { .. }
            | StageError::DatabaseSlow { .. }
            | StageError::DatabaseFailing { .. } => {
                free(DATABASE_DELAY, WaitReason::Released, Some(error.to_task_error()))
            }
            StageError::NoRoom | StageError::GroupOpen => {
                free(ROOM_DELAY, WaitReason::Released, Some(error.to_task_error()))
            }
            StageError::Permanent { .. } | StageError::Uncomputable { .. } => {
                ended(error.to_task_error())
            }
            StageError::Transient { .. }
            | StageError::TransactionNotFound { .. }
            | StageError::ListUnknown { .. }
            | StageError::Unreadable { .. }
            | StageError::Contended { .. }
            | StageError::LeftWork { .. }
            | StageError::Storage { .. } => failed(error.to_task_error()),
            StageError::LeaseLost => return Decision::Leave,
        },
    })
}

/// Least number of times that a wallet is put off until the limit passes: one long wait that was asked
/// for is not the end.
const PUT_OFF_TIMES: u64 = 10;

/// Whether a wallet has been put off at no cost for longer than `limit`.
pub fn put_off_for_too_long(put_off: Option<PutOff>, limit: Duration) -> bool {
    put_off.is_some_and(|off| off.lasting >= limit && off.times >= PUT_OFF_TIMES)
}

/// The log text of the time limit: minutes when it is a whole number of them.
pub fn limit_text(limit: Duration) -> String {
    let seconds = limit.as_secs();
    let (count, unit) = if seconds >= 60 && seconds.is_multiple_of(60) {
        (seconds / 60, "minute")
    } else {
        (seconds, "second")
    };
    format!("timed out after {count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// Wait before the attempt after `attempts` costly ones: backoff, doubled each time, plus jitter.
fn backoff(rules: &RetryRules, attempts: u32, jitter: u32) -> Duration {
    let doubled = rules.backoff.saturating_mul(1 << attempts.min(16)).min(BACKOFF_CEILING);
    doubled + (doubled / 4).saturating_mul(jitter.min(1000)) / 1000
}

fn free(delay: Duration, reason: WaitReason, error: Option<TaskError>) -> Transition {
    Transition::Requeue { delay, reason, costs_attempt: false, error }
}

fn ended(error: TaskError) -> Transition {
    Transition::End { state: EndState::Failed, error: Some(error) }
}

/// One attempt is spent: wait and try again, or end in `last` when it was the last one.
fn costing(
    last: EndState,
    error: TaskError,
    spent: Spent,
    rules: &RetryRules,
    jitter: u32,
) -> Transition {
    if spent.attempts + 1 >= rules.max_attempts {
        return Transition::End { state: last, error: Some(error) };
    }
    Transition::Requeue {
        delay: backoff(rules, spent.attempts, jitter),
        reason: WaitReason::Backoff,
        costs_attempt: true,
        error: Some(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: RetryRules = RetryRules {
        max_attempts: 3,
        max_continuations: 2,
        backoff: Duration::from_secs(5),
        outage_limit_passed: false,
    };
    const FRESH: Spent = Spent { attempts: 0, continuations: 0 };
    const LIMIT: Duration = Duration::from_secs(180);

    fn requeue(end: AttemptEnd, spent: Spent) -> (Duration, WaitReason, bool, Option<String>) {
        match decide(&end, spent, &RULES, 0) {
            Decision::Apply(Transition::Requeue { delay, reason, costs_attempt, error }) => {
                (delay, reason, costs_attempt, error.map(|e| e.code))
            }
            other => panic!("{end:?} should be requeued, got {other:?}"),
        }
    }

    fn end(end: AttemptEnd, spent: Spent, rules: &RetryRules) -> (EndState, Option<String>) {
        match decide(&end, spent, rules, 0) {
            Decision::Apply(Transition::End { state, error }) => (state, error.map(|e| e.code)),
            other => panic!("{end:?} should end the task, got {other:?}"),
        }
    }

    fn timed_out(progressed: bool) -> AttemptEnd {
        AttemptEnd::TimedOut { limit: LIMIT, progressed }
    }

    fn transient() -> AttemptEnd {
        AttemptEnd::Failed(StageError::Transient { detail: "HTTP 500".to_owned() })
    }

    fn code(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn a_time_limit_with_progress_is_continued_at_once_and_free() {
        let expected = (Duration::ZERO, WaitReason::Continued, false, None);
        assert_eq!(requeue(timed_out(true), FRESH), expected);
        assert_eq!(requeue(timed_out(true), Spent { attempts: 2, continuations: 1 }), expected);
    }

    #[test]
    fn beyond_the_cap_of_continuations_a_time_limit_costs_an_attempt() {
        let spent = Spent { attempts: 0, continuations: 2 };
        let (delay, reason, costs, error) = requeue(timed_out(true), spent);
        assert_eq!((delay, reason, costs), (Duration::from_secs(5), WaitReason::Backoff, true));
        assert_eq!(error, code("timed-out"));
    }

    #[test]
    fn a_time_limit_without_progress_costs_an_attempt_and_the_third_ends_timed_out() {
        let (delay, reason, costs, _) = requeue(timed_out(false), FRESH);
        assert_eq!((delay, reason, costs), (Duration::from_secs(5), WaitReason::Backoff, true));
        let (delay, ..) = requeue(timed_out(false), Spent { attempts: 1, continuations: 0 });
        assert_eq!(delay, Duration::from_secs(10));
        let last = Spent { attempts: 2, continuations: 0 };
        assert_eq!(end(timed_out(false), last, &RULES), (EndState::TimedOut, code("timed-out")));
    }

    #[test]
    fn a_failed_call_costs_an_attempt_and_the_last_one_ends_failed() {
        let (delay, reason, costs, error) = requeue(transient(), FRESH);
        assert_eq!((delay, reason, costs), (Duration::from_secs(5), WaitReason::Backoff, true));
        assert_eq!(error, code("provider-error"));
        let last = Spent { attempts: 2, continuations: 7 };
        assert_eq!(end(transient(), last, &RULES), (EndState::Failed, code("provider-error")));
    }

    #[test]
    fn a_missing_transaction_costs_an_attempt_under_its_own_code() {
        let missing =
            || AttemptEnd::Failed(StageError::TransactionNotFound { detail: "x".to_owned() });
        assert_eq!(requeue(missing(), FRESH).3, code("transaction-not-found"));
        let last = Spent { attempts: 2, continuations: 0 };
        assert_eq!(end(missing(), last, &RULES), (EndState::Failed, code("transaction-not-found")));
    }

    #[test]
    fn an_unreadable_transaction_a_contended_list_and_a_storage_error_cost_an_attempt() {
        let unreadable = AttemptEnd::Failed(StageError::Unreadable { detail: "x".to_owned() });
        assert_eq!(requeue(unreadable, FRESH).3, code("transaction-unreadable"));
        let contended = AttemptEnd::Failed(StageError::Contended { detail: "x".to_owned() });
        assert_eq!(requeue(contended, FRESH).3, code("listing-contended"));
        let storage = AttemptEnd::Failed(StageError::Storage { detail: "x".to_owned() });
        assert_eq!(requeue(storage, FRESH).3, code("internal"));
    }

    #[test]
    fn a_throttled_task_waits_as_long_as_it_was_asked_to_for_free() {
        let throttled = |seconds| {
            let retry_after = Duration::from_secs(seconds);
            requeue(AttemptEnd::Failed(StageError::RateLimited { retry_after }), FRESH)
        };
        let (delay, reason, costs, _) = throttled(42);
        assert_eq!(
            (delay, reason, costs),
            (Duration::from_secs(42), WaitReason::ProviderThrottled, false)
        );
        assert_eq!(throttled(0).0, THROTTLE_FLOOR);
    }

    #[test]
    fn what_waits_for_others_ends_past_the_limit_and_the_rest_does_not() {
        let retry_after = Duration::from_secs(9);
        let passed = RetryRules { outage_limit_passed: true, ..RULES };
        for (error, expected) in [
            (StageError::RateLimited { retry_after }, "provider-throttled"),
            (StageError::PricesThrottled { retry_after }, "provider-throttled"),
            (StageError::DatabaseSlow { detail: "60 s".to_owned() }, "database-timeout"),
            (StageError::DatabaseFailing { detail: "58P01".to_owned() }, "database-failing"),
        ] {
            let ended = end(AttemptEnd::Failed(error), FRESH, &passed);
            assert_eq!(ended, (EndState::Failed, code(expected)));
        }
        for error in [StageError::NoRoom, StageError::DatabaseAway { detail: "x".to_owned() }] {
            let next = decide(&AttemptEnd::Failed(error), FRESH, &passed, 0);
            assert!(matches!(next, Decision::Apply(Transition::Requeue { .. })), "{next:?}");
        }
    }

    #[test]
    fn the_limit_passes_by_time_and_not_in_one_long_wait() {
        let too_long = |seconds, times| {
            let put_off = PutOff { lasting: Duration::from_secs(seconds), times };
            put_off_for_too_long(Some(put_off), Duration::from_secs(3600))
        };
        assert!(too_long(3600, 10));
        assert!(!too_long(3599, 700) && !too_long(90_000, 9));
        assert!(!put_off_for_too_long(None, Duration::ZERO));
    }

    #[test]
    fn an_outage_is_free_until_its_limit_and_then_ends_the_task() {
        let outage = || AttemptEnd::Failed(StageError::Outage { detail: "refused".to_owned() });
        let last = Spent { attempts: 2, continuations: 0 };
        let (_, reason, costs, _) = requeue(outage(), last);
        assert_eq!((reason, costs), (WaitReason::Outage, false));
        let passed = RetryRules { outage_limit_passed: true, ..RULES };
        assert_eq!(end(outage(), FRESH, &passed), (EndState::Failed, code("provider-outage")));
    }

    #[test]
    fn a_price_source_that_is_down_is_free_until_the_limit_and_then_ends_the_task() {
        let away = || AttemptEnd::Failed(StageError::PricesAway { detail: "refused".to_owned() });
        let (delay, reason, costs, _) = requeue(away(), FRESH);
        assert_eq!((delay, reason, costs), (PRICES_DELAY, WaitReason::Outage, false));
        let passed = RetryRules { outage_limit_passed: true, ..RULES };
        assert_eq!(end(away(), FRESH, &passed), (EndState::Failed, code("price-source-outage")));
    }

    #[test]
    fn permanent_errors_and_panics_end_at_once() {
        let permanent = AttemptEnd::Failed(StageError::Permanent {
            code: "method-not-found",
            detail: "x".to_owned(),
        });
        assert_eq!(end(permanent, FRESH, &RULES), (EndState::Failed, code("method-not-found")));
        assert_eq!(end(AttemptEnd::Panicked, FRESH, &RULES), (EndState::Failed, code("internal")));
    }

    #[test]
    fn cancel_release_and_a_missing_database_cost_nothing() {
        assert_eq!(end(AttemptEnd::Cancelled, FRESH, &RULES), (EndState::Cancelled, None));
        let (delay, reason, costs, _) = requeue(AttemptEnd::Released, FRESH);
        assert_eq!((delay, reason, costs), (Duration::ZERO, WaitReason::Released, false));
        let away = AttemptEnd::Failed(StageError::DatabaseAway { detail: "refused".to_owned() });
        let (_, reason, costs, error) = requeue(away, FRESH);
        assert_eq!((reason, costs), (WaitReason::Released, false));
        assert_eq!(error, code("database-unavailable"), "an operator tells it from a shutdown");
        let slow = AttemptEnd::Failed(StageError::DatabaseSlow { detail: "60 s".to_owned() });
        let expected = (DATABASE_DELAY, WaitReason::Released, false, code("database-timeout"));
        assert_eq!(requeue(slow, FRESH), expected);
        let crowded = AttemptEnd::Failed(StageError::NoRoom);
        let expected = (ROOM_DELAY, WaitReason::Released, false, code("no-room"));
        assert_eq!(requeue(crowded, FRESH), expected);
    }

    #[test]
    fn a_lost_lease_writes_nothing() {
        assert!(matches!(decide(&AttemptEnd::LeaseLost, FRESH, &RULES, 0), Decision::Leave));
        let lost = AttemptEnd::Failed(StageError::LeaseLost);
        assert!(matches!(decide(&lost, FRESH, &RULES, 0), Decision::Leave));
    }

    #[test]
    fn backoff_doubles_is_capped_and_spreads_by_a_quarter() {
        assert_eq!(backoff(&RULES, 3, 0), Duration::from_secs(40));
        assert_eq!(backoff(&RULES, 0, 1000), Duration::from_millis(6250));
        assert_eq!(backoff(&RULES, 30, 0), BACKOFF_CEILING);
    }

    #[test]
    fn the_limit_is_told_in_minutes_when_it_is_whole_minutes() {
        assert_eq!(limit_text(Duration::from_secs(180)), "timed out after 3 minutes");
        assert_eq!(limit_text(Duration::from_secs(60)), "timed out after 1 minute");
        assert_eq!(limit_text(Duration::from_secs(8)), "timed out after 8 seconds");
        assert_eq!(limit_text(Duration::from_secs(90)), "timed out after 90 seconds");
    }
}
