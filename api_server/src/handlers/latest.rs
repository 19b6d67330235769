//! The newest result of every wallet, filtered and sorted, with a summary.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;
use chrono::{DateTime, Datelike, TimeDelta, Utc};
use persistence_layer::results::{
    self, LONGEST_WALK, LatestCursor, LatestList, LatestPlace, LatestSort,
};
use pnl_core::{Address, Chain, Usd, WalletRef};
use serde::Serialize;

use crate::app::AppState;
use crate::cursor;
use crate::dto::latest::{LatestView, Pagination, SummaryView};
use crate::dto::time::read_time;
use crate::error::ApiError;
use crate::extract::{Params, check_accept};
use crate::handlers::{Keep, value};
use crate::keys::Caller;
use crate::problems;

/// Rows of a numbered page without `limit`.
const NUMBERED: u32 = 20;

/// The most of them.
pub const MOST_NUMBERED: u32 = 100;

/// Rows that numbered pages reach; behind them the way is the cursor.
pub const NUMBERED_ROWS: u32 = 10_000;

/// How long a walk may take.
const LONGEST: TimeDelta = TimeDelta::seconds(LONGEST_WALK.as_secs().cast_signed());

/// Numbered pages are kept for clients that have them; RFC 9745 wants the time since when.
const DEPRECATION: (HeaderName, HeaderValue) =
    (HeaderName::from_static("deprecation"), HeaderValue::from_static("@1767225600"));
const DEPRECATION_LINK: (HeaderName, HeaderValue) = (
    header::LINK,
    HeaderValue::from_static("</api/docs#numbered-pages>; rel=\"deprecation\"; type=\"text/html\""),
);

#[derive(Serialize)]
struct LatestPage {
    data: Vec<LatestView>,
    summary: SummaryView,
    next_cursor: Option<String>,
    has_more: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pagination: Option<Pagination>,
}

/// `GET /api/pnl/results`
pub async fn latest(
    State(app): State<AppState>,
    Caller { tenant, .. }: Caller,
    headers: HeaderMap,
    mut params: Params,
) -> Result<Response, ApiError> {
    check_accept(&headers, "application/json")?;
    let list = list(&mut params);
    let page = page(&mut params);
    params.finish()?;
    let scope = scope(&list);
    let behind = match &page {
        Page::Behind(cursor, _) => Some(position(&scope, list.sort, cursor)?),
        Page::First(_) | Page::Numbered { .. } => None,
    };
    let (place, limit) = match (&page, &behind) {
        (Page::Numbered { page, limit }, _) => (LatestPlace::Offset((page - 1) * limit), *limit),
        (Page::Behind(_, limit), Some(behind)) => (LatestPlace::Behind(behind), *limit),
        (Page::First(limit) | Page::Behind(_, limit), _) => (LatestPlace::Offset(0), *limit),
    };
    let store = app.store.reading();
    let found = results::latest(&store, &tenant, &list, place, limit).await?;
    let summary = results::summary(&store, &tenant, list.chain).await?;
    let pagination = match page {
        Page::Numbered { page, limit } => {
            let total = results::count_latest(&store, &tenant, &list).await?;
            Some(Pagination::of(page, limit, total))
        }
        Page::First(_) | Page::Behind(..) => None,
    };
    let next_cursor = found.next.map(|LatestCursor { key, wallet, as_of }| {
        let as_of = as_of.timestamp_micros();
        cursor::encode(&scope, &format!("{} {} {as_of} {key}", wallet.chain, wallet.address))
    });
    let is_numbered = pagination.is_some();
    let body = LatestPage {
        data: found.rows.into_iter().map(LatestView::of).collect(),
        summary: SummaryView::of(summary),
        has_more: next_cursor.is_some(),
        next_cursor,
        pagination,
    };
    let mut response = value(Keep::LATEST, &body);
    if is_numbered {
        response.headers_mut().extend([DEPRECATION, DEPRECATION_LINK]);
    }
    Ok(response)
}

/// Filters and order.
fn list(params: &mut Params) -> LatestList {
    let chain = params.chain();
    let min_trades = params.min_trades();
    let Totals { profitable, min_pnl, max_pnl } = Totals::read(params);
    let updated_since = params.read("updated_since", "is no RFC 3339 time", read_time);
    let (sort, ascending) =
        sort(params, &LatestSort::ALL).unwrap_or((LatestSort::AnalyzedAt, false));
    LatestList { chain, profitable, min_trades, min_pnl, max_pnl, updated_since, sort, ascending }
}

/// `sort`: one of `known`, members of the row, with `-` for the largest first; and whether the smallest comes first.
pub(super) fn sort(params: &mut Params, known: &[LatestSort]) -> Option<(LatestSort, bool)> {
    let names: Vec<_> = known
        .iter()
        .flat_map(|&sort| {
            [
                (sort.as_str().to_owned(), (sort, true)),
                (format!("-{}", sort.as_str()), (sort, false)),
            ]
        })
        .collect();
    let values: Vec<_> = names.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    params.one_of("sort", &values)
}

/// Filters of totals.
pub(super) struct Totals {
    pub(super) profitable: Option<bool>,
    pub(super) min_pnl: Option<Usd>,
    pub(super) max_pnl: Option<Usd>,
}

impl Totals {
    /// `profitable`, `min_pnl` and `max_pnl`, both included.
    pub(super) fn read(params: &mut Params) -> Self {
        let profitable = params.one_of("profitable", &[("true", true), ("false", false)]);
        let usd = |text: &str| text.parse::<Usd>().ok();
        let min_pnl = params.read("min_pnl", "is no amount of US dollars", usd);
        let max_pnl = params.read("max_pnl", "is no amount of US dollars", usd);
        if let (Some(min), Some(max)) = (min_pnl, max_pnl)
            && min > max
        {
            params.contradict("min_pnl", "min_pnl is above max_pnl");
        }
        Self { profitable, min_pnl, max_pnl }
    }
}

/// Which rows of the list.
enum Page {
    First(u32),
    Behind(String, u32),
    /// Counted from 1.
    Numbered {
        page: u32,
        limit: u32,
    },
}

/// `cursor` and `limit`, or `page` and `limit`.
fn page(params: &mut Params) -> Page {
    let number = params.read("page", "is no whole number from 1 on", |text| {
        text.parse::<u32>().ok().filter(|page| *page > 0)
    });
    let cursor = params.text("cursor");
    let Some(page) = number else {
        let limit = params.limit();
        return cursor.map_or(Page::First(limit), |cursor| Page::Behind(cursor, limit));
    };
    if cursor.is_some() {
        params.contradict("page", "page and cursor name the place in two ways");
    }
    let limit = params.limit_of(NUMBERED, MOST_NUMBERED);
    if page.saturating_mul(limit) > NUMBERED_ROWS {
        let detail = format!("pages reach {NUMBERED_ROWS} rows; go on with next_cursor");
        params.refuse("page", "out-of-range", detail);
        return Page::First(limit);
    }
    Page::Numbered { page, limit }
}

/// The list and its filters, as cursors are bound to them.
fn scope(list: &LatestList) -> String {
    // The number is that of the form of its cursors.
    let mut scope = format!("latest 3 {:?} {} {}", list.chain, list.sort.as_str(), list.ascending);
    for (name, filter) in [
        ("profitable", list.profitable.map(|is| is.to_string())),
        ("min_trades", list.min_trades.map(|trades| trades.to_string())),
        ("min_pnl", list.min_pnl.map(|usd| usd.to_string())),
        ("max_pnl", list.max_pnl.map(|usd| usd.to_string())),
        ("updated_since", list.updated_since.map(|time| time.to_rfc3339())),
    ] {
        scope.extend(filter.map(|filter| format!(" {name}={filter}")));
    }
    scope
}

/// The check value of a cursor can be computed by anybody, so each part is read as what it must be.
fn position(scope: &str, sort: LatestSort, cursor: &str) -> Result<LatestCursor, ApiError> {
    let position = cursor::decode(scope, cursor)?;
    let mut parts = position.splitn(4, ' ');
    let after = (|| {
        let chain: Chain = parts.next()?.parse().ok()?;
        let address = Address::parse(chain, parts.next()?).ok()?;
        let as_of = DateTime::from_timestamp_micros(parts.next()?.parse().ok()?)?;
        // What PostgreSQL takes as a time.
        let as_of = (1..=9999).contains(&as_of.year()).then_some(as_of)?;
        LatestCursor::read(sort, parts.next()?, WalletRef { chain, address }, as_of)
    })();
    let after = after.ok_or_else(|| cursor::names_no("row"))?;
    if Utc::now() - after.as_of > LONGEST {
        let detail = format!(
            "The walk began more than {} minutes ago, and what it would have to show is gone; begin again without \
             the cursor.",
            LONGEST.num_minutes()
        );
        return Err(ApiError::new(problems::BAD_CURSOR, detail));
    }
    Ok(after)
}
