//! How many requests a client has: a sliding window per client and class, in Redis for all processes
//! together, and in this process while Redis is away.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use moka::sync::Cache;
use persistence_layer::redis::Redis;
use persistence_layer::redis::rate::Window;
use persistence_layer::redis_monitor::RedisMonitor;
use service_runtime::config::{LimitSettings, Network};
use uuid::Uuid;

use crate::client::Client;

/// Length of a window.
pub const WINDOW: Duration = Duration::from_secs(60);

/// Windows that this process keeps while Redis is away; the least used ones go first.
const MOST_WINDOWS: u64 = 100_000;

/// What requests are counted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Results of jobs and wallets.
    Results,
    /// Single wallets, which are computed.
    Wallets,
    /// The state of the service.
    Services,
    /// Everything else.
    Default,
}

impl Class {
    /// All classes.
    pub const ALL: [Self; 4] = [Self::Results, Self::Wallets, Self::Services, Self::Default];

    /// Its name in headers, keys and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Results => "results",
            Self::Wallets => "wallets",
            Self::Services => "services",
            Self::Default => "default",
        }
    }
}

/// What a window counts of a client and a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Counted {
    /// Requests that something was made for.
    Made,
    /// Beyond that, requests that named an answer they have and did not have it.
    Guessed,
}

/// The requests of a window by time, with their names.
type Entered = VecDeque<(Instant, Uuid)>;

/// The limits of a process.
pub struct Limiter {
    settings: LimitSettings,
    unlimited: Vec<Network>,
    proxies: Vec<Network>,
    redis: Option<RedisMonitor>,
    local: Cache<(Client, Class, Counted), Arc<Mutex<Entered>>>,
}

/// A request that was counted, and where.
#[derive(Debug)]
pub struct Entry {
    client: Client,
    class: Class,
    counted: Counted,
    name: Uuid,
    in_redis: bool,
    /// Most requests of a window.
    pub most: u32,
    /// What it found.
    pub window: Window,
}

impl Entry {
    /// What it was counted as.
    pub const fn class(&self) -> Class {
        self.class
    }
}

impl Limiter {
    /// Limits as the settings say.
    ///
    /// # Errors
    /// A list with a text that is no network.
    pub fn new(
        settings: LimitSettings,
        redis: Option<RedisMonitor>,
    ) -> Result<Self, service_runtime::config::NotANetwork> {
        let unlimited = service_runtime::config::networks(&settings.unlimited)?;
        let proxies = service_runtime::config::networks(&settings.trusted_proxies)?;
        let local = Cache::builder().max_capacity(MOST_WINDOWS).time_to_idle(WINDOW).build();
        Ok(Self { settings, unlimited, proxies, redis, local })
    }

    /// Proxies whose word on the client is taken.
    pub fn proxies(&self) -> &[Network] {
        &self.proxies
    }

    /// Whether clients at `address` have no limit.
    pub fn is_unlimited(&self, address: std::net::IpAddr) -> bool {
        self.unlimited.iter().any(|network| network.contains(address))
    }

    const fn most(&self, class: Class) -> u32 {
        match class {
            Class::Results => self.settings.results_per_minute,
            Class::Wallets => self.settings.wallets_per_minute,
            Class::Services => self.settings.services_per_minute,
            Class::Default => self.settings.default_per_minute,
        }
    }

    /// Whether requests of the class are counted.
    pub const fn has_limit(&self, class: Class) -> bool {
        self.most(class) > 0
    }

    /// Counts a request; `None` when the class has no limit.
    pub async fn enter(&self, client: Client, class: Class, counted: Counted) -> Option<Entry> {
        let most = self.most(class);
        if most == 0 {
            return None;
        }
        let name = Uuid::new_v4();
        if let Some((monitor, redis)) = self.connected() {
            let (key, text) = (key(&client, class, counted), name.simple().to_string());
            match redis.enter_window(&key, &text, most, WINDOW).await {
                Ok(window) => {
                    let in_redis = true;
                    return Some(Entry { client, class, counted, name, in_redis, most, window });
                }
                // The next requests need not find it out again.
                Err(_) => monitor.forget_connection(),
            }
        }
        let window = self.enter_here(client.clone(), class, counted, Some(name), most);
        Some(Entry { client, class, counted, name, in_redis: false, most, window })
    }

    /// What the next request of the class would find, and the most it may find; counts nothing.
    pub async fn look(&self, client: Client, class: Class) -> (Window, u32) {
        let most = self.most(class);
        if let Some((monitor, redis)) = self.connected() {
            match redis.look_at_window(&key(&client, class, Counted::Made), most, WINDOW).await {
                Ok(window) => return (window, most),
                Err(_) => monitor.forget_connection(),
            }
        }
        (self.enter_here(client, class, Counted::Made, None, most), most)
    }

    /// Takes a request back that turned out to be cheap.
    pub async fn leave(&self, entry: &Entry) {
        let Entry { ref client, class, counted, name, in_redis, .. } = *entry;
        if !in_redis {
            if let Some(window) = self.local.get(&(client.clone(), class, counted)) {
                let mut entries = window.lock().unwrap_or_else(PoisonError::into_inner);
                entries.retain(|(_, other)| *other != name);
            }
            return;
        }
        if let Some((monitor, redis)) = self.connected() {
            let (key, name) = (key(client, class, counted), name.simple().to_string());
            if redis.leave_window(&key, &name).await.is_err() {
                monitor.forget_connection();
            }
        }
    }

    fn connected(&self) -> Option<(&RedisMonitor, Redis)> {
        let monitor = self.redis.as_ref()?;
        Some((monitor, monitor.connection()?))
    }

    /// A request without a name only looks.
    fn enter_here(
        &self,
        client: Client,
        class: Class,
        counted: Counted,
        name: Option<Uuid>,
        most: u32,
    ) -> Window {
        let window = self.local.get_with((client, class, counted), Arc::default);
        let mut entries = window.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        while entries.front().is_some_and(|(at, _)| now.duration_since(*at) >= WINDOW) {
            entries.pop_front();
        }
        let allowed = entries.len() < most as usize;
        if let Some(name) = name.filter(|_| allowed) {
            entries.push_back((now, name));
        }
        let left = entries.front().map(|(at, _)| WINDOW.saturating_sub(now.duration_since(*at)));
        let count = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        Window { allowed, remaining: most.saturating_sub(count), reset: left.unwrap_or(WINDOW) }
    }
}

/// Where Redis has the window.
fn key(client: &Client, class: Class, counted: Counted) -> String {
    let class = class.as_str();
    match counted {
        Counted::Made => format!("pnl:rate:{class}:{client}"),
        Counted::Guessed => format!("pnl:rate:{class}:guessed:{client}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_process_without_redis_counts_by_itself_and_takes_back() {
        let limiter = Limiter::new(LimitSettings::default(), None).unwrap();
        let client = Client::of("192.0.2.1".parse().unwrap());
        let mut entries = Vec::new();
        for n in 0..5 {
            let entry =
                limiter.enter(client.clone(), Class::Services, Counted::Made).await.unwrap();
            assert_eq!((entry.window.allowed, entry.window.remaining), (true, 4 - n));
            entries.push(entry);
        }
        let refused = limiter.enter(client.clone(), Class::Services, Counted::Made).await.unwrap();
        assert!(!refused.window.allowed && refused.window.reset <= WINDOW);
        assert_eq!(limiter.look(client.clone(), Class::Services).await.0.remaining, 0);
        limiter.leave(&entries.pop().unwrap()).await;
        let (looked, most) = limiter.look(client.clone(), Class::Services).await;
        assert_eq!((looked.allowed, looked.remaining, most), (true, 1, 5));
        assert!(
            limiter
                .enter(client.clone(), Class::Services, Counted::Made)
                .await
                .unwrap()
                .window
                .allowed
        );
        assert!(
            limiter
                .enter(client.clone(), Class::Default, Counted::Made)
                .await
                .unwrap()
                .window
                .allowed
        );
        let other = Client::of("192.0.2.2".parse().unwrap());
        assert!(limiter.enter(other, Class::Services, Counted::Made).await.unwrap().window.allowed);
    }

    #[tokio::test]
    async fn zero_is_no_limit() {
        let settings = LimitSettings { default_per_minute: 0, ..LimitSettings::default() };
        let limiter = Limiter::new(settings, None).unwrap();
        let client = Client::of("192.0.2.1".parse().unwrap());
        assert!(limiter.enter(client.clone(), Class::Default, Counted::Made).await.is_none());
    }
}
