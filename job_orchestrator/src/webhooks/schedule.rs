//! When a delivery is tried again.

use std::time::Duration;

use chain_client::webhooks::{Answer, SendError};
use persistence_layer::webhooks::AttemptEnd;

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;

/// Seconds from one attempt to the next; after the last one it is given up, somewhat more than three days after the first.
const PAUSES: [u64; 9] =
    [5, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR];

/// A receiver that asks for a longer wait gets this one.
const LONGEST: Duration = Duration::from_secs(24 * HOUR);

/// A pause is up to a tenth longer than it has to be, so that what has failed together does not come back together.
const JITTER_PERCENT: u32 = 10;

/// What follows from the answer to attempt number `attempt`, counted from 1.
pub(super) fn end(attempt: u32, answer: &Result<Answer, SendError>) -> AttemptEnd {
    let (slow_down, asked) = match answer {
        Ok(answer) if answer.is_success() => return AttemptEnd::Delivered,
        Ok(answer) if answer.status == 410 => return AttemptEnd::Gone,
        Ok(answer) => (matches!(answer.status, 429 | 502 | 504), answer.retry_after),
        Err(
            SendError::Target(_)
            | SendError::NotPublic
            | SendError::Timeout(_)
            | SendError::Transport(_),
        ) => (false, None),
    };
    let tried = usize::try_from(attempt.max(1)).unwrap_or(usize::MAX);
    let Some(seconds) = PAUSES.get(tried - 1) else { return AttemptEnd::Failed };
    // Whoever has too much to do is asked half as often.
    let pause = Duration::from_secs(*seconds) * if slow_down { 2 } else { 1 };
    let pause = pause.max(asked.unwrap_or_default()).min(LONGEST);
    AttemptEnd::Again(pause + pause * rand::random_range(0..=JITTER_PERCENT) / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, retry_after: Option<u64>) -> Result<Answer, SendError> {
        Ok(Answer { status, retry_after: retry_after.map(Duration::from_secs) })
    }

    #[track_caller]
    fn is_about(end: AttemptEnd, seconds: u64) {
        let AttemptEnd::Again(pause) = end else { panic!("{end:?}") };
        let least = Duration::from_secs(seconds);
        assert!((least..=least + least / 10).contains(&pause), "{pause:?} for {seconds} s");
    }

    #[test]
    fn a_delivery_is_tried_ten_times() {
        let refused = answered(500, None);
        for (attempt, seconds) in (1..).zip(PAUSES) {
            is_about(end(attempt, &refused), seconds);
        }
        assert_eq!(end(10, &refused), AttemptEnd::Failed);
        assert_eq!(end(11, &refused), AttemptEnd::Failed);
        assert_eq!(end(10, &Err(SendError::NotPublic)), AttemptEnd::Failed);
    }

    #[test]
    fn only_2xx_is_success_and_410_is_the_end() {
        for status in [200, 204, 299] {
            assert_eq!(end(1, &answered(status, None)), AttemptEnd::Delivered);
        }
        for status in [100, 199, 300, 302, 308, 400, 404, 500] {
            is_about(end(1, &answered(status, None)), 5);
        }
        assert_eq!(end(1, &answered(410, Some(5))), AttemptEnd::Gone);
    }

    #[test]
    fn a_receiver_can_ask_for_more_time() {
        is_about(end(1, &answered(429, None)), 10);
        is_about(end(1, &answered(502, None)), 10);
        is_about(end(2, &answered(504, Some(1))), 600);
        is_about(end(1, &answered(503, Some(90))), 90);
        is_about(end(9, &answered(429, Some(1_000_000))), 24 * HOUR);
    }
}
