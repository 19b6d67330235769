//! The pin: the one finalized block that all wallets of a batch look at.

use persistence_layer::batches;
use pnl_core::Pin;

use crate::attempt::Attempt;
use crate::error::StageError;
use crate::request::HistoryEnd;
use crate::sources::Source;

/// The pin of the batch, behind which no history can end.
pub(crate) async fn run(attempt: &Attempt) -> Result<Pin, StageError> {
    let pin = find(attempt).await?;
    match attempt.analysis.time_range.end() {
        Some(HistoryEnd::Block(block)) if block > pin.block => {
            let detail = format!(
                "as_of names block {block}, and the newest final block was {}: submit it again when \
                 the block is final",
                pin.block
            );
            Err(StageError::uncomputable("as-of-behind-pin", &detail))
        }
        _ => Ok(pin),
    }
}

/// The first wallet that gets here asks the chain for it; of several processes the first one to store it
/// wins.
async fn find(attempt: &Attempt) -> Result<Pin, StageError> {
    if let Some(pin) = attempt.lease.pin {
        return Ok(pin);
    }
    let _alone = loop {
        let (claim, taken) = attempt.shared.pins.claim([attempt.lease.batch]);
        let Some((_, mut other)) = taken.into_iter().next() else { break claim };
        other.over().await;
    };
    // Another wallet of the batch may have set it while this one waited.
    if let Some(pin) = batches::pin(&attempt.store, attempt.lease.batch).await? {
        return Ok(pin);
    }
    let pin = match &attempt.source {
        Source::Solana(source) => source.pin().await.map_err(StageError::asking)?,
        Source::Evm(source, _) => super::evm::pin::run(attempt, source.as_ref()).await?,
    };
    let pin = batches::set_pin(&attempt.store, attempt.lease.batch, pin).await?;
    tracing::info!(block = pin.block, block_time = pin.block_time, "the batch is pinned");
    Ok(pin)
}
