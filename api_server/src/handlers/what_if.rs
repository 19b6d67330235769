//! What a wallet's figures would be by the other methods.

use axum::extract::State;
use axum::response::Response;
use job_orchestrator::TimeRange;
use job_orchestrator::wallets::MethodsCompared;
use pnl_core::Chain;
use serde::Serialize;
use serde_json::{Map, Value};

use super::question::Question;
use super::wallets::unknown;
use crate::app::AppState;
use crate::dto::batch::wrong_type;
use crate::dto::job::PinView;
use crate::dto::options;
use crate::error::{ApiError, FieldErrors};
use crate::extract::JsonBody;
use crate::handlers::{fresh_json, of_wallet};
use crate::json::Json;
use crate::load::Cost;
use crate::middleware::load::place;

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
    mut asked: Question,
) -> Result<Response, ApiError> {
    let range = asked.time_range();
    Ok(of_wallet(&compared(&app, asked, range, Map::new()).await?))
}

/// `POST /api/v2/wallets/{wallet}/what-if`
pub async fn with_options(
    State(app): State<AppState>,
    mut asked: Question,
    JsonBody(body): JsonBody,
) -> Result<Response, ApiError> {
    let range = asked.time_range();
    let options = read(&body, asked.chain())?;
    let chooses_lots =
        options.get("lots").and_then(Value::as_object).is_some_and(|lots| !lots.is_empty());
    if chooses_lots && range.is_window() {
        let detail = "lots are chosen for a whole history: leave out the time range, or the lots";
        asked.params.contradict("time_range", detail);
    }
    let _at_work = place(&app, Cost::Expensive)?;
    Ok(fresh_json(&compared(&app, asked, range, options).await?))
}

/// The options of a body.
fn read(body: &Json, chain: Option<Chain>) -> Result<Map<String, Value>, ApiError> {
    let mut errors = FieldErrors::default();
    let options = match body {
        Json::Object(body) => {
            body.check_names("", &["options"], &mut errors);
            let given = body.get("options").filter(|value| **value != Json::Null);
            options::read(given, chain, &mut errors)
        }
        other => {
            wrong_type(other, "", "an object with options", &mut errors);
            Map::new()
        }
    };
    errors.into_result().map(|()| options)
}

async fn compared(
    app: &AppState,
    asked: Question,
    range: TimeRange,
    options: Map<String, Value>,
) -> Result<WhatIfView, ApiError> {
    let (wallets, wallet) = asked.finish(app)?;
    let found = wallets.what_if(&wallet, range, options).await?;
    let compared = found.ok_or_else(|| unknown(&wallet))?;
    Ok(WhatIfView {
        wallet: wallet.address.to_string(),
        chain: wallet.chain,
        pinned: PinView::of(compared.pin),
        compared,
    })
}
