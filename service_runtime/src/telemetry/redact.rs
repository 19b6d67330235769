//! The last guard before a log line is written.
//!
//! Code that logs a URL logs a `SecretUrl`, which is redacted already. But errors of libraries and
//! servers may quote what they were given, so every line is searched once more: for the secrets of
//! the settings, and for the places of a URL where secrets stand.

use std::borrow::Cow;

/// What stands in the place of a secret.
const MASK: &str = "***";

/// A shorter text of the settings is not searched for by itself: it would hit innocent words. The
/// places of a URL are masked whatever their length.
const SHORTEST_SECRET: usize = 6;

/// Query names and settings whose value is a secret, compared without case.
const SECRET_NAMES: [&str; 10] = [
    "api-key=",
    "api_key=",
    "apikey=",
    "key=",
    "token=",
    "access_token=",
    "password=",
    "passwd=",
    "pwd=",
    "secret=",
];

/// Masks secrets in lines.
pub(super) struct Redactor {
    /// Longest first, so that a secret that contains another is masked as a whole.
    secrets: Vec<String>,
}

impl Redactor {
    /// A guard that knows these secrets.
    pub(super) fn new(mut secrets: Vec<String>) -> Self {
        secrets.retain(|secret| secret.len() >= SHORTEST_SECRET);
        // In a JSON line quotes and backslashes of a secret are escaped.
        let escaped: Vec<String> = secrets.iter().map(|s| s.escape_default().to_string()).collect();
        secrets.extend(escaped);
        secrets.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        secrets.dedup();
        Self { secrets }
    }

    /// The line without secrets.
    pub(super) fn redact<'l>(&self, line: &'l str) -> Cow<'l, str> {
        let mut line = Cow::Borrowed(line);
        for secret in &self.secrets {
            if line.contains(secret.as_str()) {
                line = Cow::Owned(line.replace(secret.as_str(), MASK));
            }
        }
        if line.contains("://") {
            line = Cow::Owned(mask_passwords(&line));
        }
        // Fields of every line have the form of a name and a value, and hardly one is a secret.
        if let Some(masked) = mask_named_values(&line) {
            line = Cow::Owned(masked);
        }
        line
    }
}

/// Replaces the password in every `scheme://user:password@host`.
fn mask_passwords(line: &str) -> String {
    let mut masked = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(start) = rest.find("://") {
        let (before, after) = rest.split_at(start + 3);
        masked.push_str(before);
        let end = after.find(is_url_end).unwrap_or(after.len());
        let (authority, tail) = after.split_at(end);
        match authority
            .rsplit_once('@')
            .and_then(|(user, host)| Some((user.split_once(':')?.0, host)))
        {
            Some((user, host)) => masked.push_str(&format!("{user}:{MASK}@{host}")),
            None => masked.push_str(authority),
        }
        rest = tail;
    }
    masked.push_str(rest);
    masked
}

/// The line with the value after every name of [`SECRET_NAMES`] replaced; `None` when there is none.
fn mask_named_values(line: &str) -> Option<String> {
    let mut masked = String::new();
    let (mut copied, mut at) = (0, 0);
    while let Some(equals) = line[at..].find('=').map(|found| at + found + 1) {
        at = equals;
        if !SECRET_NAMES.iter().any(|name| is_named(&line[..equals], name)) {
            continue;
        }
        let value = line[equals..].trim_start_matches('"');
        let end = value.find(is_value_end).unwrap_or(value.len());
        if end > 0 {
            masked.push_str(&line[copied..equals]);
            masked.push_str(MASK);
            at = line.len() - value.len() + end;
            copied = at;
        }
    }
    (copied > 0).then(|| masked + &line[copied..])
}

/// Whether the text ends with this name in any case, and not with a longer word that ends alike.
fn is_named(text: &str, name: &str) -> bool {
    let text = text.as_bytes();
    let Some((before, end)) = text.len().checked_sub(name.len()).map(|at| text.split_at(at)) else {
        return false;
    };
    end.eq_ignore_ascii_case(name.as_bytes())
        && !before.last().is_some_and(u8::is_ascii_alphanumeric)
}

fn is_url_end(c: char) -> bool {
    c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\'' | '<' | '>' | ')' | ']' | '}')
}

fn is_value_end(c: char) -> bool {
    c.is_whitespace() || matches!(c, '&' | '"' | '\'' | '\\' | ',' | ';' | ')' | ']' | '}' | '#')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_the_places_where_they_stand_are_masked() {
        let redactor =
            Redactor::new(vec!["s3cret-key".to_owned(), "pw".to_owned(), "with\"quote".to_owned()]);
        for (line, expected) in [
            ("nothing to hide, a=b key: 3", "nothing to hide, a=b key: 3"),
            ("call of /v2/s3cret-key failed", "call of /v2/*** failed"),
            ("{\"m\":\"with\\\"quote\"}", "{\"m\":\"***\"}"),
            (
                "a pw shorter than six is no word to search for",
                "a pw shorter than six is no word to search for",
            ),
            ("postgres://pnl:pw@db/pnl is down", "postgres://pnl:***@db/pnl is down"),
            ("redis://:p@w@cache:6379/0", "redis://:***@cache:6379/0"),
            ("http://host/a@b:c", "http://host/a@b:c"),
            (
                "http://127.0.0.1:8080 and https://u:p@h)",
                "http://127.0.0.1:8080 and https://u:***@h)",
            ),
            ("GET /?api-key=abc&x=1 HTTP", "GET /?api-key=***&x=1 HTTP"),
            ("API_KEY=abc, TOKEN=\"def\"", "API_KEY=***, TOKEN=***\""),
            ("monkey=banana idempotency_key=", "monkey=banana idempotency_key="),
        ] {
            assert_eq!(redactor.redact(line), expected);
        }
    }
}
