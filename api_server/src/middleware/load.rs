//! Requests beyond what the process can work on at a time are refused at once: see [`crate::load`].

use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::StreamExt as _;

use crate::app::{App, AppState};
use crate::error::ApiError;
use crate::limiter::Class;
use crate::load::{AtWork, Cost, FILE};
use crate::middleware::limits;
use crate::problems;
use crate::slo::asks_to_wait;

/// When one that was refused may come again.
const RETRY_SECONDS: u32 = 1;

/// The same of a file, which takes longer.
const RETRY_FILE_SECONDS: u32 = 5;

/// The layer itself. It stands inside of those that answer from what is kept.
pub async fn admit(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let Some(cost) = cost(&request) else { return next.run(request).await };
    match place(&app, cost) {
        Ok(_at_work) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

/// A place for a request of this cost. Handlers of what is posted take one when the body is there.
///
/// # Errors
/// The refusal, when there is none.
pub fn place(app: &App, cost: Cost) -> Result<AtWork, ApiError> {
    app.load.enter(cost).ok_or_else(|| {
        app.http_metrics.shed(cost.as_str());
        let detail = format!(
            "This process works on as many {} requests as it can; ask again in {RETRY_SECONDS} s, or another one.",
            cost.as_str()
        );
        ApiError::new(problems::OVERLOADED, detail).retry_after(RETRY_SECONDS)
    })
}

/// The layer around files: each has its place until the last of it is sent.
pub async fn file(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let Some(place) = app.files.enter(&app.load) else {
        app.http_metrics.shed(FILE);
        let detail = format!(
            "This process sends as many files as it can at a time; ask again in {RETRY_FILE_SECONDS} s, or another one."
        );
        let refusal = ApiError::new(problems::OVERLOADED, detail).retry_after(RETRY_FILE_SECONDS);
        return refusal.into_response();
    };
    let response = next.run(request).await;
    // What is no file is made already.
    if response.body().size_hint().exact().is_some() {
        return response;
    }
    response.map(|body| {
        Body::from_stream(body.into_data_stream().map(move |piece| {
            let _sent_until_dropped = &place;
            piece
        }))
    })
}

/// What a request costs; `None`: it takes no place.
fn cost(request: &Request) -> Option<Cost> {
    // A body may take its time to arrive ([`place`]), and whoever waits for a job does no work meanwhile.
    if !matches!(*request.method(), Method::GET | Method::HEAD) || asks_to_wait(request) {
        return None;
    }
    Some(match limits::class(request)? {
        Class::Wallets | Class::Results => Cost::Expensive,
        Class::Services | Class::Default => Cost::Light,
    })
}
