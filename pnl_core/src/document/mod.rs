//! Accounting documents: a history as JSON, and its answer.
//!
//! `{"name"?, "method", "options"?, "events", "prices"?}` is what an independent program can
//! recompute, and what a stored ledger is exported as. Members that are not named here are ignored,
//! so that an export can carry more.
//!
//! - `events`: `{"id", "ts", "seq"?, "wallet"?, "kind", …}` with the kinds `acquire`, `dispose`,
//!   `income`, `transfer_in`, `transfer_out`, `fee` (members `asset`, `qty`, `decimals`, and `price`
//!   or `value`; transfers also `link`) and `swap` (`out` and `in` as such legs, `value` for both,
//!   `fee_side`: `in`, `out`, or `auto` for the rule of that option). Any kind may have a `fee`: a leg, `{"usd"}`, or a list of these.
//! - Order: by `ts`, then `seq` (default: place in the list), then place in the list.
//! - `qty` is an integer in base units, as text or number. `price` is US dollars per whole unit,
//!   `value` US dollars for all of it; both absent = unpriced. Numbers are read by their text.
//! - `prices`: US dollars per whole unit by asset; adds the unrealized figures.
//!
//! The answer has `method`, `options` (those that are no default), `disposals`, `lots`, `totals`,
//! `by_asset`, `conservation`, `metrics`, `bounds` (null when one does not fit) and `coverage_score`; dollars with
//! all of their up to 36 places, metrics at 18. For the last two ([`crate::bounds`]) a document is the whole history of its
//! wallets, as far as not more leaves than comes in, and its prices are those of its events. A history that is
//! refused answers `{"error", "code"}`.

mod error;
mod export;
mod number;
mod object;
mod read;
mod stated;

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

pub use error::{DocumentError, FieldError};
pub use export::{EventJson, ExportHead};

use stated::StatedPrices;

use crate::amount::UsdPrice;
use crate::asset::AssetId;
use crate::bounds::{self, Bounds, Known};
use crate::engine::{Engine, EngineError, Options, Outcome, Records, Window};
use crate::event::Event;
use crate::method::Method;
use crate::metrics::Metrics;

/// A history and how to account for it. Serialized, it is a document again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Document {
    /// What it is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The cost-basis method.
    pub method: Method,
    /// The conventions, spelled out.
    pub options: Options,
    /// Prices at the end of the history; `None` = no unrealized figures are asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prices: Option<BTreeMap<AssetId, UsdPrice>>,
    /// The events in the order that counts.
    #[serde(serialize_with = "events_as_json")]
    pub events: Vec<Event>,
}

fn events_as_json<S: Serializer>(events: &[Event], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(events.iter().map(EventJson::from))
}

impl Document {
    /// Reads a document and brings its events into order.
    ///
    /// # Errors
    /// [`DocumentError`], naming the event and member at fault.
    pub fn read(text: &str) -> Result<Self, DocumentError> {
        read::document(text)
    }

    /// Computes the history.
    ///
    /// # Errors
    /// [`EngineError`] when the history is refused.
    pub fn run(&self) -> Result<Outcome, EngineError> {
        let mut engine = Engine::new(self.method, self.options.clone())?;
        engine.reserve(self.events.len());
        engine.apply_all(&self.events)?;
        engine.finish(self.prices.as_ref())
    }
}

/// Answers a document: the result or the reason why there is none, as one JSON object in one line.
pub fn answer(input: &str) -> String {
    try_answer(input).unwrap_or_else(|error| {
        serde_json::json!({"error": error.to_string(), "code": error.code()}).to_string()
    })
}

fn try_answer(input: &str) -> Result<String, DocumentError> {
    let document = Document::read(input)?;
    let outcome = document.run()?;
    let stated = StatedPrices::of(&document.events);
    let metrics = Metrics::of(&outcome, &Window::ALL).map_err(EngineError::from)?;
    let answer = Answer {
        method: outcome.method,
        options: outcome.options.non_default(),
        disposals: &outcome.records,
        lots: &outcome,
        totals: &outcome.totals,
        by_asset: &outcome.by_asset,
        conservation: &outcome.conservation,
        metrics: &metrics,
        // A bound beyond any money says nothing.
        bounds: bounds::of(&outcome, &Window::ALL, &stated).ok(),
        coverage_score: bounds::known(&outcome, &Window::ALL, |_| false),
    };
    serde_json::to_string(&answer).map_err(DocumentError::Json)
}

#[derive(Serialize)]
struct Answer<'a> {
    method: Method,
    options: serde_json::Map<String, serde_json::Value>,
    #[serde(serialize_with = "disposals_as_json")]
    disposals: &'a Records,
    #[serde(serialize_with = "lots_as_json")]
    lots: &'a Outcome,
    totals: &'a crate::engine::Totals,
    by_asset: &'a BTreeMap<AssetId, crate::engine::AssetTotals>,
    conservation: &'a crate::engine::Conservation,
    metrics: &'a Metrics,
    bounds: Option<Bounds>,
    coverage_score: Known,
}

fn lots_as_json<S: Serializer>(outcome: &Outcome, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(outcome.lots())
}

fn disposals_as_json<S: Serializer>(records: &Records, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(records.disposals())
}
