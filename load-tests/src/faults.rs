//! What goes wrong on purpose.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

/// How the node misbehaves. All of it is optional; the default is to behave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Every request arrives a random time later, between these milliseconds.
    pub latency_ms: Option<(u64, u64)>,
    /// Beyond so many requests in a second an endpoint answers 429 with `Retry-After`.
    pub rate_limit_rps: Option<u32>,
    /// Share of requests, 0 to 1, that are struck by one of `kinds`.
    pub error_rate: f64,
    /// The kinds to draw from; all but `hang` and those of broken keys when empty.
    pub kinds: Vec<FaultKind>,
    /// Every connection is closed at once, without an answer.
    pub down: bool,
    /// Faults strike only requests whose path, query or body contains this text.
    pub only: Option<String>,
    /// The same seed draws the same faults in the same order.
    pub seed: u64,
    /// What `Retry-After` says beside a 429: seconds or a date; empty leaves the header out.
    pub retry_after: String,
    /// The code of `rpc_error`.
    pub rpc_code: i64,
    /// After so many faults of `kinds` the node behaves again.
    pub max_strikes: Option<u64>,
    /// A signature that is in no list any more, and behind which no list goes on.
    pub forgets: Option<String>,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            latency_ms: None,
            rate_limit_rps: None,
            error_rate: 0.0,
            kinds: Vec::new(),
            down: false,
            only: None,
            seed: 1,
            retry_after: "1".to_owned(),
            rpc_code: -32603,
            max_strikes: None,
            forgets: None,
        }
    }
}

impl Faults {
    /// Every request is struck by `kind`.
    pub fn always(kind: FaultKind) -> Self {
        Self { error_rate: 1.0, kinds: vec![kind], ..Self::default() }
    }

    /// The first `times` requests are struck by `kind`, then the node behaves.
    pub fn first(times: u64, kind: FaultKind) -> Self {
        Self { max_strikes: Some(times), ..Self::always(kind) }
    }
}

/// One way to answer wrongly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// HTTP 400.
    Http400,
    /// HTTP 401.
    Http401,
    /// HTTP 403.
    Http403,
    /// HTTP 404.
    Http404,
    /// HTTP 429 with `Retry-After`.
    Http429,
    /// HTTP 500.
    Http500,
    /// HTTP 503.
    Http503,
    /// A JSON-RPC error object with code `rpc_code`; in a batch about half of the calls get it.
    RpcError,
    /// The connection is closed without an answer.
    Reset,
    /// Half of the body, then the connection is closed.
    Truncated,
    /// HTML instead of JSON.
    Garbage,
    /// `result: null`; in a batch about half of the calls get it.
    NullResult,
    /// Status 200 and nothing else.
    EmptyBody,
    /// No answer for an hour.
    Hang,
}

/// The kinds drawn from when none are named.
const ANY_KIND: [FaultKind; 8] = [
    FaultKind::Http500,
    FaultKind::Http503,
    FaultKind::RpcError,
    FaultKind::Reset,
    FaultKind::Truncated,
    FaultKind::Garbage,
    FaultKind::NullResult,
    FaultKind::EmptyBody,
];

impl FaultKind {
    /// The name used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http400 => "http400",
            Self::Http401 => "http401",
            Self::Http403 => "http403",
            Self::Http404 => "http404",
            Self::Http429 => "http429",
            Self::Http500 => "http500",
            Self::Http503 => "http503",
            Self::RpcError => "rpc_error",
            Self::Reset => "reset",
            Self::Truncated => "truncated",
            Self::Garbage => "garbage",
            Self::NullResult => "null_result",
            Self::EmptyBody => "empty_body",
            Self::Hang => "hang",
        }
    }

    /// The status this kind answers with, when it is one of those that only do that.
    pub(crate) const fn status(self) -> Option<u16> {
        Some(match self {
            Self::Http400 => 400,
            Self::Http401 => 401,
            Self::Http403 => 403,
            Self::Http404 => 404,
            Self::Http429 => 429,
            Self::Http500 => 500,
            Self::Http503 => 503,
            _ => return None,
        })
    }
}

/// Draws faults as configured.
#[derive(Debug)]
pub(crate) struct Fate {
    faults: Faults,
    random: StdRng,
    struck: u64,
    windows: HashMap<String, VecDeque<Instant>>,
}

/// What will happen to one request.
#[derive(Debug, Clone)]
pub(crate) struct Verdict {
    pub latency: Duration,
    pub kind: Option<FaultKind>,
    pub down: bool,
    pub retry_after: String,
    pub rpc_code: i64,
}

impl Fate {
    pub(crate) fn new(faults: Faults) -> Self {
        let random = StdRng::seed_from_u64(faults.seed);
        Self { faults, random, struck: 0, windows: HashMap::new() }
    }

    pub(crate) fn faults(&self) -> &Faults {
        &self.faults
    }

    pub(crate) fn judge(&mut self, path: &str, asked: &[u8]) -> Verdict {
        let mut verdict = Verdict {
            latency: Duration::ZERO,
            kind: None,
            down: false,
            retry_after: self.faults.retry_after.clone(),
            rpc_code: self.faults.rpc_code,
        };
        if let Some(only) = &self.faults.only
            && !path.contains(only)
            && !contains(asked, only.as_bytes())
        {
            return verdict;
        }
        if self.faults.down {
            verdict.down = true;
            return verdict;
        }
        if let Some((low, high)) = self.faults.latency_ms {
            verdict.latency = Duration::from_millis(self.random.random_range(low..=high.max(low)));
        }
        if self.is_over_the_limit(path) {
            verdict.kind = Some(FaultKind::Http429);
            return verdict;
        }
        let may_strike = self.faults.max_strikes.is_none_or(|most| self.struck < most);
        if may_strike && self.random.random::<f64>() < self.faults.error_rate {
            let kinds = &self.faults.kinds;
            let kinds = if kinds.is_empty() { &ANY_KIND } else { kinds.as_slice() };
            verdict.kind = Some(kinds[self.random.random_range(0..kinds.len())]);
            self.struck += 1;
        }
        verdict
    }

    /// A fair coin, for the calls of a batch.
    pub(crate) fn coin(&mut self) -> bool {
        self.random.random()
    }

    fn is_over_the_limit(&mut self, path: &str) -> bool {
        let Some(limit) = self.faults.rate_limit_rps else { return false };
        let now = Instant::now();
        let seen = self.windows.entry(path.to_owned()).or_default();
        while seen.front().is_some_and(|&first| now - first >= Duration::from_secs(1)) {
            seen.pop_front();
        }
        if seen.len() >= limit as usize {
            return true;
        }
        seen.push_back(now);
        false
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    needle.is_empty() || haystack.windows(needle.len()).any(|window| window == needle)
}
