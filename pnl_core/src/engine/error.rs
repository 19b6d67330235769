//! Why the engine refuses a history.

use std::sync::Arc;

use super::options::OptionError;
use crate::amount::{AmountError, RawAmount};
use crate::asset::AssetId;

/// Why a history has no result. The engine refuses rather than guesses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The options contradict the method.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// `options.lots` names a lot of which less is held where the event takes it from.
    #[error("event {event}: option \"lots\" takes {quantity} more of lot {lot} than is held there")]
    ChosenNotHeld {
        /// The event.
        event: Arc<str>,
        /// The lot.
        lot: Arc<str>,
        /// Base units that are not there.
        quantity: RawAmount,
    },
    /// `options.lots` names more than leaves.
    #[error("event {event}: option \"lots\" takes more than leaves, with lot {lot}")]
    ChosenTooMuch {
        /// The event.
        event: Arc<str>,
        /// The lot at which it becomes too much.
        lot: Arc<str>,
    },
    /// `options.lots` names an event that is not there, or by which nothing leaves.
    #[error(
        "option \"lots\": there is no event {event} by which something leaves; name the event of a disposal"
    )]
    UnknownChoice {
        /// What it names.
        event: Arc<str>,
    },
    /// An event is older than the one before it.
    #[error("event {event}: its time {ts} is before the time {before} of the event ahead of it")]
    OutOfOrder {
        /// The event.
        event: Arc<str>,
        /// Its time, unix seconds.
        ts: i64,
        /// The time of the event ahead of it, unix seconds.
        before: i64,
    },
    /// One asset with two numbers of decimals.
    #[error("event {event}: decimals of {asset} differ: {known} before, {here} here")]
    DecimalsDiffer {
        /// The event.
        event: Arc<str>,
        /// The asset.
        asset: AssetId,
        /// Decimals in the events before.
        known: u8,
        /// Decimals in this event.
        here: u8,
    },
    /// More leaves than is held, under `oversold = error`.
    #[error("event {event}: {quantity} of {asset} more than held")]
    Oversold {
        /// The event.
        event: Arc<str>,
        /// The asset.
        asset: AssetId,
        /// Base units that no lot covers.
        quantity: RawAmount,
    },
    /// A linked transfer in without its transfer out before it.
    #[error("event {event}: no transfer_out with link {link} before it")]
    LinkUnknown {
        /// The event.
        event: Arc<str>,
        /// The link.
        link: Arc<str>,
    },
    /// A link that is already under way.
    #[error("event {event}: link {link} used twice")]
    LinkReused {
        /// The event.
        event: Arc<str>,
        /// The link.
        link: Arc<str>,
    },
    /// The two ends of a link differ.
    #[error("event {event}: link {link}: asset or quantity differ")]
    LinkMismatch {
        /// The event.
        event: Arc<str>,
        /// The link.
        link: Arc<str>,
    },
    /// A figure of an event does not fit.
    #[error("event {event}: {source}")]
    Event {
        /// The event.
        event: Arc<str>,
        /// What did not fit.
        source: AmountError,
    },
    /// More events than can be numbered, 2^32.
    #[error("event {event}: the history is too long")]
    TooLong {
        /// The event.
        event: Arc<str>,
    },
    /// A sum over the history does not fit.
    #[error("totals: {0}")]
    Totals(#[from] AmountError),
    /// Costs, proceeds or quantities do not add up: a fault of the engine itself. Such a result is
    /// never given out.
    #[error("the books do not balance: {0}")]
    Unbalanced(String),
}

impl EngineError {
    /// Stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Option(error) => error.code(),
            Self::ChosenNotHeld { .. } => "chosen-lot-not-held",
            Self::ChosenTooMuch { .. } => "chosen-too-much",
            Self::UnknownChoice { .. } => "unknown-choice",
            Self::OutOfOrder { .. } => "events-out-of-order",
            Self::DecimalsDiffer { .. } => "decimals-differ",
            Self::Oversold { .. } => "oversold",
            Self::LinkUnknown { .. } => "link-unknown",
            Self::LinkReused { .. } => "link-reused",
            Self::LinkMismatch { .. } => "link-mismatch",
            Self::Event { .. } | Self::Totals(_) => "amount-out-of-range",
            Self::TooLong { .. } => "history-too-long",
            Self::Unbalanced(_) => "books-unbalanced",
        }
    }
}

/// An [`EngineError`] that does not know its event yet.
#[derive(Debug)]
pub(super) enum Fault {
    Amount(AmountError),
    OutOfOrder { before: i64 },
    DecimalsDiffer { asset: AssetId, known: u8, here: u8 },
    Oversold { asset: AssetId, quantity: RawAmount },
    LinkUnknown { link: Arc<str> },
    LinkReused { link: Arc<str> },
    LinkMismatch { link: Arc<str> },
    ChosenNotHeld { lot: Arc<str>, quantity: RawAmount },
    ChosenTooMuch { lot: Arc<str> },
    TooLong,
}

impl From<AmountError> for Fault {
    fn from(error: AmountError) -> Self {
        Self::Amount(error)
    }
}

impl Fault {
    /// The error of an event with this id and time.
    pub(super) fn of(self, id: &Arc<str>, ts: i64) -> EngineError {
        let event = Arc::clone(id);
        match self {
            Self::Amount(source) => EngineError::Event { event, source },
            Self::OutOfOrder { before } => EngineError::OutOfOrder { event, ts, before },
            Self::DecimalsDiffer { asset, known, here } => {
                EngineError::DecimalsDiffer { event, asset, known, here }
            }
            Self::Oversold { asset, quantity } => EngineError::Oversold { event, asset, quantity },
            Self::LinkUnknown { link } => EngineError::LinkUnknown { event, link },
            Self::LinkReused { link } => EngineError::LinkReused { event, link },
            Self::LinkMismatch { link } => EngineError::LinkMismatch { event, link },
            Self::ChosenNotHeld { lot, quantity } => {
                EngineError::ChosenNotHeld { event, lot, quantity }
            }
            Self::TooLong => EngineError::TooLong { event },
            Self::ChosenTooMuch { lot } => EngineError::ChosenTooMuch { event, lot },
        }
    }
}
