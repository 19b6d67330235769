//! What can go wrong when the outside is asked.

use std::time::Duration;

/// Why a source gave no answer, sorted by what the caller can do about it.
///
/// Details name providers by their configured name, never by a URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The provider asks for a longer wait than one call sits out. Come back later; nobody is to
    /// blame.
    #[error("the provider asks to wait {} s", retry_after.as_secs())]
    RateLimited {
        /// At least so long.
        retry_after: Duration,
    },
    /// Every provider of the chain fails at its endpoint: refused, unreachable, unresolvable, 5xx,
    /// or closing each connection without a word. Wait until a probe succeeds.
    #[error("no provider can be reached: {detail}")]
    Outage {
        /// The last failure of each provider.
        detail: String,
    },
    /// The call failed as often as it may be tried. A later attempt may succeed.
    #[error("the call failed: {detail}")]
    Transient {
        /// The last failure of each provider.
        detail: String,
    },
    /// Every try of the call was answered, and every answer was that there is no such transaction, or
    /// no such place in a list.
    /// It says something about the nodes, never that a wallet was not active.
    #[error("no provider has it: {detail}")]
    NotFound {
        /// What was asked for.
        detail: String,
    },
    /// The same call will never succeed at these providers.
    #[error("the provider refuses the call ({code}): {detail}")]
    Permanent {
        /// Stable name of the refusal, such as `provider-unauthorized` or `invalid-params`.
        code: &'static str,
        /// In the provider's words.
        detail: String,
    },
}

impl SourceError {
    /// Stable name for problem bodies, metric labels and log fields.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::RateLimited { .. } => "provider-rate-limited",
            Self::Outage { .. } => "provider-outage",
            Self::Transient { .. } => "provider-failed",
            Self::NotFound { .. } => "not-found-at-provider",
            Self::Permanent { code, .. } => code,
        }
    }
}

/// A provider or price source that cannot be set up as configured.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A chain without any provider.
    #[error("no provider is configured")]
    NoProvider,
    /// An EVM chain with explorers alone: nobody could be asked for a receipt.
    #[error("{chain} needs a provider of kind evm-rpc, also beside an explorer")]
    NoNode {
        /// The chain.
        chain: pnl_core::Chain,
    },
    /// The URL cannot be called.
    #[error("provider {name:?}: {problem}")]
    Url {
        /// The provider's configured name.
        name: String,
        /// What is wrong with its URL; the URL itself may hold a key and is not shown.
        problem: String,
    },
    /// The rate is no positive number.
    #[error("provider {name:?}: requests_per_second must be a number above 0, not {rate}")]
    Rate {
        /// The provider's configured name.
        name: String,
        /// The configured rate.
        rate: f64,
    },
    /// This chain is not read through such a provider.
    #[error("provider {name:?}: kind {kind:?} cannot serve {chain}")]
    Kind {
        /// The provider's configured name.
        name: String,
        /// The configured kind.
        kind: &'static str,
        /// The chain it was configured for.
        chain: pnl_core::Chain,
    },
    /// The URL names another chain.
    #[error("provider {name:?}: the url names chain {named}, not {expected} ({chain})")]
    OtherChain {
        /// The provider's configured name.
        name: String,
        /// The chain that the URL names.
        named: String,
        /// The chain it was configured for.
        chain: pnl_core::Chain,
        /// The number of that chain.
        expected: &'static str,
    },
    /// The HTTP client could not be made, for example for want of root certificates.
    #[error("provider {name:?}: no HTTP client: {detail}")]
    Client {
        /// The provider's configured name.
        name: String,
        /// Why.
        detail: String,
    },
    /// A price table cannot be read.
    #[error("price table {file}: {detail}")]
    PriceTable {
        /// The file or folder.
        file: String,
        /// What is wrong, with the line where there is one.
        detail: String,
    },
}

impl SetupError {
    /// Stable name for log fields.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoProvider => "no-provider",
            Self::NoNode { .. } => "no-node",
            Self::Url { .. } => "bad-provider-url",
            Self::Rate { .. } => "bad-provider-rate",
            Self::Kind { .. } => "bad-provider-kind",
            Self::OtherChain { .. } => "other-chain",
            Self::Client { .. } => "no-http-client",
            Self::PriceTable { .. } => "bad-price-table",
        }
    }
}
