//! Requests that need the database, while it is away.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::app::AppState;
use crate::error::ApiError;

/// Refuses at once instead of letting the request wait for a connection that cannot come.
pub async fn database(State(app): State<AppState>, request: Request, next: Next) -> Response {
    if app.database.is_up() {
        next.run(request).await
    } else {
        ApiError::database_unavailable().into_response()
    }
}
