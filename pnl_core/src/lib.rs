//! Money, lots and the shared value types of the service.
//!
//! This crate is pure: values in, values out. It knows no network, no database, no clock and no
//! randomness, so every number it produces can be replayed from its inputs. Floating point appears
//! nowhere in it.
//!
//! What lives where:
//! - [`amount`]: base units and US dollars, exact;
//! - [`chain`], [`asset`], [`raw`]: who, what, and the opaque transaction as an endpoint gave it;
//! - [`movement`]: what one transaction did to one wallet (the parser's answer);
//! - [`price`]: prices with their source and time;
//! - [`value`]: what an exchange and each of its legs is worth;
//! - [`ledger`]: from transactions and prices to priced accounting events with their provenance;
//! - [`hash`]: fingerprints of the inputs;
//! - [`event`]: accounting events, the input of the engine;
//! - [`engine`], [`method`]: lots, disposals, gains and totals;
//! - [`what_if`]: all methods side by side; [`explain`]: from a total down to the lots; [`bounds`]: what
//!   a gain can be where a basis is unknown;
//! - [`metrics`], [`ratio`]: trading metrics, exact until their one rounding, over any window and by
//!   [`Period`];
//! - [`document`]: a history as JSON, and its answer;
//! - [`report`]: the result of a wallet as clients read it; [`time`]: times as text.

pub mod amount;
pub mod asset;
pub mod bounds;
pub mod chain;
mod division;
pub mod document;
pub mod engine;
pub mod event;
pub mod explain;
pub mod hash;
pub mod ledger;
mod line;
mod lot;
pub mod method;
pub mod metrics;
pub mod movement;
mod period;
pub mod price;
pub mod ratio;
pub mod raw;
pub mod report;
pub mod time;
mod unit_cost;
pub mod value;
pub mod what_if;

pub use amount::{AmountError, RawAmount, RawDelta, Usd, UsdPrice};
pub use asset::AssetId;
pub use chain::{Address, Chain, Pin, TxId, WalletRef};
pub use engine::{Engine, EngineError, Options, Outcome, Window};
pub use hash::ENGINE_VERSION;
pub use method::Method;
pub use movement::{TxKind, TxStatus, WalletTransaction};
pub use period::{Period, UnknownPeriod};
pub use price::{PriceBook, PriceQuote, PriceRank};
pub use raw::RawTransaction;
