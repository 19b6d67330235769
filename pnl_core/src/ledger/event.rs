//! One priced accounting event with its provenance, as it is stored.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::LedgerError;
use crate::amount::{RawDelta, Usd};
use crate::asset::AssetId;
use crate::chain::{Address, TxId};
use crate::event::{Event, EventFee, EventKind, EventLeg};
use crate::movement::{Order, TxKind, TxStatus};

/// What the name of a wallet's pool of rent deposits adds to its address.
pub const RENT_SUFFIX: &str = "#rent";

/// The pool that holds the rent deposits of a wallet.
pub fn rent_pool(wallet: &Address) -> String {
    format!("{wallet}{RENT_SUFFIX}")
}

/// What an event is; the vocabulary of an accounting document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LedgerKind {
    /// Came in against something of a value.
    Acquire,
    /// Left against something of a value.
    Dispose,
    /// Earned.
    Income,
    /// One asset against one other.
    Swap,
    /// Arrived from elsewhere.
    TransferIn,
    /// Left to elsewhere.
    TransferOut,
    /// Spent: a network fee, a tip, or the loss of a round trip.
    Fee,
}

impl LedgerKind {
    /// Whether it is an exchange, or a leg of one.
    pub(crate) const fn is_exchange(self) -> bool {
        matches!(self, Self::Acquire | Self::Dispose | Self::Swap)
    }
}

/// Which part of a transaction a leg belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LegSide {
    /// Net movement out of the wallet.
    Out,
    /// Net movement into the wallet.
    In,
    /// Network fee or tip.
    Fee,
    /// Refundable deposit.
    Rent,
}

/// A movement that an event accounts for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerLeg {
    /// Which part of the transaction it is.
    pub side: LegSide,
    /// The asset.
    pub asset: AssetId,
    /// Base units as the wallet sees them: negative went out. Fees are negative.
    pub raw: RawDelta,
    /// Decimals of the asset; `None` = unknown, and then it is unpriced.
    pub decimals: Option<u8>,
    /// US dollars for the whole leg, never negative; `None` = unknown.
    #[serde(rename = "value_usd")]
    pub value: Option<Usd>,
    /// Who gave the price: a price source, `par`, or `exchange` when the value was derived from the
    /// other side of the exchange.
    pub price_source: Option<String>,
    /// Unix seconds at which the price was made; of a derived value the oldest one it rests on.
    pub price_time: Option<i64>,
}

/// One accounting event. Serialized it is a line of a stored ledger chunk and a row of the ledger
/// page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEvent {
    /// `<tx_id>:<n>`, n counted from 0 inside the transaction.
    #[serde(rename = "event")]
    pub id: Arc<str>,
    /// The transaction.
    pub tx_id: TxId,
    /// Slot or block number.
    pub block: u64,
    /// Unix seconds as the chain gave them.
    pub block_time: Option<i64>,
    /// Unix seconds in the accounts: the largest block time up to here, 0 before the first one.
    pub ts: i64,
    /// Place in the chain; the index as the ledger resolved it.
    pub order: Order,
    /// The label of the transaction.
    pub tx_kind: TxKind,
    /// Whether the transaction took effect.
    pub status: TxStatus,
    /// Whose lots it touches: the wallet, or its pool of rent deposits (see [`rent_pool`]).
    pub wallet: Arc<str>,
    /// What it is.
    pub kind: LedgerKind,
    /// What it moves, in the order the engine processes: out, in, fees. Empty in the rent pool,
    /// whose movements are the opposite of the wallet's.
    pub legs: Vec<LedgerLeg>,
    /// Native base units as the rent pool sees them: positive is a deposit. Only in the rent pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool_raw: Option<RawDelta>,
    /// The same on both events of a move inside the history; basis goes along.
    pub link: Option<Arc<str>>,
    /// A movement that balances contradict: shown, but not in the accounts.
    pub excluded: bool,
    /// A token without a price that came in without the wallet's signature.
    pub unsolicited: bool,
    /// The asset came back from a place where its basis could not be followed.
    pub basis_reset: bool,
}

impl LedgerEvent {
    /// The engine's form, as number `seq` of the history; `None` when the event is excluded.
    ///
    /// Quantities lose their sign, unknown decimals are written 0, and every leg carries its own
    /// value: both legs of a `swap` carry the same one.
    ///
    /// # Errors
    /// [`LedgerError::BadEvent`] when the legs do not fit the kind, which only an event that no
    /// [`super::LedgerBuilder`] made can show.
    pub fn to_event(&self, seq: u64) -> Result<Option<Event>, LedgerError> {
        if self.excluded {
            return Ok(None);
        }
        let kind = match self.kind {
            LedgerKind::Acquire => EventKind::Acquire(self.main_leg()?),
            LedgerKind::Dispose => EventKind::Dispose(self.main_leg()?),
            LedgerKind::Income => EventKind::Income(self.main_leg()?),
            LedgerKind::Fee => EventKind::Fee(self.main_leg()?),
            LedgerKind::TransferIn => {
                EventKind::TransferIn { leg: self.main_leg()?, link: self.link.clone() }
            }
            LedgerKind::TransferOut => {
                EventKind::TransferOut { leg: self.main_leg()?, link: self.link.clone() }
            }
            LedgerKind::Swap => EventKind::Swap {
                out: self.side(LegSide::Out)?,
                into: self.side(LegSide::In)?,
                fee_side: None,
            },
        };
        Ok(Some(Event {
            id: self.id.clone(),
            ts: self.ts,
            seq,
            wallet: self.wallet.clone(),
            kind,
            fees: self.attached_fees().map(|leg| EventFee::Asset(event_leg(leg))).collect(),
        }))
    }

    /// The fees that go with the event; a `fee` event's own leg is not one of them.
    fn attached_fees(&self) -> impl Iterator<Item = &LedgerLeg> {
        let own = usize::from(self.kind == LedgerKind::Fee);
        self.legs.iter().skip(own).filter(|leg| leg.side == LegSide::Fee)
    }

    /// What the event is about: its first leg, in the rent pool the pool's own movement.
    fn main_leg(&self) -> Result<EventLeg, LedgerError> {
        let first = self.legs.first();
        match (first, self.pool_raw) {
            (Some(leg), None) => Ok(event_leg(leg)),
            (None, Some(raw)) => Ok(EventLeg {
                asset: AssetId::native(),
                quantity: raw.magnitude(),
                decimals: NATIVE_POOL_DECIMALS,
                value: None,
                residue: None,
            }),
            _ => Err(self.bad()),
        }
    }

    fn side(&self, side: LegSide) -> Result<EventLeg, LedgerError> {
        let leg = self.legs.iter().find(|leg| leg.side == side);
        leg.map(event_leg).ok_or_else(|| self.bad())
    }

    fn bad(&self) -> LedgerError {
        LedgerError::BadEvent { event: self.id.to_string() }
    }
}

fn event_leg(leg: &LedgerLeg) -> EventLeg {
    EventLeg {
        asset: leg.asset.clone(),
        quantity: leg.raw.magnitude(),
        decimals: leg.decimals.unwrap_or(0),
        value: leg.value,
        residue: None,
    }
}

/// Decimals of what a rent pool holds: rent exists on Solana only.
const NATIVE_POOL_DECIMALS: u8 = crate::chain::Chain::Solana.native_decimals();
