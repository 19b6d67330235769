//! `GET /metrics` of the admin listener.

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use persistence_layer::wallet_tasks;

use crate::app::AppState;
use crate::error::ApiError;
use crate::metrics::{TEXT_FORMAT, scrape};

/// Longest wait for the queue's figures: a scrape must not hang with the database.
const PATIENCE: Duration = Duration::from_secs(2);

/// Everything the process counts, and the queue as the database has it now.
pub async fn metrics(State(app): State<AppState>) -> Result<Response, ApiError> {
    let database_up = app.database.is_up();
    let queue = async {
        let counts = wallet_tasks::queue_counts(&app.store).await.ok()?;
        let oldest = wallet_tasks::oldest_queued_age(&app.store).await.ok()?;
        Some((counts, oldest))
    };
    let queue =
        if database_up { tokio::time::timeout(PATIENCE, queue).await.ok().flatten() } else { None };
    app.queue_metrics.observe(database_up, queue);
    let text = scrape(&app.registry).map_err(|error| {
        tracing::error!(%error, "the metrics cannot be written");
        ApiError::internal()
    })?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(TEXT_FORMAT)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, text).into_response())
}
