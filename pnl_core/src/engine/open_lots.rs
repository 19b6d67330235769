//! What is left at the end of a history, as the books hold it, and the view that it is read through.

use std::collections::VecDeque;

use serde::Serialize;

use super::books::AssetEntry;
use super::rows::Records;
use crate::amount::{AmountError, RawAmount, Usd};
use crate::asset::AssetId;
use crate::held::HeldLot;
use crate::holding::Held;

/// The lots of one asset in one wallet at the end of the history.
#[derive(Debug, Clone)]
pub(super) struct ClosedBook {
    /// Index of the wallet; `None` when lots are pooled over all wallets.
    pub(super) wallet: Option<usize>,
    /// Index of the asset.
    pub(super) asset: usize,
    /// In the order of consumption.
    pub(super) lots: VecDeque<HeldLot>,
}

impl ClosedBook {
    /// Adds what the book holds.
    pub(super) fn add_to(&self, held: &mut Held) -> Result<(), AmountError> {
        self.lots.iter().try_for_each(|lot| held.add(lot.quantity(), lot.basis()))
    }

    /// The name of the wallet; empty when lots are pooled over all wallets.
    pub(super) fn wallet_in<'a>(&self, records: &'a Records) -> &'a str {
        self.wallet.map_or("", |wallet| &records.wallets[wallet])
    }
}

/// What is left of a lot at the end of the history. Serialized, the members have the names of an accounting
/// document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct OpenLot<'a> {
    /// The id of the event that made it.
    pub lot: &'a str,
    /// The asset.
    pub asset: &'a AssetId,
    /// Where it is; empty when lots are pooled over all wallets.
    pub wallet: &'a str,
    /// Base units left.
    #[serde(rename = "qty")]
    pub quantity: RawAmount,
    /// Decimals of the asset.
    pub decimals: u8,
    /// Cost of what is left; `None` = unknown basis.
    pub basis: Option<Usd>,
    /// Unix seconds of the acquisition.
    pub acquired_ts: i64,
}

/// Open lots one by one. Skipping is cheap: only what is given out is put together.
#[derive(Debug, Clone)]
pub(super) struct OpenLots<'a, I> {
    pub(super) records: &'a Records,
    pub(super) assets: &'a [AssetEntry],
    /// The lots with their books.
    pub(super) rows: I,
}

impl<'a, I: Iterator<Item = (&'a ClosedBook, &'a HeldLot)>> OpenLots<'a, I> {
    fn lot(&self, (book, lot): (&'a ClosedBook, &'a HeldLot)) -> OpenLot<'a> {
        let asset = &self.assets[book.asset];
        let origin = self.records.origins.get(lot.order());
        OpenLot {
            lot: origin.id,
            asset: &asset.id,
            wallet: book.wallet_in(self.records),
            quantity: lot.quantity(),
            decimals: asset.decimals,
            basis: lot.basis(),
            acquired_ts: origin.ts,
        }
    }
}

impl<'a, I: Iterator<Item = (&'a ClosedBook, &'a HeldLot)>> Iterator for OpenLots<'a, I> {
    type Item = OpenLot<'a>;

    fn next(&mut self) -> Option<OpenLot<'a>> {
        let row = self.rows.next()?;
        Some(self.lot(row))
    }

    fn nth(&mut self, skipped: usize) -> Option<OpenLot<'a>> {
        let row = self.rows.nth(skipped)?;
        Some(self.lot(row))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.rows.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use crate::document::Document;

    /// Bought in two places, in an order that is not that of the answer.
    const HISTORY: &str = r#"{"method": "METHOD", "options": {"scope": "SCOPE"}, "events": [
        {"id": "a", "ts": 1, "kind": "acquire", "wallet": "w2", "asset": "T", "qty": 5, "decimals": 0, "value": "5"},
        {"id": "b", "ts": 2, "kind": "acquire", "wallet": "w1", "asset": "U", "qty": 1, "decimals": 0, "value": "7"},
        {"id": "c", "ts": 3, "kind": "acquire", "wallet": "w1", "asset": "T", "qty": 2, "decimals": 0, "value": "8"},
        {"id": "d", "ts": 4, "kind": "acquire", "wallet": "w1", "asset": "T", "qty": 3, "decimals": 0},
        {"id": "s", "ts": 5, "kind": "dispose", "wallet": "w1", "asset": "T", "qty": 1, "decimals": 0, "value": "9"}]}"#;

    /// Wallet, event and quantity of each lot, as `skip` and `lots_where` give them.
    fn lots(method: &str, scope: &str) -> Vec<(String, String, String)> {
        let text = HISTORY.replace("METHOD", method).replace("SCOPE", scope);
        let outcome = Document::read(&text).unwrap().run().unwrap();
        let all: Vec<_> = outcome.lots().collect();
        assert_eq!(outcome.lot_count(), all.len());
        for skipped in 0..=all.len() {
            assert!(outcome.lots().skip(skipped).eq(all[skipped..].iter().copied()));
        }
        for wallet in ["", "w1", "w2"] {
            let of_wallet = all.iter().copied().filter(|lot| lot.wallet == wallet);
            assert!(outcome.lots_where(|name| name == wallet).eq(of_wallet));
        }
        let text = |lot: &super::OpenLot<'_>| {
            (lot.wallet.to_owned(), lot.lot.to_owned(), lot.quantity.to_string())
        };
        all.iter().map(text).collect()
    }

    fn named(rows: &[(&str, &str, &str)]) -> Vec<(String, String, String)> {
        rows.iter()
            .map(|(wallet, lot, left)| ((*wallet).into(), (*lot).into(), (*left).into()))
            .collect()
    }

    #[test]
    fn lots_stand_by_wallet_asset_and_order_of_consumption() {
        let fifo = [("w1", "c", "1"), ("w1", "d", "3"), ("w1", "b", "1"), ("w2", "a", "5")];
        assert_eq!(lots("fifo", "wallet"), named(&fifo));
        let lifo = [("w1", "d", "2"), ("w1", "c", "2"), ("w1", "b", "1"), ("w2", "a", "5")];
        assert_eq!(lots("lifo", "wallet"), named(&lifo));
        let pooled = [("", "a", "4"), ("", "c", "2"), ("", "d", "3"), ("", "b", "1")];
        assert_eq!(lots("fifo", "global"), named(&pooled));
        // Of unknown cost last, of the others the dearest first.
        let hifo = [("", "c", "1"), ("", "a", "5"), ("", "d", "3"), ("", "b", "1")];
        assert_eq!(lots("hifo", "global"), named(&hifo));
    }
}
