//! What handlers take from a request: body, query parameters, path ids and headers, checked.
//!
//! Every refusal is an [`ApiError`] with its own problem code; nothing here answers in the
//! framework's plain text.

use axum::RequestPartsExt;
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use persistence_layer::batches::{BatchId, BatchRef};
use pnl_core::Chain;

mod body;
mod lines;
mod wait;

pub use body::{BodyPhase, JsonBody, NoBody};
pub use lines::{Lines, NDJSON, is_ndjson};
pub use wait::{MAX_WAIT_SECONDS, preferred_wait};

use crate::error::{ApiError, FieldErrors};
use crate::json::shown;
use crate::keys::Caller;
use crate::problems;

/// Rows of a page when the request names no `limit`.
pub const DEFAULT_LIMIT: u32 = 50;

/// Most rows of a page.
pub const MAX_LIMIT: u32 = 1000;

/// Bounds on what a request may bring.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of a body.
    pub max_body_bytes: usize,
    /// Entries of `wallet_addresses`, before duplicates are removed.
    pub max_wallets: usize,
    /// Wallets on lines of their own, before duplicates are removed.
    pub max_streamed_wallets: usize,
}

/// The parameters of the query string; each is taken once, what remains is unknown.
#[derive(Debug)]
pub struct Params {
    pairs: Vec<(String, String)>,
    known: Vec<&'static str>,
    errors: FieldErrors,
    contradictions: FieldErrors,
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map_err(|_| ApiError::new(problems::BAD_QUERY, "The query string cannot be read."))?;
        Ok(Self::new(pairs))
    }
}

impl Params {
    fn new(pairs: Vec<(String, String)>) -> Self {
        Self {
            pairs,
            known: Vec::new(),
            errors: FieldErrors::default(),
            contradictions: FieldErrors::default(),
        }
    }

    /// The text of `name`, if given. Empty values count as given.
    pub fn text(&mut self, name: &'static str) -> Option<String> {
        self.known.push(name);
        let mut found = None;
        let mut twice = false;
        self.pairs.retain(|(key, value)| {
            if key != name {
                return true;
            }
            twice |= found.is_some();
            found.get_or_insert_with(|| value.clone());
            false
        });
        if twice {
            self.refuse(name, "duplicate-key", "the parameter is given twice");
        }
        found
    }

    /// One of `values`, or `None` when absent.
    pub fn one_of<T: Copy>(&mut self, name: &'static str, values: &[(&str, T)]) -> Option<T> {
        let text = self.text(name)?;
        let found = values.iter().find(|(key, _)| *key == text).map(|(_, value)| *value);
        if found.is_none() {
            let names: Vec<_> = values.iter().map(|(key, _)| *key).collect();
            let detail = format!("{} is none of {}", shown(&text), names.join(", "));
            self.refuse(name, "bad-value", detail);
        }
        found
    }

    /// `chain`, by name or alias.
    pub fn chain(&mut self) -> Option<Chain> {
        let text = self.text("chain")?;
        match text.parse() {
            Ok(chain) => Some(chain),
            Err(_) => {
                self.refuse("chain", "unknown-chain", unknown_chain(&text));
                None
            }
        }
    }

    /// `min_trades`, a filter.
    pub fn min_trades(&mut self) -> Option<u64> {
        self.read("min_trades", "is no whole number", |text| text.parse().ok())
    }

    /// What `read` makes of `name`, or `None` when absent; a text it makes nothing of is refused with
    /// `complaint`, which goes on behind it.
    pub fn read<T>(
        &mut self,
        name: &'static str,
        complaint: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(name)?;
        let value = read(&text);
        if value.is_none() {
            self.refuse(name, "bad-value", format!("{} {complaint}", shown(&text)));
        }
        value
    }

    /// A job that may be named.
    pub fn named_job(&mut self, name: &'static str) -> Option<BatchId> {
        self.read(name, "is no job id, a UUID with hyphens", job_id)
    }

    /// A job that must be named.
    pub fn job(&mut self, name: &'static str) -> Option<BatchId> {
        let is_given = self.has(name);
        let id = self.named_job(name);
        if !is_given {
            self.refuse(name, "missing-field", "the parameter is required");
        }
        id
    }

    /// Whether a parameter is given that was not read yet.
    pub fn has(&self, name: &str) -> bool {
        self.pairs.iter().any(|(key, _)| key == name)
    }

    /// Page size: [`DEFAULT_LIMIT`] unless given, 1 to [`MAX_LIMIT`].
    pub fn limit(&mut self) -> u32 {
        self.limit_of(DEFAULT_LIMIT, MAX_LIMIT)
    }

    /// Page size: `default` unless given, 1 to `most`.
    pub fn limit_of(&mut self, default: u32, most: u32) -> u32 {
        let Some(text) = self.text("limit") else { return default };
        match text.parse() {
            Ok(limit) if (1..=most).contains(&limit) => limit,
            _ => {
                let detail = format!("{} is no whole number from 1 to {most}", shown(&text));
                self.refuse("limit", "out-of-range", detail);
                default
            }
        }
    }

    /// A switch: `true` or `false`, false when absent.
    pub fn flag(&mut self, name: &'static str) -> bool {
        self.one_of(name, &[("true", true), ("false", false)]).unwrap_or(false)
    }

    /// Notes that `name` is not valid.
    pub fn refuse(&mut self, name: &str, code: &'static str, detail: impl Into<String>) {
        self.errors.push(|| format!("?{name}"), code, || detail);
    }

    /// Notes that `name` is valid by itself and contradicts another parameter.
    pub fn contradict(&mut self, name: &str, detail: impl Into<String>) {
        self.contradictions.push(|| format!("?{name}"), "contradiction", || detail);
    }

    /// Whether anything was noted so far.
    pub fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// [`problems::BAD_QUERY`] with every invalid and every unknown parameter; without any
    /// [`problems::VALIDATION_FAILED`] with those that contradict each other.
    pub fn finish(mut self) -> Result<(), ApiError> {
        let known = if self.known.is_empty() {
            "this route takes none".to_owned()
        } else {
            format!("known here: {}", self.known.join(", "))
        };
        for (name, _) in std::mem::take(&mut self.pairs) {
            let name: String = name.chars().take(64).collect();
            self.refuse(&name, "unknown-field", format!("unknown parameter; {known}"));
        }
        self.errors.into_query_result()?;
        self.contradictions.into_result()
    }
}

/// The message for a text that names no chain.
pub fn unknown_chain(text: &str) -> String {
    let names: Vec<_> = Chain::ALL.iter().map(|chain| chain.as_str()).collect();
    format!("unknown chain {}; known are {}", shown(text), names.join(", "))
}

/// The text in the place of a path's placeholder.
#[derive(Debug)]
pub struct Segment(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        match parts.extract::<Path<String>>().await {
            Ok(Path(text)) => Ok(Self(text)),
            Err(_) => Err(not_utf8()),
        }
    }
}

/// The texts in the places of a path's two placeholders.
#[derive(Debug)]
pub struct TwoSegments(pub String, pub String);

impl<S: Send + Sync> FromRequestParts<S> for TwoSegments {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        match parts.extract::<Path<(String, String)>>().await {
            Ok(Path((first, second))) => Ok(Self(first, second)),
            Err(_) => Err(not_utf8()),
        }
    }
}

/// The refusal of a path that cannot be read.
pub fn not_utf8() -> ApiError {
    ApiError::new(problems::NOT_FOUND, "The path is not UTF-8 once its %-escapes are resolved.")
}

/// Characters of a UUID with hyphens.
const UUID_LENGTH: usize = 36;

/// The job that the path names, among those of who asks.
#[derive(Debug, Clone)]
pub struct JobId(pub BatchRef);

impl<S: Send + Sync> FromRequestParts<S> for JobId {
    type Rejection = ApiError;

    /// A text that is no id names no job: 404, not 400.
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let Segment(text) = parts.extract().await?;
        let Caller { tenant, .. } = parts.extract().await?;
        job_id(&text).map(|id| Self(BatchRef { tenant, id })).ok_or_else(|| {
            let detail = format!(
                "{} is no job id; the submission answered with one, a UUID with hyphens.",
                shown(&text)
            );
            ApiError::new(problems::UNKNOWN_JOB, detail)
        })
    }
}

/// The job that `text` names.
pub fn job_id(text: &str) -> Option<BatchId> {
    // The parser also knows forms with braces or without hyphens, which we never gave out.
    (text.len() == UUID_LENGTH).then(|| text.parse().ok()).flatten()
}

/// The header Idempotency-Key, if sent.
///
/// # Errors
/// [`problems::BAD_IDEMPOTENCY_KEY`] unless it is 1 to 255 visible ASCII characters, once.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    const MAX_KEY: usize = 255;
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else { return Ok(None) };
    let refuse = |detail: &'static str| Err(ApiError::new(problems::BAD_IDEMPOTENCY_KEY, detail));
    if values.next().is_some() {
        return refuse("The header Idempotency-Key is given twice.");
    }
    match value.to_str() {
        Ok("") => refuse("The Idempotency-Key is empty."),
        Ok(key) if key.len() > MAX_KEY => {
            refuse("The Idempotency-Key is longer than 255 characters.")
        }
        Ok(key) if key.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(Some(key.to_owned())),
        _ => refuse("The Idempotency-Key has characters other than visible ASCII."),
    }
}

/// Refuses a request whose `Accept` header excludes `media_type` (`type/subtype`).
///
/// # Errors
/// [`problems::NOT_ACCEPTABLE`].
pub fn check_accept(headers: &HeaderMap, media_type: &'static str) -> Result<(), ApiError> {
    let (main, _) = media_type.split_once('/').unwrap_or((media_type, ""));
    let is_any_of_main = |name: &str| name.strip_suffix("/*").is_some_and(|named| named == main);
    // The most specific range that covers the type decides (RFC 9110, 12.5.1).
    let mut best: Option<(u8, bool)> = None;
    let mut ranges = 0usize;
    for value in headers.get_all(header::ACCEPT) {
        let Ok(value) = value.to_str() else { continue };
        for range in value.split(',').map(str::trim).filter(|range| !range.is_empty()) {
            ranges += 1;
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default().to_ascii_lowercase();
            let specificity = match name.as_str() {
                name if name == media_type => 3,
                name if is_any_of_main(name) => 2,
                "*/*" => 1,
                _ => continue,
            };
            let refused = parts.any(|parameter| {
                parameter
                    .split_once('=')
                    .filter(|(key, _)| key.trim().eq_ignore_ascii_case("q"))
                    .is_some_and(|(_, q)| q.trim().trim_matches(['0', '.']).is_empty())
            });
            if best.is_none_or(|(known, _)| specificity > known) {
                best = Some((specificity, !refused));
            }
        }
    }
    match best {
        Some((_, true)) => Ok(()),
        None if ranges == 0 => Ok(()),
        _ => Err(ApiError::new(
            problems::NOT_ACCEPTABLE,
            format!("This route answers with {media_type} only."),
        )),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn params(query: &str) -> Params {
        let uri = format!("http://x/?{query}").parse().unwrap();
        let Query(pairs) = Query::try_from_uri(&uri).unwrap();
        Params::new(pairs)
    }

    pub(super) fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap())
            })
            .collect()
    }

    #[test]
    fn query_parameters_are_read_once_each_and_the_rest_is_unknown() {
        let mut query = params("limit=7&chain=bsc&partial=true");
        assert_eq!(query.limit(), 7);
        assert_eq!(query.chain(), Some(Chain::BinanceSmartChain));
        assert!(query.flag("partial"));
        query.finish().unwrap();

        let mut query = params("limit=0&chain=doge&partial=yes&chian=sol&limit=3");
        query.limit();
        query.chain();
        query.flag("partial");
        let error = query.finish().unwrap_err();
        let found: Vec<_> = error.errors().iter().map(|e| (e.pointer.as_str(), e.code)).collect();
        assert_eq!(
            found,
            [
                ("?limit", "duplicate-key"),
                ("?limit", "out-of-range"),
                ("?chain", "unknown-chain"),
                ("?partial", "bad-value"),
                ("?chian", "unknown-field"),
            ]
        );
    }

    #[test]
    fn limits_outside_the_range_are_refused() {
        for bad in ["0", "1001", "-1", "ten", "", "1e2", "99999999999999999999"] {
            let mut query = params(&format!("limit={bad}"));
            query.limit();
            assert!(query.finish().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_idempotency_key_is_visible_ascii() {
        let read = |value: &str| idempotency_key(&headers(&[("idempotency-key", value)]));
        assert_eq!(read("a-key!~").unwrap().as_deref(), Some("a-key!~"));
        assert_eq!(read(&"k".repeat(255)).unwrap().unwrap().len(), 255);
        for bad in ["", "two words", "caf\u{e9}", &"k".repeat(256)] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert_eq!(idempotency_key(&HeaderMap::new()).unwrap(), None);
        let twice = headers(&[("idempotency-key", "a"), ("idempotency-key", "b")]);
        assert!(idempotency_key(&twice).is_err());
    }

    #[test]
    fn the_most_specific_range_of_accept_decides() {
        let json = |accept: &str| check_accept(&headers(&[("accept", accept)]), "application/json");
        for good in [
            "application/json",
            "*/*",
            "application/*",
            "text/html, */*;q=0.8",
            "APPLICATION/JSON;q=0.1",
            "",
            "*/*;q=0, application/json",
        ] {
            assert!(json(good).is_ok(), "{good}");
        }
        for bad in ["text/csv", "image/*, text/*", "*/*, application/json;q=0", "*/*;q=0.000"] {
            assert!(json(bad).is_err(), "{bad}");
        }
        assert!(check_accept(&HeaderMap::new(), "text/csv").is_ok());
    }
}
