//! The disposals of a wallet, and each of them explained down to its inputs.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use job_orchestrator::wallets::{DisposalCursor, DisposalFilter, DisposalId, Explanation};
use pnl_core::{AssetId, Chain, Method};
use serde::Serialize;
use serde_json::value::RawValue;

use super::wallets::{chain, method, unknown, view, wallet_ref};
use crate::app::AppState;
use crate::cursor;
use crate::dto::job::PinView;
use crate::dto::options::{asset, expected_asset};
use crate::error::ApiError;
use crate::extract::{Params, Segment, TwoSegments, check_accept};
use crate::handlers::fresh_json;
use crate::json::shown;
use crate::problems;

#[derive(Serialize)]
struct DisposalsView {
    wallet: String,
    chain: Chain,
    pinned: PinView,
    method: Method,
    data: Vec<Box<RawValue>>,
    next_cursor: Option<String>,
    has_more: bool,
}

/// `GET /api/v2/wallets/{wallet}/disposals`
pub async fn page(
    State(app): State<AppState>,
    Segment(wallet): Segment,
    headers: HeaderMap,
    mut params: Params,
) -> Result<Response, ApiError> {
    check_accept(&headers, "application/json")?;
    let chain = chain(&mut params);
    let view = view(&mut params);
    let asset = asset_of(&mut params, chain);
    let limit = params.limit();
    let cursor = params.text("cursor");
    params.finish()?;
    let wallet = wallet_ref(chain, &wallet)?;
    let scope = format!("disposals {wallet} {view:?} {asset:?}");
    let after = cursor.map(|cursor| place(&scope, &cursor)).transpose()?;
    let filter = DisposalFilter { view, asset };
    let page = app.wallets.disposals(&wallet, &filter, after, limit as usize).await?;
    let page = page.ok_or_else(|| unknown(&wallet))?;
    let next_cursor = page.next.map(|DisposalCursor { ledger_id, number }| {
        cursor::encode(&scope, &format!("{ledger_id} {number}"))
    });
    Ok(fresh_json(&DisposalsView {
        wallet: wallet.address.to_string(),
        chain: wallet.chain,
        pinned: PinView::of(page.pin),
        method: view.method,
        data: page.rows,
        has_more: next_cursor.is_some(),
        next_cursor,
    }))
}

/// `asset`, if given, in the form in which ledgers name it.
fn asset_of(params: &mut Params, chain: Option<Chain>) -> Option<AssetId> {
    let text = params.text("asset")?;
    let chain = chain?;
    let id = asset(&text, chain);
    if id.is_none() {
        let expected = expected_asset(chain);
        let detail =
            format!("{} is no asset of {chain}: expected {expected} or native", shown(&text));
        params.refuse("asset", "bad-asset", detail);
    }
    id.map(|id| AssetId::new(&id))
}

fn place(scope: &str, cursor: &str) -> Result<DisposalCursor, ApiError> {
    let position = cursor::decode(scope, cursor)?;
    let place = position.split_once(' ').and_then(|(ledger_id, number)| {
        Some(DisposalCursor { ledger_id: ledger_id.parse().ok()?, number: number.parse().ok()? })
    });
    place.ok_or_else(|| ApiError::new(problems::BAD_CURSOR, "The cursor names no disposal."))
}

#[derive(Serialize)]
struct ExplainView {
    pinned: PinView,
    #[serde(flatten)]
    explanation: Explanation,
    next_cursor: Option<String>,
    has_more: bool,
}

/// `GET /api/v2/wallets/{wallet}/disposals/{id}/explain`
pub async fn explain(
    State(app): State<AppState>,
    TwoSegments(wallet, id): TwoSegments,
    headers: HeaderMap,
    mut params: Params,
) -> Result<Response, ApiError> {
    check_accept(&headers, "application/json")?;
    let chain = chain(&mut params);
    let method = method(&mut params);
    let limit = params.limit();
    let cursor = params.text("cursor");
    params.finish()?;
    let wallet = wallet_ref(chain, &wallet)?;
    let none = || {
        let detail = format!(
            "{} names no disposal of this wallet; GET /api/v2/wallets/{{wallet}}/disposals lists \
             them with their ids.",
            shown(&id)
        );
        ApiError::new(problems::UNKNOWN_DISPOSAL, detail)
    };
    let scope = format!("explain {wallet} {method} {id}");
    let from = match cursor {
        None => 0,
        Some(cursor) => cursor::decode(&scope, &cursor)?.parse().map_err(|_| {
            ApiError::new(problems::BAD_CURSOR, "The cursor names no lot of this disposal.")
        })?,
    };
    let wanted: DisposalId = id.parse().map_err(|_| none())?;
    let explained = app.wallets.explain(&wallet, method, &wanted, from, limit as usize).await?;
    let explanation = explained.ok_or_else(|| unknown(&wallet))?.ok_or_else(none)?;
    let next_cursor = explanation.next.map(|next| cursor::encode(&scope, &next.to_string()));
    Ok(fresh_json(&ExplainView {
        pinned: PinView::of(explanation.pin),
        has_more: next_cursor.is_some(),
        next_cursor,
        explanation,
    }))
}
