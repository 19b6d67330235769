//! Orders of the wallets of ended jobs by a figure that no index has: read once for all the pages of a walk, which would
//! each read and sort the figures of the whole job.

use std::sync::Arc;

use moka::future::Cache;
use persistence_layer::StoreError;

/// Bytes of orders that a process keeps; one has eight for each wallet.
const MOST_BYTES: u64 = 16 << 20;

/// The orders that are known at this process.
pub struct Orders(Cache<String, Arc<[i64]>>);

impl Default for Orders {
    fn default() -> Self {
        let weight = |name: &String, order: &Arc<[i64]>| {
            u32::try_from(name.len() + 8 * order.len()).unwrap_or(u32::MAX)
        };
        Self(Cache::builder().max_capacity(MOST_BYTES).weigher(weight).build())
    }
}

impl Orders {
    /// The order called `name`, of a job as it has ended and a list of its wallets; read by `read` once for all who ask.
    ///
    /// # Errors
    /// What `read` gave.
    pub async fn of(
        &self,
        name: String,
        read: impl Future<Output = Result<Vec<i64>, StoreError>>,
    ) -> Result<Arc<[i64]>, Arc<StoreError>> {
        self.0.try_get_with(name, async { Ok(read.await?.into()) }).await
    }
}
