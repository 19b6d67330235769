//! Parts of a wallet's result: its tokens, and what it covers.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use job_orchestrator::wallets::{CoverageReport, TokenCursor, TokenView};
use pnl_core::{Chain, Method};
use serde::Serialize;

use super::wallets::{chain, unknown, view, wallet_ref};
use crate::app::AppState;
use crate::cursor;
use crate::dto::job::PinView;
use crate::error::ApiError;
use crate::extract::{Params, Segment, check_accept};
use crate::handlers::fresh_json;
use crate::problems;

#[derive(Serialize)]
struct TokensView {
    wallet: String,
    chain: Chain,
    pinned: PinView,
    method: Method,
    data: Vec<TokenView>,
    next_cursor: Option<String>,
    has_more: bool,
}

/// `GET /api/v2/wallets/{wallet}/tokens`
pub async fn tokens(
    State(app): State<AppState>,
    Segment(wallet): Segment,
    headers: HeaderMap,
    mut params: Params,
) -> Result<Response, ApiError> {
    check_accept(&headers, "application/json")?;
    let chain = chain(&mut params);
    let view = view(&mut params);
    let limit = params.limit();
    let cursor = params.text("cursor");
    params.finish()?;
    let wallet = wallet_ref(chain, &wallet)?;
    let scope = format!("tokens {wallet} {view:?}");
    let after = cursor.map(|cursor| place(&scope, &cursor)).transpose()?;
    let page = app.wallets.tokens(&wallet, view, after, limit as usize).await?;
    let page = page.ok_or_else(|| unknown(&wallet))?;
    let next_cursor = page.next.map(|TokenCursor { ledger_id, place }| {
        cursor::encode(&scope, &format!("{ledger_id} {place}"))
    });
    Ok(fresh_json(&TokensView {
        wallet: wallet.address.to_string(),
        chain: wallet.chain,
        pinned: PinView::of(page.pin),
        method: view.method,
        data: page.rows,
        has_more: next_cursor.is_some(),
        next_cursor,
    }))
}

fn place(scope: &str, cursor: &str) -> Result<TokenCursor, ApiError> {
    let position = cursor::decode(scope, cursor)?;
    let place = position.split_once(' ').and_then(|(ledger_id, place)| {
        Some(TokenCursor { ledger_id: ledger_id.parse().ok()?, place: place.parse().ok()? })
    });
    place.ok_or_else(|| ApiError::new(problems::BAD_CURSOR, "The cursor names no token."))
}

#[derive(Serialize)]
struct CoverageView {
    wallet: String,
    chain: Chain,
    pinned: PinView,
    method: Method,
    #[serde(flatten)]
    report: CoverageReport,
}

/// `GET /api/v2/wallets/{wallet}/coverage`
pub async fn coverage(
    State(app): State<AppState>,
    Segment(wallet): Segment,
    headers: HeaderMap,
    mut params: Params,
) -> Result<Response, ApiError> {
    check_accept(&headers, "application/json")?;
    let chain = chain(&mut params);
    let view = view(&mut params);
    params.finish()?;
    let wallet = wallet_ref(chain, &wallet)?;
    let report = app.wallets.coverage(&wallet, view).await?.ok_or_else(|| unknown(&wallet))?;
    Ok(fresh_json(&CoverageView {
        wallet: wallet.address.to_string(),
        chain: wallet.chain,
        pinned: PinView::of(report.pin),
        method: view.method,
        report,
    }))
}
