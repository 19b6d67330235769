//! How soon each kind of route is to answer.
//!
//! Every route is described together with its class, which is a label of the request histogram; an answer
//! whose head comes later than the target of its class is counted as late. Answers that were kept have a class of
//! their own, whatever their route: they cost nearly nothing, and would hide how long the others take.

use std::time::Duration;

use axum::extract::{MatchedPath, Request};
use axum::http::header::HeaderName;
use service_runtime::config::SlowLogSettings;

use crate::answers::Found;
use crate::routes;

const PREFER: HeaderName = HeaderName::from_static("prefer");

/// What is expected of a route's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RouteClass {
    /// A probe.
    Health,
    /// Some rows, found by key.
    Simple,
    /// An answer that was kept.
    Kept,
    /// A computation over one history, or many rows.
    Complex,
    /// One history by all methods.
    WhatIf,
    /// Whole ledgers, and the comparison of two.
    Report,
    /// A file; what counts is its first byte.
    Export,
    /// What is posted, with the time in which its body arrives.
    Submit,
    /// What takes as long as the client wants: streams, and requests that wait for a job.
    Live,
    /// What no client should ask for: paths without a route, requests that cannot be read, scrapes.
    Other,
}

impl RouteClass {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Health,
        Self::Simple,
        Self::Kept,
        Self::Complex,
        Self::WhatIf,
        Self::Report,
        Self::Export,
        Self::Submit,
        Self::Live,
        Self::Other,
    ];

    /// The label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::Simple => "simple",
            Self::Kept => "kept",
            Self::Complex => "complex",
            Self::WhatIf => "what-if",
            Self::Report => "report",
            Self::Export => "export",
            Self::Submit => "submit",
            Self::Live => "live",
            Self::Other => "other",
        }
    }

    /// The time within which the head of an answer is to come; none: there is no target.
    pub const fn target(self) -> Option<Duration> {
        match self {
            Self::Health | Self::Kept => Some(Duration::from_millis(100)),
            Self::Simple => Some(Duration::from_millis(200)),
            Self::Complex => Some(Duration::from_secs(2)),
            Self::Report => Some(Duration::from_secs(10)),
            Self::WhatIf | Self::Export | Self::Submit => Some(Duration::from_secs(1)),
            Self::Live | Self::Other => None,
        }
    }

    /// Whether an answer that took so long is late.
    pub fn is_late(self, took: Duration) -> bool {
        self.target().is_some_and(|target| took > target)
    }

    /// The time beyond which a request is told of in the log; none: it never is.
    pub fn slow_after(self, settings: &SlowLogSettings) -> Option<Duration> {
        let milliseconds = match self {
            Self::Health => settings.health_ms,
            Self::Simple => settings.simple_ms,
            Self::Kept => settings.kept_ms,
            Self::Complex => settings.complex_ms,
            Self::WhatIf => settings.what_if_ms,
            Self::Report => settings.report_ms,
            Self::Export => settings.export_ms,
            Self::Submit => settings.submit_ms,
            Self::Live | Self::Other => 0,
        };
        (milliseconds > 0).then(|| Duration::from_millis(milliseconds))
    }

    /// The class of a request whose route is known: that of the route, unless the client wants to wait.
    pub fn of(request: &Request) -> Self {
        let route = request.extensions().get::<MatchedPath>();
        let class = route.map_or(Self::Other, |route| routes::class_of(route.as_str()));
        let waits = match class {
            Self::Simple => asks_to_wait(request),
            Self::Submit => request
                .headers()
                .get_all(PREFER)
                .iter()
                .any(|wish| wish.as_bytes().windows(5).any(|part| part == b"wait=")),
            _ => false,
        };
        if waits { Self::Live } else { class }
    }

    /// The class of an answer to a request of this class that was found so, where it could be kept.
    pub fn of_found(self, found: Option<Found>) -> Self {
        match found {
            Some(Found::Hit | Found::SharedHit) => Self::Kept,
            Some(Found::Awaited | Found::Miss | Found::Stale | Found::Bypass) | None => self,
        }
    }
}

/// Whether a request that reads waits for a job to change.
pub fn asks_to_wait(request: &Request) -> bool {
    let query = request.uri().query().unwrap_or_default();
    query.split('&').any(|pair| pair.starts_with("wait="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_late_behind_its_target_and_not_at_it() {
        for class in RouteClass::ALL {
            let Some(target) = class.target() else {
                assert!(!class.is_late(Duration::MAX), "{class:?}");
                continue;
            };
            assert!(!class.is_late(target), "{class:?}");
            assert!(class.is_late(target + Duration::from_nanos(1)), "{class:?}");
        }
    }

    #[test]
    fn by_default_what_is_late_is_slow_and_zero_is_never() {
        let settings = SlowLogSettings::default();
        for class in RouteClass::ALL {
            assert_eq!(class.slow_after(&settings), class.target(), "{class:?}");
        }
        let settings = SlowLogSettings { simple_ms: 0, ..settings };
        assert_eq!(RouteClass::Simple.slow_after(&settings), None);
    }

    #[test]
    fn a_route_has_the_class_it_is_described_with() {
        assert_eq!(routes::class_of("/health"), RouteClass::Health);
        assert_eq!(routes::class_of("/api/pnl/batch/run"), RouteClass::Submit);
        assert_eq!(routes::class_of("/metrics"), RouteClass::Other);
        let mut request = Request::default();
        assert!(!asks_to_wait(&request));
        *request.uri_mut() = "/?a=wait=1&wait=3".parse().unwrap();
        assert!(asks_to_wait(&request));
    }
}
