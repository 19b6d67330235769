//! Answers that are at hand, given before a request enters the router.
//!
//! A kept answer ([`crate::middleware::cached`]) is the same whichever layers it passes. Where none of them has anything to do, a
//! request is answered here: GET without a body, by a caller who is known and has no limit, of a question that was answered
//! from what is kept before, made of a version that is fresh, in the encoding that it is kept in. Everything else goes
//! its way through the router, and so does whatever has to be refused.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};
use std::time::Instant;

use axum::Router;
use axum::http::{Method, Request, header};
use axum::response::Response;
use futures::future::Either;
use hyper::body::{Body as _, Incoming};
use persistence_layer::api_keys::Scope;
use tower::Service;

use crate::answers::Found;
use crate::app::AppState;
use crate::client::{self, Peer};
use crate::metrics::Answered;
use crate::middleware::{auth, cached, context, encoding};
use crate::questions::Sent;
use crate::slo::RouteClass;
use crate::versions::Version;

/// The public listener: what is at hand, and the router behind it.
#[derive(Clone)]
pub struct Front {
    app: AppState,
    router: Router,
}

impl Front {
    /// Before `router`.
    pub fn new(app: AppState, router: Router) -> Self {
        Self { app, router }
    }
}

impl Service<Request<Incoming>> for Front {
    type Response = Response;
    type Error = Infallible;
    type Future =
        Either<Ready<Result<Response, Infallible>>, <Router as Service<Request<Incoming>>>::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request<Incoming>>::poll_ready(&mut self.router, context)
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        match at_hand(&self.app, &request) {
            Some(response) => Either::Left(ready(Ok(response))),
            None => Either::Right(self.router.call(request)),
        }
    }
}

/// The answer to a request, where it is at hand.
fn at_hand(app: &AppState, request: &Request<Incoming>) -> Option<Response> {
    let started = Instant::now();
    let headers = request.headers();
    let is_plain = request.method() == Method::GET
        && request.body().is_end_stream()
        && headers.get_all(header::HOST).iter().count() == 1
        && !cached::wants_fresh(headers);
    if !is_plain || !app.answers.is_on() {
        return None;
    }
    let Peer(peer) = *request.extensions().get::<Peer>()?;
    if !app.limiter.is_unlimited(client::address(peer, headers, app.limiter.proxies())) {
        return None;
    }
    let caller = auth::known(app, headers).filter(|caller| caller.may(Scope::Read))?;
    let sent = Sent::of(&caller.tenant, request.uri(), headers)?;
    let question = app.answers.questions.get(&sent)?;
    let Version::Is(version) = app.versions.fresh(app, &question.subject)? else { return None };
    let answer = app.answers.at_hand(&question, &version)?;
    if !encoding::is_left_plain(headers, answer.body().len(), app.compression_min_bytes) {
        return None;
    }
    let mut response = cached::given(headers, &answer, Found::Hit);
    if caller.key.is_some() {
        response = auth::private(response);
    }
    app.cors.on(headers, response.headers_mut());
    let asked = context::RequestContext::of(headers);
    asked.on(response.headers_mut());
    let answered = Answered {
        method: "GET",
        route: question.route,
        class: RouteClass::Kept,
        status: response.status().as_u16(),
        took: started.elapsed(),
        tenant: Some(&caller.tenant),
        // One answer at hand is like another: an exemplar would cost each of them.
        trace_id: None,
    };
    app.http_metrics.cached(Found::Hit);
    app.http_metrics.end(&answered);
    context::log_at_once(&answered, &asked, caller.key, &app.slow_log);
    Some(response)
}
