//! Every recorded EVM transaction against what is expected of it, and properties that hold for any.
//!
//! `cargo test -p tx_parser --test evm -- --nocapture` repeats the comparison; it needs
//! `TEST_FIXTURES_DIR`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../evm_traps/maker.rs"]
#[allow(dead_code, reason = "this binary uses a part of it")]
mod maker;
mod properties;
mod recorded;
