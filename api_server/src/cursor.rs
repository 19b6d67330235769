//! Opaque cursors of the lists.
//!
//! A cursor is the hexadecimal form of a check value and a position. The check covers the list and
//! its filters, so that a cursor of one list is refused by every other one instead of silently
//! skipping rows there. It is no secret and protects nothing.

use sha2::{Digest, Sha256};

use crate::error::ApiError;
use crate::json::hex;
use crate::problems;

const CHECK_BYTES: usize = 6;

/// Longest position that is accepted, in bytes.
const MAX_POSITION: usize = 200;

/// The cursor behind `position` of the list called `scope` (its name and filters).
pub fn encode(scope: &str, position: &str) -> String {
    format!("{}{}", hex(&check(scope, position)), hex(position.as_bytes()))
}

/// The position in a cursor of the list called `scope`.
///
/// # Errors
/// [`problems::BAD_CURSOR`] when it was not made by [`encode`] for the same list.
pub fn decode(scope: &str, cursor: &str) -> Result<String, ApiError> {
    read(scope, cursor).ok_or_else(|| {
        ApiError::new(
            problems::BAD_CURSOR,
            "The cursor does not belong to this list and these filters; pass next_cursor back \
             unchanged, or leave it out to begin at the start.",
        )
    })
}

/// What to answer where the position in a cursor names no `thing` of the list: its check value can be computed
/// by anybody.
pub fn names_no(thing: &str) -> ApiError {
    let detail = format!(
        "The cursor names no {thing} of this list; pass next_cursor back unchanged, or leave it out to begin at \
         the start."
    );
    ApiError::new(problems::BAD_CURSOR, detail)
}

fn read(scope: &str, cursor: &str) -> Option<String> {
    if cursor.len() > 2 * (CHECK_BYTES + MAX_POSITION) {
        return None;
    }
    let bytes = unhex(cursor)?;
    let (found, position) = bytes.split_at_checked(CHECK_BYTES)?;
    let position = String::from_utf8(position.to_vec()).ok()?;
    (found == check(scope, &position)).then_some(position)
}

fn check(scope: &str, position: &str) -> [u8; CHECK_BYTES] {
    let mut hash = Sha256::new();
    hash.update(scope.as_bytes());
    hash.update([0]);
    hash.update(position.as_bytes());
    let digest = hash.finalize();
    std::array::from_fn(|n| digest[n])
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.as_bytes().chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_by_its_own_list_only() {
        let cursor = encode("results 1", "42");
        assert_eq!(decode("results 1", &cursor).unwrap(), "42");
        assert_eq!(decode("results 2", &cursor).unwrap_err().problem().code, "bad-cursor");
    }

    #[test]
    fn changed_cut_and_foreign_texts_are_refused() {
        let cursor = encode("list", "17");
        let mut changed = cursor.clone();
        changed.replace_range(cursor.len() - 1.., "8");
        let long = "0".repeat(100_000);
        for bad in ["", "0", "zz", "1234", &cursor[1..], &cursor[..4], &changed, "é", &long] {
            assert!(decode("list", bad).is_err(), "{bad:.30}");
        }
    }
}
