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

use super::past::OLDEST_PRICE;
use super::{View, Wallets, WalletsError};
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
        let walk = self.walk(&reader, view)?;
        let end = Pin {
            block_time: view.time_range.as_of().unwrap_or(reader.ledger.head.pin.block_time),
            ..reader.ledger.head.pin
        };
        let mut curve = Some(Curve::new(walk.window(), end, period));
        let mut engine = Some(walk.into_engine());
        let mut reading: Option<Reading> = None;
        for no in 0..reader.ledger.head.chunks {
            let chunk = reader.chunk(no).await?;
            let (begun, fresh) = (reading.take(), curve.take().zip(engine.take()));
            let step = self
                .compute(move || match (begun, fresh) {
                    (Some(reading), _) => reading.read(&chunk).map(Ok),
                    (None, Some((curve, engine))) => match curve.begin(engine, &chunk)? {
                        Ok(reading) => reading.read(&chunk).map(Ok),
                        Err(too_many) => Ok(Err(too_many)),
                    },
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
        let prices = reader.history.prices.clone();
        let is_pin = view.time_range.as_of().is_none();
        self.compute(move || {
            reading.close(is_pin.then_some(prices), end).map(|curve| Some(Ok(curve)))
        })
        .await
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
    period: Period,
}

impl Curve {
    fn new(window: Window, end: Pin, period: Period) -> Self {
        Self { window, end, period }
    }

    /// Lays out the moments, from the window's begin or the first event of the first chunk on. The last
    /// one is the end of the window or of the history.
    fn begin(
        self,
        engine: Engine,
        chunk: &[u8],
    ) -> Result<Result<Reading, TooManyPoints>, WalletsError> {
        let first = replay::lines(chunk)?.next().map(replay::event).transpose()?;
        let from = self.window.from.or(first.map(|event| event.ts)).unwrap_or(0);
        let last = self.window.to.map_or(i64::MAX, |to| to.saturating_sub(1));
        let last = last.min(self.end.block_time);
        let Some(ends) = self.period.ends(from, last, MOST_POINTS) else {
            return Ok(Err(TooManyPoints));
        };
        let behind = last.saturating_add(1);
        let mut moments: Vec<i64> = ends.into_iter().map(|end| end.min(behind)).collect();
        // Where a window begins the curve begins, too: its drawdown is that of the window.
        if let Some(from) = self.window.from {
            moments.push(from);
        }
        let prices = Prices::default();
        Ok(Ok(Reading {
            reader: EquityReader::new(engine, moments, prices.clone()),
            prices,
            begins_with_a_point: self.window.from.is_some(),
            end: self.end,
            seq: 0,
            is_over: false,
        }))
    }
}

/// A curve under way.
struct Reading {
    reader: EquityReader<Prices>,
    prices: Prices,
    begins_with_a_point: bool,
    end: Pin,
    seq: u64,
    is_over: bool,
}

impl Reading {
    fn read(mut self, chunk: &[u8]) -> Result<Self, WalletsError> {
        for line in replay::lines(chunk)? {
            let row = replay::event(line)?;
            if row.ts > self.end.block_time {
                self.is_over = true;
                break;
            }
            if let Some(event) = row.to_event(self.seq)? {
                self.reader.apply(&event)?;
            }
            self.prices.note(&row);
            self.seq += 1;
        }
        Ok(self)
    }

    /// The points; with the prices at the pin, where the curve ends there.
    fn close(
        self,
        at_pin: Option<BTreeMap<AssetId, UsdPrice>>,
        end: Pin,
    ) -> Result<Equity, WalletsError> {
        if let Some(prices) = at_pin {
            let behind = end.block_time.saturating_add(1);
            self.prices.lock().at_end = Some((behind, prices));
        }
        let (points, _) = self.reader.finish()?;
        let start = match points.first() {
            Some(first) if self.begins_with_a_point => first.equity,
            _ => Usd::ZERO,
        };
        let drawdown = Drawdown::of(&points, start)?;
        let stale = std::mem::take(&mut self.prices.lock().stale);
        let points = points
            .into_iter()
            .map(|point| {
                let stale = stale.get(&point.at).copied().unwrap_or(0);
                (point, stale)
            })
            .collect();
        Ok(Equity { pin: end, points, drawdown })
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
