//! What the engine writes down while it reads a history: one record per thing that happened.
//!
//! Every total is a sum over these records, so a total and its records always agree, in full and
//! in any window of time. Serialized, the members have the names of an accounting document.

use std::sync::Arc;

use serde::Serialize;

use crate::amount::{RawAmount, Usd};
use crate::asset::AssetId;

/// Which part of an event a disposal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DisposalLeg {
    /// The event's own asset.
    Main,
    /// What left in a swap.
    Out,
    /// A fee paid in an asset.
    Fee,
}

/// One asset leaving against a value, matched with lots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Disposal {
    /// The event.
    pub event: Arc<str>,
    /// The part of the event.
    pub leg: DisposalLeg,
    /// What left.
    pub asset: AssetId,
    /// From where.
    pub wallet: Arc<str>,
    /// Unix seconds.
    pub ts: i64,
    /// Base units that left: `matched + unknown + unmatched`.
    #[serde(rename = "qty")]
    pub quantity: RawAmount,
    /// Value received after attached fees; `None` = unpriced.
    pub proceeds: Option<Usd>,
    /// Basis of the matched quantity.
    pub basis: Usd,
    /// Gain on the matched quantity; `None` when the proceeds are unknown.
    pub gain: Option<Usd>,
    /// Base units covered by lots of known basis.
    #[serde(rename = "matched_qty")]
    pub matched: RawAmount,
    /// Base units covered by lots of unknown basis.
    #[serde(rename = "unknown_qty")]
    pub unknown: RawAmount,
    /// Base units that no lot covers.
    #[serde(rename = "unmatched_qty")]
    pub unmatched: RawAmount,
    /// The matched quantity's share of the proceeds.
    #[serde(skip)]
    pub matched_proceeds: Usd,
    /// The unknown quantity's share of the proceeds.
    pub unknown_proceeds: Usd,
    /// The unmatched quantity's share of the proceeds.
    pub unmatched_proceeds: Usd,
    /// The lots consumed, in order.
    pub matches: Vec<LotMatch>,
    /// Index of the asset in [`super::Outcome::assets`].
    #[serde(skip)]
    pub(crate) asset_index: usize,
}

/// A piece of a lot that a disposal consumed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LotMatch {
    /// The lot: the id of the event that made it.
    pub lot: Arc<str>,
    /// Base units.
    #[serde(rename = "qty")]
    pub quantity: RawAmount,
    /// Unix seconds of the acquisition.
    pub acquired_ts: i64,
    /// Seconds from acquisition to disposal.
    pub hold_s: i64,
    /// Cost of the piece; `None` = unknown basis.
    pub basis: Option<Usd>,
    /// The piece's share of the proceeds; `None` = unpriced.
    pub proceeds: Option<Usd>,
    /// Proceeds less basis, where both are known.
    pub gain: Option<Usd>,
}

/// Something earned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Income {
    /// The event.
    pub event: Arc<str>,
    /// Unix seconds.
    pub ts: i64,
    /// What was earned.
    pub asset: AssetId,
    /// Its value at receipt.
    pub value: Usd,
    /// Index of the asset in [`super::Outcome::assets`].
    #[serde(skip)]
    pub(crate) asset_index: usize,
}

/// A fee paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FeeRecord {
    /// The event.
    pub event: Arc<str>,
    /// Unix seconds.
    pub ts: i64,
    /// What it was paid in; `None` = known in US dollars only.
    pub asset: Option<AssetId>,
    /// Its value; `None` = unpriced.
    pub value: Option<Usd>,
    /// Whether it is an expense of its own, rather than part of a trade's cost or proceeds.
    pub expense: bool,
    /// Index of the asset in [`super::Outcome::assets`].
    #[serde(skip)]
    pub(crate) asset_index: Option<usize>,
}

/// A purchase, sale or swap: what volume and activity are counted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Activity {
    /// Unix seconds.
    pub(crate) ts: i64,
    /// Value of one side, before fees; `None` = unpriced.
    pub(crate) value: Option<Usd>,
    /// The asset, or the one that left in a swap: index in [`super::Outcome::assets`].
    pub(crate) first: usize,
    /// The asset that came in, in a swap.
    pub(crate) second: Option<usize>,
}

/// What is left of a lot at the end of the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OpenLot {
    /// The id of the event that made it.
    pub lot: Arc<str>,
    /// The asset.
    pub asset: AssetId,
    /// Where it is; empty when lots are pooled over all wallets.
    pub wallet: Arc<str>,
    /// Base units left.
    #[serde(rename = "qty")]
    pub quantity: RawAmount,
    /// Decimals of the asset.
    pub decimals: u8,
    /// Cost of what is left; `None` = unknown basis.
    pub basis: Option<Usd>,
    /// Unix seconds of the acquisition.
    pub acquired_ts: i64,
    /// Index of the asset in [`super::Outcome::assets`].
    #[serde(skip)]
    pub(crate) asset_index: usize,
}
