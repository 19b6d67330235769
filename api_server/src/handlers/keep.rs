//! How long the client and those between may keep an answer: `Cache-Control`.

use axum::http::{HeaderName, HeaderValue, header};
use chrono::{DateTime, Utc};
use persistence_layer::batches::{Batch, BatchStatus};
use persistence_layer::wallet_tasks::TaskState;

const DAY_SECONDS: i64 = 86_400;
const YEAR_SECONDS: i64 = 365 * DAY_SECONDS;

/// How long an answer that is a value may be kept by whoever gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// It may change at any time: asked again each time, which an `ETag` makes cheap.
    Not,
    /// By the client that asked, who asks again each time.
    Revalidated,
    /// By anybody, so long; and for the second number beyond while a new one is fetched.
    Shared { seconds: u32, stale_seconds: u32 },
    /// By the client that asked, for so many seconds in which it cannot change.
    Unchanging { seconds: u64 },
}

/// How long a stale answer may stand in for one that fails, in seconds.
const STALE_IF_ERROR_SECONDS: u32 = 600;

impl Keep {
    /// An answer about one wallet.
    pub const OF_WALLET: Self = Self::Shared { seconds: 300, stale_seconds: 30 };

    /// The newest results of a tenant.
    pub const LATEST: Self = Self::Shared { seconds: 60, stale_seconds: 30 };

    /// What the results of `batch` are at `now`, on a server that removes them `days` after its end
    /// (0: never).
    ///
    /// Only a job of which nothing can be retried stays as it is, and that only until it is removed.
    pub fn results_of(batch: &Batch, days: u32, now: DateTime<Utc>) -> Self {
        if !batch.state.is_terminal() {
            return Self::Not;
        }
        let is_whole = batch.status() == BatchStatus::Completed
            && batch.group.is_none_or(|state| state == TaskState::Done);
        let Some(ended) = batch.finished_at.filter(|_| is_whole) else { return Self::Revalidated };
        let left = match days {
            0 => YEAR_SECONDS,
            days => (ended - now).num_seconds().saturating_add(i64::from(days) * DAY_SECONDS),
        };
        match u64::try_from(left.min(YEAR_SECONDS)) {
            Ok(seconds @ 1..) => Self::Unchanging { seconds },
            _ => Self::Revalidated,
        }
    }

    /// The header that says so.
    pub fn header(self) -> (HeaderName, HeaderValue) {
        let text = match self {
            Self::Not => return (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            Self::Revalidated => "private, no-cache".to_owned(),
            Self::Shared { seconds, stale_seconds } => format!(
                "public, max-age={seconds}, stale-while-revalidate={stale_seconds}, \
                 stale-if-error={STALE_IF_ERROR_SECONDS}"
            ),
            Self::Unchanging { seconds } => format!("private, max-age={seconds}, immutable"),
        };
        let value = HeaderValue::from_str(&text).expect("words and numbers are a header");
        (header::CACHE_CONTROL, value)
    }
}
