//! A body of lines, read as it comes in.

use axum::body::BodyDataStream;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use futures::StreamExt;

use super::body::{BodyPhase, broken_off, check_encoding, essence};
use crate::error::ApiError;
use crate::problems;

/// The media type of JSON values on lines of their own.
pub const NDJSON: &str = "application/x-ndjson";

/// Whether the body is said to be [`NDJSON`].
pub fn is_ndjson(headers: &HeaderMap) -> bool {
    let named = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    named.is_some_and(|named| essence(named) == NDJSON)
}

/// The lines of a body. What is held of it at a time is one line and one chunk.
pub struct Lines {
    chunks: BodyDataStream,
    phase: BodyPhase,
    held: Vec<u8>,
    /// Where the next line begins in `held`.
    next: usize,
    number: u64,
    is_all: bool,
}

impl Lines {
    /// The body of `request`.
    ///
    /// # Errors
    /// [`problems::UNSUPPORTED_MEDIA_TYPE`] of one that is compressed.
    pub fn of(request: Request) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        check_encoding(&parts.headers)?;
        let phase = parts.extensions.get::<BodyPhase>().cloned().unwrap_or_default();
        phase.set_reading(true);
        let chunks = body.into_data_stream();
        Ok(Self { chunks, phase, held: Vec::new(), next: 0, number: 0, is_all: false })
    }

    /// The next line with its number, from 1, without white space around it; `None` at the end. An end of line
    /// at the end of the body begins no line.
    ///
    /// # Errors
    /// [`problems::BODY_TOO_LARGE`] for a line of more than `most` bytes, [`problems::UNREADABLE_BODY`].
    pub async fn next(&mut self, most: usize) -> Result<Option<(u64, &[u8])>, ApiError> {
        let mut searched = self.next;
        let end = loop {
            let found = self.held[searched..].iter().position(|byte| *byte == b'\n');
            let length = found.map_or(self.held.len(), |at| searched + at) - self.next;
            if length > most {
                let number = self.number + 1;
                let detail = format!("Line {number} has more than {most} bytes.");
                return Err(ApiError::new(problems::BODY_TOO_LARGE, detail));
            }
            match found {
                Some(at) => break searched + at,
                None if self.is_all => break self.held.len(),
                None => {}
            }
            self.held.drain(..self.next);
            self.next = 0;
            searched = self.held.len();
            match self.chunks.next().await {
                Some(chunk) => self.held.extend_from_slice(&chunk.map_err(|_| broken_off())?),
                None => self.is_all = true,
            }
        };
        let begin = self.next;
        if begin == self.held.len() && self.is_all {
            self.phase.set_reading(false);
            return Ok(None);
        }
        self.next = (end + 1).min(self.held.len());
        self.number += 1;
        Ok(Some((self.number, self.held[begin..end].trim_ascii())))
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.phase.set_reading(false);
    }
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, Bytes};

    use super::*;

    async fn lines(chunks: &[&'static str]) -> Vec<(u64, String)> {
        let chunks: Vec<_> =
            chunks.iter().map(|text| Ok::<_, std::io::Error>(Bytes::from(*text))).collect();
        let body = Body::from_stream(futures::stream::iter(chunks));
        let mut lines = Lines::of(Request::new(body)).unwrap();
        let mut all = Vec::new();
        while let Some((number, line)) = lines.next(8).await.unwrap() {
            all.push((number, String::from_utf8(line.to_vec()).unwrap()));
        }
        all
    }

    #[tokio::test]
    async fn lines_are_the_same_however_they_arrive() {
        let expected = [(1, "one"), (2, ""), (3, "three"), (4, "last")];
        let expected = expected.map(|(number, text)| (number, text.to_owned()));
        for chunks in [
            &["one\n\nthree\r\nlast"][..],
            &["one\n\nthree\r\nlast\n"],
            &["o", "ne", "\n", "\n three\n", "la", "st", "\n"],
        ] {
            assert_eq!(lines(chunks).await, expected, "{chunks:?}");
        }
        assert!(lines(&[]).await.is_empty());
        assert_eq!(lines(&["\n"]).await, [(1, String::new())]);
    }

    #[tokio::test]
    async fn a_line_without_end_is_not_held() {
        let chunk = || Ok::<_, std::io::Error>(Bytes::from_static(b"xxxx"));
        let body = Body::from_stream(futures::stream::repeat_with(chunk));
        let mut lines = Lines::of(Request::new(body)).unwrap();
        let error = lines.next(10).await.unwrap_err();
        assert_eq!(error.problem().code, "body-too-large");
        assert!(lines.held.len() < 20);
    }
}
