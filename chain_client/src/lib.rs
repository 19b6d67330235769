//! The only crate that calls out: chain endpoints, price sources and webhooks.
//!
//! What lives where:
//! - [`source`]: what the service asks of a chain, as a trait;
//! - [`provider_pool`]: the providers of a chain as such a source: failover, health;
//! - [`evm`]: the same for the chains of the EVM;
//! - [`solana_rpc`]: how a Solana node is asked and how its answers are read;
//! - [`retry`], [`limiter`]: how often and how fast a provider is asked;
//! - [`prices`]: what it asks of a price source;
//! - [`error`]: why there is no answer, sorted by what to do about it;
//! - [`webhooks`]: telling a receiver that a client has named;
//! - [`calls`], [`metrics`]: counting, on a wallet's behalf and for the whole process;
//! - [`download`]: a file from a server, for a command;
//! - [`redact`]: URLs that do not give away their keys.
//!
//! What does not: SQL, jobs, parsing. A transaction stays the opaque bytes the node sent.

pub mod calls;
pub mod download;
pub mod error;
pub mod evm;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod limiter;
pub mod metrics;
pub mod prices;
pub mod provider_pool;
pub mod redact;
pub mod retry;
pub mod solana_rpc;
pub mod source;
pub mod webhooks;

mod endpoint;
mod failure;
mod health;
mod json_rpc;

pub use calls::CallCounter;
pub use error::{SetupError, SourceError};
pub use evm::{EvmConfig, EvmPool, EvmSource};
pub use failure::is_about_the_provider;
pub use metrics::ClientMetrics;
pub use prices::{
    CsvPrices, LlamaPrices, PriceAsk, PriceKey, PriceSource, PriceSources, RawQuote, SourcedQuote,
};
pub use provider_pool::{ProviderConfig, ProviderKind, ProviderPool};
pub use retry::CallPolicy;
pub use source::{
    ChainSource, PageStart, ProviderState, ProviderStatus, SignatureInfo, Snapshot, TokenAccount,
    TransactionSource,
};
