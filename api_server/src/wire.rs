//! The byte stream of one client, with what the HTTP implementation leaves to its user.
//!
//! - A head that cannot be parsed is refused by the implementation with an empty answer; here it
//!   gets the body that every error of this service has.
//! - A head that does not become complete in time is answered 408 before the connection closes.
//! - A client that takes nothing of its answer loses the connection after a while.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::http::StatusCode;
use service_runtime::trace::TraceId;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use crate::error::{ApiError, to_ascii_json};
use crate::metrics::{Answered, HttpMetrics, UNPARSED};
use crate::problems;
use crate::slo::RouteClass;

/// Most bytes of a request head.
pub const MAX_HEAD_BYTES: usize = 64 << 10;

/// Most headers of a request.
pub const MAX_HEADERS: usize = 100;

/// How long a client may take nothing of its answer.
const WRITE_PATIENCE: Duration = Duration::from_secs(60);

/// Every answer of the service carries this header, those of the implementation do not.
const MARK: &[u8] = b"\r\nx-request-id:";

/// Whether a connection was closed because its client took nothing; the listener puts it into each request.
#[derive(Debug, Clone, Default)]
pub struct Stalled(Arc<AtomicBool>);

impl Stalled {
    /// Whether it was.
    pub fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A client's connection.
pub struct Wire {
    stream: TcpStream,
    metrics: Option<HttpMetrics>,
    opened: Instant,
    head_timeout: Duration,
    write_patience: Duration,
    /// Whether a complete head has been handed to the service.
    called: Arc<AtomicBool>,
    has_stalled: Stalled,
    has_read: bool,
    has_written: bool,
    /// What is written in place of the implementation's own answer, and how much of it is out.
    answer: Option<(Vec<u8>, usize)>,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Wire {
    /// Over `stream`, whose heads arrive within `head_timeout`. `called` is set by whoever gets the
    /// first request.
    pub fn new(
        stream: TcpStream,
        metrics: Option<HttpMetrics>,
        head_timeout: Duration,
        called: Arc<AtomicBool>,
    ) -> Self {
        Self {
            stream,
            metrics,
            opened: Instant::now(),
            head_timeout,
            write_patience: WRITE_PATIENCE,
            called,
            has_stalled: Stalled::default(),
            has_read: false,
            has_written: false,
            answer: None,
            stalled: None,
        }
    }

    /// Tells whether the connection was closed because its client took nothing.
    pub fn stalled(&self) -> Stalled {
        self.has_stalled.clone()
    }

    /// Counts and logs a refusal that no handler saw. Nothing of the request goes into the log.
    fn note(&self, status: StatusCode) {
        if let Some(metrics) = &self.metrics {
            metrics.end(&Answered {
                method: "OTHER",
                route: UNPARSED,
                class: RouteClass::Other,
                status: status.as_u16(),
                took: self.opened.elapsed(),
                tenant: None,
                trace_id: None,
            });
        }
        tracing::info!(status = status.as_u16(), "a request was refused before it could be read");
    }

    /// Writes out what stands in for the implementation's answer.
    fn poll_answer(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some((bytes, done)) = self.answer.take() {
            let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) else { break };
            match Pin::new(&mut self.stream).poll_write(context, rest) {
                Poll::Ready(Ok(written)) => {
                    self.stalled = None;
                    self.answer = Some((bytes, done + written));
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.answer = Some((bytes, done));
                    return self.poll_patience(context);
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Pending until a write has been waiting for too long.
    fn poll_patience(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let patience = self.write_patience;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        ready!(stalled.as_mut().poll(context));
        self.has_stalled.0.store(true, Ordering::Relaxed);
        tracing::info!("closing a connection whose client takes nothing of its answer");
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// One write, with the patience of the connection.
    fn poll_out(
        &mut self,
        context: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut TcpStream>, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match write(Pin::new(&mut self.stream), context) {
            Poll::Ready(written) => {
                self.has_written = true;
                self.stalled = None;
                Poll::Ready(written)
            }
            Poll::Pending => self.poll_patience(context).map_ok(|()| 0),
        }
    }

    /// Whether `head` is an answer of the implementation's own; then ours is put in its place.
    fn replace(&mut self, head: &[u8]) -> bool {
        let Some(status) = refusal(head) else { return false };
        self.note(status);
        self.has_written = true;
        self.answer = Some((answer(status), 0));
        true
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.has_read |= buffer.filled().len() > before;
        read
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_answer(context))?;
        if self.replace(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        self.poll_out(context, |stream, context| stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_answer(context))?;
        if let [only] = slices
            && self.replace(only)
        {
            return Poll::Ready(Ok(only.len()));
        }
        self.poll_out(context, |stream, context| stream.poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_answer(context))?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_answer(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl Drop for Wire {
    /// The implementation lets go of a connection whose head is late without a word.
    fn drop(&mut self) {
        let is_late = self.has_read
            && !self.has_written
            && !self.called.load(Ordering::Relaxed)
            && self.opened.elapsed() >= self.head_timeout;
        if is_late {
            self.note(StatusCode::REQUEST_TIMEOUT);
            // Nothing was written before, so the answer fits; a client that is gone needs none.
            let _ = self.stream.try_write(&answer(StatusCode::REQUEST_TIMEOUT));
        }
    }
}

/// The status of a head that the implementation wrote by itself.
fn refusal(head: &[u8]) -> Option<StatusCode> {
    let is_refusal = head.starts_with(b"HTTP/1.1 4") || head.starts_with(b"HTTP/1.0 4");
    // The search comes last: most of what is written is no refusal, and some of it is long.
    if !is_refusal
        || !head.ends_with(b"\r\n\r\n")
        || head.windows(MARK.len()).any(|window| window.eq_ignore_ascii_case(MARK))
    {
        return None;
    }
    StatusCode::from_bytes(head.get(9..12)?).ok()
}

/// The whole answer to a request that could not be read.
fn answer(status: StatusCode) -> Vec<u8> {
    let error = match status {
        StatusCode::REQUEST_TIMEOUT => ApiError::new(
            problems::REQUEST_TIMEOUT,
            "The request line and headers had not arrived within api.request_timeout_seconds.",
        ),
        StatusCode::URI_TOO_LONG => {
            ApiError::new(problems::URI_TOO_LONG, "Path and query of the request are too long.")
        }
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => ApiError::new(
            problems::HEADERS_TOO_LARGE,
            format!(
                "The request has more than {MAX_HEADERS} headers, or they have more than \
                 {MAX_HEAD_BYTES} bytes."
            ),
        ),
        _ => ApiError::new(
            problems::BAD_REQUEST,
            "The request is not HTTP/1.1: the request line, a header, Content-Length or \
             Transfer-Encoding is not well-formed.",
        ),
    };
    let status = error.problem().status;
    let body = to_ascii_json(&error.body("/", TraceId::generate()));
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\n\
         cache-control: no-store\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\r\n\
         {body}",
        body.len(),
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    async fn pair(write_patience: Duration) -> (Wire, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let mut wire = Wire::new(stream, None, Duration::from_secs(60), Arc::default());
        wire.write_patience = write_patience;
        (wire, client)
    }

    #[tokio::test]
    async fn an_empty_refusal_gets_a_body_and_answers_of_ours_pass() {
        for (head, expected) in [
            ("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n", "\"bad-request\""),
            ("HTTP/1.1 431 Request Header Fields Too Large\r\n\r\n", "\"headers-too-large\""),
            ("HTTP/1.1 404 Not Found\r\nx-request-id: 7\r\n\r\n", "x-request-id: 7"),
            ("HTTP/1.1 200 OK\r\n\r\n", "200 OK"),
        ] {
            let (mut wire, mut client) = pair(WRITE_PATIENCE).await;
            wire.write_all(head.as_bytes()).await.unwrap();
            wire.shutdown().await.unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with(&head[..12]) && answer.contains(expected), "{answer}");
            assert_eq!(
                answer.contains("\r\n\r\n{"),
                head.starts_with("HTTP/1.1 4") && !head.contains("x-request-id")
            );
        }
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_is_let_go() {
        let (mut wire, client) = pair(Duration::from_millis(50)).await;
        let stalled = wire.stalled();
        assert!(!stalled.get());
        let piece = vec![b'x'; 1 << 20];
        let error = loop {
            match wire.write_all(&piece).await {
                Ok(()) => {}
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(stalled.get());
        drop(client);
    }
}
