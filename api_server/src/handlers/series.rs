//! A wallet over time: equity curve, calendar, distribution.

use axum::extract::State;
use axum::response::Response;
use job_orchestrator::wallets::SpreadRules;
use pnl_core::engine::Flows;
use pnl_core::metrics::{Boundary, Bucket, Drawdown, EquityPoint, HoldingTerms, RETURN_EDGES};
use pnl_core::ratio::Figure;
use pnl_core::time::rfc3339;
use pnl_core::{Chain, Method, Period, Usd, WalletRef};
use serde::Serialize;

use super::question::Question;
use super::wallets::unknown;
use crate::app::AppState;
use crate::dto::job::PinView;
use crate::error::{ApiError, FieldErrors};
use crate::extract::Params;
use crate::handlers::of_wallet;
use crate::json::shown;

/// Most edges of a distribution.
const MOST_EDGES: usize = 50;

/// Who it is of, in every answer here.
#[derive(Serialize)]
struct Head {
    wallet: String,
    chain: Chain,
    pinned: PinView,
    method: Method,
}

impl Head {
    fn of(wallet: &WalletRef, pin: pnl_core::Pin, method: Method) -> Self {
        let (address, chain) = (wallet.address.to_string(), wallet.chain);
        Self { wallet: address, chain, pinned: PinView::of(pin), method }
    }
}

fn period(params: &mut Params) -> Period {
    let periods = Period::ALL.map(|period| (period.as_str(), period));
    params.one_of("period", &periods).unwrap_or(Period::Day)
}

#[derive(Serialize)]
struct PointView {
    time: String,
    realized_gain_usd: Usd,
    income_usd: Usd,
    fees_usd: Usd,
    fee_expense_usd: Usd,
    net_realized_usd: Usd,
    basis_usd: Usd,
    market_value_usd: Usd,
    unrealized_gain_usd: Usd,
    equity_usd: Usd,
    unpriced: u64,
    stale: u64,
}

impl PointView {
    fn of((point, stale): (EquityPoint, u64)) -> Self {
        Self {
            time: rfc3339(point.at),
            realized_gain_usd: point.realized_gain,
            income_usd: point.income,
            fees_usd: point.fees,
            fee_expense_usd: point.fee_expense,
            net_realized_usd: point.net_realized,
            basis_usd: point.basis,
            market_value_usd: point.market_value,
            unrealized_gain_usd: point.unrealized_gain,
            equity_usd: point.equity,
            unpriced: point.unpriced,
            stale,
        }
    }
}

#[derive(Serialize)]
struct DrawdownView {
    usd: Usd,
    pct: Option<Figure>,
    peak_usd: Usd,
    peak_time: Option<String>,
    low_time: String,
}

impl DrawdownView {
    fn of(drawdown: Drawdown) -> Self {
        Self {
            usd: drawdown.usd,
            pct: drawdown.pct,
            peak_usd: drawdown.peak,
            peak_time: drawdown.peak_at.map(rfc3339),
            low_time: rfc3339(drawdown.low_at),
        }
    }
}

#[derive(Serialize)]
struct EquityView {
    #[serde(flatten)]
    head: Head,
    period: Period,
    points: Vec<PointView>,
    drawdown: Option<DrawdownView>,
}

/// `GET /api/v2/wallets/{wallet}/equity`
pub async fn equity(
    State(app): State<AppState>,
    mut asked: Question,
) -> Result<Response, ApiError> {
    let view = asked.view();
    let period = period(&mut asked.params);
    let (wallets, wallet) = asked.finish(&app)?;
    let curve = wallets.equity(&wallet, view, period).await?;
    let curve = curve.ok_or_else(|| unknown(&wallet))?.map_err(|error| {
        let mut errors = FieldErrors::default();
        errors.push(|| "?period".to_owned(), "out-of-range", || error.to_string());
        errors.into_result().expect_err("one was just noted")
    })?;
    Ok(of_wallet(&EquityView {
        head: Head::of(&wallet, curve.pin, view.method),
        period,
        points: curve.points.into_iter().map(PointView::of).collect(),
        drawdown: curve.drawdown.map(DrawdownView::of),
    }))
}

#[derive(Serialize)]
struct PeriodView {
    from: String,
    to: String,
    trades: u64,
    winning_trades: u64,
    losing_trades: u64,
    realized_pnl: Usd,
    volume_usd: Usd,
    realized_gain_usd: Usd,
    income_usd: Usd,
    fee_expense_usd: Usd,
    fees_usd: Usd,
    net_realized_usd: Usd,
}

#[derive(Serialize)]
struct CalendarView {
    #[serde(flatten)]
    head: Head,
    period: Period,
    winning_periods: u64,
    losing_periods: u64,
    data: Vec<PeriodView>,
}

/// `GET /api/v2/wallets/{wallet}/calendar`
pub async fn calendar(
    State(app): State<AppState>,
    mut asked: Question,
) -> Result<Response, ApiError> {
    let view = asked.view();
    let period = period(&mut asked.params);
    let (wallets, wallet) = asked.finish(&app)?;
    let calendar = wallets.calendar(&wallet, view, period).await?;
    let (pin, calendar) = calendar.ok_or_else(|| unknown(&wallet))?;
    let mut data = Vec::with_capacity(calendar.rows.len());
    for row in &calendar.rows {
        let Flows { realized_gain, income, fee_expense, fees_usd, .. } = row.flows;
        data.push(PeriodView {
            from: rfc3339(row.from),
            to: rfc3339(row.to),
            trades: row.trades,
            winning_trades: row.winning_trades,
            losing_trades: row.losing_trades,
            realized_pnl: row.realized_pnl,
            volume_usd: row.volume,
            realized_gain_usd: realized_gain,
            income_usd: income,
            fee_expense_usd: fee_expense,
            fees_usd,
            net_realized_usd: row.flows.net_realized().map_err(|_| ApiError::internal())?,
        });
    }
    Ok(of_wallet(&CalendarView {
        head: Head::of(&wallet, pin, view.method),
        period,
        winning_periods: calendar.winning_periods,
        losing_periods: calendar.losing_periods,
        data,
    }))
}

#[derive(Serialize)]
struct BucketView {
    from_pct: Option<String>,
    to_pct: Option<String>,
    count: u64,
    closed: u64,
    gain_usd: Usd,
    basis_usd: Usd,
}

impl BucketView {
    fn of(bucket: &Bucket) -> Self {
        Self {
            from_pct: bucket.from_pct.map(|edge| edge.to_string()),
            to_pct: bucket.to_pct.map(|edge| edge.to_string()),
            count: bucket.count,
            closed: bucket.closed,
            gain_usd: bucket.gain,
            basis_usd: bucket.basis,
        }
    }
}

#[derive(Serialize)]
struct SpreadView {
    #[serde(flatten)]
    head: Head,
    by: &'static str,
    buckets: Vec<BucketView>,
    without_return: u64,
    holding: HoldingTerms,
    sharpe_like: Option<Figure>,
}

/// `GET /api/v2/wallets/{wallet}/distribution`
pub async fn distribution(
    State(app): State<AppState>,
    mut asked: Question,
) -> Result<Response, ApiError> {
    let view = asked.view();
    let by_trade = asked.params.one_of("by", &[("token", false), ("trade", true)]).unwrap_or(false);
    let edges = edges(&mut asked.params);
    let boundary = boundary(&mut asked.params);
    let (wallets, wallet) = asked.finish(&app)?;
    let rules = SpreadRules { by_trade, edges, boundary };
    let spread = wallets.spread(&wallet, view, rules).await?.ok_or_else(|| unknown(&wallet))?;
    Ok(of_wallet(&SpreadView {
        head: Head::of(&wallet, spread.pin, view.method),
        by: if by_trade { "trade" } else { "token" },
        buckets: spread.distribution.buckets.iter().map(BucketView::of).collect(),
        without_return: spread.distribution.without_return,
        holding: spread.holding,
        sharpe_like: spread.sharpe_like,
    }))
}

/// `edges`: whole percents separated by commas, each once.
fn edges(params: &mut Params) -> Vec<i64> {
    let Some(text) = params.text("edges") else { return RETURN_EDGES.to_vec() };
    let edges: Option<Vec<i64>> = text.split(',').map(edge).collect();
    let edges = edges.filter(|edges| edges.len() <= MOST_EDGES);
    edges.filter(|edges| edges.is_sorted_by(|a, b| a < b)).unwrap_or_else(|| {
        let detail = format!(
            "{} is no list of 1 to {MOST_EDGES} rising whole percents from -100 to 1000000",
            shown(&text)
        );
        params.refuse("edges", "bad-value", detail);
        RETURN_EDGES.to_vec()
    })
}

fn edge(text: &str) -> Option<i64> {
    text.parse().ok().filter(|edge| (-100..=1_000_000).contains(edge))
}

/// `boundary`: `12m` (months) or `86400s` (seconds).
fn boundary(params: &mut Params) -> Boundary {
    let Some(text) = params.text("boundary") else { return Boundary::default() };
    let of = |number: &str, most: i64| {
        number.parse::<i64>().ok().filter(|number| (0..=most).contains(number))
    };
    let months = text.strip_suffix('m').and_then(|number| of(number, 1200));
    let months = months.and_then(|months| u16::try_from(months).ok()).map(Boundary::Months);
    let seconds = text.strip_suffix('s').and_then(|number| of(number, 4_000_000_000));
    months.or(seconds.map(Boundary::Seconds)).unwrap_or_else(|| {
        let detail = format!(
            "{} is no boundary: expected months as 12m (up to 1200m) or seconds as 86400s",
            shown(&text)
        );
        params.refuse("boundary", "bad-value", detail);
        Boundary::default()
    })
}
