//! A history as it was at a moment of the past, from the events of its ledger alone.
//!
//! What is no event is not known of the past: transactions that moved nothing, notes of the parser,
//! balances. Holdings are valued at the newest price that the ledger has of their asset, when it is at
//! most [`OLDEST_PRICE`] old.

use std::collections::BTreeMap;

use pnl_core::hash::EventHasher;
use pnl_core::ledger::{HistoryFacts, LedgerEvent, PAR_SOURCE};
use pnl_core::report::History;
use pnl_core::{AmountError, AssetId, Pin, TxId, TxStatus, UsdPrice, Window};

/// Seconds for which a price stands: those of an hourly candle.
pub(super) const OLDEST_PRICE: i64 = 6 * 3600;

/// The price of an asset that has none of its own here.
const DERIVED: &str = "exchange";

/// What is noted while the events come by.
#[derive(Debug, Default)]
pub(super) struct Noted {
    facts: HistoryFacts,
    last: Option<TxId>,
    block: u64,
    prices: BTreeMap<AssetId, (i64, UsdPrice)>,
    events: EventHasher,
    /// Transactions with an event in the window.
    pub in_window: u64,
}

impl Noted {
    /// Takes up the next event.
    pub fn take_up(&mut self, event: &LedgerEvent, window: &Window) -> Result<(), AmountError> {
        self.facts.add_event(event)?;
        self.events.add(event);
        if self.last.as_ref() != Some(&event.tx_id) {
            self.facts.transactions += 1;
            self.facts.failed += u64::from(event.status == TxStatus::Failed);
            self.in_window += u64::from(window.contains(event.ts));
            self.last = Some(event.tx_id.clone());
        }
        self.block = event.block;
        for leg in &event.legs {
            let (Some(source), Some(time)) = (&leg.price_source, leg.price_time) else { continue };
            if source == DERIVED {
                continue;
            }
            let Some(price) = leg.unit_price() else { continue };
            // A listed stablecoin is at par at any time.
            let time = if source == PAR_SOURCE { i64::MAX } else { time };
            if self.prices.get(&leg.asset).is_none_or(|(newest, _)| *newest <= time) {
                self.prices.insert(leg.asset.clone(), (time, price));
            }
        }
        Ok(())
    }

    /// The history up to `as_of`, when all events up to then were taken up.
    pub fn history(mut self, whole: &History, as_of: i64) -> History {
        // They are what the asset is, not what happened to it since.
        for (asset, facts) in &mut self.facts.assets {
            facts.decimals = whole.facts.assets.get(asset).and_then(|facts| facts.decimals);
        }
        let pin = Pin { block: self.block, block_time: as_of };
        let is_new = |(time, _): &(i64, UsdPrice)| as_of.saturating_sub(*time) <= OLDEST_PRICE;
        let prices: BTreeMap<AssetId, UsdPrice> = self
            .prices
            .into_iter()
            .filter(|(_, newest)| is_new(newest))
            .map(|(asset, (_, price))| (asset, price))
            .collect();
        let (input_hash, price_set_hash) = self.events.finish(&whole.parser_version, &pin, &prices);
        History {
            pin,
            facts: self.facts,
            prices,
            balances: None,
            is_past: true,
            price_set_hash,
            input_hash,
            ..whole.clone()
        }
    }
}
