//! The pin of an EVM chain: a final block, and the proof that what was final stayed so.

use chain_client::EvmSource;
use persistence_layer::chain_data::{self, FinalBlock};
use pnl_core::Pin;

use crate::attempt::Attempt;
use crate::error::StageError;

/// Code of the failure of a wallet whose chain changed behind an earlier pin.
pub(crate) const CHANGED: &str = "final-block-changed";

/// The newest final block. The hash of a block stands for all blocks before it, so comparing that of
/// the last pin finds any change behind it.
pub(crate) async fn run(attempt: &Attempt, source: &dyn EvmSource) -> Result<Pin, StageError> {
    let (store, chain) = (&attempt.store, attempt.chain());
    let head = source.finalized().await.map_err(StageError::asking)?;
    if let Some(known) = chain_data::newest_final_block(store, chain, head.number).await? {
        let now = if known.block == head.number {
            head.clone()
        } else {
            source.block(known.block).await.map_err(StageError::asking)?
        };
        check(attempt, known.block, &known.hash, &now.hash)?;
    }
    let block = FinalBlock { block: head.number, hash: head.hash.clone() };
    let stored = chain_data::put_final_block(store, chain, &block).await?;
    check(attempt, head.number, &stored, &head.hash)?;
    Ok(Pin { block: head.number, block_time: head.time })
}

/// An alarm, and no overwriting: what is stored of the blocks that were replaced is wrong now, and a
/// person has to decide.
fn check(attempt: &Attempt, block: u64, known: &str, now: &str) -> Result<(), StageError> {
    if known == now {
        return Ok(());
    }
    let chain = attempt.chain();
    tracing::error!(%chain, block, known, now, "a block that was final has changed");
    let detail = format!("block {block} was final with hash {known} and is {now} now");
    Err(StageError::permanent(CHANGED, &detail))
}
