//! The equity curve: what was realized and what was held, at moments of a history.

use serde::Serialize;

use crate::amount::{AmountError, Usd, UsdPrice};
use crate::asset::AssetId;
use crate::engine::{Engine, EngineError, Flows, Window};
use crate::event::Event;
use crate::ratio::{Figure, Ratio};

/// The price per whole unit of an asset at a time (unix seconds); `None` where unknown.
pub trait PriceAt {
    /// Looks it up.
    fn price(&self, asset: &AssetId, at: i64) -> Option<UsdPrice>;
}

impl<F: Fn(&AssetId, i64) -> Option<UsdPrice>> PriceAt for F {
    fn price(&self, asset: &AssetId, at: i64) -> Option<UsdPrice> {
        self(asset, at)
    }
}

/// A point of the curve. Sums count from the beginning of the history, or of the window that is read
/// ([`EquityReader::within`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EquityPoint {
    /// Unix seconds: everything before this second is counted.
    pub at: i64,
    /// Gain of disposals.
    pub realized_gain: Usd,
    /// Value of what was earned.
    pub income: Usd,
    /// Value of all fees. Those that a trade carries are in its gain already.
    pub fees: Usd,
    /// Of them: fees that no trade carries.
    pub fee_expense: Usd,
    /// Realized gain plus income less fee expense.
    pub net_realized: Usd,
    /// Cost of what is held at a known basis and has a price.
    pub basis: Usd,
    /// What that is worth.
    pub market_value: Usd,
    /// Market value less basis.
    pub unrealized_gain: Usd,
    /// Assets held at a known basis without a price: not in the three figures above.
    pub unpriced: u64,
    /// Net realized plus unrealized gain: what the curve is drawn of.
    pub equity: Usd,
}

/// Reads a history and notes a point at each of a list of moments.
///
/// ```
/// use pnl_core::document::Document;
/// use pnl_core::metrics::{Drawdown, EquityReader};
/// use pnl_core::{AssetId, Engine, Usd};
///
/// let history = Document::read(r#"{"method": "fifo", "events": [
///     {"id": "a", "ts": 10, "kind": "acquire", "asset": "T", "qty": 2, "decimals": 0, "value": "100"},
///     {"id": "s", "ts": 20, "kind": "dispose", "asset": "T", "qty": 1, "decimals": 0, "value": "80"}]}"#)?;
/// let price = |_: &AssetId, at: i64| (if at < 25 { "70" } else { "45" }).parse().ok();
/// let engine = Engine::new(history.method, history.options.clone())?;
/// let mut reader = EquityReader::new(engine, vec![10, 20, 25, 30], price);
/// for event in &history.events {
///     reader.apply(event)?;
/// }
/// let (points, _engine) = reader.finish()?;
/// let curve: Vec<_> = points.iter().map(|point| point.equity.to_string()).collect();
/// // Nothing; two at 70 that cost 100; 30 realized and one that cost 50 at 45.
/// assert_eq!(curve, ["0", "40", "25", "25"]);
/// let drawdown = Drawdown::of(&points, Usd::ZERO)?.unwrap();
/// assert_eq!((drawdown.usd.to_string().as_str(), drawdown.peak_at, drawdown.low_at), ("15", Some(20), 25));
/// assert_eq!(drawdown.pct.unwrap().to_string(), "37.5");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct EquityReader<P> {
    engine: Engine,
    /// What is still to come, the next one last.
    moments: Vec<i64>,
    prices: P,
    points: Vec<EquityPoint>,
    window: Window,
    /// Sums where the window begins and where it ends, once the history has come so far.
    at_bounds: [Option<Flows>; 2],
}

impl<P: PriceAt> EquityReader<P> {
    /// A reader that goes on where `engine` is, with points at `moments` (unix seconds, in any order;
    /// [`crate::Period::ends`] makes a list). Every point costs about as much as there are open lots.
    pub fn new(engine: Engine, mut moments: Vec<i64>, prices: P) -> Self {
        moments.sort_unstable_by(|a, b| b.cmp(a));
        moments.dedup();
        let (window, at_bounds) = (Window::ALL, [None, None]);
        Self { engine, moments, prices, points: Vec::new(), window, at_bounds }
    }

    /// The same with sums over what happens in `window` alone. Holdings are those of each moment all the
    /// same: a point behind the window has all of its gains and what is held then.
    #[must_use]
    pub fn within(self, window: Window) -> Self {
        Self { window, ..self }
    }

    /// Reads the next event.
    ///
    /// # Errors
    /// As [`Engine::apply`].
    pub fn apply(&mut self, event: &Event) -> Result<(), EngineError> {
        self.note_until(event.ts)?;
        self.engine.apply(event)
    }

    /// Ends the curve: the points, and the engine to go on with.
    ///
    /// # Errors
    /// As [`Engine::flows`].
    pub fn finish(mut self) -> Result<(Vec<EquityPoint>, Engine), EngineError> {
        self.note_until(i64::MAX)?;
        Ok((self.points, self.engine))
    }

    /// Notes the moments up to `ts`, which is the time of the next event.
    fn note_until(&mut self, ts: i64) -> Result<(), EngineError> {
        let bounds = [self.window.from, self.window.to];
        for (bound, flows) in bounds.into_iter().zip(&mut self.at_bounds) {
            if flows.is_none() && bound.is_some_and(|bound| bound <= ts) {
                *flows = Some(self.engine.flows()?);
            }
        }
        while let Some(at) = self.moments.pop_if(|at| *at <= ts) {
            self.points.push(self.point(at)?);
        }
        Ok(())
    }

    /// What has happened in the window before `at`.
    fn flows(&self, at: i64) -> Result<Flows, EngineError> {
        let [at_begin, at_end] = &self.at_bounds;
        let Window { from, to } = self.window;
        let reached = |bound: Option<i64>| bound.is_some_and(|bound| bound <= at);
        let flows = match at_end {
            Some(flows) if reached(to) => flows.clone(),
            _ => self.engine.flows()?,
        };
        match (from, at_begin) {
            (None, _) => Ok(flows),
            (Some(_), Some(begin)) if reached(from) => Ok(flows.less(begin)?),
            (Some(_), _) => Ok(Flows::default()),
        }
    }

    fn point(&self, at: i64) -> Result<EquityPoint, EngineError> {
        let flows = self.flows(at)?;
        let net_realized = flows.net_realized()?;
        let (mut basis, mut market_value, mut unpriced) = (Usd::ZERO, Usd::ZERO, 0);
        for holding in self.engine.holdings()? {
            let Some(price) = self.prices.price(holding.asset, at) else {
                unpriced += 1;
                continue;
            };
            let value = price.value_of(holding.quantity, holding.decimals)?;
            basis = basis.checked_add(holding.basis)?;
            market_value = market_value.checked_add(value)?;
        }
        let unrealized_gain = market_value.checked_sub(basis)?;
        Ok(EquityPoint {
            at,
            realized_gain: flows.realized_gain,
            income: flows.income,
            fees: flows.fees_usd,
            fee_expense: flows.fee_expense,
            net_realized,
            basis,
            market_value,
            unrealized_gain,
            unpriced,
            equity: net_realized.checked_add(unrealized_gain)?,
        })
    }
}

/// The largest fall of a curve below its peak.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Drawdown {
    /// How far it fell.
    pub usd: Usd,
    /// The same of the peak, percent; `None` where the peak is not above zero: then there is nothing that
    /// it could be a part of.
    pub pct: Option<Figure>,
    /// The peak.
    pub peak: Usd,
    /// When it was reached; `None` = at the start of the curve.
    pub peak_at: Option<i64>,
    /// The moment of the lowest point after it.
    pub low_at: i64,
}

impl Drawdown {
    /// The largest fall along `points`, in a curve that starts at `start`: zero for a history from its
    /// beginning, the first point's equity for a window. Of falls of the same size the first; `None` when
    /// the curve never falls.
    ///
    /// # Errors
    /// [`AmountError::Overflow`] when a difference does not fit.
    pub fn of(points: &[EquityPoint], start: Usd) -> Result<Option<Self>, AmountError> {
        let (mut peak, mut peak_at) = (start, None);
        let mut deepest: Option<Self> = None;
        for EquityPoint { at, equity, .. } in points {
            if *equity > peak {
                (peak, peak_at) = (*equity, Some(*at));
            }
            let usd = peak.checked_sub(*equity)?;
            if usd > deepest.as_ref().map_or(Usd::ZERO, |deepest| deepest.usd) {
                let of_peak = peak.is_positive().then(|| Ratio::of_dollars(usd, peak)).flatten();
                let pct = of_peak.map(|part| part.percent().figure());
                deepest = Some(Self { usd, pct, peak, peak_at, low_at: *at });
            }
        }
        Ok(deepest)
    }
}
