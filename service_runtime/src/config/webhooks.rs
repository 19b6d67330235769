//! `[webhooks]`: telling receivers elsewhere of the end of jobs.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize, Serializer};

/// `[webhooks]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookSettings {
    /// What deliveries of all tenants are signed with, each of them.
    pub secrets: Vec<SigningSecret>,
    /// What the secrets of tenants are made of; no receiver knows them. Without these and `secrets` no webhook is taken or sent.
    pub root_secrets: Vec<SigningSecret>,
    /// Tenants whose secrets were changed.
    pub tenants: Vec<WebhookTenant>,
    /// Hosts that may be told; empty: every one that `allow_private` takes.
    pub allowed_hosts: Vec<String>,
    /// Whether `http`, and addresses that are not public, are taken.
    pub allow_private: bool,
    /// Longest time of one attempt, in seconds.
    pub timeout_seconds: u64,
    /// Deliveries under way at a time, in this process.
    pub max_under_way: u32,
}

impl WebhookSettings {
    /// Whether webhooks are taken and sent.
    pub fn is_on(&self) -> bool {
        !self.secrets.is_empty() || !self.root_secrets.is_empty()
    }

    /// See `timeout_seconds`.
    pub const fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds)
    }
}

impl Default for WebhookSettings {
    fn default() -> Self {
        Self {
            secrets: Vec::new(),
            root_secrets: Vec::new(),
            tenants: Vec::new(),
            allowed_hosts: Vec::new(),
            allow_private: false,
            timeout_seconds: 20,
            max_under_way: 16,
        }
    }
}

/// One of `webhooks.tenants`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookTenant {
    /// The tenant.
    pub name: String,
    /// Numbers of its secrets that sign, each once, the newest (greatest) first; of other tenants it is 1 alone.
    pub generations: Vec<u32>,
}

/// A secret that signs: `whsec_` and base64. Shown as `***`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct SigningSecret(String);

impl SigningSecret {
    /// Wraps a text; whether it is a secret is found by the validation.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself: to sign with, never to be shown.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether it has the form of one: the prefix, and the base64 text of 24 to 64 bytes.
    pub(super) fn is_well_formed(&self) -> bool {
        let Some(text) = self.0.strip_prefix("whsec_") else { return false };
        STANDARD.decode(text).is_ok_and(|bytes| (24..=64).contains(&bytes.len()))
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(***)")
    }
}

impl Serialize for SigningSecret {
    /// Without the secret, so that no answer or dump can leak it.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("***")
    }
}
