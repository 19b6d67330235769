//! The only crate that calls out: chain endpoints and price sources.
//!
//! What lives where:
//! - [`source`]: what the service asks of a chain, as a trait;
//! - [`prices`]: what it asks of a price source;
//! - [`error`]: why there is no answer, sorted by what to do about it;
//! - [`calls`]: counting calls on a wallet's behalf.
//!
//! What does not: SQL, jobs, parsing. A transaction stays the opaque bytes the node sent.

pub mod calls;
pub mod error;
pub mod prices;
pub mod source;

pub use calls::CallCounter;
pub use error::{SetupError, SourceError};
pub use prices::{PriceAsk, PriceKey, PriceSource, PriceSources, RawQuote, SourcedQuote};
pub use source::{
    ProviderState, ProviderStatus, SignatureInfo, Snapshot, TokenAccount, TransactionSource,
};
