//! Chains, wallet addresses and transaction ids.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A chain the service knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Chain {
    /// Solana mainnet.
    Solana,
    /// Ethereum mainnet.
    Ethereum,
    /// Base.
    Base,
    /// BNB Smart Chain.
    BinanceSmartChain,
}

impl Chain {
    /// All chains, in the order of the documentation.
    pub const ALL: [Self; 4] = [Self::Solana, Self::Ethereum, Self::Base, Self::BinanceSmartChain];

    /// The canonical name, as used in configuration, URLs and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Solana => "solana",
            Self::Ethereum => "ethereum",
            Self::Base => "base",
            Self::BinanceSmartChain => "binance-smart-chain",
        }
    }

    /// Decimals of the native coin.
    pub const fn native_decimals(self) -> u8 {
        match self {
            Self::Solana => 9,
            Self::Ethereum | Self::Base | Self::BinanceSmartChain => 18,
        }
    }

    /// The ticker under which the native coin is priced; Base uses ETH.
    pub const fn native_symbol(self) -> &'static str {
        match self {
            Self::Solana => "sol",
            Self::Ethereum | Self::Base => "eth",
            Self::BinanceSmartChain => "bnb",
        }
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no chain of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown chain {0:?}; known are solana, ethereum, base, binance-smart-chain")]
pub struct UnknownChain(pub String);

impl FromStr for Chain {
    type Err = UnknownChain;

    /// Accepts the canonical names and the aliases `sol`, `eth`, `bsc`.
    fn from_str(text: &str) -> Result<Self, UnknownChain> {
        match text {
            "solana" | "sol" => Ok(Self::Solana),
            "ethereum" | "eth" => Ok(Self::Ethereum),
            "base" => Ok(Self::Base),
            "binance-smart-chain" | "bsc" => Ok(Self::BinanceSmartChain),
            other => Err(UnknownChain(other.to_owned())),
        }
    }
}

/// An address in the canonical text of its chain: base58 on Solana, lower-case hex on EVM chains.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Address(Arc<str>);

/// Why a text is no address of a chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not base58 of 32 bytes.
    #[error("not a Solana address: expected base58 text of 32 bytes, 32 to 44 characters")]
    NotSolana,
    /// Not `0x` and 40 hex digits.
    #[error("not an EVM address: expected 0x followed by 40 hexadecimal digits")]
    NotEvm,
    /// Mixed case that contradicts EIP-55.
    #[error("wrong EIP-55 checksum; the checksummed form is {expected}")]
    Checksum {
        /// The address as EIP-55 writes it.
        expected: String,
    },
}

impl Address {
    /// Reads an address of `chain`, strictly.
    ///
    /// Solana: any 32 bytes, on or off the curve (program-derived addresses own tokens too).
    /// EVM: all-lower, all-upper or EIP-55 checksummed hex; the canonical form is lower case.
    pub fn parse(chain: Chain, text: &str) -> Result<Self, AddressError> {
        match chain {
            Chain::Solana => {
                let mut bytes = [0u8; 32];
                let is_key = (32..=44).contains(&text.len())
                    && bs58::decode(text).onto(&mut bytes) == Ok(bytes.len());
                if is_key { Ok(Self(text.into())) } else { Err(AddressError::NotSolana) }
            }
            Chain::Ethereum | Chain::Base | Chain::BinanceSmartChain => parse_evm(text),
        }
    }

    /// An address that a chain endpoint or a transaction named. It is taken as it is.
    pub fn from_chain_data(text: &str) -> Self {
        Self(text.into())
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn parse_evm(text: &str) -> Result<Address, AddressError> {
    let digits = text.strip_prefix("0x").ok_or(AddressError::NotEvm)?;
    if digits.len() != 40 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(AddressError::NotEvm);
    }
    let lower = text.to_ascii_lowercase();
    let mixed_case = digits.bytes().any(|b| b.is_ascii_lowercase())
        && digits.bytes().any(|b| b.is_ascii_uppercase());
    if mixed_case {
        let address: alloy_primitives::Address = lower.parse().map_err(|_| AddressError::NotEvm)?;
        let expected = address.to_checksum(None);
        if expected != text {
            return Err(AddressError::Checksum { expected });
        }
    }
    Ok(Address(lower.into()))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id of a transaction: a signature on Solana, a transaction hash on EVM chains.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TxId(Arc<str>);

impl TxId {
    /// An id as the chain writes it.
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One wallet on one chain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WalletRef {
    /// The chain.
    pub chain: Chain,
    /// The wallet's address there.
    pub address: Address,
}

impl fmt::Display for WalletRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.chain, self.address)
    }
}

/// The finalized block (slot) up to which a wallet is looked at. One per batch; later transactions
/// are ignored.
///
/// Serialized for the store with integer seconds; the HTTP surface writes the time as RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Pin {
    /// Slot or block number; inclusive.
    pub block: u64,
    /// Unix seconds of that block.
    pub block_time: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_answer_to_their_names_and_aliases() {
        for chain in Chain::ALL {
            assert_eq!(chain.as_str().parse(), Ok(chain));
        }
        assert_eq!("bsc".parse(), Ok(Chain::BinanceSmartChain));
        assert_eq!("sol".parse(), Ok(Chain::Solana));
        assert_eq!("eth".parse(), Ok(Chain::Ethereum));
        assert!("Solana".parse::<Chain>().is_err());
    }

    #[test]
    fn solana_addresses_are_32_bytes_of_base58() {
        let ok = "So11111111111111111111111111111111111111112";
        assert_eq!(Address::parse(Chain::Solana, ok).unwrap().as_str(), ok);
        for bad in [
            "",
            "wallet1",
            "So1111111111111111111111111111111111111111O",
            &ok[1..],
            " So11111111111111111111111111111111111111112",
        ] {
            assert_eq!(Address::parse(Chain::Solana, bad), Err(AddressError::NotSolana), "{bad:?}");
        }
    }

    #[test]
    fn evm_addresses_are_checked_against_eip_55_when_the_case_is_mixed() {
        // The first example of EIP-55.
        let sum = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
        let lower = sum.to_ascii_lowercase();
        assert_eq!(Address::parse(Chain::Base, sum).unwrap().as_str(), lower);
        assert_eq!(Address::parse(Chain::Base, &lower).unwrap().as_str(), lower);
        let wrong = "0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
        assert_eq!(
            Address::parse(Chain::Base, wrong),
            Err(AddressError::Checksum { expected: sum.to_owned() })
        );
        assert_eq!(Address::parse(Chain::Base, &lower[2..]), Err(AddressError::NotEvm));
    }
}
