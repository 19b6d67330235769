//! The pin of an EVM chain: a final block, and the proof that what was final stayed so.

use chain_client::evm::BlockHead;
use chain_client::{EvmSource, SourceError};
use persistence_layer::chain_data::{self, FinalBlock};
use pnl_core::Pin;

use crate::attempt::Attempt;
use crate::error::StageError;

/// Code of the failure of a wallet whose chain changed behind an earlier pin.
pub(crate) const CHANGED: &str = "final-block-changed";

/// The newest final block, when the chain behind the newest pin of all is what it was.
pub(crate) async fn run(attempt: &Attempt, source: &dyn EvmSource) -> Result<Pin, StageError> {
    let (store, chain) = (&attempt.store, attempt.chain());
    let head = source.finalized().await.map_err(StageError::asking)?;
    if let Some(known) = chain_data::newest_final_block(store, chain).await? {
        compare(attempt, source, &known, &head).await?;
    }
    let block = FinalBlock { block: head.number, hash: head.hash.clone() };
    let stored = chain_data::put_final_block(store, chain, &block).await?;
    check(attempt, head.number, &stored, &head.hash).await?;
    Ok(Pin { block: head.number, block_time: head.time })
}

/// Compares the newest pin with what the nodes have there now. The hash of a block stands for all
/// blocks before it, so this finds any change behind it, also when it lies ahead of `head`.
///
/// One node with another hash is an alarm: calls go to whichever node is well, so a wallet would be
/// read from two chains. An alarm ends when all nodes have the known hash, never by the word of one.
async fn compare(
    attempt: &Attempt,
    source: &dyn EvmSource,
    known: &FinalBlock,
    head: &BlockHead,
) -> Result<(), StageError> {
    let told = source.block_at_each_node(known.block).await;
    let mut hashes = told.iter().flatten().map(|block| &block.hash);
    let other = hashes.clone().find(|hash| **hash != known.hash);
    if let Some(hash) = other.or_else(|| hashes.next()) {
        check(attempt, known.block, &known.hash, hash).await?;
        if told.iter().all(Option::is_some) {
            chain_data::clear_final_blocks(&attempt.store, attempt.chain(), known.block).await?;
        }
        return Ok(());
    }
    match source.block(known.block).await {
        // A node that has not come so far cannot tell.
        Err(SourceError::NotFound { .. }) if known.block > head.number => Ok(()),
        answer => {
            let now = final_block(known.block, answer)?;
            check(attempt, known.block, &known.hash, &now.hash).await
        }
    }
}

/// Whether the chain that was read is the one of the pin: to be asked when all of it was read.
pub(crate) async fn confirm(
    attempt: &Attempt,
    source: &dyn EvmSource,
    pin: Pin,
) -> Result<(), StageError> {
    let known = chain_data::final_block(&attempt.store, attempt.chain(), pin.block).await?;
    let Some(known) = known else { return Ok(()) };
    let now = final_block(pin.block, source.block(pin.block).await)?;
    check(attempt, pin.block, &known, &now.hash).await
}

/// The answer to the question for a block that some provider has called final.
fn final_block(
    block: u64,
    answer: Result<BlockHead, SourceError>,
) -> Result<BlockHead, StageError> {
    answer.map_err(|error| match error {
        SourceError::NotFound { detail } => StageError::Transient {
            detail: format!("block {block} was final and is not known now: {detail}"),
        },
        error => StageError::asking(error),
    })
}

/// An alarm, and no overwriting: what is stored of the blocks that were replaced is wrong now, and a
/// person has to decide.
async fn check(attempt: &Attempt, block: u64, known: &str, now: &str) -> Result<(), StageError> {
    if known == now {
        return Ok(());
    }
    let chain = attempt.chain();
    tracing::error!(%chain, block, known, now, "a block that was final has changed");
    attempt.metrics.final_block_changed(chain);
    chain_data::mark_final_block(&attempt.store, chain, block, now).await?;
    let detail = format!("block {block} was final with hash {known} and is {now} now");
    Err(StageError::uncomputable(CHANGED, &detail))
}
