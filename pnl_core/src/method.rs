//! Cost-basis methods: which lots a disposal consumes.
//!
//! A method is an order of lots. Matching, partial lots, splitting of costs and all checks live in
//! one place (module `lot`, [`crate::engine`]) and are the same for every method. Average cost adds
//! a pool that says what a piece costs, specific identification a choice ahead of the order.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::held::HeldLot;
use crate::unit_cost::UnitCost;

/// A cost-basis method by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Method {
    /// First in, first out: the oldest lot first.
    #[default]
    Fifo,
    /// Last in, first out: the newest lot first.
    Lifo,
    /// Highest in, first out: the highest unit cost first, ties oldest first, unknown basis last.
    Hifo,
    /// Average cost: one moving pool per wallet and asset. Lots of unknown basis are kept apart and
    /// used last; the lots named in matches give the dates, oldest first.
    Average,
    /// Specific identification: the lots that [`crate::Options::lots`] names for a disposal; what
    /// it leaves open is matched first in, first out.
    Specific,
}

impl Method {
    /// All methods.
    pub const ALL: [Self; 5] = [Self::Fifo, Self::Lifo, Self::Hifo, Self::Average, Self::Specific];

    /// The name in requests, documents and results.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fifo => "fifo",
            Self::Lifo => "lifo",
            Self::Hifo => "hifo",
            Self::Average => "average",
            Self::Specific => "specific",
        }
    }

    /// Whether the method computes any history by its name alone. Specific identification needs the
    /// lots of each disposal, so it is for one history.
    pub const fn is_offered(self) -> bool {
        !matches!(self, Self::Specific)
    }

    /// The order in which lots are consumed.
    pub(crate) const fn order(self) -> LotOrder {
        match self {
            Self::Fifo | Self::Specific => LotOrder::OldestFirst,
            Self::Lifo => LotOrder::NewestFirst,
            Self::Hifo => LotOrder::DearestFirst,
            Self::Average => LotOrder::KnownThenOldest,
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
#[error("unknown method {0:?}; known are fifo, lifo, hifo, average, specific")]
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

/// The order in which the lots of one book are consumed. Ties are broken by the order in which lots
/// came into the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LotOrder {
    /// By the place of the acquisition in the history.
    OldestFirst,
    /// The same, backwards.
    NewestFirst,
    /// By unit cost, the highest first; ties oldest first. Lots of unknown basis come last.
    DearestFirst,
    /// Oldest first, lots of unknown basis behind all others.
    KnownThenOldest,
}

/// What the place of a lot in a book is decided by.
#[derive(Debug, Clone)]
pub(crate) struct Rank {
    /// The number of the event that made it.
    pub(crate) order: u32,
    /// Whether its basis is known.
    known: bool,
    arrival: u64,
    /// Never out of order with the unit cost.
    leading_cost: i64,
    pub(crate) unit_cost: Option<Arc<UnitCost>>,
}

impl Rank {
    pub(crate) fn of(lot: &HeldLot, unit_cost: Option<Arc<UnitCost>>) -> Self {
        let leading_cost = unit_cost.as_ref().map_or(i64::MIN, |cost| cost.leading());
        let (order, known, arrival) = (lot.order(), lot.is_known(), lot.arrival());
        Self { order, known, arrival, leading_cost, unit_cost }
    }
}

impl LotOrder {
    /// [`Ordering::Less`] when `a` is consumed before `b`.
    #[inline]
    pub(crate) fn compare(self, a: &Rank, b: &Rank) -> Ordering {
        let known_first = || b.known.cmp(&a.known);
        let oldest_first = || (a.order, a.arrival).cmp(&(b.order, b.arrival));
        match self {
            Self::OldestFirst => oldest_first(),
            Self::NewestFirst => b.order.cmp(&a.order).then(a.arrival.cmp(&b.arrival)),
            Self::DearestFirst => {
                let roughly = || b.leading_cost.cmp(&a.leading_cost);
                let by_cost = || b.unit_cost.cmp(&a.unit_cost);
                let dearest_first = || roughly().then_with(by_cost);
                known_first().then_with(dearest_first).then_with(oldest_first)
            }
            Self::KnownThenOldest => known_first().then_with(oldest_first),
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
    fn all_but_specific_identification_need_nothing_but_their_name() {
        let offered: Vec<_> = Method::ALL.into_iter().filter(|m| m.is_offered()).collect();
        assert_eq!(offered, [Method::Fifo, Method::Lifo, Method::Hifo, Method::Average]);
    }
}
