//! A service that is cloned when it is called, and not whenever what is around it is cloned.
//!
//! Each layer clones all that it stands around for every request. With many layers that is a quadratic number of
//! clones, most of them of services that are never called: kept answers and refusals come from the outer ones.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::Request;
use tower::util::{Oneshot, ServiceExt as _};
use tower::{Layer, Service};

/// Stands around a service that is shared by all clones until one is called.
#[derive(Debug, Clone, Copy)]
pub struct Shared;

impl<S> Layer<S> for Shared {
    type Service = SharedService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        SharedService(Arc::new(inner))
    }
}

/// The service itself.
#[derive(Debug)]
pub struct SharedService<S>(Arc<S>);

impl<S> Clone for SharedService<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: Service<Request, Error = Infallible> + Clone> Service<Request> for SharedService<S> {
    type Response = S::Response;
    type Error = Infallible;
    type Future = Oneshot<S, Request>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // The clone that is called waits until it is ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        S::clone(&self.0).oneshot(request)
    }
}
