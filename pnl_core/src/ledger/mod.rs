//! From what a transaction did to a wallet to priced accounting events.
//!
//! [`LedgerBuilder`] takes the wallet's transactions in chain order and gives [`LedgerEvent`]s: each
//! carries its provenance (transaction, block, price source and time) and the signed movements it
//! accounts for, so that the sum of all legs of a wallet is its recorded change. [`LedgerEvent`]s
//! are stored; [`LedgerEvent::to_event`] gives the engine's form of one.
//!
//! What a transaction becomes follows from its amounts first and from its label second:
//!
//! | net movement | label | events |
//! |---|---|---|
//! | nothing | any | none |
//! | one asset out, one in | any | `swap` at the value of [`crate::value`] |
//! | assets out and in, several on a side | any | `dispose` per asset out, then `acquire` per asset in |
//! | only in | claim | `income` per asset |
//! | only in | stake, lend, liquidity, order, bridge | `transfer_in` at market, `basis_reset` |
//! | one asset in, signed, through an exchange | no other purpose known | `income` (a round trip that won) |
//! | one asset out, signed, through an exchange | no other purpose known | `fee` (a round trip that lost) |
//! | only in | any other | `transfer_in` at market |
//! | only out | any other | `transfer_out` |
//!
//! Movements that are left out, because balances contradict them or they do not fit into 256 bits, count for nothing
//! here, and beside one there is no round trip: what it was exchanged for is a transfer.
//!
//! A label never changes an amount: a "wrap" that left a net movement behind is booked as that
//! movement, an "approve" that moved nothing is only its fee. "No other purpose known" excludes
//! transfers, stake, lend, liquidity, order, bridge, claim, mint, burn, nft and spam: depositing
//! liquidity through an exchange is no loss, and withdrawing it no gain.
//!
//! Rent and fees come beside whatever the net movement is:
//! - rent moves between the wallet `W` and its pool `W#rent` as a linked pair, so its basis is kept.
//!   A refund beyond what the pool holds arrives as an unlinked `transfer_in` at market;
//! - the network fee and the tips are fees of the exchange; with several legs on a side, of the
//!   first asset that left (when everything that left is a quote asset: of the first that came in).
//!   Without an exchange each is a `fee` event of its own. Both are native, at its hourly price.
//!
//! Order inside a transaction: out, in, rent, fees. Time is the running maximum of the block times;
//! it is also the time of every price look-up.

mod builder;
mod doubts;
mod event;
mod facts;
mod flows;
mod page;
mod prices;
mod shape;
mod state;

pub use builder::LedgerBuilder;
pub use doubts::{Doubt, DoubtfulTransaction, Doubts, MOST_DOUBTS};
pub use event::{LedgerEvent, LedgerKind, LedgerLeg, LegSide, RENT_SUFFIX, rent_pool};
pub(crate) use facts::moved;
pub use facts::{AssetFacts, HistoryFacts};
pub use flows::AssetFlows;
pub(crate) use flows::unit_price;
pub(crate) use page::EXCHANGE_SOURCE;
pub use prices::{LedgerRules, PAR_SOURCE, PriceRequest, PriceTable};
pub use state::LedgerState;

use crate::amount::AmountError;
use crate::asset::AssetId;
use crate::chain::{Address, Chain, TxId};

/// Why a transaction cannot be booked. All of them mean that the input breaks its own rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// The line shows another wallet's view.
    #[error("transaction {tx_id} is seen from {found}, not from {expected}")]
    ForeignLine {
        /// The transaction.
        tx_id: TxId,
        /// The wallet of this ledger.
        expected: Address,
        /// The wallet of the line.
        found: Address,
    },
    /// The line belongs to another chain.
    #[error("transaction {tx_id} is on {found}, not on {expected}")]
    ForeignChain {
        /// The transaction.
        tx_id: TxId,
        /// The chain of this ledger.
        expected: Chain,
        /// The chain of the line.
        found: Chain,
    },
    /// A fee or tip came in, or a fee is not native.
    #[error("transaction {tx_id}: fees and tips are native and never come in")]
    BadFee {
        /// The transaction.
        tx_id: TxId,
    },
    /// An asset has a zero row or two rows in the net movement.
    #[error("transaction {tx_id}: the net movement of {asset} is zero or given twice")]
    BadNet {
        /// The transaction.
        tx_id: TxId,
        /// The asset.
        asset: AssetId,
    },
    /// A stored event lacks a leg that its kind needs.
    #[error("ledger event {event} does not have the legs of its kind")]
    BadEvent {
        /// The id of the event.
        event: String,
    },
    /// A sum leaves the range of its type.
    #[error("amount of transaction {tx_id}")]
    Amount {
        /// The transaction.
        tx_id: TxId,
        /// What is wrong with it.
        source: AmountError,
    },
}

impl LedgerError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ForeignLine { .. } => "ledger-foreign-wallet",
            Self::ForeignChain { .. } => "ledger-foreign-chain",
            Self::BadFee { .. } => "ledger-bad-fee",
            Self::BadNet { .. } => "ledger-bad-net",
            Self::BadEvent { .. } => "ledger-bad-event",
            Self::Amount { .. } => "ledger-amount-out-of-range",
        }
    }
}
