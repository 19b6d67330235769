//! Cost-basis methods: which lots a disposal consumes.
//!
//! A method is only an order of lots. Matching, partial lots, splitting of costs and all checks live
//! in one place (module `lot`, [`crate::engine`]) and are the same for every method.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::lot::Lot;

/// A cost-basis method by name.
///
/// The names are those of an accounting document. Not every method is offered yet: see
/// [`Method::is_offered`]; the engine refuses the others by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Method {
    /// First in, first out: the oldest lot first.
    #[default]
    Fifo,
    /// Last in, first out: the newest lot first.
    Lifo,
    /// Highest in, first out: the highest unit cost first, ties oldest first.
    Hifo,
    /// Average cost: one moving pool per wallet and asset.
    Average,
}

impl Method {
    /// All methods that have a name.
    pub const ALL: [Self; 4] = [Self::Fifo, Self::Lifo, Self::Hifo, Self::Average];

    /// The name in requests, documents and results.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fifo => "fifo",
            Self::Lifo => "lifo",
            Self::Hifo => "hifo",
            Self::Average => "average",
        }
    }

    /// Whether the engine computes with this method.
    pub const fn is_offered(self) -> bool {
        self.order().is_some()
    }

    /// The order in which lots are consumed; `None` where the method is not offered yet.
    ///
    /// This is where LIFO and HIFO join, with an order of their own. Average cost joins as a second
    /// kind of book in [`crate::lot`]: its order is that of FIFO, only the basis of a piece is the
    /// pool's.
    pub(crate) const fn order(self) -> Option<LotOrder> {
        match self {
            Self::Fifo => Some(LotOrder::OldestFirst),
            Self::Lifo | Self::Hifo | Self::Average => None,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no method.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown method {0:?}; known are fifo, lifo, hifo, average")]
pub struct UnknownMethod(pub String);

impl FromStr for Method {
    type Err = UnknownMethod;

    fn from_str(text: &str) -> Result<Self, UnknownMethod> {
        let known = Self::ALL.into_iter().find(|method| method.as_str() == text);
        known.ok_or_else(|| UnknownMethod(text.to_owned()))
    }
}

impl Serialize for Method {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Method {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The order in which the lots of one book are consumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LotOrder {
    /// By the place of the acquisition in the history.
    OldestFirst,
}

impl LotOrder {
    /// [`Ordering::Less`] when `a` is consumed before `b`. Lots that compare equal are consumed in
    /// the order in which they came into the book.
    pub(crate) fn compare(self, a: &Lot, b: &Lot) -> Ordering {
        match self {
            Self::OldestFirst => a.order.cmp(&b.order),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_have_the_names_of_an_accounting_document() {
        for method in Method::ALL {
            assert_eq!(method.as_str().parse(), Ok(method));
        }
        let unknown = "FIFO".parse::<Method>().unwrap_err();
        assert!(unknown.to_string().contains("\"FIFO\""), "{unknown}");
    }

    #[test]
    fn only_fifo_is_offered() {
        let offered: Vec<_> = Method::ALL.into_iter().filter(|m| m.is_offered()).collect();
        assert_eq!(offered, [Method::Fifo]);
    }
}
