//! Writing documents, also while their events still come in.

use std::collections::BTreeMap;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::amount::UsdPrice;
use crate::asset::AssetId;
use crate::chain::{Address, Chain};
use crate::engine::Options;
use crate::event::{Event, EventFee, EventKind, EventLeg, SwapSide};
use crate::method::Method;

/// An event as a document has it. Money is written as `value`, never as a price; an unpriced leg has
/// a null value.
#[derive(Debug, Clone, Copy)]
pub struct EventJson<'a>(&'a Event);

impl<'a> From<&'a Event> for EventJson<'a> {
    fn from(event: &'a Event) -> Self {
        Self(event)
    }
}

impl Serialize for EventJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Event { id, ts, seq, wallet, kind, fees } = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", id)?;
        map.serialize_entry("ts", ts)?;
        map.serialize_entry("seq", seq)?;
        map.serialize_entry("wallet", wallet)?;
        map.serialize_entry("kind", kind_name(kind))?;
        match kind {
            EventKind::Acquire(leg)
            | EventKind::Dispose(leg)
            | EventKind::Income(leg)
            | EventKind::Fee(leg) => leg_members(&mut map, leg)?,
            EventKind::TransferIn { leg, link } | EventKind::TransferOut { leg, link } => {
                leg_members(&mut map, leg)?;
                if let Some(link) = link {
                    map.serialize_entry("link", link)?;
                }
            }
            EventKind::Swap { out, into, fee_side } => {
                map.serialize_entry("out", &LegJson(out))?;
                map.serialize_entry("in", &LegJson(into))?;
                if out.value.is_some() && out.value == into.value {
                    map.serialize_entry("value", &out.value)?;
                }
                if let Some(side) = fee_side {
                    let side = match side {
                        SwapSide::Out => "out",
                        SwapSide::In => "in",
                    };
                    map.serialize_entry("fee_side", side)?;
                }
            }
        }
        if !fees.is_empty() {
            map.serialize_entry("fee", &FeesJson(fees))?;
        }
        map.end()
    }
}

fn kind_name(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::Acquire(_) => "acquire",
        EventKind::Dispose(_) => "dispose",
        EventKind::Income(_) => "income",
        EventKind::Swap { .. } => "swap",
        EventKind::TransferIn { .. } => "transfer_in",
        EventKind::TransferOut { .. } => "transfer_out",
        EventKind::Fee(_) => "fee",
    }
}

fn leg_members<M: SerializeMap>(map: &mut M, leg: &EventLeg) -> Result<(), M::Error> {
    map.serialize_entry("asset", &leg.asset)?;
    map.serialize_entry("qty", &leg.quantity)?;
    map.serialize_entry("decimals", &leg.decimals)?;
    map.serialize_entry("value", &leg.value)
}

struct LegJson<'a>(&'a EventLeg);

impl Serialize for LegJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(4))?;
        leg_members(&mut map, self.0)?;
        map.end()
    }
}

struct FeesJson<'a>(&'a [EventFee]);

impl Serialize for FeesJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(FeeJson))
    }
}

struct FeeJson<'a>(&'a EventFee);

impl Serialize for FeeJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            EventFee::Asset(leg) => LegJson(leg).serialize(serializer),
            EventFee::Usd(value) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("usd", value)?;
                map.end()
            }
        }
    }
}

/// What stands ahead of the events of an exported ledger. `P` is the pin as the caller writes it.
///
/// The document is written as [`ExportHead::opening`], the events ([`EventJson`]) with commas
/// between them, and [`ExportHead::closing`]: a ledger of any length streams through.
#[derive(Debug, Clone, Serialize)]
pub struct ExportHead<'a, P> {
    /// The cost-basis method.
    pub method: Method,
    /// The conventions, spelled out.
    pub options: &'a Options,
    /// Prices at the pin.
    pub prices: &'a BTreeMap<AssetId, UsdPrice>,
    /// Whose ledger it is.
    pub wallet: &'a Address,
    /// On which chain.
    pub chain: Chain,
    /// The block up to which it goes.
    pub pinned: P,
    /// Fingerprint of its inputs.
    pub input_hash: &'a str,
}

impl<P: Serialize> ExportHead<'_, P> {
    /// The document up to and including the bracket that opens `events`.
    ///
    /// # Errors
    /// When `pinned` does not serialize.
    pub fn opening(&self) -> Result<String, serde_json::Error> {
        let mut text = serde_json::to_string(self)?;
        // The members before the events stay an open object.
        text.pop();
        text.push_str(",\"events\":[");
        Ok(text)
    }

    /// The rest of the document behind the last event. `excluded` are the movements that balances
    /// contradict.
    ///
    /// # Errors
    /// When an element of `excluded` does not serialize.
    pub fn closing<E: Serialize>(excluded: &[E]) -> Result<String, serde_json::Error> {
        Ok(format!("],\"excluded\":{}}}", serde_json::to_string(excluded)?))
    }
}
