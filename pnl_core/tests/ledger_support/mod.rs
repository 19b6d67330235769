//! What the ledger tests share: lines written by hand and a book of fixed prices.
#![allow(dead_code, reason = "every test binary uses its own part")]

pub mod accounts;
pub mod groups;
pub mod random;

use std::collections::BTreeMap;

use pnl_core::engine::Window;
use pnl_core::ledger::{LedgerBuilder, LedgerEvent, LedgerKind, LedgerRules, LegSide};
use pnl_core::movement::{
    AssetDelta, Completeness, FeePaid, NetChange, Order, TxKind, TxStatus, WalletTransaction,
};
use pnl_core::{Address, AssetId, Chain, PriceBook, PriceQuote, PriceRank, RawDelta, TxId};

pub const WALLET: &str = "Wa11et";
/// 2024-03-14 12:00:00 UTC.
pub const NOON: i64 = 1_710_417_600;
pub const USDC: &str = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v";
pub const USDT: &str = "Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB";
pub const SOL: i64 = 1_000_000_000;

pub fn wallet() -> Address {
    Address::from_chain_data(WALLET)
}

pub fn rules() -> LedgerRules {
    LedgerRules {
        chain: Chain::Solana,
        stablecoins: [USDC, USDT].map(AssetId::new).into_iter().collect(),
    }
}

pub fn builder_of(window: Window) -> LedgerBuilder {
    LedgerBuilder::new(wallet(), rules(), window)
}

pub fn builder() -> LedgerBuilder {
    builder_of(Window::ALL)
}

/// A line in which nothing happened, signed by the wallet, of unknown kind.
pub fn line(id: &str) -> WalletTransaction {
    WalletTransaction {
        chain: Chain::Solana,
        tx_id: TxId::new(id),
        wallet: wallet(),
        block: 1,
        block_time: Some(NOON),
        order: Order { block: 1, index: Some(0) },
        status: TxStatus::Ok,
        kind: TxKind::Other,
        venue: None,
        net: vec![],
        fee: None,
        tips: RawDelta::ZERO,
        rent: RawDelta::ZERO,
        service_fees: vec![],
        unexplained: vec![],
        too_large: vec![],
        complete: Completeness { native: true, fee: true },
        notes: vec![],
        signed: true,
        exchange: false,
    }
}

/// Lines are written as a chain of what is special about them.
pub trait LineExt: Sized {
    fn with(self, change: impl FnOnce(&mut WalletTransaction)) -> Self;

    fn kind(self, kind: TxKind) -> Self {
        self.with(|tx| tx.kind = kind)
    }
    fn at(self, time: i64) -> Self {
        self.with(|tx| tx.block_time = Some(time))
    }
    /// Native base units, in the order of calls.
    fn sol(self, lamports: i64) -> Self {
        self.net("native", lamports, 9)
    }
    fn net(self, asset: &str, raw: i64, decimals: u8) -> Self {
        self.with(|tx| {
            let (asset, raw) = (AssetId::new(asset), RawDelta::from(raw));
            tx.net.push(NetChange { asset, raw, decimals: Some(decimals) });
        })
    }
    fn net_without_decimals(self, asset: &str, raw: i64) -> Self {
        self.with(|tx| {
            let (asset, raw) = (AssetId::new(asset), RawDelta::from(raw));
            tx.net.push(NetChange { asset, raw, decimals: None });
        })
    }
    /// A network fee of so many lamports, given as a positive number.
    fn fee(self, lamports: i64) -> Self {
        self.with(|tx| {
            tx.fee = Some(FeePaid { asset: AssetId::native(), raw: RawDelta::from(-lamports) });
        })
    }
    /// Tips of so many lamports, given as a positive number.
    fn tips(self, lamports: i64) -> Self {
        self.with(|tx| tx.tips = RawDelta::from(-lamports))
    }
    fn rent(self, lamports: i64) -> Self {
        self.with(|tx| tx.rent = RawDelta::from(lamports))
    }
    fn unsigned(self) -> Self {
        self.with(|tx| tx.signed = false)
    }
    fn through_an_exchange(self) -> Self {
        self.with(|tx| tx.exchange = true)
    }
    fn unexplained(self, asset: &str, raw: i64) -> Self {
        self.with(|tx| {
            let (asset, raw) = (AssetId::new(asset), RawDelta::from(raw));
            tx.unexplained.push(AssetDelta { asset, raw });
        })
    }
}

impl LineExt for WalletTransaction {
    fn with(mut self, change: impl FnOnce(&mut WalletTransaction)) -> Self {
        change(&mut self);
        self
    }
}

/// The same prices at any time: what is not listed is unknown.
pub struct FixedBook(pub BTreeMap<AssetId, PriceQuote>);

impl FixedBook {
    /// SOL at 100 USD, candle of noon.
    pub fn sol_at_100() -> Self {
        Self(BTreeMap::new()).and("native", "100")
    }

    pub fn and(mut self, asset: &str, price: &str) -> Self {
        let asset = AssetId::new(asset);
        let (rank, source) = match asset.is_native() {
            true => (PriceRank::NativeHour, "csv"),
            false => (PriceRank::Provider, "llama"),
        };
        let price = price.parse().expect("a price in a test is a number");
        let quote = PriceQuote { price, rank, source: source.to_owned(), price_time: NOON };
        self.0.insert(asset, quote);
        self
    }
}

impl PriceBook for FixedBook {
    fn quote(&self, asset: &AssetId, _at: i64) -> Option<PriceQuote> {
        self.0.get(asset).cloned()
    }
}

/// SOL at 100 to 136 USD and X at 0.37 to 0.73, by the hour; every eleventh hour of SOL and every
/// third of X is unknown.
pub struct MovingBook;

impl PriceBook for MovingBook {
    fn quote(&self, asset: &AssetId, at: i64) -> Option<PriceQuote> {
        let hour = at.div_euclid(3_600);
        let step = hour.rem_euclid(37);
        let (price, rank, gap) = match asset.as_str() {
            "native" => (format!("{}.123456789", 100 + step), PriceRank::NativeHour, 11),
            "X" => (format!("0.{}", 37 + step), PriceRank::Provider, 3),
            _ => return None,
        };
        let price = price.parse().expect("a price in a test is a number");
        let quote =
            PriceQuote { price, rank, source: "table".to_owned(), price_time: hour * 3_600 };
        (hour % gap != 0).then_some(quote)
    }
}

/// The events of a line booked first in its history, SOL at 100.
pub fn booked(tx: WalletTransaction) -> Vec<LedgerEvent> {
    builder().push(&tx, &FixedBook::sol_at_100()).expect("the line of a test is sound")
}

/// An event in short: `kind wallet-suffix: side asset raw value; …`.
pub fn short(event: &LedgerEvent) -> String {
    let kind = match event.kind {
        LedgerKind::Acquire => "acquire",
        LedgerKind::Dispose => "dispose",
        LedgerKind::Income => "income",
        LedgerKind::Swap => "swap",
        LedgerKind::TransferIn => "transfer_in",
        LedgerKind::TransferOut => "transfer_out",
        LedgerKind::Fee => "fee",
    };
    let legs: Vec<String> = event
        .legs
        .iter()
        .map(|leg| {
            let side = match leg.side {
                LegSide::Out => "out",
                LegSide::In => "in",
                LegSide::Fee => "fee",
                LegSide::Rent => "rent",
            };
            let value = leg.value.map_or("?".to_owned(), |value| value.to_string());
            format!("{side} {} {} = {value}", name(&leg.asset), leg.raw)
        })
        .collect();
    let mut text = format!("{kind}: {}", legs.join(", "));
    if let Some(raw) = event.pool_raw {
        text = format!("{kind} pool: {raw}");
    }
    if event.link.is_some() {
        text.push_str(" linked");
    }
    if event.unsolicited {
        text.push_str(" unsolicited");
    }
    if event.basis_reset {
        text.push_str(" basis_reset");
    }
    text
}

fn name(asset: &AssetId) -> &str {
    match asset.as_str() {
        USDC => "USDC",
        USDT => "USDT",
        other => other,
    }
}

pub fn shorts(events: &[LedgerEvent]) -> Vec<String> {
    events.iter().map(short).collect()
}
