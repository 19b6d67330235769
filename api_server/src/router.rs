//! Every route of both listeners.

use axum::Router;
use axum::extract::Request;
use axum::http::{Method, StatusCode, Uri, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use service_runtime::config::Role;

use crate::app::AppState;
use crate::error::ApiError;
use crate::handlers::{
    admin, batches, diff, disposals, group, health, latest, problems as problem_pages, reports,
    results, series, services, wallets, what_if,
};
use crate::json::shown;
use crate::middleware::{context, deadline, encoding, gate, panics, validators};
use crate::problems;

/// The public listener. A process that only works on wallets answers the probes there.
pub fn public(app: &AppState, role: Role) -> Router {
    let mut router = probes().route("/problems/{code}", get(problem_pages::describe));
    if role.serves_requests() {
        router = router
            .route("/api/services/status", get(services::status))
            .merge(needing_the_database(app));
    }
    around(router, app)
}

/// The listener of operators.
pub fn admin(app: &AppState) -> Router {
    around(probes().route("/metrics", get(admin::metrics)), app)
}

fn probes() -> Router<AppState> {
    Router::new()
        .route("/health", get(health::live))
        .route("/api/health", get(health::ready))
        .route("/api/health/db", get(health::database))
        .route("/api/health/detailed", get(health::detailed))
        .route("/api/performance/health-detailed", get(health::detailed))
}

fn needing_the_database(app: &AppState) -> Router<AppState> {
    Router::new()
        .route(batches::RUN, post(batches::run))
        .route("/api/pnl/batch", get(batches::list))
        .route("/api/pnl/batch/status/{job_id}", get(batches::status))
        .route("/api/pnl/batch/results/{job_id}", get(results::page))
        .route("/api/pnl/batch/results/{job_id}/export.csv", get(results::export_csv))
        .route("/api/pnl/batch/results/{job_id}/group", get(group::result))
        .route("/api/pnl/batch/results/{job_id}/group/ledger", get(group::ledger))
        .route("/api/pnl/batch/{job_id}/cancel", post(batches::cancel))
        .route("/api/pnl/batch/{job_id}/retry", post(batches::retry))
        .route("/api/pnl/results", get(latest::latest))
        .route("/api/v2/wallets/{wallet}/pnl", get(wallets::pnl))
        .route("/api/v2/wallets/{wallet}/ledger", get(wallets::ledger))
        .route("/api/v2/wallets/{wallet}/disposals", get(disposals::page))
        .route("/api/v2/wallets/{wallet}/disposals/{id}/explain", get(disposals::explain))
        .route("/api/v2/wallets/{wallet}/tokens", get(reports::tokens))
        .route("/api/v2/wallets/{wallet}/coverage", get(reports::coverage))
        .route("/api/v2/wallets/{wallet}/equity", get(series::equity))
        .route("/api/v2/wallets/{wallet}/calendar", get(series::calendar))
        .route("/api/v2/wallets/{wallet}/distribution", get(series::distribution))
        .route("/api/v2/wallets/{wallet}/diff", get(diff::diff))
        .route("/api/v2/wallets/{wallet}/what-if", get(what_if::what_if))
        .route_layer(from_fn_with_state(app.clone(), gate::database))
        .route_layer(from_fn(validators::tag))
}

/// What happens around every request, from the inside out.
fn around(router: Router<AppState>, app: &AppState) -> Router {
    let router = router
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        .layer(from_fn_with_state(app.request_timeout, deadline::limit))
        .layer(panics::caught());
    encoding::compressed(router, app.compression_min_bytes)
        .layer(from_fn_with_state(app.http_metrics.clone(), context::around))
        .with_state(app.clone())
}

async fn not_found(uri: Uri) -> ApiError {
    let detail = format!("There is no route {}; docs/api.md lists all.", shown(uri.path()));
    ApiError::new(problems::NOT_FOUND, detail)
}

/// 405, to which the router adds `Allow`; the same list answers `OPTIONS`.
async fn method_not_allowed(request: Request) -> Response {
    if request.method() == Method::OPTIONS {
        return (StatusCode::NO_CONTENT, [(header::CACHE_CONTROL, "no-store")]).into_response();
    }
    let detail = format!(
        "The route does not take {}; the header Allow lists what it takes.",
        shown(request.method().as_str())
    );
    ApiError::new(problems::METHOD_NOT_ALLOWED, detail).into_response()
}
