//! Counting requests in a sliding window, exact over all processes.

use std::sync::LazyLock;
use std::time::Duration;

use redis::Script;

use super::Redis;
use crate::error::StoreError;

/// What a request finds in its window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Whether it was let in, and counted; of a look, whether it would be.
    pub allowed: bool,
    /// How many more would be let in now.
    pub remaining: u32,
    /// Until the oldest request leaves the window.
    pub reset: Duration,
}

/// One round trip: what is older than the window leaves, and the request enters when there is room. One without
/// a name only looks.
///
/// Members are the names of requests, scores their times by the clock of Redis, which is the same for all
/// processes. KEYS: 1 the window. ARGV: 1 most requests, 2 microseconds of the window, 3 name.
static ENTER: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local time = redis.call('TIME')
        local now = time[1] * 1000000 + time[2]
        local most, window = tonumber(ARGV[1]), tonumber(ARGV[2])
        redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
        local count = redis.call('ZCARD', KEYS[1])
        local allowed = 0
        if ARGV[3] == '' then
            if count < most then allowed = 1 end
        elseif count < most then
            redis.call('ZADD', KEYS[1], now, ARGV[3])
            redis.call('PEXPIRE', KEYS[1], math.ceil(window / 1000))
            count = count + 1
            allowed = 1
        end
        local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
        local left = window
        if oldest[2] then left = tonumber(oldest[2]) + window - now end
        return {allowed, most - count, left}
        ",
    )
});

impl Redis {
    /// Lets the request called `name` into the window `key` of `length` when fewer than `most` are in it.
    ///
    /// # Errors
    /// [`StoreError::Redis`] when Redis does not answer.
    pub async fn enter_window(
        &self,
        key: &str,
        name: &str,
        most: u32,
        length: Duration,
    ) -> Result<Window, StoreError> {
        let mut connection = self.manager.clone();
        let micros = u64::try_from(length.as_micros()).unwrap_or(u64::MAX);
        let (allowed, remaining, left): (bool, i64, i64) =
            ENTER.key(key).arg(most).arg(micros).arg(name).invoke_async(&mut connection).await?;
        Ok(Window {
            allowed,
            remaining: u32::try_from(remaining).unwrap_or(0),
            reset: Duration::from_micros(u64::try_from(left).unwrap_or(0)),
        })
    }

    /// What the next request would find in the window `key` of `length`, which lets in `most`.
    ///
    /// # Errors
    /// [`StoreError::Redis`] when Redis does not answer.
    pub async fn look_at_window(
        &self,
        key: &str,
        most: u32,
        length: Duration,
    ) -> Result<Window, StoreError> {
        self.enter_window(key, "", most, length).await
    }

    /// Takes the request called `name` out of the window `key` again.
    ///
    /// # Errors
    /// [`StoreError::Redis`] when Redis does not answer.
    pub async fn leave_window(&self, key: &str, name: &str) -> Result<(), StoreError> {
        redis::cmd("ZREM").arg(key).arg(name).exec_async(&mut self.manager.clone()).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn a_window_lets_in_what_it_may_and_no_more_and_empties_by_time() {
        let url = std::env::var("TEST_REDIS_URL")
            .expect("TEST_REDIS_URL must name a throw-away Redis; `make test` starts one");
        let redis = Redis::connect(&url).await.unwrap();
        let key = format!("test:window:{}", uuid::Uuid::new_v4());
        let length = Duration::from_millis(400);
        let begun = Instant::now();
        let mut entering = tokio::task::JoinSet::new();
        for n in 0..20 {
            let (redis, key) = (redis.clone(), key.clone());
            entering.spawn(async move {
                redis.enter_window(&key, &n.to_string(), 5, Duration::from_secs(60)).await.unwrap()
            });
        }
        let all = entering.join_all().await;
        assert_eq!(all.iter().filter(|window| window.allowed).count(), 5);
        assert!(all.iter().filter(|window| !window.allowed).all(|window| window.remaining == 0));
        assert!(all.iter().all(|window| window.reset <= Duration::from_secs(60)));
        let look = async || redis.look_at_window(&key, 6, Duration::from_secs(60)).await.unwrap();
        for _ in 0..2 {
            assert_eq!((look().await.allowed, look().await.remaining), (true, 1));
        }
        // Who leaves makes room for one.
        for n in 0..20 {
            redis.leave_window(&key, &n.to_string()).await.unwrap();
        }
        let back = redis.enter_window(&key, "a", 2, length).await.unwrap();
        assert_eq!((back.allowed, back.remaining), (true, 1));
        let first = Instant::now();
        assert!(redis.enter_window(&key, "b", 2, length).await.unwrap().allowed);
        while !redis.enter_window(&key, "c", 2, length).await.unwrap().allowed {
            assert!(begun.elapsed() < Duration::from_secs(60), "the window never empties");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(first.elapsed() >= length - Duration::from_millis(100), "{:?}", first.elapsed());
    }
}
