//! Raw transactions in, a wallet's net movements out: pure.
//!
//! Bytes or JSON of a chain's endpoint go in, [`pnl_core::WalletTransaction`]s come out. There is no
//! network, database, clock or price here, so every answer can be replayed from its input.
//!
//! - [`solana`]: the `result` of getTransaction, both encodings;
//! - [`evm`]: transaction, receipt, block time and internal transfers of an EVM chain;
//! - [`ParseError`]: input that cannot be read, with its place.
//!
//! What the members of a line mean, and how lamports are divided, is written in `docs/parser.md`; what
//! is different on EVM chains, in `docs/evm.md`.

mod base58;
mod error;
pub mod evm;
mod json;
pub mod solana;

pub use error::{ParseError, ParseErrorCode};

/// Version of the rules. It changes whenever the same input could give another line.
pub const PARSER_VERSION: &str = "5";
