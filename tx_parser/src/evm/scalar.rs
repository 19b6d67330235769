//! JSON values that may have any form: what is wrong with one shows when it is understood, and costs
//! nothing around it.

use std::borrow::Cow;
use std::fmt;

use alloy_primitives::{U256, hex};
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{Account, Word};

/// `0x` and 40 hexadecimal digits.
pub(super) fn account(text: &str) -> Option<Account> {
    fixed(text).map(Account::new)
}

fn fixed<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.strip_prefix("0x")?;
    let mut bytes = [0; N];
    hex::decode_to_slice(digits.as_bytes(), &mut bytes).ok()?;
    Some(bytes)
}

/// A JSON value of which only its scalar content matters. Anything can be read as one.
#[derive(Debug, Clone, Default)]
pub(super) enum Scalar<'a> {
    /// Null or not there.
    #[default]
    Absent,
    Text(Cow<'a, str>),
    Number(u64),
    Bool(bool),
    /// A list, an object, a negative number or one with a point.
    Other,
}

impl Scalar<'_> {
    pub(super) const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// An unsigned integer: a number, decimal digits, or hexadecimal ones after `0x`.
    pub(super) fn quantity(&self) -> Option<U256> {
        match self {
            Self::Number(number) => Some(U256::from(*number)),
            Self::Text(text) => {
                let (digits, radix) =
                    text.strip_prefix("0x").map_or((&**text, 10), |hex| (hex, 16));
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
        hex::decode(self.text()?.strip_prefix("0x")?).ok()
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

impl<'de: 'a, 'a> Deserialize<'de> for Scalar<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ScalarVisitor;
        impl<'de> Visitor<'de> for ScalarVisitor {
            type Value = Scalar<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Scalar::Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Scalar::Text(Cow::Owned(text.to_owned())))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
                Ok(Scalar::Number(number))
            }
            fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
                Ok(Scalar::Other)
            }
            fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
                Ok(Scalar::Other)
            }
            fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
                Ok(Scalar::Bool(flag))
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Scalar::Absent)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Scalar::Other)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Scalar::Other)
            }
        }
        deserializer.deserialize_any(ScalarVisitor)
    }
}

/// What a visitor answers to every scalar that it did not expect.
macro_rules! otherwise {
    ($answer:expr) => {
        fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
            Ok($answer)
        }
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok($answer)
        }
        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok($answer)
        }
        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok($answer)
        }
        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok($answer)
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok($answer)
        }
    };
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

/// An element of a list that may have any form; `None` when it is no object.
#[derive(Debug)]
pub(super) struct Loose<T>(pub(super) Option<T>);

/// What is read member by member. A member that comes twice counts as it comes last.
pub(super) trait Members<'de>: Default {
    fn read<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error>;
}

impl<'de, T: Members<'de>> Deserialize<'de> for Loose<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LooseVisitor<T>(std::marker::PhantomData<T>);
        impl<'de, T: Members<'de>> Visitor<'de> for LooseVisitor<T> {
            type Value = Loose<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = T::default();
                while let Some(Name(name)) = map.next_key()? {
                    members.read(&name, &mut map)?;
                }
                Ok(Loose(Some(members)))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Loose(None))
            }
            otherwise!(Loose(None));
        }
        deserializer.deserialize_any(LooseVisitor(std::marker::PhantomData))
    }
}

/// The name of a member, borrowed from the input where it holds no escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
