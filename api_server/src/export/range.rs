//! Parts of a file (RFC 9110, 14): whoever lost the connection goes on where it was.

use axum::body::Bytes;
use futures::{Stream, TryStreamExt, stream};

use super::{Document, ExportError};

/// Which part of a file a client wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// All of it.
    Whole,
    /// From one byte to another, both included.
    Part {
        /// The first.
        first: u64,
        /// The last.
        last: u64,
    },
    /// One that the file does not have.
    Nowhere,
}

/// What the header `Range` says of a file of so many bytes. What is no range, of another unit or several at
/// once asks for the whole.
pub fn wanted(range: &str, length: u64) -> Wanted {
    let Some((first, last)) = range.strip_prefix("bytes=").and_then(|text| text.split_once('-'))
    else {
        return Wanted::Whole;
    };
    let (Some(first), Some(last)) = (bound(first.trim()), bound(last.trim())) else {
        return Wanted::Whole;
    };
    match (first, last) {
        (Some(first), Some(last)) if first > last => Wanted::Whole,
        (Some(first), _) if first >= length => Wanted::Nowhere,
        (Some(first), last) => {
            Wanted::Part { first, last: last.unwrap_or(u64::MAX).min(length - 1) }
        }
        (None, Some(last)) => match last.min(length) {
            0 => Wanted::Nowhere,
            count => Wanted::Part { first: length - count, last: length - 1 },
        },
        (None, None) => Wanted::Whole,
    }
}

/// A number, or the absence of one; `None` for anything else.
fn bound(text: &str) -> Option<Option<u64>> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    // One that is too large lies behind every file.
    is_number.then(|| (!text.is_empty()).then(|| text.parse().unwrap_or(u64::MAX)))
}

/// The bytes of `document` from `first` on, so many.
pub fn part(
    document: Document,
    first: u64,
    length: u64,
) -> impl Stream<Item = Result<Bytes, ExportError>> {
    stream::try_unfold((document, first, length), |(mut document, mut skip, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        while let Some(piece) = document.try_next().await? {
            let bytes = piece.bytes;
            let size = bytes.len() as u64;
            if size <= skip {
                skip -= size;
                continue;
            }
            let end = size.min(skip.saturating_add(left));
            // Both lie within the piece.
            let taken = bytes.slice(skip as usize..end as usize);
            let left = left - (end - skip);
            return Ok(Some((taken, (document, 0, left))));
        }
        Ok(None)
    })
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;

    use super::super::Piece;
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        let part = |first, last| Wanted::Part { first, last };
        for (range, expected) in [
            ("bytes=0-9", part(0, 9)),
            ("bytes=5-", part(5, 99)),
            ("bytes=-10", part(90, 99)),
            ("bytes=-1000", part(0, 99)),
            ("bytes=90-1000", part(90, 99)),
            ("bytes=99-99", part(99, 99)),
            ("bytes=100-", Wanted::Nowhere),
            ("bytes=-0", Wanted::Nowhere),
            ("bytes=99999999999999999999999-", Wanted::Nowhere),
            ("bytes=9-5", Wanted::Whole),
            ("bytes=0-1,5-6", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("bytes=1-x", Wanted::Whole),
            ("rows=1-2", Wanted::Whole),
            ("", Wanted::Whole),
        ] {
            assert_eq!(wanted(range, 100), expected, "{range}");
        }
        assert_eq!(wanted("bytes=0-", 0), Wanted::Nowhere);
        assert_eq!(wanted("bytes=-5", 0), Wanted::Nowhere);
    }

    #[tokio::test]
    async fn parts_of_a_document_join_to_the_whole() {
        let text = b"abcdefghijklmnopqrstuvwxyz";
        for size in [1, 3, 7, 26] {
            let document = || -> Document {
                let pieces: Vec<_> = text
                    .chunks(size)
                    .map(|bytes| Ok(Piece { bytes: Bytes::copy_from_slice(bytes), rows: 1 }))
                    .collect();
                stream::iter(pieces).boxed()
            };
            for (first, length) in [(0, 26), (0, 1), (25, 1), (3, 9), (6, 20)] {
                let taken: Vec<Bytes> =
                    part(document(), first, length).try_collect().await.unwrap();
                let first = first as usize;
                assert_eq!(taken.concat(), &text[first..first + length as usize], "{size}");
            }
        }
    }
}
