//! A wallet that trades tokens on a chain: swaps and transfers, each with a fee in the chain's coin.

use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::I256;
use pnl_core::event::{Event, EventFee, EventKind, EventLeg};
use pnl_core::figures::{FigureReader, FigureWriter, FiguresError};
use pnl_core::what_if::WhatIf;
use pnl_core::{AssetId, EngineError, Options, RawAmount, Usd};

use crate::clock::Stopwatch;
use crate::trades;

/// Events of a stored chunk.
const CHUNK: usize = 500;

/// The stored figures of a history.
pub struct Swaps {
    chunks: Vec<Vec<u8>>,
    options: Options,
}

/// A quantity of an asset, with its value in units of 1e-6 USD where it has one.
type Side<'a> = (&'a AssetId, u64, u8, Option<u64>);

fn leg((asset, quantity, decimals, value): Side<'_>) -> EventLeg {
    let million = I256::try_from(10u128.pow(30)).expect("it has 128 bits");
    let value = value
        .map(|value| Usd::from_units(I256::try_from(value).expect("it has 256 bits") * million));
    let quantity = RawAmount::from(quantity);
    EventLeg { asset: asset.clone(), quantity, decimals, value, residue: None }
}

impl Swaps {
    /// So many events with so many tokens in turn. With each: bought with the coin and sold for it, sent and
    /// received without a value, bought with dollars and sold for them; more is bought than sold.
    pub fn new(events: usize, tokens: usize) -> Self {
        let names = trades::assets(tokens + 1);
        let (coin, dollar, tokens) = (AssetId::native(), &names[0], &names[1..]);
        let mut writers = vec![FigureWriter::default()];
        let wallet = Arc::<str>::from("wallet");
        let funding = EventKind::Acquire(leg((&coin, 1 << 50, 9, Some(1 << 40))));
        for number in 0..events {
            let token = &tokens[number / 8 % tokens.len()];
            // Prices change from trade to trade.
            let price = 1_000 + (number as u64).wrapping_mul(0x9e37_79b9) % 1_000;
            let swap = |out: Side<'_>, into: Side<'_>| EventKind::Swap {
                out: leg(out),
                into: leg(into),
                fee_side: None,
            };
            let coins = |count: u64| (&coin, count * 1_000_000, 9, Some(count * price));
            let dollars = |count: u64| (dollar, count, 6, Some(count));
            let units = |count: u64| (token, count * 1_000_000, 6, None);
            let kind = match number % 8 {
                _ if number == 0 => funding.clone(),
                0 => swap(coins(10), units(100)),
                1 => EventKind::TransferIn { leg: leg(units(10)), link: None },
                2 => swap(units(60), coins(9)),
                3 => EventKind::TransferOut { leg: leg(units(7)), link: None },
                4 => swap(coins(10), dollars(10 * price)),
                5 => swap(dollars(5 * price), units(5)),
                6 => swap(units(40), dollars(9 * price)),
                _ => swap(dollars(10 * price), coins(12)),
            };
            let fee = (&coin, 5_000, 9, Some(price / 200));
            let event = Event {
                id: format!("e{number}").into(),
                ts: number as i64,
                seq: number as u64,
                wallet: Arc::clone(&wallet),
                kind,
                fees: vec![EventFee::Asset(leg(fee))],
            };
            if number > 0 && number % CHUNK == 0 {
                writers.push(FigureWriter::default());
            }
            let writer = writers.last_mut().expect("there is one from the beginning");
            writer.push(&event).expect("values have 36 places");
        }
        let options = Options::with_quote_assets([coin, dollar.clone()]);
        Self { chunks: writers.into_iter().map(FigureWriter::finish).collect(), options }
    }

    /// Reads them for all methods and sums up.
    pub fn compare(&self) -> Duration {
        let started = Stopwatch::start();
        let mut what_if = WhatIf::new(&self.options).expect("these options suit all methods");
        let mut reader = FigureReader::default();
        for chunk in &self.chunks {
            let read = reader.read(chunk, |event| what_if.apply(event).map_err(Failure::from));
            read.expect("the history is sound");
        }
        let rows = what_if.finish(None).and_then(|compared| Ok(compared.rows()?));
        std::hint::black_box(rows.expect("the books balance"));
        started.elapsed()
    }
}

/// Why a history is not sound.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Figures(#[from] FiguresError),
    #[error(transparent)]
    Engine(#[from] EngineError),
}
