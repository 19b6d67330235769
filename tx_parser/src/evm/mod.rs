//! EVM chains: {transaction, receipt, block_timestamp, internal_transfers} -> what it did to a wallet.
//!
//! The order of the work, each step in its own file:
//! 1. `wire`, `scalar`: the JSON, in which one log or transfer that makes no sense spoils nothing else;
//! 2. `header`: who called whom, when, and whether it took effect; `fee`: what that cost;
//! 3. `logs`, `abi`, `quirks`, `repeats`: one log -> movements of tokens; `internal`, `path`: transfers
//!    between contracts;
//! 4. `movements`: all of them in one list, and whether the list is known to be whole;
//! 5. `balance`: one wallet's change per asset;
//! 6. `labels`, `kind`, `programs`: what it was, which never changes an amount;
//! 7. `view`: the line.
//!
//! Amounts come from movements by the address they name, never by the sender: a settlement, a
//! smart account or a bridge is sent by somebody else. The rules are written in `docs/evm.md`.

mod abi;
mod balance;
mod fee;
mod header;
mod internal;
mod kind;
mod labels;
mod logs;
mod movements;
mod network;
mod path;
mod programs;
mod quirks;
mod repeats;
mod scalar;
mod view;
mod wire;

use pnl_core::{Address, TxId, WalletTransaction};

use crate::error::{ParseError, ParseErrorCode};

pub use network::Network;

use header::Header;
use labels::Labels;
use movements::Movements;

/// An account of the chain: 20 bytes.
type Account = alloy_primitives::Address;
/// A topic or another value of 32 bytes.
type Word = alloy_primitives::B256;

/// A transaction that is decoded once and can be looked at from any wallet.
#[derive(Debug, Clone)]
pub struct Transaction {
    header: Header,
    movements: Movements,
    labels: Labels,
}

impl Transaction {
    /// Decodes a recording: `transaction` and `receipt` as the node gives them, `block_timestamp` in
    /// seconds, `internal_transfers` as a list of `from`, `to`, `contract_address`, `value`, `type`,
    /// `trace_id`, `is_error`; null when they are not known, empty when there are none.
    ///
    /// # Errors
    /// [`ParseError`] when the text is no JSON, or when a member of transaction or receipt makes no
    /// sense without which no amount is known. A log or an internal transfer that makes no sense is
    /// no error but a note.
    pub fn decode(raw_json: &[u8], network: &Network) -> Result<Self, ParseError> {
        let record = wire::read(raw_json)?;
        let header = Header::read(&record, network)?;
        let heads = logs::heads(record.logs());
        let movements = Movements::find(&record, &heads, &header);
        let labels = Labels::read(&heads, &header);
        Ok(Self { header, movements, labels })
    }

    /// Its hash.
    pub fn tx_id(&self) -> &TxId {
        &self.header.tx_id
    }

    /// Its block.
    pub fn block(&self) -> u64 {
        self.header.block
    }

    /// Its place in the block, when the node names it.
    pub fn index(&self) -> Option<u32> {
        self.header.index
    }

    /// What it did to this wallet.
    ///
    /// # Errors
    /// [`ParseErrorCode::BadWallet`] when the wallet is no 20-byte address. A wallet that the
    /// transaction does not touch gets a line without changes, kind `none`.
    pub fn view(&self, wallet: &Address) -> Result<WalletTransaction, ParseError> {
        let account = scalar::account(wallet.as_str()).ok_or_else(|| {
            let detail = format!("{wallet} is no EVM address");
            ParseError::new(ParseErrorCode::BadWallet, "wallet", detail)
        })?;
        Ok(view::line(&self.header, &self.movements, &self.labels, account))
    }

    /// The lines of the default wallets: the sender, then every other address with a change, by
    /// address. The zero address is one of them where tokens come from it or go to it.
    pub fn view_all(&self) -> Vec<WalletTransaction> {
        view::default_lines(&self.header, &self.movements, &self.labels)
    }
}

/// What a raw transaction did to one wallet.
///
/// # Errors
/// As [`Transaction::decode`] and [`Transaction::view`].
pub fn parse(
    raw_json: &[u8],
    network: &Network,
    wallet: &Address,
) -> Result<WalletTransaction, ParseError> {
    Transaction::decode(raw_json, network)?.view(wallet)
}

/// As [`parse`], for a wallet of which it is known that no contract sent it coins in this transaction,
/// nor it a contract: by a list of such transactions that does not name this one. What contracts sent
/// each other then does not concern it, and may be unknown.
///
/// A wallet for which the wrapping contract booked coins is believed to have sent or got some.
///
/// # Errors
/// As [`Transaction::decode`] and [`Transaction::view`].
pub fn parse_apart(
    raw_json: &[u8],
    network: &Network,
    wallet: &Address,
) -> Result<WalletTransaction, ParseError> {
    let mut transaction = Transaction::decode(raw_json, network)?;
    if let Some(account) = scalar::account(wallet.as_str()) {
        transaction.movements.set_apart(account);
    }
    transaction.view(wallet)
}

/// What a raw transaction did to these wallets, in their order; to the default wallets of
/// [`Transaction::view_all`] when none is named.
///
/// # Errors
/// As [`Transaction::decode`] and [`Transaction::view`].
pub fn parse_all(
    raw_json: &[u8],
    network: &Network,
    wallets: &[Address],
) -> Result<Vec<WalletTransaction>, ParseError> {
    let transaction = Transaction::decode(raw_json, network)?;
    if wallets.is_empty() {
        return Ok(transaction.view_all());
    }
    wallets.iter().map(|wallet| transaction.view(wallet)).collect()
}
