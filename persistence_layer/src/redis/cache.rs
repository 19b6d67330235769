//! Answers that processes share for a while.

use std::time::Duration;

use super::Redis;
use crate::error::StoreError;

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
}
