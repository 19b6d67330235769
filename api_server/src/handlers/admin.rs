//! `GET /metrics` of the admin listener.

use std::fmt::Display;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use persistence_layer::{batches, processes, webhooks};

use crate::app::AppState;
use crate::error::ApiError;
use crate::metrics::{FleetFigures, TEXT_FORMAT, open, open_scrape, scrape};
use crate::performance::memory::Memory;

/// Longest wait for the queue's figures: a scrape must not hang with the database.
const PATIENCE: Duration = Duration::from_secs(2);

/// Everything the process counts, and the queue as the database has it now.
pub async fn metrics(
    State(app): State<AppState>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let database = app.database.health();
    let redis = app.redis.as_ref().map(|redis| redis.status().state);
    app.queue_metrics.observe_services(&database, redis);
    app.http_metrics.places(app.load.limit());
    app.memory_metrics.observe(&Memory::now());
    let figures = tokio::time::timeout(PATIENCE, figures(&app));
    let figures = if database.up { figures.await.ok().flatten() } else { None };
    app.queue_metrics.observe_fleet(figures.as_ref());
    let (format, text) = if open::is_wanted(&headers) {
        let text = open_scrape(&app.registry, &app.http_metrics).map_err(|error| broken(&error))?;
        (open::OPEN_FORMAT, text.into_bytes())
    } else {
        (TEXT_FORMAT, scrape(&app.registry).map_err(|error| broken(&error))?)
    };
    let headers = [
        (header::CONTENT_TYPE, format),
        (header::CACHE_CONTROL, "no-store"),
        (header::VARY, "Accept"),
    ];
    Ok((headers.map(|(name, value)| (name, HeaderValue::from_static(value))), text).into_response())
}

fn broken(error: &dyn Display) -> ApiError {
    tracing::error!(%error, "the metrics cannot be written");
    ApiError::internal()
}

async fn figures(app: &AppState) -> Option<FleetFigures> {
    // Both may take all the time of a statement.
    let (queue, continuous) =
        tokio::join!(app.queue.figures(&app.store), app.continuous_watch.figures(&app.store));
    let live = processes::live(&app.store).await.ok()?;
    Some(FleetFigures {
        queue: queue?,
        batches: batches::open(&app.store).await.ok()?,
        continuous,
        webhooks_waiting: webhooks::waiting(&app.store).await.ok()?,
        roles: live.into_iter().map(|process| process.report.role).collect(),
    })
}
