//! Accepting connections, and letting go of them in order.
//!
//! The loop bounds what clients can hold: connections at a time, size and number of headers, and the
//! time in which a request head must arrive (which also ends idle connections). When told to stop it accepts nothing more,
//! lets the requests at hand finish for a while, and then closes what is left.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::response::Response;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::client::Peer;
use crate::metrics::HttpMetrics;
use crate::wire::{MAX_HEAD_BYTES, MAX_HEADERS, Wire};

/// Connections that the listener of operators keeps open. It has its own, so that it answers whatever clients do.
pub const MAX_ADMIN_CONNECTIONS: u32 = 64;

/// What is buffered of a connection: a head that has not ended by then is too large.
const MAX_BUFFER_BYTES: usize = MAX_HEAD_BYTES + 1024;

/// Pause after a failed accept (out of file descriptors, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Binds `host`:`port`; port 0 takes a free one.
///
/// # Errors
/// As the operating system gives it, naming the address.
pub async fn bind(host: &str, port: u16) -> io::Result<(TcpListener, SocketAddr)> {
    let name = |error: io::Error| {
        io::Error::new(error.kind(), format!("cannot listen on {host}:{port}: {error}"))
    };
    let listener = TcpListener::bind((host, port)).await.map_err(name)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// How a listener treats its connections.
#[derive(Clone)]
pub struct Rules {
    /// Connections that are kept open at a time; one more waits, and those after it in the kernel's queue.
    pub max_connections: u32,
    /// Time in which a request head must arrive; a connection without requests is closed after it.
    pub head_timeout: Duration,
    /// Time that requests at hand get when the listener closes.
    pub grace: Duration,
    /// Counts connections and refused heads.
    pub metrics: Option<HttpMetrics>,
}

/// Serves `router` until `stop`.
pub async fn serve<S>(listener: TcpListener, router: S, rules: Rules, stop: CancellationToken)
where
    S: tower::Service<Request<Incoming>, Response = Response, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
{
    let Rules { max_connections, head_timeout, grace, metrics } = rules;
    let slots = usize::try_from(max_connections).unwrap_or(usize::MAX);
    let slots = Arc::new(Semaphore::new(slots.min(Semaphore::MAX_PERMITS)));
    let tasks = tokio_util::task::TaskTracker::new();
    let closing = CancellationToken::new();
    loop {
        let (stream, peer) = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        let slot = match Arc::clone(&slots).try_acquire_owned() {
            Ok(slot) => slot,
            Err(_) => {
                if let Some(metrics) = &metrics {
                    metrics.connection_waits();
                }
                tokio::select! {
                    () = stop.cancelled() => break,
                    slot = Arc::clone(&slots).acquire_owned() => slot.expect("never closed"),
                }
            }
        };
        // Answers are small and wanted now.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection was gone at once");
        }
        let open = metrics.as_ref().map(HttpMetrics::connection);
        let called = Arc::new(AtomicBool::new(false));
        let wire = Wire::new(stream, metrics.clone(), head_timeout, Arc::clone(&called));
        let stalled = wire.stalled();
        let routed = TowerToHyperService::new(router.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            called.store(true, Ordering::Relaxed);
            request.extensions_mut().insert(Peer(peer.ip()));
            request.extensions_mut().insert(stalled.clone());
            routed.call(request)
        });
        let (stop, closing) = (stop.clone(), closing.clone());
        tasks.spawn(async move {
            // HTTP/1.1: what clients, proxies and scrapers of such a service speak.
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(head_timeout)
                .max_headers(MAX_HEADERS)
                .max_header_size(MAX_HEAD_BYTES)
                .max_buf_size(MAX_BUFFER_BYTES)
                .serve_connection(TokioIo::new(wire), service)
                .with_upgrades();
            let mut connection = std::pin::pin!(connection);
            let stopped = tokio::select! {
                // A client that goes away in the middle is its own business, not an error of ours.
                _ = connection.as_mut() => false,
                () = stop.cancelled() => true,
            };
            if stopped {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    _ = connection => {}
                    () = closing.cancelled() => {}
                }
            }
            drop((slot, open));
        });
    }
    drop(listener);
    tasks.close();
    if tokio::time::timeout(grace, tasks.wait()).await.is_err() {
        tracing::warn!("closing connections that did not end in time");
    }
    closing.cancel();
    tasks.wait().await;
}
