//! Orders of the wallets of ended jobs by a figure that no index has: read once for all the pages of a walk, which would
//! each read and sort the figures of the whole job.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use moka::future::Cache;
use persistence_layer::StoreError;

/// Bytes of orders that a process keeps; one has eight for each wallet.
const MOST_BYTES: u64 = 16 << 20;

/// The orders that are known at this process.
pub struct Orders {
    /// By name, and by how often all was forgotten before it was read.
    known: Cache<(u64, String), Arc<[i64]>>,
    forgotten: AtomicU64,
}

impl Default for Orders {
    fn default() -> Self {
        let weight = |(_, name): &(u64, String), order: &Arc<[i64]>| {
            u32::try_from(name.len() + 8 * order.len()).unwrap_or(u32::MAX)
        };
        let known = Cache::builder().max_capacity(MOST_BYTES).weigher(weight).build();
        Self { known, forgotten: AtomicU64::new(0) }
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
        let name = (self.forgotten.load(Ordering::Acquire), name);
        self.known.try_get_with(name, async { Ok(read.await?.into()) }).await
    }

    /// Knows no order any more; one that is being read counts as unknown.
    pub fn forget(&self) {
        self.forgotten.fetch_add(1, Ordering::AcqRel);
        self.known.invalidate_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_order_is_read_again_when_all_is_forgotten_also_while_it_is_read() {
        let orders = Orders::default();
        let of = async |order: Vec<i64>| {
            orders.of("name".to_owned(), async { Ok(order) }).await.unwrap().to_vec()
        };
        assert_eq!(of(vec![1, 2]).await, [1, 2]);
        assert_eq!(of(vec![2, 1]).await, [1, 2], "known");
        orders.forget();
        let before = orders.of("name".to_owned(), async {
            orders.forget();
            Ok(vec![2, 1])
        });
        assert_eq!(*before.await.unwrap(), [2, 1]);
        assert_eq!(of(vec![3]).await, [3], "not what was read before");
    }
}
