//! What a wallet can hold.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// An asset on one chain: the native coin, a mint (Solana), a contract or `contract/token_id`
/// (EVM). A symbol is never identity.
///
/// The wrapped native coin is the native coin: wSOL, WETH and WBNB do not appear here. Order:
/// native first, then by id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AssetId(Arc<str>);

const NATIVE: &str = "native";

impl AssetId {
    /// The chain's own coin.
    pub fn native() -> Self {
        Self(NATIVE.into())
    }

    /// A mint or contract, or any other id as the chain writes it.
    pub fn new(id: &str) -> Self {
        Self(id.into())
    }

    /// Whether this is the chain's own coin.
    pub fn is_native(&self) -> bool {
        &*self.0 == NATIVE
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Ord for AssetId {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.is_native().cmp(&self.is_native()).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for AssetId {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for AssetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
