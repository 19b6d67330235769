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

    /// Whether both share one text in memory, so that they are equal without a look at it.
    pub(crate) fn is_same_text(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// A place among `places`, a power of two, by the address of the text.
    #[inline(always)]
    pub(crate) fn place_in(&self, places: usize) -> usize {
        // Odd multiples spread addresses, which differ in their middle bits, over the upper ones.
        let address = self.0.as_ptr().addr() as u64;
        let spread = address.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        spread as usize & (places - 1)
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
