//! Profit and loss of a history of crypto trades: lots, gains and everything that follows from them, exact
//! to the last unit.
//!
//! The crate is pure: values in, values out. It knows no network, no database, no clock and no
//! randomness, so every number it produces can be replayed from its inputs. Floating point appears
//! nowhere in it. It serves `pnl-tracker`, and any other program that has a history: this page leads
//! through it.
//!
//! # 1. Numbers
//! A quantity is an integer in base units ([`RawAmount`], 256 bits); money is an integer of 1e-36 US
//! dollars ([`Usd`]). Every operation is checked. Text that does not fit is an error, never rounded.
//!
//! ```
//! use pnl_core::{RawAmount, Usd, UsdPrice};
//!
//! let quantity: RawAmount = "1500000000".parse()?; // 1.5 SOL: nine decimals
//! let price: UsdPrice = "142.10".parse()?;
//! assert_eq!(price.value_of(quantity, 9)?.to_string(), "213.15");
//! assert!("0.1234567890123456789012345678901234567".parse::<Usd>().is_err()); // 37 places
//! # Ok::<(), pnl_core::AmountError>(())
//! ```
//!
//! # 2. Events
//! A history is a list of [`event::Event`]s in the order that counts: purchases, sales, swaps, income, transfers
//! and fees, each with quantities in base units and a value where one is known. A [`document`] is the same
//! as JSON; [`ledger`] makes events of [`movement`]s (what transactions did to a wallet) and [`price`]s, by the
//! rules of [`value`].
//!
//! # 3. The engine
//! [`Engine`] reads events and gives an [`Outcome`]: [disposals](Outcome::disposals) with the lots they
//! consumed, open lots, totals, and the proof that all of it balances. The [`Method`] says which lots leave
//! first; [`Options`] are all conventions that people disagree about.
//!
//! ```
//! use pnl_core::event::{Event, EventKind, EventLeg};
//! use pnl_core::{AssetId, Engine, Method, Options, RawAmount};
//!
//! let leg = |units: u64, value: &str| EventLeg {
//!     asset: AssetId::new("T"),
//!     quantity: RawAmount::from(units),
//!     decimals: 0,
//!     value: value.parse().ok(),
//!     residue: None,
//! };
//! let event = |id: &str, ts: i64, kind: EventKind| Event {
//!     id: id.into(),
//!     ts,
//!     seq: 0,
//!     wallet: "me".into(),
//!     kind,
//!     fees: vec![],
//! };
//! let mut engine = Engine::new(Method::Fifo, Options::default())?;
//! engine.apply(&event("buy", 1, EventKind::Acquire(leg(3, "1"))))?;
//! engine.apply(&event("sell", 9, EventKind::Dispose(leg(1, "2"))))?;
//! let outcome = engine.finish(None)?;
//! let sale = outcome.disposals().next().unwrap();
//! assert_eq!(sale.gain.unwrap().to_string(), format!("1.{}7", "6".repeat(35)));
//! // Cost that is split is never lost: the lot keeps the rest.
//! let left = outcome.lots().next().unwrap().basis.unwrap();
//! assert_eq!(left.checked_add(sale.basis)?.to_string(), "1");
//! # Ok::<(), pnl_core::EngineError>(())
//! ```
//!
//! # 4. Time
//! An engine can be [cloned](Engine) in the middle of a history and finished: that is the outcome as of that
//! moment. [`Engine::state`] and [`Engine::resume`] store it and go on later, to the same bit;
//! [`Engine::take_records`] hands out what was recorded, so that memory is bounded by open lots. A
//! [`Window`] selects records by their own time, over lots that begin with the history.
//!
//! # 5. Views
//! - [`metrics`]: trading figures, token by token, a calendar by [`Period`], distribution of returns, holding
//!   terms, equity and drawdown; [`ratio`]: exact until their one rounding;
//! - [`what_if`]: all methods side by side, and what their difference is;
//! - [`explain`]: from a total down to the lots, without a remainder;
//! - [`bounds`]: what a gain can be where a basis or a price is not known;
//! - [`report`]: the result of a wallet as clients of the service read it;
//! - [`group`]: wallets of one owner as one history, with what they sent each other as moves.
//!
//! # Where else things are
//! [`amount`]: the numbers; [`figures`]: events as bytes; [`chain`], [`asset`], [`raw`]: who, what, and the opaque transaction as an endpoint
//! gave it; [`method`]: the methods; [`hash`]: fingerprints of inputs; [`time`]: times as text.
//! `docs/accounting.md` states every rule with its source and an example; `examples/` are programs to
//! start from.

pub mod amount;
pub mod asset;
pub mod bounds;
pub mod chain;
mod division;
pub mod document;
pub mod engine;
pub mod event;
pub mod explain;
pub mod figures;
pub mod group;
pub mod hash;
mod held;
mod holding;
pub mod ledger;
mod line;
mod lot;
pub mod method;
pub mod metrics;
pub mod movement;
mod narrow;
mod near;
mod period;
mod pool;
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
