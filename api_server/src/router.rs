//! Every route of both listeners, and what is around it. The routes with their descriptions stand in
//! [`crate::routes`].

use axum::extract::Request;
use axum::http::{Method, StatusCode, Uri, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use service_runtime::config::Role;

use crate::app::AppState;
use crate::error::ApiError;
use crate::handlers::{admin, profile};
use crate::json::shown;
use crate::keys::Caller;
use crate::middleware::context::Noted;
use crate::middleware::shared::Shared;
use crate::middleware::{
    auth, cached, context, cors, deadline, encoding, gate, limits, load, panics, validators,
};
use crate::openapi::Api;
use crate::problems;
use crate::routes;

/// The public listener. A process that only works on wallets answers the probes there.
pub fn public(app: &AppState, role: Role) -> Router {
    let counted = |api: Api| {
        let count = from_fn_with_state(app.clone(), limits::count);
        api.map(|router| router.route_layer((count, Shared)))
    };
    let tagged =
        |api: Api| api.map(|router| router.route_layer((from_fn(validators::tag), Shared)));
    let mut api = routes::probes().and(counted(tagged(routes::explanations())));
    if role.serves_requests() {
        let admitted = routes::data().map(|router| {
            router.route_layer((from_fn_with_state(app.clone(), load::admit), Shared))
        });
        let data = kept(app, gated(app, admitted));
        // Files bring their tags themselves, are too large to be kept, and may wait for their measure.
        let files = routes::files().map(|router| {
            router
                .route_layer(from_fn_with_state(app.clone(), load::file))
                .route_layer(from_fn_with_state(app.clone(), gate::database))
        });
        // Streams have no tag and are not held back for one.
        let streams = gated(app, routes::streams());
        let performance = routes::performance()
            .and(routes::switches())
            .map(|router| router.route_layer(from_fn_with_state(app.clone(), auth::from_here)));
        // It answers without a database, too, and then most of all.
        let service = kept(app, routes::service());
        let keyed = counted(performance.and(streams).and(files))
            .and(service)
            .and(data)
            .map(|router| router.route_layer((from_fn(auth::require), Shared)));
        api = api.and(keyed);
    }
    let limited = from_fn_with_state(app.clone(), limits::enforce);
    let identified = from_fn_with_state(app.clone(), auth::identify);
    let shared_with_pages = from_fn_with_state(app.clone(), cors::around);
    around(api.into_router(), app, |router| {
        router
            .layer((limited, Shared))
            .layer((identified, Shared))
            .layer((shared_with_pages, Shared))
    })
}

/// What is kept, for the process itself ([`crate::warm_up`]): as clients get it, but without what identifies, limits, counts and
/// logs those. A request brings its [`Caller`].
pub fn unattended(app: &AppState) -> Router {
    kept(app, gated(app, routes::data())).into_router().with_state(app.clone())
}

/// Routes that need the database.
fn gated(app: &AppState, api: Api) -> Api {
    api.map(|router| router.route_layer((from_fn_with_state(app.clone(), gate::database), Shared)))
}

/// Routes whose answers have tags and are kept where that is possible.
fn kept(app: &AppState, api: Api) -> Api {
    api.map(|router| {
        router
            .route_layer((from_fn(validators::tag), Shared))
            .route_layer((from_fn_with_state(app.clone(), limits::count), Shared))
            .route_layer((from_fn_with_state(app.clone(), cached::answers), Shared))
    })
}

/// The listener of operators.
pub fn admin(app: &AppState) -> Router {
    // Whoever reaches this listener operates the service.
    let orders = routes::performance()
        .and(routes::switches())
        .map(|router| router.route_layer(Extension(Caller::anybody())));
    let router = routes::probes().and(orders).into_router();
    let mut router = router.route(routes::METRICS, get(admin::metrics));
    if app.profiling {
        let profile = get(profile::profile).layer(Extension(profile::Alone::default()));
        router = router.route(routes::PROFILE, profile);
    }
    around(router, app, |router| router)
}

/// What happens around every request, from the inside out. `limit` says what clients are held to.
fn around(
    router: Router<AppState>,
    app: &AppState,
    limit: impl FnOnce(Router<AppState>) -> Router<AppState>,
) -> Router {
    let noted = Noted { metrics: app.http_metrics.clone(), slow_log: app.slow_log.clone() };
    let router = router
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        .layer((from_fn_with_state(app.request_timeout, deadline::limit), Shared))
        .layer((panics::caught(), Shared));
    limit(encoding::compressed(router, app.compression_min_bytes))
        .layer((from_fn_with_state(noted, context::around), Shared))
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
