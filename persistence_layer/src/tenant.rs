//! Whose things are whose.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::error::StoreError;

/// A tenant: whose jobs and results something is about. A cheap clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tenant(Arc<str>);

/// The tenant of everybody where no keys are asked for, and of all that was stored before there were
/// tenants.
const DEFAULT: &str = "default";

/// Most characters of a name.
const MAX_LENGTH: usize = 63;

/// The text names no tenant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no name of a tenant: 1 to 63 small letters, digits, dashes and underscores, the first \
     one a letter or a digit"
)]
pub struct NoTenant(String);

impl Tenant {
    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn read(text: &str) -> Result<Self, StoreError> {
        text.parse().map_err(|error: NoTenant| StoreError::Corrupt(error.to_string()))
    }
}

impl Default for Tenant {
    fn default() -> Self {
        Self(DEFAULT.into())
    }
}

impl FromStr for Tenant {
    type Err = NoTenant;

    fn from_str(text: &str) -> Result<Self, NoTenant> {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let is_name = (1..=MAX_LENGTH).contains(&text.len())
            && text.bytes().all(|byte| is_plain(byte) || matches!(byte, b'-' | b'_'))
            && text.bytes().next().is_some_and(is_plain);
        if is_name { Ok(Self(text.into())) } else { Err(NoTenant(text.to_owned())) }
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_plain() {
        for good in ["default", "a", "0", "acme-2_x", &"a".repeat(63)] {
            assert_eq!(good.parse::<Tenant>().unwrap().as_str(), good);
        }
        for bad in ["", "-a", "_a", "A", "a b", "a:b", "é", "a/b", &"a".repeat(64)] {
            assert!(bad.parse::<Tenant>().is_err(), "{bad}");
        }
        assert_eq!(Tenant::default(), "default".parse().unwrap());
    }
}
