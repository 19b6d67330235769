//! Times on the wire: RFC 3339, UTC, as text.

use chrono::{DateTime, Datelike, SecondsFormat, Utc};

/// RFC 3339 in UTC with milliseconds, such as `2024-05-01T12:00:00.000Z`.
pub fn rfc3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// RFC 3339 in UTC from unix seconds; the number itself when it is no date.
pub fn rfc3339_seconds(seconds: i64) -> String {
    DateTime::from_timestamp(seconds, 0)
        .map_or_else(|| seconds.to_string(), |time| time.to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// Unix seconds at or after an RFC 3339 time.
///
/// Block times are whole seconds, so a bound of a half-open range moves up to the next second
/// without changing which blocks lie inside.
pub fn read_bound(text: &str) -> Option<i64> {
    let time = DateTime::parse_from_rfc3339(text).ok()?;
    let partial = i64::from(time.timestamp_subsec_nanos() > 0);
    time.timestamp().checked_add(partial)
}

/// An RFC 3339 time of the years that the database and the wire can both write.
pub fn read_time(text: &str) -> Option<DateTime<Utc>> {
    let time = DateTime::parse_from_rfc3339(text).ok()?.to_utc();
    (1..=9999).contains(&time.year()).then_some(time)
}

/// The last whole second of an RFC 3339 time: what happened up to then has a block time of at most
/// that.
pub fn read_moment(text: &str) -> Option<i64> {
    Some(DateTime::parse_from_rfc3339(text).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_read_with_any_offset_and_rounded_up() {
        assert_eq!(read_bound("2024-05-01T00:00:00Z"), Some(1_714_521_600));
        assert_eq!(read_bound("2024-05-01T02:00:00+02:00"), Some(1_714_521_600));
        assert_eq!(read_bound("2024-05-01T00:00:00.001Z"), Some(1_714_521_601));
        for bad in ["2024-05-01", "yesterday", "1714521600", "2024-13-01T00:00:00Z", ""] {
            assert_eq!(read_bound(bad), None, "{bad}");
        }
    }

    #[test]
    fn times_are_written_in_utc_with_milliseconds() {
        let time = DateTime::from_timestamp_millis(1_714_521_600_123).unwrap();
        assert_eq!(rfc3339(time), "2024-05-01T00:00:00.123Z");
    }
}
