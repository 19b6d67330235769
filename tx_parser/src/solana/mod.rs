//! Solana: the `result` of getTransaction -> what it did to a wallet.
//!
//! The order of the work, each step in its own file:
//! 1. `encoding`: `json` and `jsonParsed` into one internal form;
//! 2. `actions`: what the known programs were told;
//! 3. `owners`: whose token account it is, before and after;
//! 4. `ledger`: lamports from account to account;
//! 5. `deposits` and `rent`: which of them are rent deposits, and whose;
//! 6. `split`: one wallet's change into fee, tips, rent and net;
//! 7. `labels`, `programs`: kind and venue, which never change an amount;
//! 8. `view`: the line.
//!
//! Amounts come from the recorded balances. Instructions only tell how a change of the native coin
//! divides into fee, tips, rent and net, and logs are not read at all: nodes cut them off.

mod actions;
mod address;
mod deposits;
mod discovery;
mod encoding;
mod labels;
mod ledger;
mod owners;
mod programs;
mod pubkey;
mod rent;
mod split;
mod view;

use pnl_core::{Address, TxId, WalletTransaction};

use crate::error::{ParseError, ParseErrorCode};

pub use address::associated_token_account;
pub use discovery::Discovered;
pub use programs::ids::{TOKEN_2022_PROGRAM, TOKEN_PROGRAM, TokenProgram, WRAPPED_NATIVE_MINTS};

use encoding::Recording;
use labels::Labels;
use pubkey::Pubkey;
use split::Movements;

/// A transaction that is decoded once and can be looked at from any wallet.
#[derive(Debug, Clone)]
pub struct Transaction {
    recording: Recording,
    movements: Movements,
    labels: Labels,
}

impl Transaction {
    /// Decodes the `result` of getTransaction in encoding `json` or `jsonParsed`.
    ///
    /// # Errors
    /// [`ParseError`] when the text is no JSON or when a member is missing or inconsistent without
    /// which no balance is known. An instruction that makes no sense is no error but a note.
    pub fn decode(raw_json: &[u8]) -> Result<Self, ParseError> {
        let recording = encoding::read(raw_json)?;
        let movements = Movements::find(&recording);
        let labels = Labels::read(&recording);
        Ok(Self { recording, movements, labels })
    }

    /// Its id: the first signature.
    pub fn tx_id(&self) -> &TxId {
        &self.recording.tx_id
    }

    /// Its slot.
    pub fn slot(&self) -> u64 {
        self.recording.slot
    }

    /// Its place in the block, when the node names it.
    pub fn index(&self) -> Option<u32> {
        self.recording.index
    }

    /// What it did to this wallet.
    ///
    /// # Errors
    /// [`ParseErrorCode::BadWallet`] when the wallet is no 32-byte key. A wallet that the
    /// transaction does not touch gets a line without changes, kind `none`.
    pub fn view(&self, wallet: &Address) -> Result<WalletTransaction, ParseError> {
        let wallet = wallet_key(wallet)?;
        Ok(view::line(&self.recording, &self.movements, &self.labels, &wallet))
    }

    /// The lines of the default wallets: every signer, the fee payer first, then every other owner
    /// of a token account with a change, by address.
    pub fn view_all(&self) -> Vec<WalletTransaction> {
        view::default_lines(&self.recording, &self.movements, &self.labels)
    }

    /// Token accounts of this wallet and all mints that the transaction tells of.
    ///
    /// # Errors
    /// [`ParseErrorCode::BadWallet`] when the wallet is no 32-byte key.
    pub fn discover(&self, wallet: &Address) -> Result<Discovered, ParseError> {
        let wallet = wallet_key(wallet)?;
        Ok(discovery::discover(&self.recording, &self.movements.accounts, &wallet))
    }
}

fn wallet_key(wallet: &Address) -> Result<Pubkey, ParseError> {
    Pubkey::parse(wallet.as_str()).ok_or_else(|| {
        let detail = format!("{wallet} is no Solana address");
        ParseError::new(ParseErrorCode::BadWallet, "wallet", detail)
    })
}

/// What a raw transaction did to one wallet.
///
/// # Errors
/// As [`Transaction::decode`] and [`Transaction::view`].
pub fn parse(raw_json: &[u8], wallet: &Address) -> Result<WalletTransaction, ParseError> {
    Transaction::decode(raw_json)?.view(wallet)
}

/// What a raw transaction did to these wallets, in their order; to the default wallets of
/// [`Transaction::view_all`] when none is named.
///
/// # Errors
/// As [`Transaction::decode`] and [`Transaction::view`].
pub fn parse_all(
    raw_json: &[u8],
    wallets: &[Address],
) -> Result<Vec<WalletTransaction>, ParseError> {
    let transaction = Transaction::decode(raw_json)?;
    if wallets.is_empty() {
        return Ok(transaction.view_all());
    }
    wallets.iter().map(|wallet| transaction.view(wallet)).collect()
}

/// Token accounts of this wallet and all mints that a raw transaction tells of.
///
/// # Errors
/// As [`Transaction::decode`] and [`Transaction::discover`].
pub fn discover(raw_json: &[u8], wallet: &Address) -> Result<Discovered, ParseError> {
    Transaction::decode(raw_json)?.discover(wallet)
}
