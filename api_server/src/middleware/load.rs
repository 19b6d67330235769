//! Requests beyond what the process can work on at a time are refused at once: see [`crate::load`].

use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::app::AppState;
use crate::error::ApiError;
use crate::limiter::Class;
use crate::load::Cost;
use crate::middleware::limits;
use crate::problems;
use crate::slo::asks_to_wait;

/// When one that was refused may come again.
const RETRY_SECONDS: u32 = 1;

/// The layer itself. It stands inside of those that answer from what is kept.
pub async fn admit(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let Some(cost) = cost(&request) else { return next.run(request).await };
    let Some(_at_work) = app.load.enter(cost) else {
        app.http_metrics.shed(cost);
        let detail = format!(
            "This process works on as many {} requests as it can; ask again in {RETRY_SECONDS} s, or another one.",
            cost.as_str()
        );
        let refusal = ApiError::new(problems::OVERLOADED, detail).retry_after(RETRY_SECONDS);
        return refusal.into_response();
    };
    next.run(request).await
}

/// What a request costs; `None`: it takes no place.
fn cost(request: &Request) -> Option<Cost> {
    // A body may take its time to arrive, and whoever waits for a job does no work meanwhile.
    if !matches!(*request.method(), Method::GET | Method::HEAD) || asks_to_wait(request) {
        return None;
    }
    Some(match limits::class(request)? {
        Class::Wallets | Class::Results => Cost::Expensive,
        Class::Services | Class::Default => Cost::Light,
    })
}
