//! Newest results that nobody analyzed: to measure lists and summaries of a known size.

use pnl_core::Chain;
use uuid::Uuid;

use crate::convert::to_integer;
use crate::error::StoreError;
use crate::results;
use crate::store::{Store, run};

/// Rows of one transaction.
const ROWS_AT_ONCE: u32 = 20_000;

/// Whether any tenant has a newest result of a wallet.
///
/// # Errors
/// As every read.
pub async fn has_results(store: &Store) -> Result<bool, StoreError> {
    run!(store, "bench_data/any_result", async |tx| {
        Ok(sqlx::query_file_scalar!("queries/bench_data/any_result.sql").fetch_one(tx).await?)
    })
}

/// Stores `rows` made-up results of the tenant default: seven tenths on Solana, each of the other chains one. Each
/// chain has an ended batch that they come from, without tasks. Then brings the planner's and the summary statistics
/// up to date. Gives the rows that are new; `on_step` is told how many of all are done.
///
/// # Errors
/// As every write. What the steps before have stored stays.
pub async fn seed(
    store: &Store,
    rows: u32,
    mut on_step: impl FnMut(u32) + Send,
) -> Result<u64, StoreError> {
    let mut new = 0;
    let mut done = 0;
    for (chain, share) in shares(rows) {
        if share == 0 {
            continue;
        }
        let batch = Uuid::now_v7();
        let wallets = to_integer(share, "rows")?;
        run!(store, "bench_data/insert_batch", async |tx| {
            sqlx::query_file!(
                "queries/bench_data/insert_batch.sql",
                batch,
                chain.as_str(),
                wallets
            )
            .execute(tx)
            .await?;
            Ok(())
        })?;
        let mut first = 1;
        while first <= share {
            let last = share.min(first + ROWS_AT_ONCE - 1);
            new += run!(store, "bench_data/insert_results", async |tx| {
                let inserted = sqlx::query_file!(
                    "queries/bench_data/insert_results.sql",
                    batch,
                    chain.as_str(),
                    i64::from(first),
                    i64::from(last)
                );
                Ok(inserted.execute(tx).await?.rows_affected())
            })?;
            done += last + 1 - first;
            on_step(done);
            first = last + 1;
        }
    }
    run!(store, "bench_data/analyze", async |tx| {
        sqlx::query("-- bench_data/analyze\nanalyze latest_results").execute(tx).await?;
        Ok(())
    })?;
    results::refresh(store).await?;
    Ok(new)
}

/// How many of the rows are of each chain.
fn shares(rows: u32) -> impl Iterator<Item = (Chain, u32)> {
    let tenth = rows / 10;
    Chain::ALL.into_iter().map(move |chain| match chain {
        Chain::Solana => (chain, rows - 3 * tenth),
        Chain::Ethereum | Chain::Base | Chain::BinanceSmartChain => (chain, tenth),
    })
}
