//! A history as it was at a moment of the past, from the events of its ledger alone.
//!
//! What is no event is not known of the past: transactions that moved nothing, notes of the parser,
//! balances. Holdings are valued at the newest price that the ledger has of their asset, when it is at
//! most [`OLDEST_PRICE`] old.

use std::collections::BTreeMap;

use pnl_core::hash::EventHasher;
use pnl_core::ledger::{LedgerEvent, PAR_SOURCE};
use pnl_core::report::History;
use pnl_core::{AmountError, AssetId, Pin, UsdPrice, Window};

use super::facts::FactsOfEvents;
use crate::request::HistoryEnd;

/// Seconds for which a price stands: those of an hourly candle.
pub(super) const OLDEST_PRICE: i64 = 6 * 3600;

/// The price of an asset that has none of its own here.
const DERIVED: &str = "exchange";

/// Where a history ends before its ledger does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PastEnd {
    /// What was asked for.
    pub end: HistoryEnd,
    /// Its last second, unix; of a block that of the last event up to it.
    pub time: i64,
}

impl PastEnd {
    /// Whether the event comes after it.
    pub fn is_before(self, event: &LedgerEvent) -> bool {
        self.end.is_before(event.block, Some(event.ts))
    }
}

/// What is noted while the events come by.
#[derive(Debug, Default)]
pub(super) struct Noted {
    seen: FactsOfEvents,
    block: u64,
    prices: BTreeMap<AssetId, (i64, UsdPrice)>,
    events: EventHasher,
    /// Transactions with an event in the window.
    pub in_window: u64,
}

impl Noted {
    /// Takes up the next event.
    pub fn take_up(&mut self, event: &LedgerEvent, window: &Window) -> Result<(), AmountError> {
        self.events.add(event);
        if self.seen.take_up(event)? {
            self.in_window += u64::from(window.contains(event.ts));
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

    /// The history up to `end`, when all events up to there were taken up.
    ///
    /// # Errors
    /// [`AmountError::Overflow`] when a balance cannot be compared.
    pub fn history(self, whole: &History, end: PastEnd) -> Result<History, AmountError> {
        let mut facts = self.seen.facts;
        // They are what the asset is, not what happened to it since.
        for (asset, facts) in &mut facts.assets {
            facts.decimals = whole.facts.assets.get(asset).and_then(|facts| facts.decimals);
        }
        let block = match end.end {
            HistoryEnd::Block(block) => block,
            HistoryEnd::Moment(_) => self.block,
        };
        let pin = Pin { block, block_time: end.time };
        let is_new = |(time, _): &(i64, UsdPrice)| end.time.saturating_sub(*time) <= OLDEST_PRICE;
        let prices: BTreeMap<AssetId, UsdPrice> = self
            .prices
            .into_iter()
            .filter(|(_, newest)| is_new(newest))
            .map(|(asset, (_, price))| (asset, price))
            .collect();
        let (input_hash, price_set_hash) = self.events.finish(&whole.parser_version, &pin, &prices);
        // What is known to be missing from the whole may be missing from any part of it.
        Ok(History {
            pin,
            facts,
            prices,
            balances: None,
            is_past: true,
            compared_elsewhere: whole.comparison()?,
            coverage: whole.judged()?,
            price_set_hash,
            input_hash,
            ..whole.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use pnl_core::TxId;
    use pnl_core::ledger::{AssetFacts, LedgerRules};
    use pnl_core::movement::{Completeness, NetChange, Order, TxKind, TxStatus, WalletTransaction};
    use pnl_core::report::{Comparison, Coverage};
    use pnl_core::{Address, Chain, PriceBook, PriceQuote, PriceRank, RawDelta};

    use super::*;

    const TOKEN: &str = "Token11111111111111111111111111111111111111";
    const PAR: &str = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v";

    /// Tokens at 3 dollars at any time.
    struct Three;

    impl PriceBook for Three {
        fn quote(&self, asset: &AssetId, at: i64) -> Option<PriceQuote> {
            let quote = |price: &str| PriceQuote {
                price: price.parse().unwrap(),
                rank: PriceRank::Provider,
                source: "table".to_owned(),
                price_time: at,
            };
            (asset.as_str() == TOKEN).then(|| quote("3"))
        }
    }

    /// A wallet that receives a token and a listed stablecoin at the time 1000.
    fn received() -> (History, Vec<LedgerEvent>) {
        let wallet = Address::from_chain_data("w");
        let stablecoins = [AssetId::new(PAR)].into_iter().collect();
        let rules = LedgerRules { chain: Chain::Solana, stablecoins };
        let change = |asset: &str, decimals| NetChange {
            asset: AssetId::new(asset),
            raw: RawDelta::from(5_000_000i64),
            decimals: Some(decimals),
        };
        let line = WalletTransaction {
            chain: Chain::Solana,
            tx_id: TxId::new("t"),
            wallet: wallet.clone(),
            block: 7,
            block_time: Some(1_000),
            order: Order { block: 7, index: Some(0) },
            status: TxStatus::Ok,
            kind: TxKind::TransferIn,
            venue: None,
            net: vec![change(PAR, 6), change(TOKEN, 4)],
            fee: None,
            tips: RawDelta::ZERO,
            rent: RawDelta::ZERO,
            service_fees: vec![],
            unexplained: vec![],
            too_large: vec![],
            complete: Completeness { native: true, fee: true },
            notes: vec![],
            signed: false,
            exchange: false,
        };
        let mut ledger = pnl_core::ledger::LedgerBuilder::new(wallet.clone(), rules, Window::ALL);
        let events = ledger.push(&line, &Three).unwrap();
        let coverage =
            Coverage { complete: true, sources: vec![], missing: vec![], truncated: None };
        let history = History {
            wallet,
            chain: Chain::Solana,
            pin: Pin { block: 9, block_time: 9_000_000 },
            facts: ledger.facts().clone(),
            prices: BTreeMap::new(),
            balances: Some(BTreeMap::new()),
            is_past: false,
            compared_elsewhere: Comparison::default(),
            coverage,
            parser_version: "test".to_owned(),
            price_set_hash: "of the whole".to_owned(),
            input_hash: "of the whole".to_owned(),
        };
        (history, events)
    }

    fn until(time: i64) -> PastEnd {
        PastEnd { end: HistoryEnd::Moment(time), time }
    }

    fn as_of(moment: i64) -> History {
        let (whole, events) = received();
        let mut noted = Noted::default();
        events.iter().try_for_each(|event| noted.take_up(event, &Window::ALL)).unwrap();
        noted.history(&whole, until(moment)).unwrap()
    }

    #[test]
    fn decimals_are_those_of_the_whole_ledger() {
        let past = as_of(1_000);
        let decimals = |asset: &str| {
            let AssetFacts { decimals, .. } = past.facts.assets[&AssetId::new(asset)];
            decimals
        };
        assert_eq!((decimals(PAR), decimals(TOKEN)), (Some(6), Some(4)));
        assert_eq!((past.pin.block, past.pin.block_time), (7, 1_000));
        assert!(past.is_past && past.balances.is_none());
        assert_ne!(past.input_hash, "of the whole");
    }

    #[test]
    fn what_is_missing_from_the_whole_is_missing_from_its_past() {
        let past = |more: u64| {
            let (mut whole, events) = received();
            let held = |asset: &str, raw: u64| (AssetId::new(asset), raw.into());
            whole.balances = Some([held(PAR, 5_000_000), held(TOKEN, 5_000_000 + more)].into());
            let mut noted = Noted::default();
            events.iter().try_for_each(|event| noted.take_up(event, &Window::ALL)).unwrap();
            noted.history(&whole, until(1_000)).unwrap()
        };
        let agreeing = past(0);
        assert_eq!(agreeing.compared_elsewhere, Comparison { is_made: true, ..Default::default() });
        assert!(agreeing.coverage.complete);
        let differing = past(1);
        let tokens = [AssetId::new(TOKEN)].into_iter().collect();
        let expected = Comparison { is_made: true, differing: tokens };
        assert_eq!(differing.compared_elsewhere, expected);
        assert!(!differing.coverage.complete);
    }

    #[test]
    fn a_listed_stablecoin_is_at_par_always_and_other_prices_grow_old() {
        let priced = |moment: i64| -> Vec<String> {
            as_of(moment).prices.iter().map(|(asset, price)| format!("{asset} {price}")).collect()
        };
        let both = [format!("{PAR} 1"), format!("{TOKEN} 3")];
        assert_eq!(priced(1_000), both);
        assert_eq!(priced(1_000 + OLDEST_PRICE), both);
        assert_eq!(priced(1_000 + OLDEST_PRICE + 1), both[..1]);
        assert_eq!(priced(9_000_000), both[..1]);
    }
}
