//! Keys of clients: how one looks, and whether one that was sent is valid.
//!
//! A key that was found valid is known for some seconds, so that not every request asks the database. It
//! goes on to be known for some minutes, for reading alone, where the database cannot be asked: whoever could
//! be answered from what is kept still is.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use moka::sync::Cache;
use persistence_layer::api_keys::{self, KeyHash, Scope};
use persistence_layer::{Store, StoreError, Tenant};
use rustls::crypto::CryptoProvider;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::answers::KEPT;
use crate::error::ApiError;
use crate::json::hex;

/// How long a key is taken to be valid after it was looked up: the time in which a revocation acts.
pub const TRUSTED: Duration = Duration::from_secs(5);

/// Longest wait for the database: one that is slower than this cannot tell.
const PATIENCE: Duration = Duration::from_secs(2);

/// Keys that a process knows at a time.
const MOST_KNOWN: u64 = 10_000;

/// What every key begins with, so that people and scanners of leaks recognize one.
const PREFIX: &str = "pnl_";

/// Random bytes of a key.
const SECRET_BYTES: usize = 32;

/// The operating system gives no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the system gives no random bytes")]
pub struct NoRandomBytes;

/// A key. It is shown once, when it is created, and never written to a log.
pub struct Secret(String);

impl Secret {
    /// A new one, of random bytes from the operating system.
    ///
    /// # Errors
    /// When the system gives none.
    pub fn generate() -> Result<Self, NoRandomBytes> {
        let mut bytes = [0; SECRET_BYTES];
        let provider = CryptoProvider::get_default().map(|provider| provider.secure_random);
        let ours = || rustls::crypto::ring::default_provider().secure_random;
        provider.unwrap_or_else(ours).fill(&mut bytes).map_err(|_| NoRandomBytes)?;
        Ok(Self(format!("{PREFIX}{}", hex(&bytes))))
    }

    /// The text that a client sends; `None` when it cannot be a key.
    pub fn read(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(PREFIX)?;
        let is_hex = digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        (digits.len() == 2 * SECRET_BYTES && is_hex).then(|| Self(text.to_owned()))
    }

    /// What is stored of it.
    pub fn hash(&self) -> KeyHash {
        Sha256::digest(self.0.as_bytes()).into()
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Who asks, and for whom. What handlers read and change is of its tenant; without one no route of data is
/// answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Whose jobs and results are reached.
    pub tenant: Tenant,
    scopes: Arc<[Scope]>,
    /// The key, where keys are asked for.
    pub key: Option<Uuid>,
}

impl Caller {
    /// Whoever asks where no keys are asked for.
    pub fn anybody() -> Self {
        static ANYBODY: LazyLock<Caller> = LazyLock::new(|| Caller {
            tenant: Tenant::default(),
            scopes: [Scope::Admin].into(),
            key: None,
        });
        ANYBODY.clone()
    }

    /// The process itself, which reads what is of `tenant` before its clients do.
    pub fn ahead_of_clients(tenant: Tenant) -> Self {
        Self { tenant, scopes: [Scope::Read].into(), key: None }
    }

    /// Whether the caller may do what needs `scope`.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope) || self.scopes.contains(&Scope::Admin)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        // The layer before every route of data has put it there.
        parts.extensions.get::<Self>().cloned().ok_or_else(ApiError::internal)
    }
}

/// A key that was valid.
#[derive(Debug, Clone)]
struct Known {
    caller: Caller,
    looked_up: Instant,
    /// When its time is over.
    until: Option<Instant>,
}

impl Known {
    fn is_in_time(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() < until)
    }

    /// Whether the database need not be asked again.
    fn is_trusted(&self) -> bool {
        self.is_in_time() && self.looked_up.elapsed() < TRUSTED
    }
}

/// The keys of a database, as a process knows them.
pub struct Keys {
    store: Store,
    known: Cache<KeyHash, Known>,
}

impl Keys {
    /// The keys in `store`.
    pub fn new(store: Store) -> Self {
        let known = Cache::builder().max_capacity(MOST_KNOWN).time_to_live(KEPT).build();
        Self { store, known }
    }

    /// Whether there is a key that would be let in.
    ///
    /// # Errors
    /// When the database cannot tell.
    pub async fn any_is_valid(&self) -> Result<bool, StoreError> {
        Ok(api_keys::list(&self.store).await?.iter().any(|key| key.is_valid))
    }

    /// The tenants that a valid key reads for, those whose keys were used last before the others.
    ///
    /// # Errors
    /// When the database cannot tell.
    pub async fn readers(&self) -> Result<Vec<Tenant>, StoreError> {
        let mut keys = api_keys::list(&self.store).await?;
        keys.retain(|key| {
            key.is_valid
                && key.scopes.iter().any(|scope| matches!(scope, Scope::Read | Scope::Admin))
        });
        keys.sort_by_key(|key| std::cmp::Reverse(key.last_used_at));
        let mut named = HashSet::new();
        let tenants = keys.into_iter().map(|key| key.tenant);
        Ok(tenants.filter(|tenant| named.insert(tenant.clone())).collect())
    }

    /// Whether the key with this hash was valid when it was last looked up, if it was.
    pub fn is_known(&self, hash: &KeyHash) -> bool {
        self.known.contains_key(hash)
    }

    /// Who sends the key with this hash, when it was found valid a moment ago.
    pub fn trusted(&self, hash: &KeyHash) -> Option<Caller> {
        let known = self.known.get(hash).filter(Known::is_trusted)?;
        Some(known.caller)
    }

    /// Who sends the key with this hash; `None` when it is not valid. A database that is not up is not asked.
    /// Who `only_reads` is let in by a key that was valid a short while ago, when the database cannot tell at
    /// the moment: a key that was revoked since shall change nothing.
    ///
    /// # Errors
    /// When the database cannot tell.
    pub async fn caller(
        &self,
        hash: &KeyHash,
        is_up: bool,
        only_reads: bool,
    ) -> Result<Option<Caller>, ApiError> {
        let known = self.known.get(hash).filter(Known::is_in_time);
        if let Some(known) = known.as_ref().filter(|known| known.is_trusted()) {
            return Ok(Some(known.caller.clone()));
        }
        let looked_up = Instant::now();
        // No answer: the database cannot tell at the moment.
        let found = if is_up {
            tokio::time::timeout(PATIENCE, api_keys::find(&self.store, hash)).await.ok()
        } else {
            None
        };
        let found = found.filter(|found| !found.as_ref().is_err_and(StoreError::is_transient));
        match (found, known) {
            (Some(Ok(Some(key))), _) => {
                let caller =
                    Caller { tenant: key.tenant, scopes: key.scopes.into(), key: Some(key.id) };
                let until = key.left.and_then(|left| looked_up.checked_add(left));
                let known = Known { caller: caller.clone(), looked_up, until };
                self.known.insert(*hash, known);
                self.note_use(key.id);
                Ok(Some(caller))
            }
            (Some(Ok(None)), _) => {
                self.known.invalidate(hash);
                Ok(None)
            }
            (Some(Err(error)), _) => Err(error.into()),
            (None, Some(known)) if only_reads => Ok(Some(known.caller)),
            (None, _) => Err(ApiError::database_unavailable()),
        }
    }

    /// Nobody waits for that, and nobody is refused when it fails.
    fn note_use(&self, id: Uuid) {
        let store = self.store.clone();
        tokio::spawn(async move {
            if let Err(error) = api_keys::mark_used(&store, id).await {
                tracing::debug!(%error, "the use of a key was not noted");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_was_made_and_nothing_else_is() {
        let one = Secret::generate().unwrap();
        assert_eq!(Secret::read(one.expose()).unwrap().hash(), one.hash());
        assert_ne!(Secret::generate().unwrap().hash(), one.hash());
        assert_eq!(format!("{one:?}"), "Secret");
        let text = one.expose();
        for bad in ["", "pnl_", &text[1..], &text[..67], &format!("{text}0"), &text.to_uppercase()]
        {
            assert!(Secret::read(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn admin_includes_the_other_scopes() {
        let reader = Caller { scopes: [Scope::Read].into(), ..Caller::anybody() };
        assert!(reader.may(Scope::Read));
        assert!(!reader.may(Scope::Submit) && !reader.may(Scope::Admin));
        assert!(Scope::ALL.into_iter().all(|scope| Caller::anybody().may(scope)));
    }
}
