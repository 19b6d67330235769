//! What changed a wallet's number from one job to another.

use axum::extract::State;
use axum::response::Response;
use job_orchestrator::wallets::{Difference, NoResult};
use persistence_layer::batches::BatchRef;
use pnl_core::Chain;
use serde::Serialize;

use super::question::Question;
use super::wallets::no_result;
use crate::app::AppState;
use crate::error::ApiError;
use crate::handlers::of_wallet;

#[derive(Serialize)]
struct DiffView {
    wallet: String,
    chain: Chain,
    from: String,
    to: String,
    #[serde(flatten)]
    difference: Difference,
}

/// `GET /api/v2/wallets/{wallet}/diff`
pub async fn diff(State(app): State<AppState>, mut asked: Question) -> Result<Response, ApiError> {
    let params = &mut asked.params;
    let (from, to) = (params.job("from"), params.job("to"));
    let tenant = asked.tenant().clone();
    let (wallets, wallet) = asked.finish(&app)?;
    let (Some(from), Some(to)) = (from, to) else { return Err(ApiError::internal()) };
    // A job that is unknown or was removed says so itself.
    for id in [from, to] {
        app.batches.status(&BatchRef { tenant: tenant.clone(), id }).await?;
    }
    let difference = wallets.diff(&wallet, from, to).await?.map_err(|missing| {
        let (name, id) = match missing {
            NoResult::From => ("from", from),
            NoResult::To => ("to", to),
        };
        no_result(id, name, &wallet)
    })?;
    Ok(of_wallet(&DiffView {
        wallet: wallet.address.to_string(),
        chain: wallet.chain,
        from: from.to_string(),
        to: to.to_string(),
        difference,
    }))
}
