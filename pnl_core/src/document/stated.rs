//! The prices that a document states, for bounds of its gains.

use std::collections::BTreeMap;

use crate::amount::{Usd, UsdPrice};
use crate::asset::AssetId;
use crate::bounds::Knowledge;
use crate::event::{Event, EventFee, EventKind, EventLeg};
use crate::ledger::unit_price;

/// The price peaks of each asset, with its decimals.
#[derive(Debug, Default)]
pub(super) struct StatedPrices(BTreeMap<AssetId, (u8, Vec<(i64, UsdPrice)>)>);

impl StatedPrices {
    /// Those of events in their order.
    pub(super) fn of(events: &[Event]) -> Self {
        let mut prices = Self::default();
        for event in events {
            match &event.kind {
                EventKind::Acquire(leg)
                | EventKind::Dispose(leg)
                | EventKind::Income(leg)
                | EventKind::TransferIn { leg, .. }
                | EventKind::TransferOut { leg, .. }
                | EventKind::Fee(leg) => prices.note(leg, leg.value, event.ts),
                // Both sides of an exchange are worth the same.
                EventKind::Swap { out, into, .. } => {
                    prices.note(out, out.value.or(into.value), event.ts);
                    prices.note(into, into.value.or(out.value), event.ts);
                }
            }
            for fee in &event.fees {
                if let EventFee::Asset(leg) = fee {
                    prices.note(leg, leg.value, event.ts);
                }
            }
        }
        prices
    }

    fn note(&mut self, leg: &EventLeg, value: Option<Usd>, ts: i64) {
        let Some(value) = value.filter(|_| !leg.quantity.is_zero()) else { return };
        let Ok(price) = unit_price(value, leg.quantity, leg.decimals) else { return };
        let (_, peaks) = self.0.entry(leg.asset.clone()).or_insert((leg.decimals, Vec::new()));
        if peaks.last().is_none_or(|(_, peak)| *peak < price) {
            peaks.push((ts, price));
        }
    }
}

impl Knowledge for StatedPrices {
    fn highest(&self, asset: &AssetId, until: i64) -> Option<(UsdPrice, u8)> {
        let (decimals, peaks) = self.0.get(asset)?;
        let known = peaks.partition_point(|(ts, _)| *ts <= until);
        peaks[..known].last().map(|(_, price)| (*price, *decimals))
    }

    /// A document is taken for the whole history: it knows no balances.
    fn is_whole(&self, _: &AssetId) -> bool {
        true
    }
}
