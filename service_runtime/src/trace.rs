//! Trace ids after W3C Trace Context, level 1: one id follows a request into its batch, its wallets
//! and the calls made for them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// The id of a trace: 16 bytes, written as 32 lower-case hexadecimal digits, never all zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId([u8; 16]);

const HEX: &[u8; 16] = b"0123456789abcdef";

/// The text is no trace id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a trace id: expected 32 lower-case hexadecimal digits, not all zero")]
pub struct NotATraceId;

impl TraceId {
    /// A new random id.
    pub fn generate() -> Self {
        // A version 4 UUID is never zero: it carries its version.
        Self(Uuid::new_v4().into_bytes())
    }

    /// The id in a `traceparent` header, or a new one when the header is absent or malformed.
    ///
    /// The standard asks to restart the trace in both cases.
    pub fn from_header(traceparent: Option<&str>) -> Self {
        traceparent.and_then(parse_traceparent).unwrap_or_else(Self::generate)
    }

    /// A `traceparent` for a call made under this id: version 00, a new span, sampled.
    pub fn traceparent(self) -> String {
        let [.., a, b, c, d, e, f, g, h] = Uuid::new_v4().into_bytes();
        // All zero marks an invalid span; the variant bits of the UUID are in the first of these, which are never zero.
        let span = [a, b, c, d, e, f, g, h];
        ["00-", text(&digits::<32>(&self.0)), "-", text(&digits::<16>(&span)), "-01"].concat()
    }
}

/// The trace id of a `traceparent`: `version-traceid-parentid-flags`, all lower-case hexadecimal.
///
/// Later versions may append fields, so only version 00 must end after the flags; version ff is
/// forbidden.
fn parse_traceparent(header: &str) -> Option<TraceId> {
    let mut parts = header.trim().split('-');
    let (version, trace, parent, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_valid = is_hex(version, 2)
        && version != "ff"
        && is_hex(parent, 16)
        && parent.bytes().any(|b| b != b'0')
        && is_hex(flags, 2)
        && (version != "00" || parts.next().is_none());
    if is_valid { trace.parse().ok() } else { None }
}

impl FromStr for TraceId {
    type Err = NotATraceId;

    fn from_str(text: &str) -> Result<Self, NotATraceId> {
        let is_hex =
            text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let number = u128::from_str_radix(text, 16).ok().filter(|&n| is_hex && n != 0);
        number.map(|n| Self(n.to_be_bytes())).ok_or(NotATraceId)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(text(&digits::<32>(&self.0)))
    }
}

/// Bytes in hexadecimal. Every line of the log and every answer has some: by hand is several times as fast.
fn digits<const DIGITS: usize>(bytes: &[u8]) -> [u8; DIGITS] {
    let mut digits = [0; DIGITS];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
    }
    digits
}

fn text(digits: &[u8]) -> &str {
    std::str::from_utf8(digits).expect("digits are ASCII")
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceId({self})")
    }
}

impl Serialize for TraceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TraceId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the standard.
    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_valid_header_keeps_its_id() {
        let id = TraceId::from_header(Some(EXAMPLE));
        assert_eq!(id.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        let later = "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00-more";
        assert_eq!(TraceId::from_header(Some(later)), id);
        assert_eq!(parse_traceparent(&id.traceparent()), Some(id));
        assert_ne!(id.traceparent(), id.traceparent());
    }

    #[test]
    fn a_malformed_header_starts_a_new_trace() {
        for header in [
            "",
            "00",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(parse_traceparent(header), None, "{header}");
        }
        assert_ne!(TraceId::from_header(None), TraceId::from_header(Some("junk")));
    }

    #[test]
    fn ids_read_back_what_they_write() {
        let id = TraceId::generate();
        assert_eq!(id.to_string().parse(), Ok(id));
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(serde_json::from_str::<TraceId>(&json).unwrap(), id);
    }
}
