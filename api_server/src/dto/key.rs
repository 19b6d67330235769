//! Keys as `keys list` shows them.

use persistence_layer::api_keys::{ApiKey, Scope};
use serde::Serialize;
use uuid::Uuid;

use crate::dto::time::rfc3339;

/// A key, without the key.
#[derive(Debug, Serialize)]
pub struct KeyView {
    id: Uuid,
    tenant: String,
    name: String,
    scopes: Vec<&'static str>,
    valid: bool,
    created_at: String,
    expires_at: Option<String>,
    revoked_at: Option<String>,
    last_used_at: Option<String>,
}

impl KeyView {
    /// The view of `key`.
    pub fn of(key: &ApiKey) -> Self {
        Self {
            id: key.id,
            tenant: key.tenant.to_string(),
            name: key.name.clone(),
            scopes: key.scopes.iter().map(|scope| Scope::as_str(*scope)).collect(),
            valid: key.is_valid,
            created_at: rfc3339(key.created_at),
            expires_at: key.expires_at.map(rfc3339),
            revoked_at: key.revoked_at.map(rfc3339),
            last_used_at: key.last_used_at.map(rfc3339),
        }
    }
}
