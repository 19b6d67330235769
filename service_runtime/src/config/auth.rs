//! `[auth]`: who may ask.

use std::net::{IpAddr, ToSocketAddrs};

use serde::{Deserialize, Serialize};

use super::error::ConfigError;
use super::settings::{Role, Settings};

/// Who is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthMode {
    /// Everybody who can reach the listener.
    #[default]
    Open,
    /// Who has a key.
    Keys,
}

/// `[auth]`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthSettings {
    /// Who is answered.
    pub mode: AuthMode,
    /// Whether other machines may ask without a key.
    pub allow_open_public: bool,
}

impl Settings {
    /// Refuses to answer other machines without anybody having said so. A process that only works on
    /// wallets tells them nothing but how it is.
    ///
    /// # Errors
    /// [`ConfigError::OpenToOthers`].
    pub fn check_exposure(&self, role: Role) -> Result<(), ConfigError> {
        self.check_reach(role, || is_loopback(&self.api.host))
    }

    /// The same of the address that the listener has got: a name may have had another one before.
    ///
    /// # Errors
    /// [`ConfigError::OpenToOthers`].
    pub fn check_bound(&self, role: Role, address: IpAddr) -> Result<(), ConfigError> {
        self.check_reach(role, || address.to_canonical().is_loopback())
    }

    fn check_reach(&self, role: Role, is_local: impl Fn() -> bool) -> Result<(), ConfigError> {
        let is_open = self.auth.mode == AuthMode::Open && !self.auth.allow_open_public;
        if !is_open || !role.serves_requests() || is_local() {
            return Ok(());
        }
        Err(ConfigError::OpenToOthers { host: self.api.host.clone() })
    }
}

/// Whether nobody but programs on this machine can reach a listener at `host`. A name counts by all
/// addresses it has; of one without any that is not known.
fn is_loopback(host: &str) -> bool {
    let addresses = (host, 0).to_socket_addrs();
    addresses.is_ok_and(|mut all| all.all(|address| address.ip().to_canonical().is_loopback()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_that_was_bound_decides_whatever_its_name() {
        let mut settings = Settings::default();
        settings.api.host = "localhost".to_owned();
        for (address, is_local) in [
            ("127.0.0.1", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("0.0.0.0", false),
            ("::", false),
            ("::ffff:0.0.0.0", false),
            ("192.0.2.1", false),
            ("fe80::1", false),
        ] {
            let address = address.parse().unwrap();
            assert_eq!(settings.check_bound(Role::Api, address).is_ok(), is_local, "{address}");
            assert!(settings.check_bound(Role::Worker, address).is_ok(), "{address}");
        }
    }

    #[test]
    fn only_loopback_needs_no_leave() {
        let refused = |host: &str, role, allow_open_public| {
            let mut settings = Settings::default();
            settings.api.host = host.to_owned();
            settings.auth.allow_open_public = allow_open_public;
            settings.check_exposure(role).is_err()
        };
        for host in ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1", "localhost"] {
            assert!(!refused(host, Role::All, false), "{host}");
        }
        for host in ["0.0.0.0", "::", "192.0.2.1", "::ffff:0.0.0.0", "fe80::1"] {
            assert!(refused(host, Role::All, false), "{host}");
            assert!(refused(host, Role::Api, false), "{host}");
            assert!(!refused(host, Role::Worker, false), "{host}");
            assert!(!refused(host, Role::All, true), "{host}");
        }
        let mut settings = Settings::default();
        settings.api.host = "0.0.0.0".to_owned();
        settings.auth.mode = AuthMode::Keys;
        assert!(settings.check_exposure(Role::All).is_ok(), "who has no key is told nothing");
    }
}
