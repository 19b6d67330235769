//! What a wallet's figures would be by the other methods.

use axum::extract::State;
use axum::response::Response;
use job_orchestrator::wallets::MethodsCompared;
use pnl_core::Chain;
use serde::Serialize;

use super::question::Question;
use super::wallets::unknown;
use crate::app::AppState;
use crate::dto::job::PinView;
use crate::error::ApiError;
use crate::handlers::of_wallet;

#[derive(Serialize)]
struct WhatIfView {
    wallet: String,
    chain: Chain,
    pinned: PinView,
    #[serde(flatten)]
    compared: MethodsCompared,
}

/// `GET /api/v2/wallets/{wallet}/what-if`
pub async fn what_if(State(app): State<AppState>, asked: Question) -> Result<Response, ApiError> {
    let (wallets, wallet) = asked.finish(&app)?;
    let compared = wallets.what_if(&wallet).await?.ok_or_else(|| unknown(&wallet))?;
    Ok(of_wallet(&WhatIfView {
        wallet: wallet.address.to_string(),
        chain: wallet.chain,
        pinned: PinView::of(compared.pin),
        compared,
    }))
}
