//! Final blocks, and what contracts say about their tokens.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use pnl_core::{AssetId, Chain};

use crate::convert::{self, from_bigint, to_bigint};
use crate::error::StoreError;
use crate::store::{Store, read, run};

/// A block to which a batch was pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinalBlock {
    /// Its number.
    pub block: u64,
    /// Its hash.
    pub hash: String,
}

/// What a contract says about its token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredToken {
    /// Decimals; `None`: unknown.
    pub decimals: Option<u8>,
    /// Symbol; `None`: unknown. Never an identity.
    pub symbol: Option<String>,
}

/// A block that was final and has another hash now, as some provider says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedBlock {
    /// Its chain.
    pub chain: Chain,
    /// Its number, and the hash it was final with.
    pub was: FinalBlock,
    /// Its hash now.
    pub is: String,
    /// When that was first seen.
    pub since: DateTime<Utc>,
}

/// The newest final block that is known.
pub async fn newest_final_block(
    store: &Store,
    chain: Chain,
) -> Result<Option<FinalBlock>, StoreError> {
    let row = read!(store, async |connection| sqlx::query_file!(
        "queries/final_blocks/newest.sql",
        chain.as_str()
    )
    .fetch_optional(connection))?;
    row.map(|row| Ok(FinalBlock { block: from_bigint(row.block, "block")?, hash: row.hash }))
        .transpose()
}

/// The hash of a final block, when it was taken down.
pub async fn final_block(
    store: &Store,
    chain: Chain,
    block: u64,
) -> Result<Option<String>, StoreError> {
    let block = to_bigint(block, "block")?;
    let hash = read!(store, async |connection| sqlx::query_file_scalar!(
        "queries/final_blocks/get.sql",
        chain.as_str(),
        block
    )
    .fetch_optional(connection))?;
    Ok(hash)
}

/// Takes a final block down; gives the hash that is stored for it, which is that of whoever was
/// first.
pub async fn put_final_block(
    store: &Store,
    chain: Chain,
    block: &FinalBlock,
) -> Result<String, StoreError> {
    let number = to_bigint(block.block, "block")?;
    run!(store, "final_blocks/put", async |tx| {
        Ok(sqlx::query_file_scalar!(
            "queries/final_blocks/put.sql",
            chain.as_str(),
            number,
            block.hash
        )
        .fetch_one(tx)
        .await?)
    })
}

/// Notes that a final block is said to have another hash. The stored one stays.
pub async fn mark_final_block(
    store: &Store,
    chain: Chain,
    block: u64,
    changed_to: &str,
) -> Result<(), StoreError> {
    let block = to_bigint(block, "block")?;
    run!(store, "final_blocks/mark", async |tx| {
        sqlx::query_file!("queries/final_blocks/mark.sql", chain.as_str(), block, changed_to)
            .execute(tx)
            .await?;
        Ok(())
    })
}

/// Notes that the final blocks up to this one have their own hashes.
pub async fn clear_final_blocks(store: &Store, chain: Chain, block: u64) -> Result<(), StoreError> {
    let block = to_bigint(block, "block")?;
    run!(store, "final_blocks/clear", async |tx| {
        sqlx::query_file!("queries/final_blocks/clear.sql", chain.as_str(), block)
            .execute(tx)
            .await?;
        Ok(())
    })
}

/// Final blocks that have changed, twenty at most.
pub async fn changed_final_blocks(store: &Store) -> Result<Vec<ChangedBlock>, StoreError> {
    let rows =
        read!(store, async |connection| sqlx::query_file!("queries/final_blocks/changed.sql")
            .fetch_all(connection))?;
    rows.into_iter()
        .map(|row| {
            Ok(ChangedBlock {
                chain: convert::chain(&row.chain)?,
                was: FinalBlock { block: from_bigint(row.block, "block")?, hash: row.hash },
                is: row.changed_to,
                since: row.changed_at,
            })
        })
        .collect()
}

/// What is known of these contracts; those nobody asked about are absent.
pub async fn token_facts(
    store: &Store,
    chain: Chain,
    contracts: &[AssetId],
) -> Result<HashMap<AssetId, StoredToken>, StoreError> {
    let contracts: Vec<&str> = contracts.iter().map(AssetId::as_str).collect();
    let rows = read!(store, async |connection| sqlx::query_file!(
        "queries/token_facts/get.sql",
        chain.as_str(),
        &contracts as &[&str]
    )
    .fetch_all(connection))?;
    rows.into_iter()
        .map(|row| {
            let decimals = row
                .decimals
                .map(|decimals| {
                    u8::try_from(decimals)
                        .map_err(|_| StoreError::Corrupt(format!("decimals are {decimals}")))
                })
                .transpose()?;
            Ok((AssetId::new(&row.contract), StoredToken { decimals, symbol: row.symbol }))
        })
        .collect()
}

/// Takes down what contracts said. What is known stays.
pub async fn put_token_facts(
    store: &Store,
    chain: Chain,
    facts: &[(AssetId, StoredToken)],
) -> Result<(), StoreError> {
    let mut facts: Vec<&(AssetId, StoredToken)> = facts.iter().collect();
    // In key order: two workers that store the same cannot wait for each other in a circle.
    facts.sort_by(|a, b| a.0.cmp(&b.0));
    let contracts: Vec<&str> = facts.iter().map(|(contract, _)| contract.as_str()).collect();
    let decimals: Vec<Option<i16>> =
        facts.iter().map(|(_, token)| token.decimals.map(i16::from)).collect();
    let symbols: Vec<Option<&str>> =
        facts.iter().map(|(_, token)| token.symbol.as_deref()).collect();
    run!(store, "token_facts/put", async |tx| {
        sqlx::query_file!(
            "queries/token_facts/put.sql",
            chain.as_str(),
            &contracts as &[&str],
            &decimals as &[Option<i16>],
            &symbols as &[Option<&str>]
        )
        .execute(tx)
        .await?;
        Ok(())
    })
}
