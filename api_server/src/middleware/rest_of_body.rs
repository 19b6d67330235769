//! The part of a request's body that nobody read.
//!
//! A connection that is closed with bytes unread is reset, and the client would lose our answer
//! with it. Behind a refused request a moderate rest of its body is therefore taken in first,
//! whatever the route.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header;
use futures::StreamExt;
use hyper::body::{Frame, SizeHint};

/// Most bytes that are taken in.
const MAX_DISCARDED_BYTES: usize = 16 << 20;

/// Longest time for that.
const DISCARD_TIME: Duration = Duration::from_secs(3);

/// Where the rest of a body comes to when its reader lets go of it.
#[derive(Debug, Default)]
pub struct RestOfBody {
    rest: Arc<Mutex<Option<Body>>>,
    is_wanted: bool,
}

impl RestOfBody {
    /// Lends the body of `request` to whoever reads it.
    pub fn lend(request: Request) -> (Request, Self) {
        if request.body().is_end_stream() {
            return (request, Self::default());
        }
        // Whoever waits for `100 Continue` has sent nothing and is not invited to.
        let is_wanted = !request.headers().contains_key(header::EXPECT);
        let rest = Arc::new(Mutex::new(None));
        let lent = Arc::clone(&rest);
        let request = request.map(|body| Body::new(Lent { body, back: lent }));
        (request, Self { rest, is_wanted })
    }

    /// Takes in what is left. What does not come in time does not come; the answer goes out
    /// either way.
    pub async fn discard(self) {
        let rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(rest) = rest.filter(|_| self.is_wanted) else { return };
        let mut chunks = rest.into_data_stream();
        let all = async {
            let mut left = MAX_DISCARDED_BYTES;
            while let Some(Ok(chunk)) = chunks.next().await {
                left = left.saturating_sub(chunk.len());
                if left == 0 {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(DISCARD_TIME, all).await;
    }
}

/// A body that is given back when it is dropped.
struct Lent {
    body: Body,
    back: Arc<Mutex<Option<Body>>>,
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let body = std::mem::take(&mut self.body);
        if !body.is_end_stream() {
            *self.back.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_reader_leaves_comes_back() {
        let pieces = ["one", "two", "three"].map(Ok::<_, std::io::Error>);
        let body = Body::from_stream(futures::stream::iter(pieces));
        let (request, rest) = RestOfBody::lend(Request::new(body));
        let mut reader = request.into_body().into_data_stream();
        assert_eq!(reader.next().await.unwrap().unwrap(), "one");
        drop(reader);
        let left = rest.rest.lock().unwrap().take().unwrap();
        let left = axum::body::to_bytes(left, 100).await.unwrap();
        assert_eq!(left, "twothree");
    }

    #[tokio::test]
    async fn a_request_without_a_body_has_no_rest() {
        let (request, rest) = RestOfBody::lend(Request::new(Body::empty()));
        drop(request);
        assert!(rest.rest.lock().unwrap().is_none());
        rest.discard().await;
    }
}
