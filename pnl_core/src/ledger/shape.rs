//! What a net movement is in the accounts: amounts first, the label second.

use crate::movement::{NetChange, TxKind, WalletTransaction};

/// What becomes of the net movement of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Nothing moved beside fees and rent.
    Nothing,
    /// Something left and something else came in.
    Exchange,
    /// Came in: earned.
    Income,
    /// Came in from a place where its basis could not be followed.
    Returned,
    /// Came in from elsewhere.
    Received,
    /// Left to elsewhere.
    Sent,
    /// One asset went through an exchange and came back as less.
    LostRoundTrip,
}

/// Classifies the net movement; see the table in the [module head](super). `is_whole`: nothing that moved is left out.
pub(super) fn shape(tx: &WalletTransaction, is_whole: bool) -> Shape {
    let out = tx.net.iter().any(|change| change.raw.is_negative());
    let into = tx.net.iter().any(|change| change.raw.is_positive());
    let purpose = purpose(tx.kind);
    // The wallet sent one asset through an exchange and got the same one back, more or less of it.
    // Beside what is left out, it may as well be one side of an exchange.
    let round_trip = is_whole
        && tx.signed
        && tx.exchange
        && tx.net.len() == 1
        && purpose == Purpose::MaybeExchange;
    match (out, into) {
        (false, false) => Shape::Nothing,
        (true, true) => Shape::Exchange,
        (false, true) if purpose == Purpose::Claim || round_trip => Shape::Income,
        (false, true) if purpose == Purpose::Keeping => Shape::Returned,
        (false, true) => Shape::Received,
        (true, false) if round_trip => Shape::LostRoundTrip,
        (true, false) => Shape::Sent,
    }
}

/// What a label says about a movement in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// A place that holds assets for the wallet and gives them back.
    Keeping,
    /// Something earned is collected.
    Claim,
    /// Given, received, made or destroyed.
    Moving,
    /// Nothing that speaks against a round trip through an exchange.
    MaybeExchange,
}

fn purpose(kind: TxKind) -> Purpose {
    match kind {
        TxKind::Stake | TxKind::Lend | TxKind::Liquidity | TxKind::Order | TxKind::Bridge => {
            Purpose::Keeping
        }
        TxKind::Claim => Purpose::Claim,
        TxKind::TransferIn
        | TxKind::TransferOut
        | TxKind::OwnTransfer
        | TxKind::Mint
        | TxKind::Burn
        | TxKind::Nft
        | TxKind::Spam => Purpose::Moving,
        TxKind::Swap
        | TxKind::Wrap
        | TxKind::Unwrap
        | TxKind::Approve
        | TxKind::FeeOnly
        | TxKind::None
        | TxKind::Other => Purpose::MaybeExchange,
    }
}

/// The changes out of the wallet, in the order of the line.
pub(super) fn outgoing(net: &[NetChange]) -> impl Iterator<Item = &NetChange> {
    net.iter().filter(|change| change.raw.is_negative())
}

/// The changes into the wallet, in the order of the line.
pub(super) fn incoming(net: &[NetChange]) -> impl Iterator<Item = &NetChange> {
    net.iter().filter(|change| change.raw.is_positive())
}
