//! Shares of a whole without floating point.

use std::fmt;

use serde::{Serialize, Serializer};

/// A share in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(pub u64);

const WHOLE: u64 = 1_000_000;

impl Share {
    /// So many percent.
    pub const fn percent(percent: u64) -> Self {
        Self(percent * WHOLE / 100)
    }

    /// So many thousandths.
    pub const fn permille(permille: u64) -> Self {
        Self(permille * WHOLE / 1000)
    }

    /// `part` of `whole`, rounded down; `None` of nothing.
    pub fn of(part: u128, whole: u128) -> Option<Self> {
        let millionths = part.checked_mul(WHOLE.into())?.checked_div(whole)?;
        Some(Self(u64::try_from(millionths).unwrap_or(u64::MAX)))
    }
}

impl fmt::Display for Share {
    /// Decimal text without trailing zeros.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:06}", self.0 / WHOLE, self.0 % WHOLE);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_decimal_text() {
        for (share, text) in [
            (Share::of(1, 3), "0.333333"),
            (Share::of(7, 10), "0.7"),
            (Share::of(5, 5), "1"),
            (Share::of(30, 10), "3"),
            (Some(Share::permille(5)), "0.005"),
            (Some(Share::percent(75)), "0.75"),
        ] {
            assert_eq!(share.unwrap().to_string(), text);
        }
        assert_eq!(Share::of(1, 0), None);
        assert_eq!(Share::of(u128::MAX, 1), None);
    }
}
