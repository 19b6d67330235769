//! The events of one transaction while they are written, and the legs they are made of.

use std::sync::{Arc, LazyLock};

use super::event::{LedgerEvent, LedgerKind, LedgerLeg, LegSide};
use crate::amount::{RawDelta, Usd};
use crate::asset::AssetId;
use crate::movement::WalletTransaction;
use crate::price::PriceQuote;
use crate::value::{LegValue, MarketValue};

/// Name of the source of a value that comes from the other side of an exchange.
pub(crate) const EXCHANGE_SOURCE: &str = "exchange";

/// Largest value that counts as one: 1e33 USD.
///
/// More is no market value but a price that does not belong to the quantity, as tokens of absurd
/// supply have. Counting it as unknown keeps such a token from ruining the sums of its wallet: ten
/// million legs of this size still fit the range of [`Usd`].
static LARGEST_MARKET_VALUE: LazyLock<Usd> = LazyLock::new(|| {
    const USD: &str = "1000000000000000000000000000000000";
    USD.parse().expect("1e33 is digits alone and within the range")
});

/// What a movement is worth at a price; `None` when that is no plausible money.
pub(super) fn market_value(quote: &PriceQuote, raw: RawDelta, decimals: u8) -> Option<Usd> {
    let value = quote.price.value_of(raw.magnitude(), decimals).ok();
    value.filter(|value| *value <= *LARGEST_MARKET_VALUE)
}

/// The oldest price time among the legs that are priced.
pub(super) fn oldest(legs: &[Priced]) -> Option<i64> {
    legs.iter().filter_map(|leg| leg.quoted.as_ref().map(|(_, quote)| quote.price_time)).min()
}

/// A movement with its own market value.
pub(super) struct Priced {
    pub(super) asset: AssetId,
    pub(super) raw: RawDelta,
    pub(super) decimals: Option<u8>,
    /// Its value and the price that gives it.
    pub(super) quoted: Option<(Usd, PriceQuote)>,
}

impl Priced {
    /// Its own market value.
    pub(super) fn market(&self) -> Option<MarketValue> {
        self.quoted.as_ref().map(|(value, quote)| MarketValue { value: *value, rank: quote.rank })
    }

    /// The leg at its own market value.
    pub(super) fn at_market(self, side: LegSide) -> LedgerLeg {
        let (value, source, time) = match self.quoted {
            Some((value, quote)) => (Some(value), Some(quote.source), Some(quote.price_time)),
            None => (None, None, None),
        };
        LedgerLeg {
            side,
            asset: self.asset,
            raw: self.raw,
            decimals: self.decimals,
            value,
            price_source: source,
            price_time: time,
        }
    }

    /// The leg at its value in an exchange; a derived one rests on a price made at `basis`.
    pub(super) fn in_exchange(
        self,
        side: LegSide,
        value: LegValue,
        basis: Option<i64>,
    ) -> LedgerLeg {
        let leg = self.at_market(side);
        match value {
            LegValue::Own(_) => leg,
            LegValue::Derived(value) => LedgerLeg {
                value: Some(value),
                price_source: Some(EXCHANGE_SOURCE.to_owned()),
                price_time: basis,
                ..leg
            },
            LegValue::Unknown => {
                LedgerLeg { value: None, price_source: None, price_time: None, ..leg }
            }
        }
    }
}

/// The events of one transaction while they are written.
pub(super) struct Page<'a> {
    tx: &'a WalletTransaction,
    ts: i64,
    wallet: Arc<str>,
    /// What is written so far, in order.
    pub(super) events: Vec<LedgerEvent>,
}

impl<'a> Page<'a> {
    /// An empty page for a transaction.
    pub(super) fn new(tx: &'a WalletTransaction, ts: i64, wallet: Arc<str>) -> Self {
        Self { tx, ts, wallet, events: Vec::new() }
    }

    /// The next event of the wallet.
    pub(super) fn add(&mut self, kind: LedgerKind, legs: Vec<LedgerLeg>) -> &mut LedgerEvent {
        let event = LedgerEvent {
            id: format!("{}:{}", self.tx.tx_id, self.events.len()).into(),
            tx_id: self.tx.tx_id.clone(),
            block: self.tx.block,
            block_time: self.tx.block_time,
            ts: self.ts,
            order: self.tx.order,
            tx_kind: self.tx.kind,
            status: self.tx.status,
            wallet: self.wallet.clone(),
            kind,
            legs,
            pool_raw: None,
            link: None,
            excluded: false,
            unsolicited: false,
            basis_reset: false,
        };
        self.events.push(event);
        self.events.last_mut().expect("an event was pushed just above")
    }

    /// One event per leg; the first one carries the fees.
    pub(super) fn add_each(
        &mut self,
        kind: LedgerKind,
        legs: Vec<LedgerLeg>,
        fees: Vec<LedgerLeg>,
    ) {
        let mut fees = Some(fees);
        for leg in legs {
            let mut of_event = vec![leg];
            of_event.extend(fees.take().unwrap_or_default());
            self.add(kind, of_event);
        }
    }

    /// The next event of the pool of rent deposits, moving `raw` as the pool sees it.
    pub(super) fn add_to_pool(
        &mut self,
        kind: LedgerKind,
        raw: RawDelta,
        pool: &Arc<str>,
        link: Arc<str>,
    ) {
        let event = self.add(kind, Vec::new());
        event.wallet = pool.clone();
        event.pool_raw = Some(raw);
        event.link = Some(link);
    }
}
