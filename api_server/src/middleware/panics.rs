//! Handlers that panic: a defect of ours, told apart from every other answer and contained.

use std::any::Any;

use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;

use crate::error::ApiError;

/// Turns a panic into the 500 problem.
pub fn caught() -> CatchPanicLayer<fn(Box<dyn Any + Send>) -> Response> {
    CatchPanicLayer::custom(answer)
}

/// What was thrown may hold anything, so it goes to the log only.
fn answer(panic: Box<dyn Any + Send>) -> Response {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    tracing::error!(panic = message, "a handler panicked");
    ApiError::internal().into_response()
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::{Body, to_bytes};
    use axum::extract::Request;
    use axum::http::StatusCode;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use prometheus::Registry;
    use service_runtime::config::SlowLogSettings;
    use tower::ServiceExt as _;

    use super::*;
    use crate::metrics::HttpMetrics;
    use crate::middleware::context;

    #[tokio::test]
    async fn a_panic_is_a_problem_without_its_message() {
        async fn broken() {
            panic!("a secret of the service")
        }
        let metrics = HttpMetrics::register(&Registry::new()).unwrap();
        let noted = context::Noted { metrics, slow_log: SlowLogSettings::default() };
        let router = Router::new()
            .route("/broken", get(broken))
            .layer(caught())
            .layer(from_fn_with_state(noted, context::around));
        let request = Request::get("/broken").header("host", "x").body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body = to_bytes(response.into_body(), 10_000).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(body.contains("\"internal\"") && !body.contains("secret"), "{body}");
    }
}
