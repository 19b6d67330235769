//! The time limit of a request.

use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::error::ApiError;
use crate::extract::BodyPhase;
use crate::problems;

/// When the answer to a request is due; handlers that wait take it as an extension.
#[derive(Debug, Clone, Copy)]
pub struct Due(Instant);

impl Due {
    /// How long a handler may wait and still answer in time.
    pub fn leaves(self) -> Duration {
        self.0.saturating_duration_since(Instant::now()) * 4 / 5
    }
}

/// Ends a request that has no answer within `limit`.
///
/// Whose fault it is decides the status: a body that is still arriving is the client's (408),
/// everything else ours (503). The time of sending a streamed answer does not count.
pub async fn limit(State(limit): State<Duration>, mut request: Request, next: Next) -> Response {
    let phase = BodyPhase::default();
    request.extensions_mut().insert(phase.clone());
    request.extensions_mut().insert(Due(Instant::now() + limit));
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) if phase.is_reading() => {
            let detail = format!("The body had not arrived after {} s.", limit.as_secs());
            ApiError::new(problems::REQUEST_TIMEOUT, detail).into_response()
        }
        Err(_) => {
            tracing::warn!(limit_seconds = limit.as_secs(), "request exceeded the time limit");
            let detail = format!("No answer was ready after {} s.", limit.as_secs());
            ApiError::new(problems::DEADLINE_EXCEEDED, detail).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::http::StatusCode;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn an_answer_that_does_not_come_is_our_fault() {
        async fn slow() {
            std::future::pending().await
        }
        let router = Router::new()
            .route("/slow", get(slow))
            .route("/fast", get(async || "here"))
            .layer(from_fn_with_state(Duration::from_millis(20), limit));
        let ask = async |path: &str| {
            let request = Request::get(path).body(Body::empty()).unwrap();
            router.clone().oneshot(request).await.unwrap().status()
        };
        assert_eq!(ask("/slow").await, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(ask("/fast").await, StatusCode::OK);
    }
}
