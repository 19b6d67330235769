//! `GET /api/performance/cost`: what calls to providers have cost.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use job_orchestrator::sources::Pace;
use persistence_layer::batches::{BatchId, BatchRef};
use persistence_layer::estimates;
use pnl_core::Usd;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::{Params, check_accept, job_id};
use crate::handlers::fresh_json;
use crate::keys::Caller;
use crate::performance::cost::{of_calls, sum};
use crate::performance::windows::Window;

/// What no figure has.
const NOT_COUNTED: [&str; 1] = ["prices"];

/// The whole answer: of a job, or of what this process did in a window.
#[derive(Serialize, ToSchema)]
#[schema(as = Cost)]
pub struct CostView {
    /// The job; null: what this process did in the window.
    job_id: Option<String>,
    /// `1h`, `24h`, `7d`; null for a job.
    window: Option<&'static str>,
    /// How long the window is; null for a job.
    window_seconds: Option<u64>,
    calls: u64,
    /// Of a job by method; empty for a window.
    calls_by_method: BTreeMap<String, u64>,
    /// In a window each with its own calls; of a job, where it is not known who took which call, each as if it took all.
    providers: Vec<OfProvider>,
    /// At least so much, in USD as decimal text; null while a provider that counts has no price.
    cost_usd_min: Option<String>,
    /// At most so much; the same as the least where it is known who took each call.
    cost_usd_max: Option<String>,
    /// What no figure has: `prices`, calls to price sources.
    not_counted: [&'static str; 1],
}

/// A provider and its price.
#[derive(Serialize, ToSchema)]
#[schema(as = CostOfProvider)]
struct OfProvider {
    chain: &'static str,
    name: String,
    calls: u64,
    /// As configured; null: not known.
    price_per_thousand_calls_usd: Option<String>,
    cost_usd: Option<String>,
    #[serde(skip)]
    cost: Option<Usd>,
}

/// The handler.
pub async fn cost(
    State(app): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    mut params: Params,
) -> Result<Response, ApiError> {
    check_accept(&headers, "application/json")?;
    let job = params.read("job_id", "is no job id, a UUID with hyphens", job_id);
    let window = params.one_of("window", &Window::NAMED);
    if job.is_some() && window.is_some() {
        params.refuse("window", "contradiction", "a job has no window: leave one of them out");
    }
    params.finish()?;
    let body = match job {
        Some(id) => of_job(&app, BatchRef { tenant: caller.tenant, id }).await?,
        None => of_window(&app, window.unwrap_or_default())?,
    };
    Ok(fresh_json(&body))
}

async fn of_job(app: &AppState, job: BatchRef) -> Result<CostView, ApiError> {
    let batch = app.batches.status(&job).await?;
    let by_method = estimates::calls_of_batch(&app.store, &job).await?;
    let calls = by_method.values().sum();
    let paces = app.paces.get(&batch.chain).map(Vec::as_slice).unwrap_or_default();
    let providers: Vec<_> = paces
        .iter()
        .map(|pace| OfProvider::new(batch.chain.as_str(), pace.name.clone(), Some(pace), calls))
        .collect();
    let all: Option<Vec<Usd>> = providers.iter().map(|one| one.cost).collect();
    let all = all.unwrap_or_default();
    let BatchId(id) = job.id;
    Ok(CostView {
        job_id: Some(id.to_string()),
        window: None,
        window_seconds: None,
        calls,
        calls_by_method: by_method,
        cost_usd_min: all.iter().min().map(Usd::to_string),
        cost_usd_max: all.iter().max().map(Usd::to_string),
        providers,
        not_counted: NOT_COUNTED,
    })
}

fn of_window(app: &AppState, window: Window) -> Result<CostView, ApiError> {
    let (calls, age) = app.vitals.calls(window);
    let providers: Vec<_> = calls
        .into_iter()
        .map(|((chain, name), calls)| {
            let mut paces = app.paces.get(&chain).into_iter().flatten();
            let pace = paces.find(|pace| pace.name == name);
            OfProvider::new(chain.as_str(), name, pace, calls)
        })
        .collect();
    let total = sum(providers.iter().map(|one| one.cost)).map(|cost| cost.to_string());
    Ok(CostView {
        job_id: None,
        window: Some(window.as_str()),
        window_seconds: Some(age.as_secs()),
        calls: providers.iter().map(|one| one.calls).sum(),
        calls_by_method: BTreeMap::new(),
        providers,
        cost_usd_min: total.clone(),
        cost_usd_max: total,
        not_counted: NOT_COUNTED,
    })
}

impl OfProvider {
    fn new(chain: &'static str, name: String, pace: Option<&Pace>, calls: u64) -> Self {
        let price = pace.and_then(|pace| pace.price_per_thousand_calls);
        let cost = price.and_then(|price| of_calls(price, calls).ok());
        Self {
            chain,
            name,
            calls,
            price_per_thousand_calls_usd: price.map(|price| price.to_string()),
            cost_usd: cost.map(|cost| cost.to_string()),
            cost,
        }
    }
}
