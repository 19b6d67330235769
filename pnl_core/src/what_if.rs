//! All methods side by side, in one read of a history.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::amount::{AmountError, Usd, UsdPrice};
use crate::asset::AssetId;
use crate::engine::{EngineError, MethodSums, Options, SumsOnly};
use crate::event::Event;
use crate::method::Method;

/// The methods that need nothing but their name.
pub const METHODS: [Method; 4] = [Method::Fifo, Method::Lifo, Method::Hifo, Method::Average];

/// Reads a history once for several methods.
///
/// ```
/// # use pnl_core::document::Document;
/// # use pnl_core::what_if::WhatIf;
/// # use pnl_core::{Options, Usd};
/// let history = r#"{"method": "fifo", "events": [
///     {"id": "a", "ts": 1, "kind": "acquire", "asset": "T", "qty": 1, "decimals": 0, "value": "100"},
///     {"id": "b", "ts": 2, "kind": "acquire", "asset": "T", "qty": 1, "decimals": 0, "value": "300"},
///     {"id": "s", "ts": 3, "kind": "dispose", "asset": "T", "qty": 1, "decimals": 0, "value": "250"}]}"#;
/// let mut what_if = WhatIf::new(&Options::default())?;
/// for event in &Document::read(history)?.events {
///     what_if.apply(event)?;
/// }
/// let rows = what_if.finish(None)?.rows()?;
/// let gains: Vec<_> = rows.iter().map(|row| row.realized_gain.to_string()).collect();
/// assert_eq!(gains, ["150", "-50", "-50", "50"]); // fifo, lifo, hifo, average
/// // LIFO has realized 200 less, because 200 less of cost is left.
/// assert_eq!(rows[1].gain_difference, "-200".parse::<Usd>()?);
/// assert_eq!(rows[1].remaining_difference, "-200".parse::<Usd>()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct WhatIf(SumsOnly);

impl WhatIf {
    /// Engines of all of [`METHODS`].
    ///
    /// # Errors
    /// [`EngineError::Option`] when the options contradict a method.
    pub fn new(options: &Options) -> Result<Self, EngineError> {
        let [first, others @ ..] = METHODS;
        SumsOnly::new(first, &others, options).map(Self)
    }

    /// Reads the next event.
    ///
    /// # Errors
    /// As [`crate::Engine::apply`], but perhaps some events later.
    #[inline]
    pub fn apply(&mut self, event: &Event) -> Result<(), EngineError> {
        self.0.apply(event)
    }

    /// Ends the history, with prices at its end or without.
    ///
    /// # Errors
    /// As [`crate::Engine::finish`].
    pub fn finish(
        self,
        prices: Option<&BTreeMap<AssetId, UsdPrice>>,
    ) -> Result<Comparison, EngineError> {
        self.0.finish(prices).map(Comparison)
    }
}

/// The sums of one history by several methods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison(pub Vec<MethodSums>);

/// One method beside the first one.
///
/// Methods differ in which cost leaves first. Where all proceeds are matched the same way, the
/// difference of the gains is the difference of the cost that is still held; `other_difference` is
/// what is not explained by it: cost that left by other ways than disposals, and proceeds matched
/// with lots of known basis by one method and of unknown basis by the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MethodRow {
    /// The method.
    pub method: Method,
    /// Gain of all disposals.
    pub realized_gain: Usd,
    /// Realized gain, income less fee expense.
    pub net_realized: Usd,
    /// Gain of what is held, where prices were given.
    pub unrealized_gain: Option<Usd>,
    /// Cost of what is held.
    pub remaining_basis: Usd,
    /// Realized gain less that of the first method.
    pub gain_difference: Usd,
    /// Of the difference: the cost still held, less that of the first method.
    pub remaining_difference: Usd,
    /// Of the difference: everything else.
    pub other_difference: Usd,
}

impl Comparison {
    /// A row per method, in the order of [`METHODS`].
    ///
    /// # Errors
    /// [`AmountError::Overflow`].
    pub fn rows(&self) -> Result<Vec<MethodRow>, AmountError> {
        let Some(first) = self.0.first().map(|sums| &sums.totals) else { return Ok(vec![]) };
        let row = |sums: &MethodSums| {
            let totals = &sums.totals;
            let gain_difference = totals.realized_gain.checked_sub(first.realized_gain)?;
            let remaining_difference = totals.remaining_basis.checked_sub(first.remaining_basis)?;
            Ok(MethodRow {
                method: sums.method,
                realized_gain: totals.realized_gain,
                net_realized: totals.net_realized,
                unrealized_gain: totals.unrealized_gain,
                remaining_basis: totals.remaining_basis,
                gain_difference,
                remaining_difference,
                other_difference: gain_difference.checked_sub(remaining_difference)?,
            })
        };
        self.0.iter().map(row).collect()
    }
}
