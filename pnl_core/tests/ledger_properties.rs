//! What holds for the ledger of any history.

#![allow(clippy::unwrap_used, reason = "a failure of a helper is a failure of the test")]

mod ledger_support;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use ledger_support::random::history;
use ledger_support::*;
use pnl_core::ledger::{LedgerEvent, LedgerKind, LegSide, PriceRequest};
use pnl_core::{AssetId, Pin, PriceBook, PriceQuote, RawDelta, Usd, WalletTransaction};
use proptest::prelude::*;

fn book() -> FixedBook {
    FixedBook::sol_at_100().and("X", "0.37")
}

fn ledger_of(history: &[WalletTransaction]) -> Vec<LedgerEvent> {
    let mut ledger = builder();
    history.iter().flat_map(|tx| ledger.push(tx, &book()).unwrap()).collect()
}

fn add(sums: &mut BTreeMap<AssetId, RawDelta>, asset: &AssetId, raw: RawDelta) {
    if raw.is_zero() {
        return;
    }
    let sum = sums.entry(asset.clone()).or_default();
    *sum = sum.checked_add(raw).unwrap();
    if sum.is_zero() {
        sums.remove(asset);
    }
}

/// Notes what is looked up.
struct Noting(RefCell<BTreeSet<PriceRequest>>);

impl PriceBook for Noting {
    fn quote(&self, asset: &AssetId, at: i64) -> Option<PriceQuote> {
        self.0.borrow_mut().insert(PriceRequest { asset: asset.clone(), at });
        book().quote(asset, at)
    }
}

proptest! {
    #[test]
    fn the_legs_of_a_transaction_sum_to_its_movements_side_by_side(history in history(12)) {
        let mut ledger = builder();
        for tx in &history {
            let events = ledger.push(tx, &book()).unwrap();
            let (mut net, mut fees, mut rent) = Default::default();
            for leg in events.iter().flat_map(|event| &event.legs) {
                let sums = match leg.side {
                    LegSide::In | LegSide::Out => &mut net,
                    LegSide::Fee => &mut fees,
                    LegSide::Rent => &mut rent,
                };
                prop_assert!(!leg.raw.is_zero());
                prop_assert!(leg.side != LegSide::In || leg.raw.is_positive());
                prop_assert!(leg.side != LegSide::Out || leg.raw.is_negative());
                prop_assert!(leg.side != LegSide::Fee || leg.raw.is_negative());
                add(sums, &leg.asset, leg.raw);
            }
            let (mut of_net, mut of_fees, mut of_rent) = Default::default();
            for change in &tx.net {
                add(&mut of_net, &change.asset, change.raw);
            }
            let native = AssetId::native();
            let fee = tx.fee.as_ref().map_or(RawDelta::ZERO, |fee| fee.raw);
            add(&mut of_fees, &native, fee.checked_add(tx.tips).unwrap());
            add(&mut of_rent, &native, tx.rent);
            prop_assert_eq!((net, fees, rent), (of_net, of_fees, of_rent));
        }
    }

    #[test]
    fn a_history_gives_the_same_bytes_every_time_and_survives_storage(history in history(12)) {
        let events = ledger_of(&history);
        let bytes = serde_json::to_string(&events).unwrap();
        prop_assert_eq!(&bytes, &serde_json::to_string(&ledger_of(&history)).unwrap());
        prop_assert_eq!(&events, &serde_json::from_str::<Vec<LedgerEvent>>(&bytes).unwrap());
    }

    #[test]
    fn ids_are_unique_and_time_never_runs_backwards(history in history(12)) {
        let events = ledger_of(&history);
        let ids: BTreeSet<_> = events.iter().map(|event| event.id.clone()).collect();
        prop_assert_eq!(ids.len(), events.len());
        prop_assert!(events.is_sorted_by_key(|event| event.ts));
        for (seq, event) in events.iter().enumerate() {
            let accounting = event.to_event(seq as u64).unwrap().unwrap();
            prop_assert_eq!(&accounting.id, &event.id);
        }
    }

    #[test]
    fn the_prices_asked_for_beforehand_are_those_looked_up(history in history(12)) {
        let mut ledger = builder();
        let noting = Noting(RefCell::default());
        let mut asked = BTreeSet::new();
        for chunk in history.chunks(5) {
            asked.extend(ledger.price_requests(chunk));
            for tx in chunk {
                ledger.push(tx, &noting).unwrap();
            }
        }
        prop_assert_eq!(&asked, &*noting.0.borrow());

        let pin = Pin { block: 1_000, block_time: NOON + 1_000_000 };
        let asked: BTreeSet<_> = ledger.pin_requests(&pin).into_iter().collect();
        let noting = Noting(RefCell::default());
        ledger.pin_prices(&pin, &noting);
        prop_assert_eq!(&asked, &*noting.0.borrow());
    }

    #[test]
    fn a_swap_has_one_value_and_an_exchange_never_makes_one_up(history in history(12)) {
        for event in ledger_of(&history) {
            let fees = event.legs.iter().filter(|leg| leg.side == LegSide::Fee);
            for fee in fees {
                // The native coin is always priced in this book.
                prop_assert!(fee.value.is_some());
            }
            if event.kind == LedgerKind::Swap {
                prop_assert_eq!(event.legs[0].value, event.legs[1].value);
            }
            for leg in &event.legs {
                prop_assert_eq!(leg.value.is_some(), leg.price_source.is_some());
                prop_assert_eq!(leg.value.is_some(), leg.price_time.is_some());
                prop_assert!(leg.value.is_none_or(|value| value >= Usd::ZERO));
            }
        }
    }

    #[test]
    fn every_price_and_every_line_is_in_the_hashes(history in history(6)) {
        prop_assume!(!history.is_empty());
        let pin = Pin { block: 1_000, block_time: NOON };
        let hashes = |history: &[WalletTransaction], book: &FixedBook, version: &str| {
            let mut ledger = builder();
            for tx in history {
                ledger.push(tx, book).unwrap();
            }
            ledger.pin_prices(&pin, book);
            (ledger.input_hash(version, &pin), ledger.price_set_hash())
        };
        let (input, prices) = hashes(&history, &book(), "1");
        prop_assert_eq!(&hashes(&history, &book(), "1"), &(input.clone(), prices.clone()));
        prop_assert_eq!(input.len(), 64);
        // The native coin is priced at the pin at least, so another price is another set.
        let dearer = book().and("native", "101");
        let (same_input, other_prices) = hashes(&history, &dearer, "1");
        prop_assert_eq!(&same_input, &input);
        prop_assert_ne!(&other_prices, &prices);
        prop_assert_ne!(&hashes(&history, &book(), "2").0, &input);
        prop_assert_ne!(&hashes(&history[1..], &book(), "1").0, &input);
    }
}
