//! Keys with which clients follow jobs: a client goes with its key.
//!
//! A key is looked at when a client comes and from then on as often as others trust a look, all keys at
//! once. While the database cannot tell, nothing is told of jobs either: what is told stands there.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use persistence_layer::api_keys;
use persistence_layer::{Store, StoreError};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::keys::TRUSTED;

/// The keys whose holders follow a job here. A cheap clone.
#[derive(Clone)]
pub struct Holders(Arc<Inner>);

struct Inner {
    store: Store,
    keys: Mutex<Keys>,
}

#[derive(Default)]
struct Keys {
    by_id: HashMap<Uuid, Weak<Held>>,
    /// Whether somebody looks at them.
    are_watched: bool,
}

/// A key that somebody follows jobs with, until all who do have gone.
pub struct Held {
    /// Cancelled when the key is not valid any more, or when `drain` is.
    until: CancellationToken,
}

impl Held {
    /// See `until`.
    pub const fn until(&self) -> &CancellationToken {
        &self.until
    }
}

impl Holders {
    /// Of keys in `store`.
    pub fn new(store: Store) -> Self {
        Self(Arc::new(Inner { store, keys: Mutex::default() }))
    }

    /// Watches a key for one more client, until the process is told to stop by `drain`.
    pub fn hold(&self, key: Uuid, drain: &CancellationToken) -> Arc<Held> {
        let mut keys = self.0.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = keys.by_id.get(&key).and_then(Weak::upgrade) {
            return held;
        }
        let held = Arc::new(Held { until: drain.child_token() });
        keys.by_id.insert(key, Arc::downgrade(&held));
        if !std::mem::replace(&mut keys.are_watched, true) {
            tokio::spawn(self.clone().watch());
        }
        held
    }

    /// Looks at the keys as long as there are any.
    async fn watch(self) {
        loop {
            tokio::time::sleep(TRUSTED).await;
            let Some(held) = self.held() else { return };
            if let Err(error) = self.look(&held).await {
                tracing::debug!(%error, code = error.code(), "whether keys are valid cannot be told");
            }
        }
    }

    /// The keys that somebody holds. `None`: nobody does.
    fn held(&self) -> Option<Vec<(Uuid, Arc<Held>)>> {
        let mut keys = self.0.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.by_id.retain(|_, held| held.strong_count() > 0);
        keys.are_watched = !keys.by_id.is_empty();
        let held = keys.by_id.iter().filter_map(|(id, held)| Some((*id, held.upgrade()?)));
        keys.are_watched.then(|| held.collect())
    }

    async fn look(&self, held: &[(Uuid, Arc<Held>)]) -> Result<(), StoreError> {
        let ids: Vec<_> = held.iter().map(|(id, _)| *id).collect();
        let valid = api_keys::still_valid(&self.0.store, &ids).await?;
        let valid: HashSet<_> = valid.into_iter().collect();
        for (_, held) in held.iter().filter(|(id, _)| !valid.contains(id)) {
            held.until.cancel();
        }
        Ok(())
    }
}
