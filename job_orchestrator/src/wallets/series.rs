//! A wallet over time: its equity curve, its calendar, and how its returns and holding times are spread.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pnl_core::ledger::LedgerEvent;
use pnl_core::metrics::{
    Boundary, Calendar, Distribution, Drawdown, EquityPoint, EquityReader, HoldingTerms, PriceAt,
    sharpe_like,
};
use pnl_core::ratio::Figure;
use pnl_core::{AssetId, Engine, Period, Pin, Usd, UsdPrice, WalletRef, Window};

use super::past::{Noted, OLDEST_PRICE, PastEnd};
use super::{Reader, View, Wallets, WalletsError};
use crate::stages::replay;

/// Points of a curve; each costs about as much as there are open lots.
pub const MOST_POINTS: usize = 2_000;

/// An equity curve.
#[derive(Debug)]
pub struct Equity {
    /// Where the history ends.
    pub pin: Pin,
    /// Its points, oldest first, and of how many holdings the price is older than a price stands.
    pub points: Vec<(EquityPoint, u64)>,
    /// The largest fall of the curve; `None` when it never falls.
    pub drawdown: Option<Drawdown>,
}

/// How returns and holding times of a view are spread.
#[derive(Debug)]
pub struct Spread {
    /// Where the history ends.
    pub pin: Pin,
    /// Returns of tokens or trades in buckets.
    pub distribution: Distribution,
    /// Gains by holding time.
    pub holding: HoldingTerms,
    /// Mean daily profit per its spread, of a year.
    pub sharpe_like: Option<Figure>,
}

/// What a spread is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpreadRules {
    /// Trades instead of tokens.
    pub by_trade: bool,
    /// Edges of the buckets, percent.
    pub edges: Vec<i64>,
    /// Where a holding time is long.
    pub boundary: Boundary,
}

impl Wallets {
    /// The equity at the ends of `period`s; the inner `Err` when they are more than [`MOST_POINTS`],
    /// `None` when no ledger of the wallet is stored.
    ///
    /// # Errors
    /// [`WalletsError`].
    pub async fn equity(
        &self,
        wallet: &WalletRef,
        view: View,
        period: Period,
    ) -> Result<Option<Result<Equity, TooManyPoints>>, WalletsError> {
        let Some(reader) = self.open(wallet).await? else { return Ok(None) };
        let reader = Arc::new(reader);
        let walk = self.walk(&reader, view).await?;
        let window = walk.window();
        let (engine, noted, past) = walk.into_parts();
        let pin = reader.ledger.head.pin;
        let end = Pin { block_time: past.map_or(pin.block_time, |past| past.time), ..pin };
        let mut curve = Some(Curve { window, end, past, period });
        // What a window counts is none of a curve's business.
        let noted = noted.filter(|_| past.is_some());
        let mut engine = Some((engine, noted));
        let mut reading: Option<Reading> = None;
        for no in 0..reader.ledger.head.chunks {
            let chunk = reader.chunk(no).await?;
            let (begun, fresh) = (reading.take(), curve.take().zip(engine.take()));
            let step = self
                .compute(move || match (begun, fresh) {
                    (Some(reading), _) => reading.read(&chunk).map(Ok),
                    (None, Some((curve, (engine, noted)))) => {
                        match curve.begin(engine, noted, &chunk)? {
                            Ok(reading) => reading.read(&chunk).map(Ok),
                            Err(too_many) => Ok(Err(too_many)),
                        }
                    }
                    (None, None) => Err(WalletsError::Corrupt("a curve without an engine".into())),
                })
                .await?;
            match step {
                Ok(step) if step.is_over => {
                    reading = Some(step);
                    break;
                }
                Ok(step) => reading = Some(step),
                Err(too_many) => return Ok(Some(Err(too_many))),
            }
        }
        let Some(reading) = reading else {
            return Ok(Some(Ok(Equity { pin: end, points: Vec::new(), drawdown: None })));
        };
        self.compute(move || reading.close(&reader).map(|curve| Some(Ok(curve)))).await
    }

    /// What each period of a view brought, with the end of the history; `None` when no ledger of the
    /// wallet is stored.
    ///
    /// # Errors
    /// [`WalletsError`].
    pub async fn calendar(
        &self,
        wallet: &WalletRef,
        view: View,
        period: Period,
    ) -> Result<Option<(Pin, Calendar)>, WalletsError> {
        let Some(reader) = self.open(wallet).await? else { return Ok(None) };
        let ended = self.ended(&Arc::new(reader), view).await?;
        self.compute(move || {
            let calendar = Calendar::of(&ended.outcome, &ended.window, period)?;
            Ok(Some((ended.history.pin, calendar)))
        })
        .await
    }

    /// How the returns and holding times of a view are spread; `None` when no ledger of the wallet is
    /// stored.
    ///
    /// # Errors
    /// [`WalletsError`].
    pub async fn spread(
        &self,
        wallet: &WalletRef,
        view: View,
        rules: SpreadRules,
    ) -> Result<Option<Spread>, WalletsError> {
        let Some(reader) = self.open(wallet).await? else { return Ok(None) };
        let ended = self.ended(&Arc::new(reader), view).await?;
        self.compute(move || {
            let (outcome, window) = (&ended.outcome, &ended.window);
            let distribution = if rules.by_trade {
                Distribution::of_trades(outcome, window, &rules.edges)?
            } else {
                Distribution::of_tokens(outcome, window, &rules.edges)?
            };
            Ok(Some(Spread {
                pin: ended.history.pin,
                distribution,
                holding: HoldingTerms::of(outcome, window, rules.boundary)?,
                sharpe_like: sharpe_like(outcome, window)?,
            }))
        })
        .await
    }
}

/// The curve would have more than [`MOST_POINTS`] points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the curve would have more than {MOST_POINTS} points; take a longer period or a shorter time range"
)]
pub struct TooManyPoints;

/// A curve that is asked for.
struct Curve {
    window: Window,
    end: Pin,
    past: Option<PastEnd>,
    period: Period,
}

impl Curve {
    /// Lays out the moments, from the window's begin or the first event of the first chunk on. The last
    /// one is the end of the history, also of a window that ends before it: what such a window is worth
    /// are its gains and what is held at the end, as in the result.
    fn begin(
        self,
        engine: Engine,
        noted: Option<Noted>,
        chunk: &[u8],
    ) -> Result<Result<Reading, TooManyPoints>, WalletsError> {
        let Self { window, end, past, period } = self;
        let first = replay::lines(chunk)?.next().map(replay::event).transpose()?;
        let from = window.from.or(first.map(|event| event.ts)).unwrap_or(0);
        let last = window.to.map_or(i64::MAX, |to| to.saturating_sub(1)).min(end.block_time);
        let Some(ends) = period.ends(from, last, MOST_POINTS) else {
            return Ok(Err(TooManyPoints));
        };
        let behind = last.saturating_add(1);
        let at_end = end.block_time.saturating_add(1);
        // Where a window begins the curve begins, too: its drawdown is that of the window.
        let mut moments: Vec<i64> = ends.into_iter().map(|end| end.min(behind)).collect();
        moments.extend(window.from);
        // Where it ends at the pin, the end of the history is its own.
        moments.retain(|at| *at < at_end && (window.to != Some(*at) || *at < end.block_time));
        moments.push(at_end);
        let prices = Prices::default();
        Ok(Ok(Reading {
            reader: EquityReader::new(engine, moments, prices.clone()).within(window),
            prices,
            noted,
            past,
            window,
            at_end,
            seq: 0,
            is_over: false,
        }))
    }
}

/// A curve under way.
struct Reading {
    reader: EquityReader<Prices>,
    prices: Prices,
    /// Of a history that ends in the past.
    noted: Option<Noted>,
    past: Option<PastEnd>,
    window: Window,
    /// The last moment: everything before it belongs to the history.
    at_end: i64,
    seq: u64,
    is_over: bool,
}

impl Reading {
    fn read(mut self, chunk: &[u8]) -> Result<Self, WalletsError> {
        for line in replay::lines(chunk)? {
            let row = replay::event(line)?;
            if self.past.is_some_and(|past| past.is_before(&row)) {
                self.is_over = true;
                break;
            }
            if let Some(noted) = &mut self.noted {
                noted.take_up(&row, &self.window)?;
            }
            if let Some(event) = row.to_event(self.seq)? {
                self.reader.apply(&event)?;
            }
            self.prices.note(&row);
            self.seq += 1;
        }
        Ok(self)
    }

    /// The points; the last one with the prices of the result.
    fn close(self, of: &Reader) -> Result<Equity, WalletsError> {
        let Self { reader, prices, noted, past, window, at_end, .. } = self;
        let history = of.history_of(noted, past)?;
        prices.lock().at_end = Some((at_end, history.prices));
        let (points, _) = reader.finish()?;
        let start = match points.first() {
            Some(first) if window.from.is_some() => first.equity,
            _ => Usd::ZERO,
        };
        // What becomes of holdings behind a window is not its fall.
        let is_inside = |point: &&EquityPoint| {
            point.at < at_end || window.to.is_none_or(|to| to >= at_end.saturating_sub(1))
        };
        let inside: Vec<EquityPoint> = points.iter().filter(is_inside).cloned().collect();
        let drawdown = Drawdown::of(&inside, start)?;
        let stale = std::mem::take(&mut prices.lock().stale);
        let points = points
            .into_iter()
            .map(|point| {
                let stale = stale.get(&point.at).copied().unwrap_or(0);
                (point, stale)
            })
            .collect();
        Ok(Equity { pin: history.pin, points, drawdown })
    }
}

/// The newest prices that the ledger has of each asset so far, shared by who reads the ledger and who
/// values holdings.
#[derive(Debug, Clone, Default)]
struct Prices(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    newest: BTreeMap<AssetId, (i64, UsdPrice)>,
    /// Those at the end of the history, and the moment behind it.
    at_end: Option<(i64, BTreeMap<AssetId, UsdPrice>)>,
    /// How many holdings were valued at an old price, by moment.
    stale: BTreeMap<i64, u64>,
}

impl Prices {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, event: &LedgerEvent) {
        let mut known = self.lock();
        for leg in &event.legs {
            if let (Some(price), Some(time)) = (leg.unit_price(), leg.price_time) {
                known.newest.insert(leg.asset.clone(), (time, price));
            }
        }
    }
}

impl PriceAt for Prices {
    fn price(&self, asset: &AssetId, at: i64) -> Option<UsdPrice> {
        let mut known = self.lock();
        if let Some((_, prices)) = known.at_end.as_ref().filter(|(end, _)| *end == at) {
            return prices.get(asset).copied();
        }
        let (time, price) = *known.newest.get(asset)?;
        if at.saturating_sub(time) > OLDEST_PRICE {
            *known.stale.entry(at).or_default() += 1;
        }
        Some(price)
    }
}
