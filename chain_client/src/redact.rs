//! Endpoint URLs that do not give away their keys.

use std::fmt;

use reqwest::Url;

/// What stands in a text where a secret stood.
const REDACTED: &str = "[redacted]";
/// Shorter parts of a URL are names of methods and versions, not keys.
const SHORTEST_SECRET: usize = 8;
/// How much of a foreign text an error quotes, in characters.
const LONGEST_QUOTE: usize = 200;

/// A URL whose path, query and user part may hold a key. Shown as `scheme://host[:port]` only.
#[derive(Clone)]
pub struct SecretUrl {
    url: Url,
}

impl SecretUrl {
    /// Reads an absolute `http` or `https` URL. The error says what is wrong without quoting it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| format!("not a URL: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("the URL must start with http:// or https://".to_owned());
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err("the URL names no host".to_owned());
        }
        Ok(Self { url })
    }

    /// The URL itself: only to be called, never to be shown.
    pub(crate) const fn expose(&self) -> &Url {
        &self.url
    }

    /// Whether calls to it are encrypted.
    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// Whether it points at this machine.
    pub fn is_loopback(&self) -> bool {
        match self.url.host_str() {
            Some("localhost") => true,
            Some(host) => {
                let host = host.trim_start_matches('[').trim_end_matches(']');
                host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
            }
            None => false,
        }
    }

    /// `text` as an error may quote it: without the parts of this URL that may be keys (endpoints
    /// repeat them), on one line, at most 200 characters.
    pub fn quote(&self, text: &str) -> String {
        let path = self.url.path_segments().into_iter().flatten().map(str::to_owned);
        let query = self.url.query_pairs().map(|(_, value)| value.into_owned());
        let raw_query = self.url.query().map(str::to_owned);
        let user = [Some(self.url.username()), self.url.password()];
        let mut secrets: Vec<String> = path
            .chain(query)
            .chain(raw_query)
            .chain(user.into_iter().flatten().map(str::to_owned))
            .filter(|part| part.len() >= SHORTEST_SECRET)
            .collect();
        // The longest first: one part may contain another.
        secrets.sort_by_key(|part| std::cmp::Reverse(part.len()));
        let clean = secrets.iter().fold(text.to_owned(), |t, s| t.replace(s, REDACTED));
        let mut quoted: String = clean
            .chars()
            .take(LONGEST_QUOTE)
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        if clean.chars().nth(LONGEST_QUOTE).is_some() {
            quoted.push('…');
        }
        quoted
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.url.scheme(), self.url.host_str().unwrap_or_default())?;
        match self.url.port() {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str =
        "https://user:pa55word!@rpc.example.org/v2/0123456789abcdef?api-key=s3cr3t-k3y";

    #[test]
    fn a_url_is_shown_without_path_query_and_user() {
        let url = SecretUrl::parse(URL).unwrap();
        assert_eq!(url.to_string(), "https://rpc.example.org");
        assert_eq!(format!("{url:?}"), "SecretUrl(https://rpc.example.org)");
        let local = SecretUrl::parse("http://[::1]:8899/key").unwrap();
        assert_eq!(local.to_string(), "http://[::1]:8899");
        assert!(local.is_loopback() && !url.is_loopback());
    }

    #[test]
    fn an_endpoint_that_repeats_the_key_does_not_leak_it() {
        let url = SecretUrl::parse(URL).unwrap();
        let said = url.quote("no plan for 0123456789abcdef (api-key=s3cr3t-k3y)\nbye");
        assert_eq!(said, "no plan for [redacted] ([redacted]) bye");
        assert_eq!(url.quote(&"x".repeat(500)).chars().count(), LONGEST_QUOTE + 1);
    }

    #[test]
    fn only_http_urls_are_endpoints_and_refusals_do_not_quote_them() {
        for bad in ["", "rpc.example.org/secretkey", "ftp://rpc.example.org/secretkey", "http://"] {
            let problem = SecretUrl::parse(bad).unwrap_err();
            assert!(!problem.contains("secretkey"), "{problem}");
        }
    }
}
