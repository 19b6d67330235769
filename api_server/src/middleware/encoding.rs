//! Compression of answers: for those that are worth it, unless the client wants none.

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};

use super::shared::Shared;
use super::validators::with_encoding;

/// A client that sends this header, whatever its value, gets no compressed answer.
const OPT_OUT: HeaderName = HeaderName::from_static("x-no-compression");

/// What describes the bytes of an answer as they are.
const OF_PLAIN_BYTES: [HeaderName; 3] = [
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
    header::ACCEPT_RANGES,
];

/// Good compression at a moderate price.
const LEVEL: CompressionLevel = CompressionLevel::Precise(6);

/// Whether an answer of so many bytes to a client with these headers goes out as it is, where those that have at least
/// `min_bytes` are compressed. False for wishes that have to be weighed.
pub fn is_left_plain(asked: &HeaderMap, bytes: usize, min_bytes: u64) -> bool {
    if min_bytes == 0 || asked.contains_key(OPT_OUT) {
        return true;
    }
    let mut wishes = asked.get_all(header::ACCEPT_ENCODING).iter();
    wishes.all(|wish| (bytes as u64) < min_bytes && !wish.as_bytes().contains(&b';'))
}

/// Compresses answers of `router` that have at least `min_bytes`; none at all with 0.
pub fn compressed<S: Clone + Send + Sync + 'static>(
    router: Router<S>,
    min_bytes: u64,
) -> Router<S> {
    if min_bytes == 0 {
        return router;
    }
    // A stream is read as it is made; an encoder would hold it back.
    let worth_it = SizeAbove::new(min_bytes).and(NotForContentType::SSE);
    let layer = CompressionLayer::new().quality(LEVEL).compress_when(worth_it);
    router.layer((layer, Shared)).layer((from_fn(around), Shared))
}

/// Lets clients opt out, and gives the compressed form of an answer a tag of its own.
async fn around(mut request: Request, next: Next) -> Response {
    if request.headers().contains_key(OPT_OUT) {
        request.headers_mut().remove(header::ACCEPT_ENCODING);
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let text = |value: &HeaderValue| value.to_str().map(ToOwned::to_owned).ok();
    let encoding = headers.get(header::CONTENT_ENCODING).and_then(text);
    let tag = headers.get(header::ETAG).and_then(text);
    if let (Some(encoding), Some(tag)) = (encoding, tag)
        && let Some(tag) = with_encoding(&tag, &encoding)
        && let Ok(tag) = HeaderValue::from_str(&tag)
    {
        headers.insert(header::ETAG, tag);
    }
    if headers.contains_key(header::CONTENT_ENCODING) {
        // They are of the bytes before.
        for name in OF_PLAIN_BYTES {
            headers.remove(name);
        }
    }
    response
}
