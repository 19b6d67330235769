//! The events of two ledgers of one wallet beside each other: which have other prices, which move
//! something else or stand elsewhere in their block, which only one of them has.

use std::collections::HashMap;

use pnl_core::ledger::{LedgerEvent, LedgerKind, LedgerLeg, LegSide};
use pnl_core::movement::Order;
use pnl_core::{AmountError, AssetId, Usd, UsdPrice};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Listed, MOST_LISTED};
use crate::wallets::{WalletsError, corrupt};

/// An event of a ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventRow {
    /// Its id.
    pub event: String,
    /// Slot or block number.
    pub block: u64,
    /// Its place in the block.
    pub order: Order,
    /// Unix seconds.
    pub ts: i64,
    /// What it is.
    pub kind: LedgerKind,
    /// What it moves, with the prices.
    pub legs: Vec<LedgerLeg>,
}

/// An event that moves something else in the other ledger, or has another place there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventPair {
    /// In the ledger of the one result.
    pub from: EventRow,
    /// In that of the other.
    pub to: EventRow,
}

/// An event of which prices differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventPrices {
    /// Its id.
    pub event: String,
    /// Unix seconds.
    pub ts: i64,
    /// What it is.
    pub kind: LedgerKind,
    /// The movements whose price differs.
    pub legs: Vec<LegPrices>,
}

/// A movement whose price differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LegPrices {
    /// Which part of the event it is.
    pub side: LegSide,
    /// The asset.
    pub asset: AssetId,
    /// Its price in the one result.
    pub from: LegPrice,
    /// Its price in the other.
    pub to: LegPrice,
    /// The value in the other less that in the one; `None` where one of them is unknown.
    pub value_difference_usd: Option<Usd>,
}

/// What a movement was valued at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LegPrice {
    /// US dollars for all of it; `None` = unknown.
    pub value_usd: Option<Usd>,
    /// US dollars per whole unit.
    pub price_usd: Option<UsdPrice>,
    /// Who gave the price.
    pub price_source: Option<String>,
    /// Unix seconds at which it was made.
    pub price_time: Option<i64>,
}

/// What differs between the events of two ledgers, up to the pin of the earlier one.
#[derive(Debug, Default)]
pub(super) struct Differences {
    pub prices: Listed<EventPrices>,
    pub moved: Listed<EventPair>,
    pub only_earlier: Listed<EventRow>,
    pub only_later: Listed<EventRow>,
}

/// Takes up the events of the earlier ledger, then those of the later one, then, where something
/// differs, those of the earlier one again. Of an event it keeps hashes, and its values where they differ.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    kept: HashMap<Hash, Kept>,
    found: usize,
    /// Rows of the later ledger, as far as they are listed.
    rows: HashMap<Hash, EventRow>,
    differences: Differences,
}

type Hash = [u8; 16];

/// What is kept of an event of the earlier ledger.
#[derive(Debug)]
struct Kept {
    moves: Hash,
    prices: Hash,
    later: Later,
}

/// What the later ledger says of an event of the earlier one.
#[derive(Debug)]
enum Later {
    Nothing,
    TheSame,
    OtherMoves,
    OtherPrices(Vec<Option<Usd>>),
}

impl Comparison {
    /// Takes up an event of the earlier ledger.
    pub fn take_earlier(&mut self, event: &LedgerEvent) -> Result<(), WalletsError> {
        let (moves, prices) = (moves(event)?, prices(event)?);
        self.kept.insert(hash(&event.id)?, Kept { moves, prices, later: Later::Nothing });
        Ok(())
    }

    /// Takes up an event of the later ledger that is not behind the pin of the earlier one.
    pub fn take_later(&mut self, event: &LedgerEvent) -> Result<(), WalletsError> {
        let id = hash(&event.id)?;
        let Some(kept) = self.kept.get_mut(&id) else {
            self.differences.only_later.push(|| EventRow::of(event));
            return Ok(());
        };
        self.found += 1;
        let count = if kept.moves != moves(event)? {
            kept.later = Later::OtherMoves;
            &mut self.differences.moved.count
        } else if kept.prices != prices(event)? {
            kept.later = Later::OtherPrices(event.legs.iter().map(|leg| leg.value).collect());
            &mut self.differences.prices.count
        } else {
            kept.later = Later::TheSame;
            return Ok(());
        };
        if *count < MOST_LISTED as u64 {
            self.rows.insert(id, EventRow::of(event));
        }
        *count += 1;
        Ok(())
    }

    /// Whether anything differs.
    pub fn differs(&self) -> bool {
        let Differences { prices, moved, only_later, .. } = &self.differences;
        self.found < self.kept.len() || prices.count + moved.count + only_later.count > 0
    }

    /// Takes up an event of the earlier ledger again, and gives it the values of the later one, where that has
    /// the same movements.
    pub fn take_again(&mut self, event: &mut LedgerEvent) -> Result<(), WalletsError> {
        let id = hash(&event.id)?;
        let row = self.rows.remove(&id);
        let kept = self.kept.get(&id).ok_or_else(|| corrupt("an event came from nowhere"))?;
        match &kept.later {
            Later::TheSame => {}
            Later::Nothing => self.differences.only_earlier.push(|| EventRow::of(event)),
            Later::OtherMoves => {
                let pair = row.map(|to| EventPair { from: EventRow::of(event), to });
                self.differences.moved.listed.extend(pair);
            }
            Later::OtherPrices(values) => {
                let prices = row.map(|to| EventPrices::of(event, &to)).transpose()?;
                self.differences.prices.listed.extend(prices);
                for (leg, value) in event.legs.iter_mut().zip(values) {
                    leg.value = *value;
                }
            }
        }
        Ok(())
    }

    /// What differs.
    pub fn into_differences(self) -> Differences {
        self.differences
    }
}

impl Differences {
    /// The same seen from the later ledger.
    pub fn turned(mut self) -> Result<Self, AmountError> {
        for pair in &mut self.moved.listed {
            std::mem::swap(&mut pair.from, &mut pair.to);
        }
        for leg in self.prices.listed.iter_mut().flat_map(|event| &mut event.legs) {
            std::mem::swap(&mut leg.from, &mut leg.to);
            let turned = leg.value_difference_usd.map(Usd::checked_neg);
            leg.value_difference_usd = turned.transpose()?;
        }
        std::mem::swap(&mut self.only_earlier, &mut self.only_later);
        Ok(self)
    }
}

impl EventRow {
    fn of(event: &LedgerEvent) -> Self {
        let LedgerEvent { id, block, order, ts, kind, legs, .. } = event;
        let (block, order, ts, kind) = (*block, *order, *ts, *kind);
        Self { event: id.to_string(), block, order, ts, kind, legs: legs.clone() }
    }
}

impl EventPrices {
    /// Of an event that moves the same in both ledgers.
    fn of(from: &LedgerEvent, to: &EventRow) -> Result<Self, AmountError> {
        let legs = from.legs.iter().zip(&to.legs).filter(|(from, to)| price(from) != price(to));
        let legs = legs.map(|(from, to)| {
            let values = from.value.zip(to.value);
            Ok(LegPrices {
                side: from.side,
                asset: from.asset.clone(),
                from: LegPrice::of(from),
                to: LegPrice::of(to),
                value_difference_usd: values.map(|(from, to)| to.checked_sub(from)).transpose()?,
            })
        });
        let legs = legs.collect::<Result<_, AmountError>>()?;
        Ok(Self { event: to.event.clone(), ts: to.ts, kind: to.kind, legs })
    }
}

impl LegPrice {
    fn of(leg: &LedgerLeg) -> Self {
        Self {
            value_usd: leg.value,
            price_usd: leg.unit_price(),
            price_source: leg.price_source.clone(),
            price_time: leg.price_time,
        }
    }
}

/// What the prices of an event are.
fn prices(event: &LedgerEvent) -> Result<Hash, WalletsError> {
    hash(&event.legs.iter().map(price).collect::<Vec<_>>())
}

fn price(leg: &LedgerLeg) -> (Option<Usd>, Option<&str>, Option<i64>) {
    (leg.value, leg.price_source.as_deref(), leg.price_time)
}

/// What an event does to lots, but for prices, and its place in its block.
fn moves(event: &LedgerEvent) -> Result<Hash, WalletsError> {
    let LedgerEvent { ts, order, wallet, kind, legs, pool_raw, link, excluded, .. } = event;
    let moved: Vec<_> =
        legs.iter().map(|leg| (leg.side, &leg.asset, leg.raw, leg.decimals)).collect();
    hash(&(ts, order, wallet, kind, moved, pool_raw, link, excluded))
}

fn hash(value: &(impl Serialize + ?Sized)) -> Result<Hash, WalletsError> {
    let digest = Sha256::digest(serde_json::to_vec(value).map_err(corrupt)?);
    let mut hash = Hash::default();
    let length = hash.len();
    hash.copy_from_slice(&digest[..length]);
    Ok(hash)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(id: &str, raw: &str, value: Option<&str>) -> LedgerEvent {
        let text = json!({
            "event": id, "tx_id": "t", "block": 7, "block_time": 70, "ts": 70, "order": [7, 0],
            "tx_kind": "transfer_in", "status": "ok", "wallet": "w", "kind": "transfer_in",
            "legs": [{
                "side": "in", "asset": "T", "raw": raw, "decimals": 0, "value_usd": value,
                "price_source": value.map(|_| "csv"), "price_time": value.map(|_| 60)}],
            "link": null, "excluded": false, "unsolicited": false, "basis_reset": false});
        serde_json::from_value(text).unwrap()
    }

    fn compared(earlier: &[LedgerEvent], later: &[LedgerEvent]) -> (Differences, Vec<LedgerEvent>) {
        let mut comparison = Comparison::default();
        earlier.iter().try_for_each(|event| comparison.take_earlier(event)).unwrap();
        later.iter().try_for_each(|event| comparison.take_later(event)).unwrap();
        let mut again = earlier.to_vec();
        if comparison.differs() {
            again.iter_mut().try_for_each(|event| comparison.take_again(event)).unwrap();
        }
        (comparison.into_differences(), again)
    }

    #[test]
    fn events_are_told_apart_by_what_differs() {
        let earlier =
            [("same", "5"), ("gone", "5"), ("moved", "5"), ("priced", "5"), ("unknown", "5")]
                .map(|(id, raw)| event(id, raw, (id != "unknown").then_some("10")));
        let later = [
            event("same", "5", Some("10")),
            event("moved", "6", Some("12")),
            event("priced", "5", Some("20")),
            event("unknown", "5", Some("10")),
            event("new", "5", Some("10")),
        ];
        let (found, again) = compared(&earlier, &later);
        let ids = |rows: &Listed<EventRow>| -> Vec<String> {
            assert_eq!(rows.count, rows.listed.len() as u64);
            rows.listed.iter().map(|row| row.event.clone()).collect()
        };
        assert_eq!(ids(&found.only_earlier), ["gone"]);
        assert_eq!(ids(&found.only_later), ["new"]);
        assert_eq!(found.moved.count, 1);
        let pair = &found.moved.listed[0];
        assert_eq!((&pair.from, &pair.to), (&EventRow::of(&earlier[2]), &EventRow::of(&later[1])));
        assert_eq!(found.prices.count, 2);
        let legs: Vec<_> = found.prices.listed.iter().map(|event| &event.legs[0]).collect();
        assert_eq!(legs[0].value_difference_usd, Some("10".parse().unwrap()));
        assert_eq!(legs[0].to.price_usd, Some("4".parse().unwrap()));
        assert_eq!((legs[1].from.value_usd, legs[1].value_difference_usd), (None, None));
        // With the values of the later ledger, as far as it moves the same.
        let values: Vec<_> =
            again.iter().map(|event| event.legs[0].value.unwrap().to_string()).collect();
        assert_eq!(values, ["10", "10", "10", "20", "10"]);

        let turned = found.turned().unwrap();
        assert_eq!(ids(&turned.only_earlier), ["new"]);
        let leg = &turned.prices.listed[0].legs[0];
        assert_eq!(leg.value_difference_usd, Some("-10".parse().unwrap()));
        assert_eq!(leg.from.value_usd, Some("20".parse().unwrap()));
        assert_eq!(turned.moved.listed[0].from, EventRow::of(&later[1]));
    }

    #[test]
    fn lists_are_bounded_and_counts_are_not() {
        let many = |value| -> Vec<_> {
            (0..MOST_LISTED + 50).map(|n| event(&format!("e{n}"), "5", Some(value))).collect()
        };
        let (found, again) = compared(&many("10"), &many("20"));
        assert_eq!((found.prices.count, found.prices.listed.len()), (150, MOST_LISTED));
        assert_eq!(found.prices.listed[99].event, "e99");
        assert_eq!(again, many("20"));
        let mut moved = many("10");
        moved[3].order.index = Some(1);
        let (found, again) = compared(&many("10"), &moved);
        assert_eq!((found.moved.count, found.prices.count), (1, 0), "another place is no price");
        assert_eq!(again, many("10"));
        let (found, _) = compared(&many("10"), &[]);
        assert_eq!((found.only_earlier.count, found.only_earlier.listed.len()), (150, 100));
    }
}
