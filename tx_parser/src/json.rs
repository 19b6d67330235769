//! JSON whose parts may have any form, borrowed from the input.
//!
//! One part that makes no sense must not spoil the transaction around it. What is read with the types
//! below is read whatever it is, in one pass; what is wrong with it shows when it is understood.

use std::borrow::Cow;
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::error::ParseError;

/// Reads a whole input.
///
/// # Errors
/// With the place, when it is no JSON or has another shape.
pub(crate) fn read<'a, T: Deserialize<'a>>(input: &'a [u8]) -> Result<T, ParseError> {
    // Checking all bytes at once is faster than every text by itself. A text that is skipped need
    // not be right, though: then each that is kept is checked.
    let read = match std::str::from_utf8(input) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(input),
    };
    read.map_err(|error| ParseError::from_json(&error, input))
}

/// A JSON value of which only its scalar content matters. Anything can be read as one.
#[derive(Debug, Clone, Default)]
pub(crate) enum Scalar<'a> {
    /// Null or not there.
    #[default]
    Absent,
    Text(Cow<'a, str>),
    Number(u64),
    Bool(bool),
    /// A list, an object, a negative number or one with a point.
    Other,
}

impl<'a> Scalar<'a> {
    pub(crate) const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// The content of a value as it is written. An unsigned integer of any length is a text of digits.
    pub(crate) fn of_text(written: &'a RawValue) -> Self {
        let text = written.get();
        let is_long = text.len() > 1 && text.bytes().all(|byte| byte.is_ascii_digit());
        if is_long {
            return Self::Text(Cow::Borrowed(text));
        }
        serde_json::from_str(text).unwrap_or(Self::Other)
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
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
pub(crate) use otherwise;

/// An element of a list that may have any form; `None` when it is no object.
#[derive(Debug)]
pub(crate) struct Loose<T>(pub(crate) Option<T>);

/// What is read member by member. A member that comes twice counts as it comes last.
pub(crate) trait Members<'de>: Default {
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

/// A list that may have any form; `None` when it is something else.
#[derive(Debug)]
pub(crate) struct LooseList<T>(pub(crate) Option<Vec<T>>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for LooseList<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
            type Value = LooseList<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                items(&mut list).map(|items| LooseList(Some(items)))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(LooseList(None))
            }
            otherwise!(LooseList(None));
        }
        deserializer.deserialize_any(ListVisitor(std::marker::PhantomData))
    }
}

/// Items that a list has room for from the start: most lists of a transaction have less, and growing
/// one costs more than the room.
const USUAL_ITEMS: usize = 24;

fn items<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(list: &mut A) -> Result<Vec<T>, A::Error> {
    let Some(first) = list.next_element()? else { return Ok(Vec::new()) };
    let mut items = Vec::with_capacity(USUAL_ITEMS);
    items.push(first);
    while let Some(item) = list.next_element()? {
        items.push(item);
    }
    Ok(items)
}

/// A list that must be one, or null; to be named in `deserialize_with`, and not there is null.
pub(crate) fn list<'de, T, D>(deserializer: D) -> Result<Option<Vec<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    struct ListVisitor<T>(std::marker::PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
        type Value = Option<Vec<T>>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a sequence")
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            items(&mut list).map(Some)
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
    }
    deserializer.deserialize_any(ListVisitor(std::marker::PhantomData))
}
