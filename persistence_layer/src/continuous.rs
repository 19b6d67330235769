//! Continuous mode: rounds of watched wallets ([`crate::watched_wallets`]) begin and end here.
//!
//! A round is a batch that nobody has submitted: it takes no place of admission, and its wallets stand in the queue with those
//! of all other rounds as if they were one batch. What a process that dies has left is found by the next [`step`]: a
//! round and the note that its wallets are in it are one transaction, and so are its end and what follows from that.

use std::collections::BTreeMap;
use std::time::Duration;

use pnl_core::{Address, Chain, WalletRef};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::batches::BatchId;
use crate::convert::{self, from_bigint, from_integer, interval, to_bigint, to_integer};
use crate::error::StoreError;
use crate::store::{Store, run};
use crate::tenant::Tenant;
use crate::wallet_tasks::{TaskError, TaskState, notify};

/// Ends of rounds that are noted in one step.
const SETTLED_AT_ONCE: i64 = 1000;

/// After a round without a result the next one begins after so long at the latest.
const AGAIN_AFTER: Duration = Duration::from_secs(600);

/// What rounds begin and end under.
#[derive(Debug, Clone)]
pub struct RoundRules {
    /// Chains that can be read.
    pub chains: Vec<Chain>,
    /// Most wallets of a chain under way, over all tenants.
    pub max_under_way: u32,
    /// So many rounds in a row without a result, and a wallet is parked.
    pub park_after: u32,
}

/// What one step did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Step {
    /// Wallets whose rounds have ended.
    pub ended: Vec<EndedRound>,
    /// Rounds that began.
    pub begun: Vec<BegunRound>,
}

/// A wallet whose round has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct EndedRound {
    /// Whose list it is in.
    pub tenant: Tenant,
    /// The wallet.
    pub wallet: WalletRef,
    /// The round.
    pub batch: BatchId,
    /// How it ended; cancelled also when its batch is gone.
    pub state: TaskState,
    /// Why it has no result.
    pub error: Option<TaskError>,
    /// Rounds in a row without a result.
    pub failures: u32,
    /// Whether it is left alone from now on.
    pub is_parked: bool,
}

/// A round that began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BegunRound {
    /// Its batch.
    pub batch: BatchId,
    /// Whose it is.
    pub tenant: Tenant,
    /// Chain of its wallets.
    pub chain: Chain,
    /// How many they are.
    pub wallets: u32,
}

/// Notes the rounds that have ended and, when continuous mode is on, begins those that are due. One transaction; `None`:
/// another process is at it.
///
/// # Errors
/// As every write.
pub async fn step(store: &Store, rules: &RoundRules) -> Result<Option<Step>, StoreError> {
    run!(store, "continuous/step", async |tx| {
        let enabled = sqlx::query_file_scalar!("queries/continuous_mode/lock.sql")
            .fetch_optional(&mut *tx)
            .await?;
        let Some(enabled) = enabled else { return Ok(None) };
        let ended = settle(tx, rules).await?;
        let begun = if enabled { begin(tx, rules).await? } else { Vec::new() };
        Ok(Some(Step { ended, begun }))
    })
}

async fn settle(tx: &mut PgConnection, rules: &RoundRules) -> Result<Vec<EndedRound>, StoreError> {
    let rows = sqlx::query_file!(
        "queries/watched_wallets/settle.sql",
        SETTLED_AT_ONCE,
        to_integer(rules.park_after, "park_after")?,
        interval(AGAIN_AFTER)? as _
    );
    let ended = rows.fetch_all(tx).await?.into_iter().map(|row| {
        Ok(EndedRound {
            tenant: Tenant::read(&row.tenant)?,
            wallet: WalletRef {
                chain: convert::chain(&row.chain)?,
                address: Address::from_chain_data(&row.wallet),
            },
            batch: BatchId(row.batch_id),
            state: TaskState::read(&row.state)?,
            error: row.error.map(TaskError::read).transpose()?,
            failures: from_integer(row.failures, "failures")?,
            is_parked: row.is_parked,
        })
    });
    ended.collect()
}

/// A round that is being put together.
struct NewRound {
    id: Uuid,
    wallets: i32,
}

async fn begin(tx: &mut PgConnection, rules: &RoundRules) -> Result<Vec<BegunRound>, StoreError> {
    let chains: Vec<&str> = rules.chains.iter().map(|chain| chain.as_str()).collect();
    let due = sqlx::query_file!(
        "queries/watched_wallets/due.sql",
        &chains as &[&str],
        to_bigint(rules.max_under_way.into(), "max_under_way")?
    );
    let due = due.fetch_all(&mut *tx).await?;
    if due.is_empty() {
        return Ok(Vec::new());
    }
    // One batch for those that are analyzed in the same way.
    let mut rounds: BTreeMap<(&str, &str, &str), NewRound> = BTreeMap::new();
    let (mut ids, mut batches, mut places) = (Vec::new(), Vec::new(), Vec::new());
    for row in &due {
        let round = rounds
            .entry((&row.tenant, &row.chain, &row.request))
            .or_insert_with(|| NewRound { id: BatchId::generate().0, wallets: 0 });
        ids.push(row.id);
        batches.push(round.id);
        places.push(round.wallets);
        round.wallets += 1;
    }
    let of = |part: fn(&(&str, &str, &str)) -> String| -> Vec<String> {
        rounds.keys().map(part).collect()
    };
    sqlx::query_file!(
        "queries/watched_wallets/insert_batches.sql",
        &rounds.values().map(|round| round.id).collect::<Vec<_>>(),
        &of(|key| key.0.to_owned()),
        &of(|key| key.1.to_owned()),
        &of(|key| key.2.to_owned()),
        &rounds.values().map(|round| round.wallets).collect::<Vec<_>>()
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query_file!(
        "queries/watched_wallets/insert_tasks.sql",
        &batches,
        &due.iter().map(|row| row.chain.clone()).collect::<Vec<_>>(),
        &due.iter().map(|row| row.wallet.clone()).collect::<Vec<_>>(),
        &places
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query_file!("queries/watched_wallets/begin.sql", &ids, &batches)
        .execute(&mut *tx)
        .await?;
    notify(tx).await?;
    let begun = rounds.iter().map(|((tenant, chain, _), round)| {
        Ok(BegunRound {
            batch: BatchId(round.id),
            tenant: Tenant::read(tenant)?,
            chain: convert::chain(chain)?,
            wallets: from_integer(round.wallets, "wallets of a round")?,
        })
    });
    begun.collect()
}

/// Switches continuous mode on or off, for all processes and also after restarts. Once it is off no round begins any more;
/// those under way end as they would have.
///
/// # Errors
/// As every write.
pub async fn set_enabled(store: &Store, enabled: bool) -> Result<(), StoreError> {
    run!(store, "continuous_mode/set", async |tx| {
        sqlx::query_file!("queries/continuous_mode/set.sql", enabled).execute(tx).await?;
        Ok(())
    })
}

/// Continuous mode over all tenants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContinuousFigures {
    /// Whether rounds begin.
    pub enabled: bool,
    /// Wallets whose rounds have ended with a result, since the first.
    pub processed: u64,
    /// Wallets whose rounds have ended without one.
    pub failed: u64,
    /// Watched wallets whose rounds would begin now.
    pub due: u64,
    /// Those that have been analyzed within their intervals.
    pub waiting: u64,
    /// Those whose rounds are under way.
    pub running: u64,
    /// Those that are left alone.
    pub parked: u64,
}

/// How continuous mode stands. It reads the place of every watched wallet, so the server gives the statement up after
/// `patience`, also when nobody waits for the answer any more.
///
/// # Errors
/// [`StoreError::Timeout`] when that passes.
pub async fn figures(store: &Store, patience: Duration) -> Result<ContinuousFigures, StoreError> {
    let patience = patience.as_millis().to_string();
    let row = run!(store, "continuous_mode/figures", async |tx| {
        sqlx::query_file!("queries/wallet_tasks/patience.sql", patience)
            .fetch_one(&mut *tx)
            .await?;
        Ok(sqlx::query_file!("queries/continuous_mode/figures.sql").fetch_one(tx).await?)
    })?;
    Ok(ContinuousFigures {
        enabled: row.enabled,
        processed: from_bigint(row.processed, "processed wallets")?,
        failed: from_bigint(row.failed, "failed wallets")?,
        due: from_bigint(row.due, "due wallets")?,
        waiting: from_bigint(row.waiting, "waiting wallets")?,
        running: from_bigint(row.running, "running wallets")?,
        parked: from_bigint(row.parked, "parked wallets")?,
    })
}
