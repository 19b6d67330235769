//! The forms in which nodes and explorers write figures, addresses and words.

use std::fmt;

use alloy_primitives::{U256, hex};
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{Account, Word};
use crate::json::{Scalar, otherwise};

/// `0x` and 40 hexadecimal digits.
pub(super) fn account(text: &str) -> Option<Account> {
    fixed(text).map(Account::new)
}

/// The text of an account, in lower case.
pub(super) fn account_text(account: &Account) -> hex::Buffer<20, true> {
    let mut text = hex::Buffer::new();
    text.format(account.as_ref());
    text
}

/// What follows `0x`, or `0X`.
pub(super) fn digits(text: &str) -> Option<&str> {
    text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))
}

fn fixed<const N: usize>(text: &str) -> Option<[u8; N]> {
    // The decoder would skip a second prefix.
    let digits = digits(text).filter(|digits| digits.len() == 2 * N)?;
    let mut bytes = [0; N];
    hex::decode_to_slice(digits.as_bytes(), &mut bytes).ok()?;
    Some(bytes)
}

impl Scalar<'_> {
    /// An unsigned integer: a number, decimal digits, or hexadecimal ones after `0x`.
    pub(super) fn quantity(&self) -> Option<U256> {
        match self {
            Self::Number(number) => Some(U256::from(*number)),
            Self::Text(text) => {
                let (digits, radix) = digits(text).map_or((&**text, 10), |hex| (hex, 16));
                let is_number =
                    !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
                if !is_number {
                    return None;
                }
                U256::from_str_radix(digits, u64::from(radix)).ok()
            }
            _ => None,
        }
    }

    /// A quantity that fits into 64 bits.
    pub(super) fn number(&self) -> Option<u64> {
        self.quantity().and_then(|quantity| u64::try_from(quantity).ok())
    }

    pub(super) fn account(&self) -> Option<Account> {
        account(self.text()?)
    }

    pub(super) fn word(&self) -> Option<Word> {
        fixed(self.text()?).map(Word::new)
    }

    /// Bytes after `0x`.
    pub(super) fn bytes(&self) -> Option<Vec<u8>> {
        let digits = digits(self.text()?)?;
        hex::decode(digits).ok().filter(|bytes| 2 * bytes.len() == digits.len())
    }

    /// A flag: `true`, 1, `"1"`, `"0x1"`. Absent is false; `None` when it is no flag.
    pub(super) fn flag(&self) -> Option<bool> {
        match self {
            Self::Absent => Some(false),
            Self::Bool(flag) => Some(*flag),
            _ => match self.number()? {
                0 => Some(false),
                1 => Some(true),
                _ => None,
            },
        }
    }
}

/// The topics of a log; a log has at most four.
#[derive(Debug, Default)]
pub(super) struct Topics<'a> {
    list: [Scalar<'a>; 4],
    /// How many were written; more than four when they cannot be right.
    count: usize,
    /// Whether they are no list.
    is_other: bool,
}

impl Topics<'_> {
    /// The words, `None` when one makes no sense. An empty list is that of an anonymous event.
    pub(super) fn words(&self) -> Option<Vec<Word>> {
        if self.is_other {
            return None;
        }
        self.list.get(..self.count)?.iter().map(Scalar::word).collect()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Topics<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TopicsVisitor;
        impl<'de> Visitor<'de> for TopicsVisitor {
            type Value = Topics<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut topics = Topics::default();
                while let Some(topic) = list.next_element()? {
                    if let Some(place) = topics.list.get_mut(topics.count) {
                        *place = topic;
                    }
                    topics.count += 1;
                }
                Ok(topics)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(no_list())
            }
            otherwise!(no_list());
        }
        fn no_list<'a>() -> Topics<'a> {
            Topics { is_other: true, ..Topics::default() }
        }
        deserializer.deserialize_any(TopicsVisitor)
    }
}
