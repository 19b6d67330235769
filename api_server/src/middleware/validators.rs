//! `ETag` and `If-None-Match`: whoever has an answer already is told so instead of getting it again.
//!
//! The tag is strong: a hash of the bytes. A document that is sent as it is made is held back until it
//! ends or is too large for that; a large one goes out as before, without a tag.

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use sha2::{Digest, Sha256};

use crate::error::ApiError;
use crate::json::hex;

/// Most of a document of unknown length that is held back for its tag, in bytes.
const MAX_HELD_BYTES: usize = 1 << 20;

/// Bytes of the hash that a tag shows.
const TAG_BYTES: usize = 16;

/// What an answer depends on beside its address.
pub const VARY: HeaderValue =
    HeaderValue::from_static("Accept, Accept-Encoding, Authorization, X-API-Key");

/// Gives whole answers a tag, and answers 304 when the client has the one at hand.
pub async fn tag(request: Request, next: Next) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    let asked = request.headers().clone();
    let response = next.run(request).await;
    if response.status() != StatusCode::OK {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    parts.headers.insert(header::VARY, VARY);
    let whole = match hold(body).await {
        Ok(Held::Whole(bytes)) => bytes,
        Ok(Held::TooLarge(body)) => return Response::from_parts(parts, body),
        Err(error) => return aborted(error).into_response(),
    };
    let tag = tag_of(&whole);
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        parts.headers.insert(header::ETAG, tag);
    }
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(whole.len()));
    conditional(&asked, &tag, Response::from_parts(parts, Body::from(whole)))
}

/// The answer with `tag`, or 304 when the request has it already.
pub fn conditional(asked: &HeaderMap, tag: &str, answer: Response) -> Response {
    let Some(known) = asked_with(asked, tag) else { return answer };
    let (mut parts, _) = answer.into_parts();
    not_modified(&mut parts.headers);
    parts.headers.insert(header::ETAG, known);
    parts.status = StatusCode::NOT_MODIFIED;
    Response::from_parts(parts, Body::empty())
}

/// The same for an answer that has its tag already; others stay as they are.
pub fn conditional_if_tagged(asked: &HeaderMap, answer: Response) -> Response {
    let tag =
        answer.headers().get(header::ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
    match tag {
        Some(tag) if answer.status() == StatusCode::OK => conditional(asked, &tag, answer),
        _ => answer,
    }
}

/// The form in which the client has `tag` at hand; `None` when it has other tags, or none.
pub fn asked_with(asked: &HeaderMap, tag: &str) -> Option<HeaderValue> {
    asked.get_all(header::IF_NONE_MATCH).iter().find_map(|wanted| known(wanted, tag))
}

/// The strong tag of these bytes, with its quotes.
pub fn tag_of(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    format!("\"{}\"", hex(&digest[..TAG_BYTES]))
}

/// The tag in a list of the client that stands for `tag` in whatever encoding it got it.
fn known(wanted: &HeaderValue, tag: &str) -> Option<HeaderValue> {
    if wanted == tag {
        return Some(wanted.clone());
    }
    for text in wanted.to_str().ok()?.split(',').map(str::trim) {
        if text == "*" {
            return HeaderValue::from_str(tag).ok();
        }
        // RFC 9110, 13.1.2: the comparison is weak.
        let strong = text.strip_prefix("W/").unwrap_or(text);
        if without_encoding(strong) == tag {
            return HeaderValue::from_str(strong).ok();
        }
    }
    None
}

/// The encodings a tag can name, behind a dash before its last quote.
const ENCODINGS: [&str; 3] = ["gzip", "br", "zstd"];

/// The tag of the same answer in `encoding`: other bytes need another strong tag.
pub fn with_encoding(tag: &str, encoding: &str) -> Option<String> {
    let bare = tag.strip_suffix('"')?;
    ENCODINGS.contains(&encoding).then(|| format!("{bare}-{encoding}\""))
}

fn without_encoding(tag: &str) -> String {
    for encoding in ENCODINGS {
        if let Some(bare) = tag.strip_suffix(&format!("-{encoding}\"")) {
            return format!("{bare}\"");
        }
    }
    tag.to_owned()
}

/// Takes away what describes a body that is not sent.
fn not_modified(headers: &mut HeaderMap) {
    for name in [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::CONTENT_DISPOSITION] {
        headers.remove(name);
    }
}

/// A body, held back as far as that goes.
enum Held {
    Whole(Bytes),
    TooLarge(Body),
}

async fn hold(body: Body) -> Result<Held, axum::Error> {
    if body.size_hint().exact().is_some() {
        return axum::body::to_bytes(body, usize::MAX).await.map(Held::Whole);
    }
    let mut pieces = body.into_data_stream();
    let mut held = Vec::new();
    while let Some(piece) = pieces.next().await {
        held.extend_from_slice(&piece?);
        if held.len() > MAX_HELD_BYTES {
            let begun = futures::stream::once(async { Ok(Bytes::from(held)) });
            return Ok(Held::TooLarge(Body::from_stream(begun.chain(pieces))));
        }
    }
    Ok(Held::Whole(held.into()))
}

/// A document that broke off: the error to answer with when nothing of it is out yet, and the abort
/// of the connection when something is.
#[derive(Debug, thiserror::Error)]
#[error("the document failed")]
pub struct Aborted(pub ApiError);

/// What a document broke off with. Bodies wrap the errors of bodies.
fn aborted(error: axum::Error) -> ApiError {
    let mut error = error.into_inner();
    loop {
        match error.downcast::<axum::Error>() {
            Ok(wrapped) => error = wrapped.into_inner(),
            Err(other) => {
                let found = other.downcast::<Aborted>();
                return found.map_or_else(|_| ApiError::internal(), |aborted| aborted.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_found_in_any_list_weak_or_encoded() {
        let tag = tag_of(b"body");
        assert_eq!(tag.len(), 2 + 2 * TAG_BYTES);
        let gzip = with_encoding(&tag, "gzip").unwrap();
        let find = |list: &str| known(&HeaderValue::from_str(list).unwrap(), &tag);
        assert_eq!(find(&tag).unwrap(), *tag);
        assert_eq!(find(&format!("\"other\", W/{tag}")).unwrap(), *tag);
        assert_eq!(find(&gzip).unwrap(), *gzip);
        assert_eq!(find("*").unwrap(), *tag);
        for other in ["\"other\"", "", "\"\"", &tag[1..], "\"-gzip\""] {
            assert_eq!(find(other), None, "{other}");
        }
        assert_eq!(with_encoding(&tag, "identity"), None);
    }

    #[tokio::test]
    async fn what_is_too_large_to_hold_goes_out_unchanged() {
        let piece = Bytes::from(vec![b'x'; MAX_HELD_BYTES / 2 + 1]);
        let of = |pieces: usize| {
            let piece = piece.clone();
            let stream =
                futures::stream::iter(0..pieces).map(move |_| Ok::<_, Aborted>(piece.clone()));
            Body::from_stream(stream)
        };
        assert!(matches!(hold(of(1)).await, Ok(Held::Whole(bytes)) if bytes.len() == piece.len()));
        let Ok(Held::TooLarge(body)) = hold(of(3)).await else { panic!("it is held") };
        let all = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        assert_eq!(all.len(), 3 * piece.len());
        let failing =
            futures::stream::iter([Ok(piece), Err(Aborted(ApiError::database_unavailable()))]);
        let error = hold(Body::from_stream(failing)).await.err().unwrap();
        assert_eq!(aborted(error).problem().code, "database-unavailable");
    }
}
