//! Notifications that the queue has changed.

use std::time::Duration;

use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::sync::watch;

use crate::error::StoreError;
use crate::store::Store;

/// The channel on which a changed queue is told.
pub const CHANNEL: &str = "wallet_tasks";

/// Wait before the listener connects again.
const RECONNECT_AFTER: Duration = Duration::from_secs(1);

/// Tells that there may be something to claim. Several notifications may become one.
#[derive(Debug)]
pub struct Wakeups {
    changed: watch::Receiver<u64>,
}

impl Wakeups {
    /// Waits for the next notification. Also returns after a lost connection stands again, since
    /// notifications may have been missed. A poll must run beside it: through a pooler, none arrive.
    pub async fn next(&mut self) {
        if self.changed.changed().await.is_err() {
            // There is no listener, or it has ended with its runtime: nothing will ever come.
            std::future::pending::<()>().await;
        }
    }
}

impl Store {
    /// Listens for changes of the queue on a connection of its own, which comes on top of
    /// `max_connections`, until the answer is dropped. Connects again by itself. Behind a pooler without
    /// [`Store::with_direct_url`] it does not listen, and nothing is told.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the first connection does not stand.
    pub async fn wakeups(&self) -> Result<Wakeups, StoreError> {
        let (tell, changed) = watch::channel(0_u64);
        if !self.may_listen() {
            tracing::info!("no database.direct_url past the pooler: new work is found by polling");
            return Ok(Wakeups { changed });
        }
        let mut listener = self.listen().await?;
        let store = self.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = tell.closed() => return,
                    received = listener.try_recv() => match received {
                        // None: the connection was lost and stands again.
                        Ok(Some(_) | None) => {}
                        Err(error) => {
                            tracing::warn!(%error, "listening for queue changes was interrupted");
                            listener = loop {
                                tokio::select! {
                                    () = tell.closed() => return,
                                    () = tokio::time::sleep(RECONNECT_AFTER) => {}
                                }
                                if let Ok(again) = store.listen().await {
                                    break again;
                                }
                            };
                        }
                    },
                }
                tell.send_modify(|count| *count = count.wrapping_add(1));
            }
        });
        Ok(Wakeups { changed })
    }

    /// A listening connection, in a pool of one so that the store's pool keeps all of its own.
    async fn listen(&self) -> Result<PgListener, StoreError> {
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_with(self.direct().clone())
            .await
            .map_err(StoreError::of_session)?;
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.listen(CHANNEL).await?;
        Ok(listener)
    }
}
