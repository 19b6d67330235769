//! Why a raw transaction could not be read.

use std::fmt;

/// What is wrong with the input, as a stable code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ParseErrorCode {
    /// The bytes are no JSON, or the JSON ends early.
    NotJson,
    /// A member has another type than the chain's nodes write.
    WrongShape,
    /// The input is `null`: the node does not have this transaction.
    NullTransaction,
    /// A member that every recording has is missing.
    MissingMember,
    /// A text that should be a key, an address or a hash is none.
    BadKey,
    /// A list is longer than the chain allows.
    TooMany,
    /// The balances do not match the account keys.
    BadBalances,
    /// A token balance row is inconsistent.
    BadTokenRow,
    /// The receipt belongs to another transaction.
    ReceiptMismatch,
    /// A figure does not fit into 256 bits.
    TooLarge,
    /// The wallet asked about is no address of the chain.
    BadWallet,
}

impl ParseErrorCode {
    /// The code's stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotJson => "not_json",
            Self::WrongShape => "wrong_shape",
            Self::NullTransaction => "null_transaction",
            Self::MissingMember => "missing_member",
            Self::BadKey => "bad_key",
            Self::TooMany => "too_many",
            Self::BadBalances => "bad_balances",
            Self::BadTokenRow => "bad_token_row",
            Self::ReceiptMismatch => "receipt_mismatch",
            Self::TooLarge => "too_large",
            Self::BadWallet => "bad_wallet",
        }
    }
}

impl fmt::Display for ParseErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A raw transaction that cannot be read, with the place of the defect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail} (at {at})")]
pub struct ParseError {
    /// What is wrong.
    pub code: ParseErrorCode,
    /// Where: a JSON pointer such as `/meta/preBalances`, or `byte N` when the text itself is broken.
    pub at: String,
    /// In words, lower case.
    pub detail: String,
}

impl ParseError {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        self.code.as_str()
    }

    pub(crate) fn new(
        code: ParseErrorCode,
        at: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        Self { code, at: at.into(), detail: detail.into() }
    }

    pub(crate) fn missing(at: &str) -> Self {
        Self::new(ParseErrorCode::MissingMember, at, "a member that every recording has is missing")
    }

    /// Turns the JSON reader's line and column into a byte offset of `input`.
    pub(crate) fn from_json(error: &serde_json::Error, input: &[u8]) -> Self {
        let lines_before = error.line().saturating_sub(1);
        let line_start = if lines_before == 0 {
            0
        } else {
            let newlines = input.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
            newlines.map(|(at, _)| at + 1).nth(lines_before - 1).unwrap_or(input.len())
        };
        let offset = (line_start + error.column().saturating_sub(1)).min(input.len());
        let code = match error.classify() {
            serde_json::error::Category::Data => ParseErrorCode::WrongShape,
            _ => ParseErrorCode::NotJson,
        };
        // The reader appends " at line L column C", which `at` already says.
        let text = error.to_string();
        let detail = text.rsplit_once(" at line ").map_or(text.as_str(), |(head, _)| head);
        Self::new(code, format!("byte {offset}"), detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_syntax_error_is_a_byte_offset() {
        let input = b"{\n\"a\": tru }";
        let error = serde_json::from_slice::<serde_json::Value>(input).unwrap_err();
        let error = ParseError::from_json(&error, input);
        assert_eq!(error.code(), "not_json");
        // The reader stops at the blank after `tru`, byte 10, at the latest.
        let offset: usize = error.at.strip_prefix("byte ").unwrap().parse().unwrap();
        assert!((7..=10).contains(&offset), "{error:?}");
        assert!(!error.detail.contains("line"), "{error:?}");
    }
}
