//! Keys of clients.
//!
//! What is stored of a key is a hash. It is looked up by a unique index: what a comparison takes depends
//! on hashes alone, of which nobody can choose the next byte.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::convert::interval;
use crate::error::StoreError;
use crate::store::{Store, read, run};
use crate::tenant::Tenant;

/// SHA-256 of a key.
pub type KeyHash = [u8; 32];

/// What a key is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Reads jobs, results and wallets.
    Read,
    /// Submits, cancels and retries jobs.
    Submit,
    /// Both, and the state of the service, which is nobody's alone. Jobs and results of other tenants stay theirs.
    Admin,
}

/// The text names no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown scope {0:?}; known are read, submit, admin")]
pub struct NoScope(String);

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 3] = [Self::Read, Self::Submit, Self::Admin];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Submit => "submit",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = NoScope;

    fn from_str(text: &str) -> Result<Self, NoScope> {
        let found = Self::ALL.into_iter().find(|scope| scope.as_str() == text);
        found.ok_or_else(|| NoScope(text.to_owned()))
    }
}

/// A key to be stored.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub tenant: Tenant,
    /// What people call it, 1 to 100 characters.
    pub name: String,
    /// Its hash.
    pub hash: KeyHash,
    /// What it is good for; at least one.
    pub scopes: Vec<Scope>,
    /// How long; `None`: for ever.
    pub valid_for: Option<Duration>,
}

/// A stored key, without the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub tenant: Tenant,
    /// What people call it.
    pub name: String,
    /// What it is good for.
    pub scopes: Vec<Scope>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When its time is over.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
    /// When it was last used, to the minute or so.
    pub last_used_at: Option<DateTime<Utc>>,
    /// Whether it opens anything now.
    pub is_valid: bool,
}

/// A valid key, as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidKey {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub tenant: Tenant,
    /// What it is good for.
    pub scopes: Vec<Scope>,
    /// What is left of its time; `None`: no end.
    pub left: Option<Duration>,
}

/// What became of a rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotated {
    /// No such key.
    Unknown,
    /// It is not valid any more: there is nothing to rotate.
    NotValid,
    /// The new one is stored, and the old one is valid until then.
    Until(DateTime<Utc>),
}

/// Stores a key.
///
/// # Errors
/// As every write.
pub async fn create(store: &Store, new: &NewKey) -> Result<(), StoreError> {
    run!(store, "api_keys/create", async |tx| { insert(tx, new).await })
}

async fn insert(tx: &mut sqlx::PgConnection, new: &NewKey) -> Result<(), StoreError> {
    let scopes: Vec<String> = new.scopes.iter().map(Scope::to_string).collect();
    sqlx::query_file!(
        "queries/api_keys/insert.sql",
        new.id,
        new.tenant.as_str(),
        new.name,
        &new.hash,
        &scopes,
        new.valid_for.map(interval).transpose()? as _
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// All keys, the oldest first.
pub async fn list(store: &Store) -> Result<Vec<ApiKey>, StoreError> {
    let rows = read!(store, async |connection| sqlx::query_file!("queries/api_keys/list.sql")
        .fetch_all(connection))?;
    rows.into_iter()
        .map(|row| {
            Ok(ApiKey {
                id: row.id,
                tenant: Tenant::read(&row.tenant)?,
                name: row.name,
                scopes: scopes(&row.scopes)?,
                created_at: row.created_at,
                expires_at: row.expires_at,
                revoked_at: row.revoked_at,
                last_used_at: row.last_used_at,
                is_valid: row.is_valid,
            })
        })
        .collect()
}

/// The valid key with this hash.
pub async fn find(store: &Store, hash: &KeyHash) -> Result<Option<ValidKey>, StoreError> {
    let row =
        read!(store, async |connection| sqlx::query_file!("queries/api_keys/find.sql", hash)
            .fetch_optional(connection))?;
    row.map(|row| {
        Ok(ValidKey {
            id: row.id,
            tenant: Tenant::read(&row.tenant)?,
            scopes: scopes(&row.scopes)?,
            left: row.left_ms.map(|left| Duration::from_millis(u64::try_from(left).unwrap_or(0))),
        })
    })
    .transpose()
}

/// Those of the keys that are valid.
///
/// # Errors
/// As every read.
pub async fn still_valid(store: &Store, ids: &[Uuid]) -> Result<Vec<Uuid>, StoreError> {
    read!(store, async |connection| {
        sqlx::query_file_scalar!("queries/api_keys/still_valid.sql", ids).fetch_all(connection)
    })
}

/// Notes that a key was used.
///
/// # Errors
/// As every write.
pub async fn mark_used(store: &Store, id: Uuid) -> Result<(), StoreError> {
    run!(store, "api_keys/mark_used", async |tx| {
        sqlx::query_file!("queries/api_keys/mark_used.sql", id).execute(tx).await?;
        Ok(())
    })
}

/// Stores a key `id` with the hash `hash` that is as the key `old` is, and ends the time of the old one
/// `overlap` from now, or when it ends anyway: until then both are valid. The new one is valid for
/// `valid_for`.
///
/// # Errors
/// As every write.
pub async fn rotate(
    store: &Store,
    old: Uuid,
    (id, hash): (Uuid, KeyHash),
    overlap: Duration,
    valid_for: Option<Duration>,
) -> Result<Rotated, StoreError> {
    run!(store, "api_keys/rotate", async |tx| {
        let found = sqlx::query_file!("queries/api_keys/lock.sql", old).fetch_optional(&mut *tx);
        let Some(row) = found.await? else { return Ok(Rotated::Unknown) };
        if !row.is_valid {
            return Ok(Rotated::NotValid);
        }
        let new = NewKey {
            id,
            tenant: Tenant::read(&row.tenant)?,
            name: row.name,
            hash,
            scopes: scopes(&row.scopes)?,
            valid_for,
        };
        insert(tx, &new).await?;
        let until =
            sqlx::query_file_scalar!("queries/api_keys/expire.sql", old, interval(overlap)? as _)
                .fetch_one(tx)
                .await?;
        Ok(Rotated::Until(until))
    })
}

/// Revokes a key; whether there is one. One that is revoked stays so.
///
/// # Errors
/// As every write.
pub async fn revoke(store: &Store, id: Uuid) -> Result<bool, StoreError> {
    run!(store, "api_keys/revoke", async |tx| {
        let done = sqlx::query_file!("queries/api_keys/revoke.sql", id).execute(tx).await?;
        Ok(done.rows_affected() > 0)
    })
}

fn scopes(texts: &[String]) -> Result<Vec<Scope>, StoreError> {
    let scopes = texts.iter().map(|text| text.parse());
    scopes
        .collect::<Result<_, _>>()
        .map_err(|error: NoScope| StoreError::Corrupt(error.to_string()))
}
