//! A wallet's result with everything it was computed from, in one file, and its repetition from that.
//!
//! A bundle is JSON lines. The first has the versions, the method, the rules, the prices and balances at
//! the pin and the result. Then come the transactions in order: each as the chain endpoint gave it, with
//! the prices and decimals by which it was booked, and behind it its events of the ledger, each with the
//! source and time of its prices. Where something is not stored any more its transaction says so.
//!
//! [`mod@write`] makes one, [`mod@replay`] reads it. What both do with a single transaction is in [`again`].

mod again;
mod check;
mod form;
mod lines;
mod replay;
mod sums;
mod write;

pub use form::FORM;
pub use replay::{Differing, How, ReplayError, Replayed, replay};
pub use write::Part;
