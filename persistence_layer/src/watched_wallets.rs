//! Wallets that their tenants want analyzed again and again: the lists of continuous mode. What begins and ends their
//! rounds is [`crate::continuous`].

use chrono::{DateTime, Utc};
use pnl_core::{Address, Chain, WalletRef};

use crate::batches::BatchId;
use crate::convert::{self, from_count, from_integer, to_integer};
use crate::error::StoreError;
use crate::store::{Store, read, run};
use crate::tenant::Tenant;
use crate::wallet_tasks::{TaskError, TaskState};

/// Wallets that go on by one statement.
const RESUMED_AT_ONCE: i64 = 5000;

/// How a watched wallet stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchState {
    /// Its next round begins when it is time for it and there is room.
    Waiting,
    /// A round is under way.
    Running,
    /// Left alone after too many rounds without a result, until somebody lets it go on.
    Parked,
}

impl WatchState {
    /// All states.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Running, Self::Parked];

    /// The name in statements and in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Parked => "parked",
        }
    }
}

/// Wallets that are to be watched, all in the same way.
#[derive(Debug, Clone)]
pub struct NewWatched {
    /// Whose list they join.
    pub tenant: Tenant,
    /// Chain of all of them.
    pub chain: Chain,
    /// The wallets, each once.
    pub wallets: Vec<Address>,
    /// How they are analyzed, as batches have it.
    pub request: serde_json::Value,
    /// From the beginning of a round to that of the next, in seconds.
    pub every_seconds: u32,
}

/// What became of wallets that are to be watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watched {
    /// They are; those that are not counted here were already, in the same way.
    Listed {
        /// New in the list.
        added: u32,
        /// Watched in another way until now.
        changed: u32,
    },
    /// The list would become too long. Nothing was changed.
    TooMany {
        /// How many it has.
        watched: u32,
    },
}

/// A wallet of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct WatchedWallet {
    /// Its place in the list.
    pub id: i64,
    /// The wallet.
    pub wallet: WalletRef,
    /// See [`NewWatched::request`].
    pub request: serde_json::Value,
    /// See [`NewWatched::every_seconds`].
    pub every_seconds: u32,
    /// When it joined the list.
    pub added_at: DateTime<Utc>,
    /// When its next round may begin.
    pub next_at: DateTime<Utc>,
    /// The round under way.
    pub round: Option<BatchId>,
    /// Rounds in a row that ended without a result.
    pub failures: u32,
    /// When it was left alone.
    pub parked_at: Option<DateTime<Utc>>,
    /// The last round that has ended with a result; it may be gone.
    pub last_done: Option<BatchId>,
    /// The last round that has ended.
    pub last: Option<LastRound>,
}

impl WatchedWallet {
    /// How it stands.
    pub const fn state(&self) -> WatchState {
        match (self.parked_at, self.round) {
            (Some(_), _) => WatchState::Parked,
            (None, Some(_)) => WatchState::Running,
            (None, None) => WatchState::Waiting,
        }
    }
}

/// A round of a wallet that has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct LastRound {
    /// Its batch; it may be gone.
    pub batch: BatchId,
    /// When its end was noticed.
    pub ended_at: DateTime<Utc>,
    /// How it ended for the wallet.
    pub state: TaskState,
    /// Why it has no result.
    pub error: Option<TaskError>,
}

/// Watches wallets, or changes how they are watched: those are due at once, also when they were parked. `most` is how
/// many one tenant may watch.
///
/// # Errors
/// As every write.
pub async fn put(store: &Store, new: &NewWatched, most: u32) -> Result<Watched, StoreError> {
    let (tenant, chain) = (new.tenant.as_str(), new.chain.as_str());
    let wallets: Vec<&str> = new.wallets.iter().map(Address::as_str).collect();
    let given = u32::try_from(wallets.len())
        .map_err(|_| StoreError::OutOfRange("number of watched wallets"))?;
    let every_seconds = to_integer(new.every_seconds, "interval")?;
    run!(store, "watched_wallets/put", async |tx| {
        sqlx::query_file!("queries/watched_wallets/lock_tenant.sql", tenant)
            .execute(&mut *tx)
            .await?;
        let count = sqlx::query_file!(
            "queries/watched_wallets/count.sql",
            tenant,
            chain,
            &wallets as &[&str]
        );
        let count = count.fetch_one(&mut *tx).await?;
        let watched = from_count(count.watched, "watched wallets")?;
        let added = given.saturating_sub(from_count(count.known, "known wallets")?);
        if added > 0 && watched.saturating_add(added) > most {
            return Ok(Watched::TooMany { watched });
        }
        let written = sqlx::query_file!(
            "queries/watched_wallets/put.sql",
            tenant,
            chain,
            &wallets as &[&str],
            convert::json_text(&new.request),
            every_seconds
        );
        let written = written.fetch_one(&mut *tx).await?;
        Ok(Watched::Listed {
            added: from_count(written.added, "added wallets")?,
            changed: from_count(written.changed, "changed wallets")?,
        })
    })
}

/// Part of the list of a tenant, in the order in which wallets joined it.
#[derive(Debug, Clone, Copy, Default)]
pub struct WatchedFilter {
    /// Only those of this chain.
    pub chain: Option<Chain>,
    /// Only those that stand so.
    pub state: Option<WatchState>,
    /// Only those behind this place.
    pub after: i64,
}

/// Watched wallets of a tenant.
///
/// # Errors
/// As every read.
pub async fn list(
    store: &Store,
    tenant: &Tenant,
    filter: WatchedFilter,
    limit: u32,
) -> Result<Vec<WatchedWallet>, StoreError> {
    let WatchedFilter { chain, state, after } = filter;
    rows(store, tenant, chain, None, state, after, limit).await
}

/// One watched wallet of a tenant; `None`: it does not watch it.
///
/// # Errors
/// As every read.
pub async fn get(
    store: &Store,
    tenant: &Tenant,
    wallet: &WalletRef,
) -> Result<Option<WatchedWallet>, StoreError> {
    let address = Some(wallet.address.as_str());
    Ok(rows(store, tenant, Some(wallet.chain), address, None, 0, 1).await?.pop())
}

async fn rows(
    store: &Store,
    tenant: &Tenant,
    chain: Option<Chain>,
    wallet: Option<&str>,
    state: Option<WatchState>,
    after: i64,
    limit: u32,
) -> Result<Vec<WatchedWallet>, StoreError> {
    let rows = read!(store, async |connection| sqlx::query_file!(
        "queries/watched_wallets/list.sql",
        tenant.as_str(),
        chain.map(Chain::as_str),
        wallet,
        state.map(WatchState::as_str),
        after,
        i64::from(limit)
    )
    .fetch_all(connection))?;
    let read = rows.into_iter().map(|row| {
        let last = match (row.last_batch_id, row.last_ended_at, row.last_state) {
            (Some(batch), Some(ended_at), Some(state)) => Some(LastRound {
                batch: BatchId(batch),
                ended_at,
                state: TaskState::read(&state)?,
                error: row.error.map(TaskError::read).transpose()?,
            }),
            _ => None,
        };
        Ok(WatchedWallet {
            id: row.id,
            wallet: WalletRef {
                chain: convert::chain(&row.chain)?,
                address: Address::from_chain_data(&row.wallet),
            },
            request: row.request,
            every_seconds: from_integer(row.every_seconds, "interval")?,
            added_at: row.added_at,
            next_at: row.next_at,
            round: row.batch_id.map(BatchId),
            failures: from_integer(row.failures, "failures")?,
            parked_at: row.parked_at,
            last_done: row.last_done_batch_id.map(BatchId),
            last,
        })
    });
    read.collect()
}

/// Takes a wallet off the list of a tenant. A round under way ends as any batch does, and the wallet keeps its place among
/// those under way until then. False: it is not watched.
///
/// # Errors
/// As every write.
pub async fn remove(
    store: &Store,
    tenant: &Tenant,
    wallet: &WalletRef,
) -> Result<bool, StoreError> {
    let (chain, address) = (wallet.chain.as_str(), wallet.address.as_str());
    run!(store, "watched_wallets/remove", async |tx| {
        let removed = sqlx::query_file!(
            "queries/watched_wallets/remove.sql",
            tenant.as_str(),
            chain,
            address
        );
        let is_watched = removed.execute(&mut *tx).await?.rows_affected() > 0;
        sqlx::query_file!(
            "queries/watched_wallets/delete_removed.sql",
            tenant.as_str(),
            chain,
            address
        )
        .execute(tx)
        .await?;
        Ok(is_watched)
    })
}

/// Lets a parked wallet go on, at once; one that is not parked stays as it is.
///
/// # Errors
/// As every write.
pub async fn resume(store: &Store, tenant: &Tenant, wallet: &WalletRef) -> Result<(), StoreError> {
    let (chain, address) = (wallet.chain.as_str(), wallet.address.as_str());
    run!(store, "watched_wallets/resume", async |tx| {
        sqlx::query_file!("queries/watched_wallets/resume.sql", tenant.as_str(), chain, address)
            .execute(tx)
            .await?;
        Ok(())
    })
}

/// Lets parked wallets of a tenant go on, at once: those of `chain`, those whose last round ended with the error `code`, or
/// all. Gives how many. When it fails, some of them may go on already; the others stay parked.
///
/// # Errors
/// As every write.
pub async fn resume_all(
    store: &Store,
    tenant: &Tenant,
    chain: Option<Chain>,
    code: Option<&str>,
) -> Result<u64, StoreError> {
    let mut resumed = 0;
    loop {
        let rows = run!(store, "watched_wallets/resume_all", async |tx| {
            let resumed = sqlx::query_file!(
                "queries/watched_wallets/resume_all.sql",
                tenant.as_str(),
                chain.map(Chain::as_str),
                code,
                RESUMED_AT_ONCE
            );
            Ok(resumed.execute(tx).await?.rows_affected())
        })?;
        resumed += rows;
        if rows < RESUMED_AT_ONCE.unsigned_abs() {
            return Ok(resumed);
        }
    }
}
