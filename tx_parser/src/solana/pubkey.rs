//! A 32-byte key of the chain.

use std::fmt;

use pnl_core::Address;

use crate::base58::{self, KeyText};

/// An account address: 32 bytes, written in base58.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Pubkey([u8; 32]);

impl Pubkey {
    pub(crate) const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A key written in the source; a wrong one does not compile.
    pub(crate) const fn literal(text: &str) -> Self {
        Self(bs58::decode(text.as_bytes()).into_array_const_unwrap::<32>())
    }

    /// Reads base58 text of exactly 32 bytes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        base58::decode_key(text).map(Self)
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Base58.
    pub(crate) fn text(&self) -> KeyText {
        KeyText::of(&self.0)
    }

    pub(crate) fn to_address(self) -> Address {
        Address::from_chain_data(self.text().as_str())
    }
}

impl fmt::Display for Pubkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().as_str())
    }
}

impl fmt::Debug for Pubkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_another_length_are_no_keys() {
        let text = "So11111111111111111111111111111111111111112";
        let key = Pubkey::parse(text).unwrap();
        assert_eq!(key.to_string(), text);
        assert_eq!(key, Pubkey::literal(text));
        assert_eq!(Pubkey::parse(&text[1..]), None);
        assert_eq!(Pubkey::parse(&"1".repeat(44)), None, "44 zero bytes are too many");
        assert_eq!(Pubkey::parse(&"1".repeat(32)), Some(Pubkey::new([0; 32])));
        assert_eq!(Pubkey::parse(&"1".repeat(100_000)), None);
    }
}
