//! The newest results of a few wallets: the first by a figure, and those that are named.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use persistence_layer::results::{self, LatestList, LatestPlace, LatestRow, LatestSort};
use pnl_core::{Address, Chain};
use serde::Serialize;

use crate::app::AppState;
use crate::dto::latest::LatestView;
use crate::error::ApiError;
use crate::extract::{Params, check_accept};
use crate::handlers::wallets::chain as needed_chain;
use crate::handlers::{Keep, value};
use crate::json::shown;
use crate::keys::Caller;

/// Rows of a leaderboard without `limit`.
pub const LEADERS: u32 = 10;

/// The most of them.
pub const MOST_LEADERS: u32 = 100;

/// Wallets that are compared, at most.
pub const MOST_COMPARED: usize = 20;

#[derive(Serialize)]
struct Leaderboard {
    by: &'static str,
    chain: Option<&'static str>,
    data: Vec<Leader>,
}

#[derive(Serialize)]
struct Leader {
    rank: usize,
    #[serde(flatten)]
    result: LatestView,
}

/// `GET /api/leaderboard`
pub async fn leaderboard(
    State(app): State<AppState>,
    Caller { tenant, .. }: Caller,
    headers: HeaderMap,
    mut params: Params,
) -> Result<Response, ApiError> {
    check_accept(&headers, "application/json")?;
    let chain = params.chain();
    let by = params.one_of("by", &LatestSort::FIGURES.map(|by| (by.as_str(), by)));
    let min_trades = params.min_trades();
    let limit = params.limit_of(LEADERS, MOST_LEADERS);
    params.finish()?;
    let by = by.unwrap_or(LatestSort::TotalPnl);
    let list = LatestList { chain, min_trades, ..LatestList::sorted(by, false) };
    let store = app.store.reading();
    let page = results::latest(&store, &tenant, &list, LatestPlace::Offset(0), limit).await?;
    let leader =
        |(place, row): (usize, LatestRow)| Leader { rank: place + 1, result: LatestView::of(row) };
    let data = page.rows.into_iter().enumerate().map(leader).collect();
    Ok(value(Keep::LATEST, &Leaderboard { by: by.as_str(), chain: chain.map(Chain::as_str), data }))
}

#[derive(Serialize)]
struct Comparison {
    chain: &'static str,
    data: Vec<LatestView>,
    unknown: Vec<String>,
}

/// `GET /api/compare`
pub async fn compare(
    State(app): State<AppState>,
    Caller { tenant, .. }: Caller,
    headers: HeaderMap,
    mut params: Params,
) -> Result<Response, ApiError> {
    check_accept(&headers, "application/json")?;
    let chain = needed_chain(&mut params);
    let wallets = wallets(&mut params, chain);
    params.finish()?;
    // Without a chain the query has been refused before.
    let chain = chain.ok_or_else(ApiError::internal)?;
    let store = app.store.reading();
    let mut found = results::latest_of(&store, &tenant, chain, &wallets).await?;
    let (mut data, mut unknown) = (Vec::new(), Vec::new());
    for wallet in wallets {
        match found.iter().position(|row| row.wallet.address == wallet) {
            Some(place) => data.push(LatestView::of(found.swap_remove(place))),
            None => unknown.push(wallet.to_string()),
        }
    }
    Ok(value(Keep::LATEST, &Comparison { chain: chain.as_str(), data, unknown }))
}

/// `wallets`: addresses of the chain, separated by commas, each once.
fn wallets(params: &mut Params, chain: Option<Chain>) -> Vec<Address> {
    let Some(text) = params.text("wallets") else {
        params.refuse("wallets", "missing-field", "the parameter is required");
        return Vec::new();
    };
    if text.split(',').count() > MOST_COMPARED {
        let detail = format!("up to {MOST_COMPARED} wallets are compared; ask for fewer at a time");
        params.refuse("wallets", "out-of-range", detail);
        return Vec::new();
    }
    let Some(chain) = chain else { return Vec::new() };
    let mut wallets = Vec::new();
    for name in text.split(',') {
        match Address::parse(chain, name) {
            Ok(wallet) if wallets.contains(&wallet) => {
                let detail = format!("{} is there twice; name it once", shown(name));
                params.refuse("wallets", "bad-value", detail);
            }
            Ok(wallet) => wallets.push(wallet),
            Err(error) => {
                let detail = format!("{}: {error}", shown(name));
                params.refuse("wallets", "bad-address", detail);
            }
        }
    }
    wallets
}
