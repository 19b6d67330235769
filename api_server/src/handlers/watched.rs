//! Watched wallets: add, list, take off, let go on.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use persistence_layer::StoreError;
use persistence_layer::watched_wallets::{self, NewWatched, WatchState, Watched, WatchedFilter};
use pnl_core::{Chain, WalletRef};

use super::wallets::{chain, wallet_ref};
use crate::app::AppState;
use crate::cursor;
use crate::dto::watched::{AddWatched, AddedView, ResumedView, WatchedPage, WatchedView};
use crate::error::ApiError;
use crate::extract::{JsonBody, NoBody, Params, Segment, check_accept};
use crate::handlers::{Keep, fresh_json};
use crate::keys::Caller;
use crate::problems;

/// `POST /api/pnl/watched/add`
pub async fn add(
    State(app): State<AppState>,
    Caller { tenant, .. }: Caller,
    headers: HeaderMap,
    params: Params,
    JsonBody(body): JsonBody,
) -> Result<Response, ApiError> {
    check_accept(&headers, "application/json")?;
    params.finish()?;
    let AddWatched { wallets: given, every_seconds } =
        AddWatched::read(&body, &app.submit_rules(), &app.continuous)?;
    let count = |number| u32::try_from(number).map_err(|_| ApiError::internal());
    let total_wallets = count(given.wallets.len())?;
    let new = NewWatched {
        tenant,
        chain: given.chain,
        wallets: given.wallets,
        request: given.analysis.to_batch(),
        every_seconds,
    };
    let most = app.continuous.max_wallets;
    match watched_wallets::put(&app.work_store, &new, most).await? {
        Watched::Listed { added, changed } => {
            tracing::info!(
                tenant = %new.tenant, chain = %new.chain, added, changed, every_seconds,
                "wallets are watched"
            );
            Ok(fresh_json(&AddedView {
                chain: new.chain,
                total_wallets,
                duplicates_removed: count(given.duplicates_removed)?,
                every_seconds,
                added,
                changed,
                unchanged: total_wallets.saturating_sub(added.saturating_add(changed)),
            }))
        }
        Watched::TooMany { watched } => {
            let detail = format!(
                "{watched} wallets are watched already, and a tenant may watch {most} of them \
                 (continuous.max_wallets); nothing was changed."
            );
            Err(ApiError::new(problems::TOO_MANY_WATCHED, detail))
        }
    }
}

/// `GET /api/pnl/watched`
pub async fn list(
    State(app): State<AppState>,
    Caller { tenant, .. }: Caller,
    headers: HeaderMap,
    mut params: Params,
) -> Result<Response, ApiError> {
    check_accept(&headers, "application/json")?;
    let chain = params.chain();
    let states = WatchState::ALL.map(|state| (state.as_str(), state));
    let state = params.one_of("state", &states);
    let limit = params.limit();
    let cursor = params.text("cursor");
    params.finish()?;
    let scope = format!(
        "watched {} {}",
        chain.map_or("", Chain::as_str),
        state.map_or("", WatchState::as_str)
    );
    let after = cursor.map(|cursor| place(&scope, &cursor)).transpose()?.unwrap_or(0);
    let filter = WatchedFilter { chain, state, after };
    let mut rows = watched_wallets::list(&app.store, &tenant, filter, limit + 1).await?;
    let has_more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let last = rows.last().filter(|_| has_more);
    let next_cursor = last.map(|row| cursor::encode(&scope, &row.id.to_string()));
    let data = rows.into_iter().map(WatchedView::of).collect::<Result<_, StoreError>>()?;
    Ok(fresh_json(&WatchedPage { data, next_cursor, has_more }))
}

fn place(scope: &str, cursor: &str) -> Result<i64, ApiError> {
    let text = cursor::decode(scope, cursor)?;
    text.parse().map_err(|_| cursor::names_no("wallet"))
}

/// `DELETE /api/pnl/watched/{wallet}`
pub async fn remove(
    State(app): State<AppState>,
    Caller { tenant, .. }: Caller,
    params: Params,
    Segment(address): Segment,
    NoBody: NoBody,
) -> Result<Response, ApiError> {
    let wallet = wallet(params, &address)?;
    if !watched_wallets::remove(&app.work_store, &tenant, &wallet).await? {
        return Err(not_watched(&wallet));
    }
    let WalletRef { chain, address } = wallet;
    tracing::info!(%tenant, %chain, wallet = %address, "a wallet is not watched any more");
    Ok((StatusCode::NO_CONTENT, [Keep::Not.header()]).into_response())
}

/// `POST /api/pnl/watched/{wallet}/resume`
pub async fn resume(
    State(app): State<AppState>,
    Caller { tenant, .. }: Caller,
    headers: HeaderMap,
    params: Params,
    Segment(address): Segment,
    NoBody: NoBody,
) -> Result<Response, ApiError> {
    check_accept(&headers, "application/json")?;
    let wallet = wallet(params, &address)?;
    watched_wallets::resume(&app.work_store, &tenant, &wallet).await?;
    let watched = watched_wallets::get(&app.work_store, &tenant, &wallet).await?;
    let body = WatchedView::of(watched.ok_or_else(|| not_watched(&wallet))?)?;
    Ok((StatusCode::ACCEPTED, fresh_json(&body)).into_response())
}

/// `POST /api/pnl/watched/resume`
pub async fn resume_all(
    State(app): State<AppState>,
    Caller { tenant, .. }: Caller,
    headers: HeaderMap,
    mut params: Params,
    NoBody: NoBody,
) -> Result<Response, ApiError> {
    check_accept(&headers, "application/json")?;
    let chain = params.chain();
    let code = params.text("code");
    params.finish()?;
    let resumed =
        watched_wallets::resume_all(&app.work_store, &tenant, chain, code.as_deref()).await?;
    tracing::info!(%tenant, chain = chain.map(Chain::as_str), code, resumed, "parked wallets go on");
    Ok((StatusCode::ACCEPTED, fresh_json(&ResumedView { resumed })).into_response())
}

/// The wallet of the path on the chain of the query.
fn wallet(mut params: Params, address: &str) -> Result<WalletRef, ApiError> {
    let chain = chain(&mut params);
    params.finish()?;
    wallet_ref(chain, address)
}

fn not_watched(wallet: &WalletRef) -> ApiError {
    let WalletRef { chain, address } = wallet;
    let detail = format!(
        "{address} on {chain} is not watched. GET /api/pnl/watched lists the wallets that are."
    );
    ApiError::new(problems::NOT_WATCHED, detail)
}
