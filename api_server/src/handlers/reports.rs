//! Parts of a wallet's result: its tokens, and what it covers.

use axum::extract::State;
use axum::response::Response;
use job_orchestrator::wallets::{CoverageReport, TokenView};
use pnl_core::{Chain, Method};
use serde::Serialize;

use super::question::{Question, cursor_of};
use super::wallets::unknown;
use crate::app::AppState;
use crate::dto::job::PinView;
use crate::error::ApiError;
use crate::handlers::of_wallet;

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
    mut asked: Question,
) -> Result<Response, ApiError> {
    let view = asked.view();
    let page = asked.page();
    let (wallets, wallet) = asked.finish(&app)?;
    let scope = format!("tokens {wallet} {view:?}");
    let after = page.place(&scope)?;
    let found = wallets.tokens(&wallet, view, after, page.limit).await?;
    let page = found.ok_or_else(|| unknown(&wallet))?;
    let next_cursor = cursor_of(&scope, page.next);
    Ok(of_wallet(&TokensView {
        wallet: wallet.address.to_string(),
        chain: wallet.chain,
        pinned: PinView::of(page.pin),
        method: view.method,
        data: page.rows,
        has_more: next_cursor.is_some(),
        next_cursor,
    }))
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
    mut asked: Question,
) -> Result<Response, ApiError> {
    let view = asked.view();
    let (wallets, wallet) = asked.finish(&app)?;
    let report = wallets.coverage(&wallet, view).await?.ok_or_else(|| unknown(&wallet))?;
    Ok(of_wallet(&CoverageView {
        wallet: wallet.address.to_string(),
        chain: wallet.chain,
        pinned: PinView::of(report.pin),
        method: view.method,
        report,
    }))
}
