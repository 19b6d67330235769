//! Why a document is refused.

use crate::amount::AmountError;
use crate::engine::{EngineError, OptionError};
use crate::method::UnknownMethod;

/// Why a document has no answer.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// It is not JSON of the expected form.
    #[error("not an accounting document: {0}")]
    Json(serde_json::Error),
    /// No method has this name.
    #[error(transparent)]
    Method(#[from] UnknownMethod),
    /// An option is unknown or has a wrong value.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// Two events with one id.
    #[error("duplicate id {0}")]
    DuplicateId(String),
    /// A member of an event is wrong.
    #[error("event {event}: {source}")]
    Event {
        /// The event's id.
        event: String,
        /// What is wrong.
        source: FieldError,
    },
    /// A price of `prices` is wrong.
    #[error("price of {asset}: {source}")]
    Price {
        /// The asset.
        asset: String,
        /// What is wrong.
        source: FieldError,
    },
    /// The history was refused.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl DocumentError {
    /// Stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Json(_) => "not-a-document",
            Self::Method(_) => "unknown-method",
            Self::Option(error) => error.code(),
            Self::DuplicateId(_) => "duplicate-id",
            Self::Event { .. } => "bad-event",
            Self::Price { .. } => "bad-price",
            Self::Engine(error) => error.code(),
        }
    }
}

/// What is wrong with a member.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// It is not there.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// It is no integer in base units.
    #[error("qty must be a raw integer: {0}")]
    Quantity(String),
    /// It is below zero.
    #[error("negative {0}")]
    Negative(&'static str),
    /// It is something else than expected.
    #[error("{field} must be {expected}, not {found}")]
    Unexpected {
        /// The member.
        field: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it is, as JSON text.
        found: String,
    },
    /// No kind of event has this name.
    #[error("unknown kind {0:?}")]
    UnknownKind(String),
    /// A figure cannot be read or does not fit.
    #[error("{field}: {source}")]
    Amount {
        /// The member.
        field: &'static str,
        /// What is wrong with it.
        source: AmountError,
    },
}
