//! Where a call stands in a transaction's tree of calls.

use std::borrow::Cow;
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::json::Scalar;

/// Calls nest 1,024 deep at most; a longer path names no call.
const DEEPEST: usize = 1_024;
/// What may stand between two steps: `0_1`, `0.1`, `0-1`, `0/1`.
const BETWEEN: [char; 4] = ['_', '.', '-', '/'];

/// A path as it is written: a text of steps, or a list of them.
#[derive(Debug, Default)]
pub(super) enum Path<'a> {
    /// Null or not there.
    #[default]
    Absent,
    Text(Cow<'a, str>),
    List(Vec<u32>),
    /// Anything else.
    Other,
}

impl Path<'_> {
    pub(super) const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// The steps from the transaction's own call on; `None` when it names no place in the tree.
    pub(super) fn steps(&self) -> Option<Cow<'_, [u32]>> {
        match self {
            Self::Text(text) => {
                let steps: Option<Vec<u32>> = text.split(BETWEEN).map(step).collect();
                steps.filter(|steps| steps.len() <= DEEPEST).map(Cow::Owned)
            }
            Self::List(steps) => Some(Cow::Borrowed(steps)),
            Self::Absent | Self::Other => None,
        }
    }
}

fn step(text: &str) -> Option<u32> {
    // The parser of numbers would take a sign.
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

impl<'de: 'a, 'a> Deserialize<'de> for Path<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PathVisitor;
        impl<'de> Visitor<'de> for PathVisitor {
            type Value = Path<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Path::Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Path::Text(Cow::Owned(text.to_owned())))
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Path::Absent)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut steps = Vec::new();
                let mut is_path = true;
                while let Some(one) = list.next_element::<Scalar<'de>>()? {
                    let step = match &one {
                        Scalar::Number(number) => u32::try_from(*number).ok(),
                        one => one.text().and_then(step),
                    };
                    match step {
                        Some(step) if is_path && steps.len() < DEEPEST => steps.push(step),
                        _ => is_path = false,
                    }
                }
                Ok(if is_path { Path::List(steps) } else { Path::Other })
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Path::Other)
            }
            fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
                Ok(Path::Other)
            }
            fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
                Ok(Path::Other)
            }
            fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
                Ok(Path::Other)
            }
            fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
                Ok(Path::Other)
            }
        }
        deserializer.deserialize_any(PathVisitor)
    }
}
