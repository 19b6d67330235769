//! Accounting events: what the engine computes from.
//!
//! The vocabulary is that of an accounting document (see [`crate`]): acquisitions, disposals, swaps,
//! income, transfers and fees, in the order (time, sequence).

use std::sync::Arc;

use crate::amount::{RawAmount, Usd};
use crate::asset::AssetId;
use crate::ratio::Ratio;

/// One accounting event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Unique in its history. A lot carries the id of the event that made it.
    pub id: Arc<str>,
    /// Unix seconds.
    pub ts: i64,
    /// Order inside one second.
    pub seq: u64,
    /// Whose lots it touches: a wallet, or its rent pool `<wallet>#rent`.
    pub wallet: Arc<str>,
    /// What happened.
    pub kind: EventKind,
    /// Fees paid with it.
    pub fees: Vec<EventFee>,
}

/// A quantity of an asset with its value, if known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventLeg {
    /// The asset.
    pub asset: AssetId,
    /// Base units.
    pub quantity: RawAmount,
    /// Decimals of the asset; 0 where unknown.
    pub decimals: u8,
    /// US dollars for the whole quantity; `None` = unpriced.
    pub value: Option<Usd>,
    /// What the value has below 1e-36 USD, in units of it, where it is known: the product of a very
    /// low price and a quantity. No sum of money counts it; HIFO compares costs with it.
    pub residue: Option<Box<Ratio>>,
}

/// What an event is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    /// Bought or received for a value.
    Acquire(EventLeg),
    /// Sold or given for a value.
    Dispose(EventLeg),
    /// Earned: reward, airdrop claim.
    Income(EventLeg),
    /// One asset exchanged for another.
    Swap {
        /// The leg that left.
        out: EventLeg,
        /// The leg that came in.
        into: EventLeg,
        /// Which leg carries the fee; `None` = as the options say.
        fee_side: Option<SwapSide>,
    },
    /// Arrived from elsewhere; with a link: from another wallet of the history.
    TransferIn {
        /// What arrived.
        leg: EventLeg,
        /// Names the matching transfer out.
        link: Option<Arc<str>>,
    },
    /// Left to elsewhere; with a link: to another wallet of the history.
    TransferOut {
        /// What left.
        leg: EventLeg,
        /// Names the matching transfer in.
        link: Option<Arc<str>>,
    },
    /// A fee on its own.
    Fee(EventLeg),
}

impl EventKind {
    /// Whether something leaves by the event itself, beside its fees.
    pub(crate) const fn disposes(&self) -> bool {
        match self {
            Self::Dispose(_) | Self::Swap { .. } | Self::TransferOut { .. } | Self::Fee(_) => true,
            Self::Acquire(_) | Self::Income(_) | Self::TransferIn { .. } => false,
        }
    }
}

/// A leg of a swap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SwapSide {
    /// What left.
    Out,
    /// What came in.
    In,
}

/// A fee paid with an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventFee {
    /// Paid in an asset, which is disposed of.
    Asset(EventLeg),
    /// Known only in US dollars.
    Usd(Usd),
}
