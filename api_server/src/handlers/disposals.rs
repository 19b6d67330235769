//! The disposals of a wallet, and each of them explained down to its inputs.

use axum::extract::State;
use axum::response::Response;
use job_orchestrator::Analysis;
use job_orchestrator::wallets::{Asked, DisposalFilter, DisposalId, Explanation, NotExplained};
use persistence_layer::batches::{BatchId, BatchRef};
use pnl_core::{AssetId, Chain, Method};
use serde::Serialize;
use serde_json::value::RawValue;

use super::question::{Question, cursor_of};
use super::wallets::{no_result, unknown};
use crate::app::AppState;
use crate::dto::job::PinView;
use crate::dto::options::{asset, expected_asset};
use crate::error::ApiError;
use crate::extract::{Params, TwoSegments};
use crate::handlers::of_wallet;
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
pub async fn page(State(app): State<AppState>, mut asked: Question) -> Result<Response, ApiError> {
    let view = asked.view();
    let chain = asked.chain();
    let asset = asset_of(&mut asked.params, chain);
    let page = asked.page();
    let (wallets, wallet) = asked.finish(&app)?;
    let scope = format!("disposals {wallet} {view:?} {asset:?}");
    let after = page.place(&scope)?;
    let filter = DisposalFilter { view, asset };
    let found = wallets.disposals(&wallet, &filter, after, page.limit).await?;
    let page = found.ok_or_else(|| unknown(&wallet))?;
    let next_cursor = cursor_of(&scope, page.next);
    Ok(of_wallet(&DisposalsView {
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

#[derive(Serialize)]
struct ExplainView {
    pinned: PinView,
    #[serde(flatten)]
    explanation: Explanation,
    next_cursor: Option<String>,
    has_more: bool,
}

/// `job_id`: the result of which job is explained, by the method, options and window of that job.
fn of_job(params: &mut Params) -> Option<BatchId> {
    let is_given = params.has("job_id");
    let id = params.named_job("job_id");
    for name in ["method", "time_range", "as_of", "as_of_block"] {
        if is_given && params.text(name).is_some() {
            params.contradict(name, "the job that job_id names says how its result was computed");
        }
    }
    id
}

/// How to submit a wallet whose result cannot be computed again.
const AGAIN: &str = "again with the same options";

/// Why the result of `job` cannot be computed again, and how to submit its wallet for one that can.
fn not_repeatable(job: BatchId, why: &str, how: &str) -> ApiError {
    let detail = format!(
        "The result of the job {job} cannot be computed again: {why}. Submit the wallet {how}, and ask for the \
         result of that job."
    );
    ApiError::new(problems::LEDGER_REPLACED, detail)
}

/// `GET /api/v2/wallets/{wallet}/disposals/{id}/explain`
pub async fn explain(
    State(app): State<AppState>,
    TwoSegments(_, id): TwoSegments,
    mut asked: Question,
) -> Result<Response, ApiError> {
    let job = of_job(&mut asked.params);
    let view = asked.view();
    let page = asked.page();
    let tenant = asked.tenant().clone();
    let (wallets, wallet) = asked.finish(&app)?;
    let none = || {
        let detail = format!(
            "{} names no disposal of this wallet; GET /api/v2/wallets/{{wallet}}/disposals lists \
             them with their ids.",
            shown(&id)
        );
        ApiError::new(problems::UNKNOWN_DISPOSAL, detail)
    };
    let scope = match job {
        None => format!("explain {wallet} {view:?} {id}"),
        Some(job) => format!("explain {wallet} of {job} {id}"),
    };
    let after = page.place(&scope)?;
    let wanted: DisposalId = id.parse().map_err(|_| none())?;
    let wanted = Asked { id: &wanted, after, limit: page.limit };
    let explanation = match job {
        None => {
            let explained = wallets.explain(&wallet, view, wanted).await?;
            explained.ok_or_else(|| unknown(&wallet))?.ok_or_else(none)?
        }
        Some(id) => {
            let batch = app.batches.status(&BatchRef { tenant, id }).await?;
            let analysis = Analysis::of_batch(&batch.request).map_err(|_| {
                not_repeatable(id, "a program of another version wrote what it asks for", AGAIN)
            })?;
            let explained = wallets.explain_result(&wallet, id, &analysis, wanted).await?;
            explained.map_err(|why| match why {
                NotExplained::NoResult => no_result(id, "job_id", &wallet),
                NotExplained::OtherEngine => {
                    not_repeatable(id, "another version of the engine computed it", AGAIN)
                }
                NotExplained::NotStored => not_repeatable(
                    id,
                    "the ledger that it was computed from is not stored, or not any more: a ledger that was \
                     replaced, or is of a part of the history, is kept for \
                     retention.replaced_ledgers_hours",
                    AGAIN,
                ),
                NotExplained::OtherHistory => not_repeatable(
                    id,
                    "it ends in the past, no ledger is kept of that, and the newest one of the wallet is \
                     missing, ends before it, goes further than the chain had come then, or has other events \
                     or prices",
                    "without as_of, then again with the same options",
                ),
                NotExplained::NoDisposal => none(),
            })?
        }
    };
    let next_cursor = cursor_of(&scope, explanation.next);
    Ok(of_wallet(&ExplainView {
        pinned: PinView::of(explanation.pin),
        has_more: next_cursor.is_some(),
        next_cursor,
        explanation,
    }))
}
