//! Waiting for a state instead of for a time.

use std::time::Duration;

use anyhow::bail;
use tokio::time::Instant;

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(25);

/// Looks until `look` gives something. `what` completes "waited … for".
///
/// # Errors
/// When nothing was there within `patience`, or `look` failed.
pub async fn until<T>(
    what: &str,
    patience: Duration,
    mut look: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        if begun.elapsed() >= patience {
            bail!("waited {} s in vain for {what}", patience.as_secs());
        }
        tokio::time::sleep(PAUSE).await;
    }
}
