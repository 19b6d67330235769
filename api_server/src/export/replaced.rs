//! What a file is made of beside the rows of its job, and whether it still is.
//!
//! Disposals are computed from ledgers, which newer analyses replace and which are then kept for some time. A ledger that is gone never
//! comes back, so a file before and after which the same ledgers were there is made of those throughout.

use futures::{Stream, StreamExt, TryStreamExt, stream};
use persistence_layer::batches::{Batch, BatchRef};
use persistence_layer::{Store, StoreError, ledgers};
use pnl_core::Chain;

use super::{ExportError, Rows};

/// The ledgers that a file is made of, if any.
#[derive(Clone)]
pub struct Sources {
    store: Store,
    job: BatchRef,
    chain: Chain,
    ledgers: Option<Vec<u8>>,
}

impl Sources {
    /// Those of these rows of a job, as they are now. `store` is the one that the heads of ledgers are read from.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn of(
        store: Store,
        job: &BatchRef,
        batch: &Batch,
        rows: Rows,
    ) -> Result<Self, StoreError> {
        let ledgers = match rows {
            Rows::Wallets => None,
            Rows::Disposals => Some(ledgers::of_batch(&store, job, batch.chain).await?),
        };
        Ok(Self { store, job: job.clone(), chain: batch.chain, ledgers })
    }

    /// The ledgers, as a hash; empty without any.
    pub fn hash(&self) -> &[u8] {
        self.ledgers.as_deref().unwrap_or_default()
    }

    /// The same pieces, the last one only when the sources are still the same behind it: a file of others breaks off.
    pub fn unless_replaced<T: Send + 'static>(
        self,
        pieces: impl Stream<Item = Result<T, ExportError>> + Send + 'static,
    ) -> impl Stream<Item = Result<T, ExportError>> + Send {
        held_back(pieces, async move { self.check().await })
    }

    async fn check(self) -> Result<(), ExportError> {
        let Some(before) = self.ledgers else { return Ok(()) };
        let now = ledgers::of_batch(&self.store, &self.job, self.chain).await?;
        if now == before { Ok(()) } else { Err(ExportError::Replaced) }
    }
}

/// The same items, the last one behind `check`, whose error comes in its place.
fn held_back<T: Send + 'static, E: Send + 'static>(
    items: impl Stream<Item = Result<T, E>> + Send + 'static,
    check: impl Future<Output = Result<(), E>> + Send + 'static,
) -> impl Stream<Item = Result<T, E>> + Send {
    let begun = (items.boxed().fuse(), None, Some(Box::pin(check)));
    stream::try_unfold(begun, |(mut items, mut held, mut check)| async move {
        while let Some(next) = items.try_next().await? {
            if let Some(item) = held.replace(next) {
                return Ok(Some((item, (items, held, check))));
            }
        }
        if let Some(check) = check.take() {
            check.await?;
        }
        Ok(held.take().map(|last| (last, (items, None, None))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_item_waits_for_the_check_and_no_other_does() {
        let given = async |items: Vec<Result<u32, &'static str>>, check| -> Vec<_> {
            held_back(stream::iter(items), std::future::ready(check)).collect().await
        };
        let three = || vec![Ok(1), Ok(2), Ok(3)];
        assert_eq!(given(three(), Ok(())).await, three());
        assert_eq!(given(three(), Err("no")).await, [Ok(1), Ok(2), Err("no")]);
        assert_eq!(given(vec![Ok(1)], Err("no")).await, [Err("no")]);
        assert_eq!(given(vec![Ok(1), Err("broken")], Ok(())).await.last(), Some(&Err("broken")));
        assert_eq!(given(vec![], Ok(())).await, []);
    }
}
