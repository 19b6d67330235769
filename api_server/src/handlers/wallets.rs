//! Single wallets: their result by any method, and their ledger, from what is stored.

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures::{Stream, TryStreamExt};
use job_orchestrator::request::TimeRange;
use job_orchestrator::wallets::{
    Include, LedgerCursor, TransactionView, View, Wallets, WalletsError,
};
use pnl_core::report::Coverage;
use pnl_core::{Address, Chain, EngineError, Method, WalletRef};
use serde::Serialize;
use serde_json::value::RawValue;

use super::question::Question;
use crate::app::AppState;
use crate::cursor;
use crate::dto::batch::{block_of, not_a_time, range_of, unknown_method};
use crate::dto::job::PinView;
use crate::dto::time::read_moment;
use crate::error::{ApiError, FieldErrors};
use crate::extract::Params;
use crate::handlers::{Keep, of_wallet, value};
use crate::json::shown;
use crate::middleware::validators::Aborted;
use crate::problems;

/// `GET /api/v2/wallets/{wallet}/pnl`
pub async fn pnl(State(app): State<AppState>, mut asked: Question) -> Result<Response, ApiError> {
    let view = asked.view();
    let include = include(&mut asked.params);
    let (wallets, wallet) = asked.finish(&app)?;
    let pieces = wallets.pnl(&wallet, view, include).await?;
    Ok(streamed(Keep::OF_WALLET, pieces.ok_or_else(|| unknown(&wallet))?))
}

/// Form of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LedgerFormat {
    Json,
    Oracle,
}

impl LedgerFormat {
    /// `format`.
    pub(super) fn of(params: &mut Params) -> Self {
        let formats = [("json", Self::Json), ("oracle", Self::Oracle)];
        params.one_of("format", &formats).unwrap_or(Self::Json)
    }
}

/// `GET /api/v2/wallets/{wallet}/ledger`
pub async fn ledger(
    State(app): State<AppState>,
    mut asked: Question,
) -> Result<Response, ApiError> {
    match LedgerFormat::of(&mut asked.params) {
        LedgerFormat::Json => {
            let limit = asked.params.limit();
            let cursor = asked.params.text("cursor");
            let (wallets, wallet) = asked.finish(&app)?;
            page(&wallets, Keep::OF_WALLET, &wallet, cursor, limit).await
        }
        LedgerFormat::Oracle => {
            let method = asked.method();
            let (wallets, wallet) = asked.finish(&app)?;
            document(&wallets, &wallet, method).await
        }
    }
}

#[derive(Serialize)]
struct LedgerView {
    wallet: String,
    chain: Chain,
    pinned: PinView,
    coverage: Coverage,
    data: Vec<Box<RawValue>>,
    next_cursor: Option<String>,
    has_more: bool,
}

pub(super) async fn page(
    wallets: &Wallets,
    keep: Keep,
    wallet: &WalletRef,
    cursor: Option<String>,
    limit: u32,
) -> Result<Response, ApiError> {
    let scope = format!("ledger {wallet}");
    let after = cursor.map(|cursor| place(&scope, &cursor)).transpose()?;
    let page = wallets.ledger_page(wallet, after, limit as usize).await?;
    let page = page.ok_or_else(|| unknown(wallet))?;
    let next_cursor = page.next.map(|next| cursor_of(&scope, next));
    Ok(value(
        keep,
        &LedgerView {
            wallet: wallet.address.to_string(),
            chain: wallet.chain,
            pinned: PinView::of(page.pin),
            coverage: page.coverage,
            data: page.rows,
            has_more: next_cursor.is_some(),
            next_cursor,
        },
    ))
}

#[derive(Serialize)]
struct TransactionsView {
    wallet: String,
    chain: Chain,
    pinned: PinView,
    data: Vec<TransactionView>,
    next_cursor: Option<String>,
    has_more: bool,
}

/// `GET /api/v2/wallets/{wallet}/transactions`
pub async fn transactions(
    State(app): State<AppState>,
    mut asked: Question,
) -> Result<Response, ApiError> {
    let limit = asked.params.limit();
    let cursor = asked.params.text("cursor");
    let (wallets, wallet) = asked.finish(&app)?;
    let scope = format!("transactions {wallet}");
    let after = cursor.map(|cursor| place(&scope, &cursor)).transpose()?;
    let page = wallets.transactions(&wallet, after, limit as usize).await?;
    let page = page.ok_or_else(|| unknown(&wallet))?;
    let next_cursor = page.next.map(|next| cursor_of(&scope, next));
    Ok(of_wallet(&TransactionsView {
        wallet: wallet.address.to_string(),
        chain: wallet.chain,
        pinned: PinView::of(page.pin),
        data: page.rows,
        has_more: next_cursor.is_some(),
        next_cursor,
    }))
}

/// The cursor of a place in the list called `scope`, which follows a ledger.
fn cursor_of(scope: &str, LedgerCursor { ledger_id, chunk, row }: LedgerCursor) -> String {
    cursor::encode(scope, &format!("{ledger_id} {chunk} {row}"))
}

fn place(scope: &str, cursor: &str) -> Result<LedgerCursor, ApiError> {
    let position = cursor::decode(scope, cursor)?;
    let mut parts = position.split(' ');
    let place = (|| {
        let ledger_id = parts.next()?.parse().ok()?;
        let chunk = parts.next()?.parse().ok()?;
        let row = parts.next()?.parse().ok()?;
        Some(LedgerCursor { ledger_id, chunk, row })
    })();
    place.ok_or_else(|| cursor::names_no("event"))
}

/// One streamed document. When the database goes away on the way the connection is aborted, so
/// that half a document never looks like a whole one.
async fn document(
    wallets: &Wallets,
    wallet: &WalletRef,
    method: Method,
) -> Result<Response, ApiError> {
    let pieces = wallets.oracle_document(wallet, method).await?;
    Ok(streamed(Keep::OF_WALLET, pieces.ok_or_else(|| unknown(wallet))?))
}

/// A JSON document that is sent as it is made, and may be kept so long.
pub(super) fn streamed(
    keep: Keep,
    pieces: impl Stream<Item = Result<String, WalletsError>> + Send + 'static,
) -> Response {
    let pieces = pieces.map_ok(Bytes::from).map_err(|error| {
        tracing::error!(%error, code = error.code(), "a document of a wallet was aborted");
        Aborted(error.into())
    });
    let headers =
        [(header::CONTENT_TYPE, HeaderValue::from_static("application/json")), keep.header()];
    (headers, Body::from_stream(pieces)).into_response()
}

pub(super) fn chain(params: &mut Params) -> Option<Chain> {
    let chain = params.chain();
    if chain.is_none() && !params.has_errors() {
        params.refuse("chain", "missing-field", "the parameter is required");
    }
    chain
}

pub(super) fn method(params: &mut Params) -> Method {
    let Some(name) = params.text("method") else { return Method::default() };
    match name.parse::<Method>() {
        Ok(method) if method.is_offered() => method,
        _ => {
            params.refuse("method", "unknown-method", unknown_method(&name));
            Method::default()
        }
    }
}

/// `method`, `time_range` and `as_of` or `as_of_block`: how the ledger is looked at.
pub(super) fn view(params: &mut Params) -> View {
    View { method: method(params), time_range: time_range(params) }
}

/// `time_range` and `as_of` or `as_of_block`: what is counted, and up to when.
pub(super) fn time_range(params: &mut Params) -> TimeRange {
    let mut time_range = TimeRange::default();
    if let Some(text) = params.text("time_range") {
        match range_of(&text) {
            Ok(range) => time_range = range,
            Err(detail) => params.refuse("time_range", "bad-time-range", detail),
        }
    }
    if let Some(text) = params.text("as_of") {
        match read_moment(&text).map(|as_of| time_range.up_to(as_of)) {
            Some(Ok(range)) => time_range = range,
            Some(Err(error)) => params.contradict("as_of", error.to_string()),
            None => params.refuse("as_of", "bad-time-range", not_a_time(&text)),
        }
    }
    if let Some(text) = params.text("as_of_block") {
        match block_of(&text).map(|block| time_range.up_to_block(block)) {
            Ok(Ok(range)) => time_range = range,
            Ok(Err(error)) => params.contradict("as_of_block", error.to_string()),
            Err(detail) => params.refuse("as_of_block", "out-of-range", detail),
        }
    }
    time_range
}

/// `include`: names separated by commas.
pub(super) fn include(params: &mut Params) -> Include {
    let mut include = Include::default();
    for name in params.text("include").iter().flat_map(|list| list.split(',')) {
        match name {
            "lots" => include.lots = true,
            "disposals" => include.disposals = true,
            other => {
                let detail = format!("{} is none of lots, disposals", shown(other));
                params.refuse("include", "bad-value", detail);
                break;
            }
        }
    }
    include
}

/// The wallet that path and query name. Without a chain the query has been refused before.
pub(super) fn wallet_ref(chain: Option<Chain>, text: &str) -> Result<WalletRef, ApiError> {
    let chain = chain.ok_or_else(ApiError::internal)?;
    match Address::parse(chain, text) {
        Ok(address) => Ok(WalletRef { chain, address }),
        Err(error) => {
            let mut errors = FieldErrors::default();
            let detail = format!("{}: {error}", shown(text));
            errors.push(|| "{wallet}".to_owned(), "bad-address", || detail);
            Err(errors.into_result().expect_err("one was just noted"))
        }
    }
}

pub(super) fn unknown(wallet: &WalletRef) -> ApiError {
    let WalletRef { chain, address } = wallet;
    ApiError::new(
        problems::UNKNOWN_WALLET,
        format!(
            "No full-history analysis of {address} on {chain} is stored. Submit it with POST \
             /api/pnl/batch/run {{\"wallet_addresses\":[\"{address}\"],\"chain\":\"{chain}\"}} and \
             ask again when the job has completed."
        ),
    )
}

/// The option by which the history is refused, where one asks for that.
fn asked_for(error: &EngineError) -> Option<&'static str> {
    match error {
        EngineError::ChosenNotHeld { .. }
        | EngineError::ChosenTooMuch { .. }
        | EngineError::UnknownChoice { .. } => Some("lots"),
        EngineError::Oversold { .. } => Some("oversold"),
        _ => None,
    }
}

impl From<WalletsError> for ApiError {
    fn from(error: WalletsError) -> Self {
        match error {
            WalletsError::Store(error) => error.into(),
            WalletsError::BehindPin { .. } | WalletsError::BlockBehindPin { .. } => {
                let name = match error {
                    WalletsError::BlockBehindPin { .. } => "?as_of_block",
                    _ => "?as_of",
                };
                let mut errors = FieldErrors::default();
                errors.push(|| name.to_owned(), "out-of-range", || error.to_string());
                errors.into_result().expect_err("one was just noted")
            }
            WalletsError::Engine(engine) if asked_for(&engine).is_some() => {
                let mut errors = FieldErrors::default();
                let at = || format!("/options/{}", asked_for(&engine).unwrap_or_default());
                errors.push(at, "bad-option", || engine.to_string());
                errors.into_result().expect_err("one was just noted")
            }
            WalletsError::CursorExpired => Self::new(problems::BAD_CURSOR, error.to_string()),
            WalletsError::Engine(_)
            | WalletsError::Amount(_)
            | WalletsError::Figures(_)
            | WalletsError::Report(_)
            | WalletsError::Ledger(_)
            | WalletsError::Corrupt(_) => {
                tracing::error!(
                    error = %service_runtime::telemetry::Chain(&error),
                    code = error.code(),
                    "a stored ledger gave no answer"
                );
                Self::internal()
            }
        }
    }
}
