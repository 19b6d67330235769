//! The account keys of a transaction in the order that all indices refer to.

use super::super::actions::KeyIndex;
use super::super::pubkey::Pubkey;
use super::wire::{KeyEntry, Loaded, Message, Text};
use crate::error::{ParseError, ParseErrorCode};

/// The transaction format addresses accounts with one byte.
const MAX_KEYS: usize = 256;

/// Static keys, then loaded writable ones, then loaded read-only ones.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    keys: Vec<Pubkey>,
    /// The first so many keys signed.
    signers: Vec<KeyIndex>,
}

impl Keys {
    pub(super) fn read(
        message: &Message<'_>,
        loaded: Option<&Loaded<'_>>,
    ) -> Result<Self, ParseError> {
        const AT: &str = "/transaction/message/accountKeys";
        let entries = message.account_keys.as_ref().ok_or_else(|| ParseError::missing(AT))?;
        if entries.is_empty() {
            return Err(ParseError::new(ParseErrorCode::MissingMember, AT, "no account keys"));
        }
        let mut keys = Vec::with_capacity(entries.len());
        let mut signers = Vec::new();
        // In `jsonParsed` the list holds the loaded addresses already.
        let mut merged = false;
        for (position, entry) in entries.iter().enumerate() {
            let index = checked_index(position, AT)?;
            let text = match entry {
                KeyEntry::Plain(text) => text,
                KeyEntry::Parsed(parsed) => {
                    merged = true;
                    if parsed.signer {
                        signers.push(index);
                    }
                    &parsed.pubkey
                }
            };
            keys.push(read_key(text, || format!("{AT}/{position}"))?);
        }
        if !merged {
            let header = message
                .header
                .as_ref()
                .ok_or_else(|| ParseError::missing("/transaction/message/header"))?;
            let count = header.num_required_signatures;
            if count > keys.len() {
                return Err(ParseError::new(
                    ParseErrorCode::TooMany,
                    "/transaction/message/header/numRequiredSignatures",
                    "more signers than account keys",
                ));
            }
            signers.extend((0..count).filter_map(KeyIndex::new));
            for (name, list) in
                loaded.iter().flat_map(|l| [("writable", &l.writable), ("readonly", &l.readonly)])
            {
                for (position, text) in list.iter().enumerate() {
                    let at = || format!("/meta/loadedAddresses/{name}/{position}");
                    checked_index(keys.len(), "/meta/loadedAddresses")?;
                    keys.push(read_key(text, at)?);
                }
            }
        }
        Ok(Self { keys, signers })
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The key at an index that was checked when it was made.
    pub(crate) fn at(&self, index: KeyIndex) -> Pubkey {
        self.keys[index.get()]
    }

    /// The index of a number in the recording, when it lies inside the list.
    pub(crate) fn index(&self, number: usize) -> Option<KeyIndex> {
        KeyIndex::new(number).filter(|index| index.get() < self.keys.len())
    }

    pub(crate) fn index_of(&self, key: &Pubkey) -> Option<KeyIndex> {
        // There are few keys, and only parsed instructions are looked up: no index is worth its cost.
        self.keys.iter().position(|own| own == key).and_then(KeyIndex::new)
    }

    pub(crate) fn contains(&self, key: &Pubkey) -> bool {
        self.keys.contains(key)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (KeyIndex, Pubkey)> + '_ {
        self.keys.iter().enumerate().filter_map(|(i, key)| Some((KeyIndex::new(i)?, *key)))
    }

    /// Who pays the fee: the first key.
    pub(crate) fn fee_payer(&self) -> Pubkey {
        self.keys[0]
    }

    /// Signers in the order of the keys, the fee payer first.
    pub(crate) fn signers(&self) -> impl Iterator<Item = Pubkey> + '_ {
        self.signers.iter().map(|index| self.at(*index))
    }
}

fn checked_index(position: usize, at: &str) -> Result<KeyIndex, ParseError> {
    KeyIndex::new(position).filter(|_| position < MAX_KEYS).ok_or_else(|| {
        ParseError::new(ParseErrorCode::TooMany, at, format!("more than {MAX_KEYS} account keys"))
    })
}

pub(super) fn read_key(text: &Text<'_>, at: impl Fn() -> String) -> Result<Pubkey, ParseError> {
    Pubkey::parse(text.as_str())
        .ok_or_else(|| ParseError::new(ParseErrorCode::BadKey, at(), "not base58 text of 32 bytes"))
}
