//! How long the answer to a request may wait for a job.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName};

use super::Params;

/// Most seconds that a request may ask for. The time limit of requests cuts it further.
pub const MAX_WAIT_SECONDS: u64 = 300;

const PREFER: HeaderName = HeaderName::from_static("prefer");

impl Params {
    /// `wait`, in seconds; none when absent or 0.
    pub fn wait(&mut self) -> Option<Duration> {
        let complaint = format!("is no whole number of seconds from 0 to {MAX_WAIT_SECONDS}");
        let read = |text: &str| text.parse().ok().filter(|seconds| *seconds <= MAX_WAIT_SECONDS);
        let seconds = self.read("wait", &complaint, read)?;
        (seconds > 0).then_some(Duration::from_secs(seconds))
    }
}

/// `wait` of the header Prefer (RFC 7240): the first one counts, and a preference that cannot be
/// understood is none.
pub fn preferred_wait(headers: &HeaderMap) -> Option<Duration> {
    let lists = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    let mut preferences = lists.flat_map(|list| list.split(','));
    let (_, value) = preferences.find_map(|preference| {
        // Parameters may follow behind a semicolon.
        let (name, value) = preference.split(';').next()?.split_once('=')?;
        name.trim().eq_ignore_ascii_case("wait").then_some((name, value))
    })?;
    let seconds: u64 = value.trim().trim_matches('"').parse().ok()?;
    (seconds > 0).then(|| Duration::from_secs(seconds.min(MAX_WAIT_SECONDS)))
}

#[cfg(test)]
mod tests {
    use super::super::tests::headers;
    use super::*;

    #[test]
    fn a_preference_is_found_in_any_list_and_nonsense_is_none() {
        let read = |value: &str| preferred_wait(&headers(&[("prefer", value)]));
        for (value, seconds) in [
            ("wait=10", 10),
            ("respond-async, WAIT = \"7\"; x=1", 7),
            ("wait=99999999", MAX_WAIT_SECONDS),
            ("wait=3, wait=9", 3),
        ] {
            assert_eq!(read(value), Some(Duration::from_secs(seconds)), "{value}");
        }
        for none in ["", "wait", "wait=", "wait=0", "wait=-1", "wait=ten", "await=5", "x; wait=5"] {
            assert_eq!(read(none), None, "{none}");
        }
        assert_eq!(preferred_wait(&HeaderMap::new()), None);
    }
}
