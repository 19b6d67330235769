//! URLs that may carry a password or an API key.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::Url;

/// What stands in the place of a secret.
const MASK: &str = "***";

/// Query names whose values are shown. Every other value could be a key.
const PUBLIC_QUERY: [&str; 7] = [
    "application_name",
    "connect_timeout",
    "dbname",
    "host",
    "port",
    "sslmode",
    "target_session_attrs",
];

/// Path segments of chain and price endpoints that are shown, beside versions like `v2`. Hosted
/// endpoints put the API key into the path, in every length, so only known words are harmless.
const PUBLIC_SEGMENTS: [&str; 18] = [
    "api",
    "base",
    "bsc",
    "bsc-mainnet",
    "coins",
    "eth",
    "ethereum",
    "ext",
    "http",
    "https",
    "jsonrpc",
    "mainnet",
    "mainnet-beta",
    "prices",
    "public",
    "rpc",
    "solana",
    "solana-mainnet",
];

/// A label of a host name that is this long is taken for a key.
const LONGEST_PUBLIC_LABEL: usize = 32;

/// A URL that may carry a password or an API key: in the user part, the path or the query.
///
/// `Debug`, `Display` and `Serialize` give the redacted form; only [`SecretUrl::expose`] gives the
/// URL itself. The empty URL means "not set".
#[derive(Clone, PartialEq, Eq, Default)]
pub struct SecretUrl(String);

impl SecretUrl {
    /// Wraps a URL. Any text is accepted; validation happens where the URL's use is known.
    pub fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    /// The URL with its secrets. Give it to clients, never to a log or an answer.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether no URL is set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The URL with password, keys in user part, path and query replaced by `***`.
    ///
    /// What cannot be read as a URL becomes `***` as a whole.
    pub fn redacted(&self) -> String {
        if self.0.is_empty() {
            return String::new();
        }
        let Ok(url) = Url::parse(&self.0) else { return MASK.to_owned() };
        let mut text = format!("{}:", url.scheme());
        if url.has_authority() {
            text.push_str("//");
            text.push_str(&redacted_authority(&url));
        } else if url.cannot_be_a_base() {
            return format!("{text}{MASK}");
        }
        text.push_str(&redacted_path(&url));
        text.push_str(&redacted_query(&url));
        text
    }

    /// The parts of this URL that [`SecretUrl::redacted`] hides, as they stand in the URL and as
    /// they read when percent-decoded. The log writer removes these texts from every line.
    pub fn secrets(&self) -> Vec<String> {
        let Ok(url) = Url::parse(&self.0) else {
            return if self.0.is_empty() { Vec::new() } else { vec![self.0.clone()] };
        };
        let mut found = Vec::new();
        if is_database(&url) {
            found.extend(url.password().map(str::to_owned));
        } else {
            found.push(url.username().to_owned());
            found.extend(url.password().map(str::to_owned));
            found
                .extend(url.path().split('/').filter(|s| !is_public_segment(s)).map(str::to_owned));
            found.extend(
                url.host_str()
                    .unwrap_or_default()
                    .split('.')
                    .filter(|l| l.len() > LONGEST_PUBLIC_LABEL)
                    .map(str::to_owned),
            );
        }
        for pair in url.query().unwrap_or_default().split('&') {
            let (name, value) = pair.split_once('=').unwrap_or(("", pair));
            if !PUBLIC_QUERY.contains(&name) {
                found.push(value.to_owned());
            }
        }
        found.extend(url.fragment().map(str::to_owned));
        let decoded: Vec<String> = found.iter().map(|text| percent_decoded(text)).collect();
        found.extend(decoded);
        found.retain(|text| !text.is_empty());
        found.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        found.dedup();
        found
    }
}

/// PostgreSQL and Redis URLs: user and path name a role and a database, which are no secrets.
fn is_database(url: &Url) -> bool {
    matches!(
        url.scheme(),
        "postgres"
            | "postgresql"
            | "redis"
            | "rediss"
            | "redis+unix"
            | "unix"
            | "valkey"
            | "valkeys"
    )
}

fn redacted_authority(url: &Url) -> String {
    let mut text = String::new();
    if is_database(url) {
        text.push_str(url.username());
        if url.password().is_some() {
            text.push(':');
            text.push_str(MASK);
        }
        if !url.username().is_empty() || url.password().is_some() {
            text.push('@');
        }
    } else if !url.username().is_empty() || url.password().is_some() {
        text.push_str(MASK);
        text.push('@');
    }
    let host = url.host_str().unwrap_or_default();
    let labels: Vec<&str> = host
        .split('.')
        .map(|label| if label.len() > LONGEST_PUBLIC_LABEL { MASK } else { label })
        .collect();
    text.push_str(&labels.join("."));
    if let Some(port) = url.port() {
        text.push_str(&format!(":{port}"));
    }
    text
}

fn redacted_path(url: &Url) -> String {
    if is_database(url) {
        return url.path().to_owned();
    }
    let segments: Vec<&str> = url
        .path()
        .split('/')
        .map(|segment| if is_public_segment(segment) { segment } else { MASK })
        .collect();
    segments.join("/")
}

fn redacted_query(url: &Url) -> String {
    let Some(query) = url.query() else { return String::new() };
    let pairs: Vec<String> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, _)) if PUBLIC_QUERY.contains(&name) => pair.to_owned(),
            Some((name, _)) => format!("{name}={MASK}"),
            None => MASK.to_owned(),
        })
        .collect();
    format!("?{}", pairs.join("&"))
}

fn is_public_segment(segment: &str) -> bool {
    let is_version = segment.strip_prefix('v').is_some_and(|digits| {
        (1..=2).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
    });
    segment.is_empty() || is_version || PUBLIC_SEGMENTS.contains(&segment)
}

/// Percent-decodes; what is no escape stays as it is.
fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten()
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match escaped {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretUrl({:?})", self.redacted())
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted())
    }
}

impl Serialize for SecretUrl {
    /// Gives the redacted form, so that no answer or dump can leak the URL.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.redacted())
    }
}

impl<'de> Deserialize<'de> for SecretUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_and_keys_are_masked_wherever_a_url_can_hold_them() {
        for (url, redacted) in [
            ("", ""),
            ("postgres://pnl:s3cret@db:5432/pnl", "postgres://pnl:***@db:5432/pnl"),
            (
                "postgres://db/pnl?sslmode=require&password=x",
                "postgres://db/pnl?sslmode=require&password=***",
            ),
            ("redis://:s3cret@cache:6379/0", "redis://:***@cache:6379/0"),
            ("https://api.mainnet-beta.solana.com", "https://api.mainnet-beta.solana.com/"),
            ("http://127.0.0.1:8899", "http://127.0.0.1:8899/"),
            (
                "https://solana-mainnet.g.alchemy.com/v2/AbCd",
                "https://solana-mainnet.g.alchemy.com/v2/***",
            ),
            (
                "https://mainnet.helius-rpc.com/?api-key=abc-def",
                "https://mainnet.helius-rpc.com/?api-key=***",
            ),
            ("https://user:pw@node.example.org/rpc", "https://***@node.example.org/rpc"),
            ("https://keyonly@node.example.org/", "https://***@node.example.org/"),
            (
                "https://0123456789abcdef0123456789abcdef0.node.example.org/",
                "https://***.node.example.org/",
            ),
            ("not a url with s3cret", "***"),
            ("mailto:s3cret", "mailto:***"),
        ] {
            let secret = SecretUrl::new(url);
            assert_eq!(secret.redacted(), redacted);
            assert_eq!(secret.to_string(), redacted);
            assert!(!format!("{secret:?}").contains("s3cret"));
            assert_eq!(serde_json::to_string(&secret).unwrap(), format!("\"{redacted}\""));
            assert_eq!(secret.expose(), url);
        }
    }

    #[test]
    fn the_hidden_parts_are_listed_in_both_spellings() {
        assert_eq!(
            SecretUrl::new("postgres://pnl:p%40ss@db/pnl").secrets(),
            ["p%40ss".to_owned(), "p@ss".to_owned()]
        );
        assert_eq!(
            SecretUrl::new("https://n.example.org/v2/KEY123?token=abc&sslmode=x").secrets(),
            ["KEY123".to_owned(), "abc".to_owned()]
        );
        assert!(SecretUrl::new("https://api.mainnet-beta.solana.com").secrets().is_empty());
        assert!(SecretUrl::default().secrets().is_empty());
    }
}
