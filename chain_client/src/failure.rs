//! What went wrong in one try of a call, and which failures mean what.

use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use crate::limiter::LONGEST_PAUSE;

/// How long to wait when a provider says "too many" without saying for how long.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why one try brought no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The provider asks to wait. Costs no try.
    Throttled { retry_after: Duration },
    /// The endpoint fails: refused, unreachable, unresolvable, no TLS, 5xx.
    Endpoint(String),
    /// The connection was closed before the first byte of an answer. Once is bad luck, always is
    /// an endpoint that fails.
    Dropped(String),
    /// Anything else that may be gone at the next try: cut or garbled answers, timeouts, a node
    /// that is behind.
    Transient(String),
    /// The node says that it does not have what was asked for.
    Missing,
    /// The node does not know the place where a list shall go on.
    PlaceUnknown(String),
    /// Asking again is of no use.
    Refused { code: &'static str, detail: String, scope: Scope },
}

/// Whom a refusal concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// This provider only: another may answer.
    Provider,
    /// The request itself: nobody will answer it.
    Request,
}

impl Failure {
    /// Label of the metric `provider_calls_total`.
    pub(crate) const fn outcome(&self) -> &'static str {
        match self {
            Self::Throttled { .. } => "throttled",
            Self::Endpoint(_) => "endpoint",
            Self::Dropped(_) => "dropped",
            Self::Transient(_) => "transient",
            Self::Missing => "missing",
            Self::PlaceUnknown(_) => "place_unknown",
            Self::Refused { .. } => "refused",
        }
    }

    /// In words, for errors and the status page.
    pub(crate) fn detail(&self) -> String {
        match self {
            Self::Throttled { retry_after } => {
                format!("asks to wait {} s", retry_after.as_secs())
            }
            Self::Endpoint(detail)
            | Self::Dropped(detail)
            | Self::Transient(detail)
            | Self::PlaceUnknown(detail) => detail.clone(),
            Self::Missing => "answered null".to_owned(),
            Self::Refused { code, detail, .. } => format!("{code}: {detail}"),
        }
    }

    /// The same failure in other words.
    pub(crate) fn map_detail(self, words: impl Fn(&str) -> String) -> Self {
        match self {
            Self::Endpoint(detail) => Self::Endpoint(words(&detail)),
            Self::Dropped(detail) => Self::Dropped(words(&detail)),
            Self::Transient(detail) => Self::Transient(words(&detail)),
            Self::Refused { code, detail, scope } => {
                Self::Refused { code, detail: words(&detail), scope }
            }
            Self::Throttled { .. } | Self::Missing | Self::PlaceUnknown(_) => self,
        }
    }

    /// An answer that cannot be what the node meant to say.
    pub(crate) fn malformed(problem: impl std::fmt::Display) -> Self {
        Self::Transient(format!("malformed answer: {problem}"))
    }

    const fn refused(code: &'static str, detail: String, scope: Scope) -> Self {
        Self::Refused { code, detail, scope }
    }
}

/// Code of the refusal of a question that spans too many blocks or finds too much.
pub(crate) const RANGE_TOO_LARGE: &str = "range-too-large";

/// Refusals that are about the provider and not about what was asked.
const ABOUT_THE_PROVIDER: [&str; 6] = [
    "provider-unauthorized",
    "provider-payment-required",
    "provider-not-found",
    "provider-method-not-allowed",
    "provider-redirects",
    "provider-wrong-chain",
];

/// Whether the refusal with this code ends when the provider's URL, key or plan is mended: the same question can
/// be answered then.
pub fn is_about_the_provider(code: &str) -> bool {
    ABOUT_THE_PROVIDER.contains(&code)
}

/// What a status other than 200 means. `said` is the quotable beginning of the body.
pub(crate) fn of_status(status: StatusCode, headers: &HeaderMap, said: &str) -> Failure {
    let detail =
        if said.is_empty() { format!("HTTP {status}") } else { format!("HTTP {status}: {said}") };
    let provider = |code| Failure::refused(code, detail.clone(), Scope::Provider);
    match status.as_u16() {
        429 => Failure::Throttled { retry_after: retry_after(headers, SystemTime::now()) },
        500..=599 => Failure::Endpoint(detail),
        // The server did not get the request in time: nothing is wrong with the request.
        408 | 425 => Failure::Transient(detail),
        401 | 403 => provider("provider-unauthorized"),
        402 => provider("provider-payment-required"),
        404 | 410 => provider("provider-not-found"),
        405 => provider("provider-method-not-allowed"),
        413 | 414 => provider("provider-request-too-large"),
        300..=399 => provider("provider-redirects"),
        400..=499 => provider("provider-bad-request"),
        // 1xx never ends an exchange, 2xx without content is no answer to a question.
        _ => Failure::malformed(detail),
    }
}

/// Whether a status only repeats what a JSON-RPC answer in the body says in full. Some services answer
/// every refused call with 400; those of access, load and size are about more than the call.
pub(crate) fn is_about_the_call(status: StatusCode) -> bool {
    status.is_client_error() && !matches!(status.as_u16(), 401..=403 | 408 | 413 | 414 | 425 | 429)
}

/// What the error object of a JSON-RPC answer means.
///
/// Solana's own codes are those of the crate `solana-rpc-client-api` (custom_error); the rest is
/// JSON-RPC 2.0, section 5.1. An unknown code is taken for a passing trouble: it will be tried
/// again a few times and then counts as a failed attempt.
pub(crate) fn of_rpc_error(code: i64, message: &str) -> Failure {
    let detail = format!("rpc error {code}: {message}");
    let provider = |name| Failure::refused(name, detail.clone(), Scope::Provider);
    let request = |name| Failure::refused(name, detail.clone(), Scope::Request);
    match code {
        429 | -32429 => Failure::Throttled { retry_after: DEFAULT_RETRY_AFTER },
        401 | 403 => provider("provider-unauthorized"),
        -32700 | -32600 => request("invalid-request"),
        -32601 => provider("method-not-found"),
        -32602 => request("invalid-params"),
        -32001 => provider("block-cleaned-up"),
        -32010 => provider("index-unavailable"),
        -32011 => provider("history-unavailable"),
        -32007 | -32009 => request("slot-skipped"),
        -32013 => request("invalid-signature"),
        -32015 => request("unsupported-transaction-version"),
        // -32603 internal, -32004 block not available yet, -32005 node behind, -32012 scan failed,
        // -32014 status not available yet, -32016 slot not reached, -32019 archive unreachable.
        _ => Failure::Transient(detail),
    }
}

/// Reads `Retry-After`: seconds or an HTTP date; 1 s when absent or unreadable, never more than
/// [`LONGEST_PAUSE`].
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Duration {
    asked_wait(headers, now).min(LONGEST_PAUSE)
}

/// The same without a bound.
pub(crate) fn asked_wait(headers: &HeaderMap, now: SystemTime) -> Duration {
    let Some(text) = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()) else {
        return DEFAULT_RETRY_AFTER;
    };
    let text = text.trim();
    // Some providers send fractions although the standard has none; they are rounded up.
    let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
    if let Ok(seconds) = whole.parse::<u32>() {
        return Duration::from_secs(u64::from(seconds) + u64::from(whole.len() < text.len()));
    }
    match httpdate::parse_http_date(text) {
        Ok(date) => date.duration_since(now).unwrap_or(Duration::ZERO),
        Err(_) => DEFAULT_RETRY_AFTER,
    }
}

/// What an error of the HTTP client means; `quote` takes secrets out of its text.
pub(crate) fn of_transport(error: &reqwest::Error, quote: impl Fn(&str) -> String) -> Failure {
    let mut detail = String::new();
    let mut source: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(cause) = source {
        let text = cause.to_string();
        // Layers of the client repeat each other's words.
        if !detail.ends_with(&text) {
            if !detail.is_empty() {
                detail.push_str(": ");
            }
            detail.push_str(&text);
        }
        source = cause.source();
    }
    let detail = quote(&detail);
    if error.is_connect() {
        Failure::Endpoint(format!("cannot connect: {detail}"))
    } else if error.is_timeout() {
        Failure::Transient(format!("timed out: {detail}"))
    } else if error.is_request() {
        Failure::Dropped(format!("connection closed without an answer: {detail}"))
    } else {
        Failure::Transient(format!("answer cut short: {detail}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())])
    }

    #[test]
    fn a_wait_is_read_from_seconds_or_from_a_date() {
        let now = httpdate::parse_http_date("Wed, 21 Oct 2015 07:28:00 GMT").unwrap();
        for (text, seconds) in [
            ("0", 0),
            ("7", 7),
            (" 120 ", 120),
            ("1.5", 2),
            ("Wed, 21 Oct 2015 07:28:30 GMT", 30),
            ("Wed, 21 Oct 2015 07:27:00 GMT", 0),
            ("Thu, 22 Oct 2015 07:28:00 GMT", 600),
            ("4000000000", 600),
            ("soon", 1),
            ("-3", 1),
        ] {
            let wait = retry_after(&headers(text), now);
            assert_eq!(wait, Duration::from_secs(seconds), "{text:?}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), Duration::from_secs(1));
    }

    #[test]
    fn a_status_says_whose_trouble_it_is() {
        let of = |status: u16| {
            of_status(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), "").outcome()
        };
        assert_eq!(of(429), "throttled");
        for endpoint in [500, 502, 503, 504, 521] {
            assert_eq!(of(endpoint), "endpoint", "{endpoint}");
        }
        for transient in [204, 206, 408] {
            assert_eq!(of(transient), "transient", "{transient}");
        }
        for refused in [301, 400, 401, 403, 404, 413, 418] {
            assert_eq!(of(refused), "refused", "{refused}");
        }
        let unauthorized = of_status(StatusCode::FORBIDDEN, &HeaderMap::new(), "no key");
        assert!(unauthorized.detail().starts_with("provider-unauthorized: HTTP 403"));
    }

    #[test]
    fn rpc_codes_are_permanent_only_when_the_answer_cannot_change() {
        for transient in [-32603, -32005, -32004, -32014, -32016, -32012, -32000, 1] {
            assert_eq!(of_rpc_error(transient, "x").outcome(), "transient", "{transient}");
        }
        for (code, name) in [
            (-32015, "unsupported-transaction-version"),
            (-32602, "invalid-params"),
            (-32601, "method-not-found"),
            (-32600, "invalid-request"),
        ] {
            let failure = of_rpc_error(code, "x");
            assert!(matches!(&failure, Failure::Refused { code, .. } if *code == name), "{code}");
        }
        assert_eq!(of_rpc_error(429, "slow down").outcome(), "throttled");
    }
}
