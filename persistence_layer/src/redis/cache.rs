//! Answers that processes share for a while.

use std::time::Duration;

use super::Redis;
use crate::error::StoreError;

/// Keys that are looked at in one step.
const SCANNED: u32 = 1000;

impl Redis {
    /// What was put at `key`, unless its time is over or it had to make room.
    ///
    /// # Errors
    /// [`StoreError::Redis`] when Redis does not answer.
    pub async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(redis::cmd("GET").arg(key).query_async(&mut self.manager.clone()).await?)
    }

    /// Puts `value` at `key` for at most `time`.
    ///
    /// # Errors
    /// [`StoreError::Redis`] when Redis does not answer.
    pub async fn put(&self, key: &str, value: &[u8], time: Duration) -> Result<(), StoreError> {
        let seconds = time.as_secs().max(1);
        let mut put = redis::cmd("SET");
        put.arg(key).arg(value).arg("EX").arg(seconds);
        put.exec_async(&mut self.manager.clone()).await?;
        Ok(())
    }

    /// Forgets everything `which` whose key begins with `prefix`, which has no pattern characters; gives how many
    /// there were. In small steps, so that others are answered in between.
    ///
    /// # Errors
    /// [`StoreError::Redis`] when Redis does not answer.
    pub async fn forget(
        &self,
        prefix: &str,
        which: impl Fn(&[u8]) -> bool,
    ) -> Result<u64, StoreError> {
        let mut connection = self.manager.clone();
        let (mut cursor, mut forgotten) = (0u64, 0u64);
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(format!("{prefix}*")).arg("COUNT").arg(SCANNED);
            let (next, mut keys): (u64, Vec<Vec<u8>>) = scan.query_async(&mut connection).await?;
            keys.retain(|key| which(key));
            if !keys.is_empty() {
                let unlinked: u64 =
                    redis::cmd("UNLINK").arg(keys).query_async(&mut connection).await?;
                forgotten += unlinked;
            }
            if next == 0 {
                return Ok(forgotten);
            }
            cursor = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_begins_otherwise_is_not_forgotten() {
        let url = std::env::var("TEST_REDIS_URL")
            .expect("TEST_REDIS_URL must name a throw-away Redis; `make test` starts one");
        let redis = Redis::connect(&url).await.unwrap();
        let prefix = format!("test:forget:{}", uuid::Uuid::new_v4());
        let minute = Duration::from_secs(60);
        for n in 0..2500 {
            redis.put(&format!("{prefix}:one:{n}"), b"1", minute).await.unwrap();
        }
        let other = format!("{prefix}:two:1");
        redis.put(&other, b"2", minute).await.unwrap();
        let ones = format!("{prefix}:one:");
        let is_round = |key: &[u8]| key.ends_with(b"00");
        assert_eq!(redis.forget(&ones, is_round).await.unwrap(), 24);
        assert_eq!(redis.get(&format!("{prefix}:one:2400")).await.unwrap(), None);
        assert_eq!(redis.forget(&ones, |_| true).await.unwrap(), 2476);
        assert_eq!(redis.forget(&ones, |_| true).await.unwrap(), 0);
        assert_eq!(redis.get(&format!("{prefix}:one:1")).await.unwrap(), None);
        assert_eq!(redis.get(&other).await.unwrap().unwrap(), b"2");
    }
}
