//! What a wallet's figures would be by the other methods.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use job_orchestrator::wallets::MethodsCompared;
use pnl_core::Chain;
use serde::Serialize;

use super::wallets::{chain, unknown, wallet_ref};
use crate::app::AppState;
use crate::dto::job::PinView;
use crate::error::ApiError;
use crate::extract::{Params, Segment, check_accept};
use crate::handlers::fresh_json;

#[derive(Serialize)]
struct WhatIfView {
    wallet: String,
    chain: Chain,
    pinned: PinView,
    #[serde(flatten)]
    compared: MethodsCompared,
}

/// `GET /api/v2/wallets/{wallet}/what-if`
pub async fn what_if(
    State(app): State<AppState>,
    Segment(wallet): Segment,
    headers: HeaderMap,
    mut params: Params,
) -> Result<Response, ApiError> {
    check_accept(&headers, "application/json")?;
    let chain = chain(&mut params);
    params.finish()?;
    let wallet = wallet_ref(chain, &wallet)?;
    let compared = app.wallets.what_if(&wallet).await?.ok_or_else(|| unknown(&wallet))?;
    Ok(fresh_json(&WhatIfView {
        wallet: wallet.address.to_string(),
        chain: wallet.chain,
        pinned: PinView::of(compared.pin),
        compared,
    }))
}
