//! Which URLs are taken.

use std::net::IpAddr;

use reqwest::Url;

use super::address::is_public;

/// Longest URL, in bytes.
const LONGEST: usize = 2048;

/// Where webhooks may go.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TargetRules {
    /// Hosts that are taken, small letters; `*.example.org` takes all below it. Empty: every one.
    pub allowed_hosts: Vec<String>,
    /// Whether addresses that are not public, and `http`, are taken.
    pub allow_private: bool,
}

/// A URL that is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target(Url);

/// Why a URL is not taken. None of them quotes it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTarget {
    /// Too long.
    #[error("the URL is longer than {LONGEST} bytes")]
    Long,
    /// Not readable.
    #[error("not a URL: {0}")]
    Unreadable(String),
    /// Another scheme.
    #[error("the URL must begin with https://; http:// is for webhooks.allow_private")]
    Scheme,
    /// A name or password before the host.
    #[error("the URL must not name a user or a password")]
    User,
    /// Something after `#`.
    #[error("the URL must not have a fragment (#…)")]
    Fragment,
    /// A host that the operator has not allowed.
    #[error("the host is none of webhooks.allowed_hosts")]
    Host,
    /// An address of somebody's own network.
    #[error("the host is an address that is not public, and webhooks.allow_private is off")]
    NotPublic,
}

impl TargetRules {
    /// Reads a URL. What its name leads to is looked at when it is called.
    ///
    /// # Errors
    /// [`BadTarget`].
    pub fn check(&self, text: &str) -> Result<Target, BadTarget> {
        if text.len() > LONGEST {
            return Err(BadTarget::Long);
        }
        let url = Url::parse(text).map_err(|error| BadTarget::Unreadable(error.to_string()))?;
        if !(url.scheme() == "https" || (url.scheme() == "http" && self.allow_private)) {
            return Err(BadTarget::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BadTarget::User);
        }
        if url.fragment().is_some() {
            return Err(BadTarget::Fragment);
        }
        // The reader has turned every spelling of an address into the usual one.
        let host = url.host_str().unwrap_or_default();
        if !self.takes(host) {
            return Err(BadTarget::Host);
        }
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        if !self.allow_private && address.is_ok_and(|address| !is_public(address)) {
            return Err(BadTarget::NotPublic);
        }
        // Escapes can make it longer than it came.
        if url.as_str().len() > LONGEST { Err(BadTarget::Long) } else { Ok(Target(url)) }
    }

    fn takes(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.');
        let is_of = |allowed: &String| match allowed.strip_prefix('*') {
            Some(below) => host.len() > below.len() && host.ends_with(below),
            None => host == allowed,
        };
        self.allowed_hosts.is_empty() || self.allowed_hosts.iter().any(is_of)
    }
}

impl Target {
    /// The URL in its usual form.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub(super) fn into_url(self) -> Url {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(rules: &TargetRules, url: &str) -> BadTarget {
        rules.check(url).expect_err(url)
    }

    #[test]
    fn a_target_is_https_and_public() {
        let rules = TargetRules::default();
        let good = rules.check("HTTPS://Example.org:8443/a?b=c").unwrap();
        assert_eq!(good.as_str(), "https://example.org:8443/a?b=c");
        for url in ["http://example.org/", "ftp://example.org/", "file:///etc/passwd"] {
            assert_eq!(why(&rules, url), BadTarget::Scheme, "{url}");
        }
        assert!(matches!(why(&rules, "example.org"), BadTarget::Unreadable(_)));
        assert!(matches!(why(&rules, "https://"), BadTarget::Unreadable(_)));
        assert_eq!(why(&rules, "https://a@example.org/"), BadTarget::User);
        assert_eq!(why(&rules, "https://:a@example.org/"), BadTarget::User);
        assert_eq!(why(&rules, "https://example.org/#a"), BadTarget::Fragment);
        let long = format!("https://example.org/{}", "ä".repeat(700));
        assert_eq!(why(&rules, &long), BadTarget::Long);
        for host in [
            "127.0.0.1",
            "127.1",
            "0x7f.1",
            "2130706433",
            "017700000001",
            "10.0.0.1",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "169.254.169.254",
        ] {
            let url = format!("https://{host}/");
            assert_eq!(why(&rules, &url), BadTarget::NotPublic, "{url}");
        }
        let lax = TargetRules { allow_private: true, ..TargetRules::default() };
        assert!(lax.check("http://127.0.0.1:80/").is_ok());
        assert_eq!(why(&lax, "ftp://127.0.0.1/"), BadTarget::Scheme);
    }

    #[test]
    fn hosts_can_be_listed() {
        let allowed_hosts = vec!["hooks.example.org".to_owned(), "*.example.com".to_owned()];
        let rules = TargetRules { allowed_hosts, allow_private: false };
        for good in ["hooks.example.org", "HOOKS.example.org.", "a.example.com", "a.b.example.com"]
        {
            assert!(rules.check(&format!("https://{good}/")).is_ok(), "{good}");
        }
        for bad in
            ["example.org", "a.hooks.example.org", "example.com", "badexample.com", "1.1.1.1"]
        {
            assert_eq!(why(&rules, &format!("https://{bad}/")), BadTarget::Host, "{bad}");
        }
    }
}
