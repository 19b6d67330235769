//! `POST /api/performance/optimize`: forgets kept answers, renews the summary and the statistics. Changes no job and no
//! result; who asked and what came of it is noted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use persistence_layer::maintenance::{self, LargeTable};
use persistence_layer::operator_actions::{self, Action, Asked};
use persistence_layer::{Store, StoreError, results};
use serde::Serialize;
use service_runtime::telemetry::Chain;
use tracing::Instrument;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::answers::PREFIX;
use crate::app::{App, AppState};
use crate::error::ApiError;
use crate::extract::{NoBody, Params, check_accept};
use crate::handlers::same_origin;
use crate::keys::Caller;
use crate::middleware::context::RequestContext;
use crate::performance::memory::Memory;

/// Whether it is under way in this process. A clone says the same.
#[derive(Clone, Default)]
pub struct Optimizing(Arc<AtomicBool>);

/// It ends with this.
struct UnderWay(Optimizing);

impl Optimizing {
    fn begin(&self) -> Option<UnderWay> {
        (!self.0.swap(true, Ordering::AcqRel)).then(|| UnderWay(self.clone()))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.0.store(false, Ordering::Release);
    }
}

/// What is done.
#[derive(Serialize, ToSchema)]
#[schema(as = Optimization)]
pub struct View {
    /// Its row in `operator_actions`, which gets what came of it (`pnl-tracker db report`).
    #[schema(value_type = String, format = "uuid")]
    action_id: Uuid,
    /// An earlier request is still being carried out, and this one has only forgotten the answers of this process.
    already_running: bool,
    evicted: Evicted,
    /// What is computed anew: the summary of `GET /api/pnl/results`.
    refreshes: [&'static str; 1],
    /// Tables whose statistics are renewed, one after the other.
    analyzes: Vec<&'static str>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = EvictedAnswers)]
pub(super) struct Evicted {
    /// Answers that this process had kept.
    answers: u64,
    /// What keys in Redis begin with that are removed; null: none is configured.
    redis_prefix: Option<&'static str>,
}

impl Evicted {
    /// So many answers of this process, and those in its Redis.
    pub(super) fn new(answers: u64, app: &App) -> Self {
        Self { answers, redis_prefix: app.redis.is_some().then_some(PREFIX) }
    }
}

/// What came of it, as it is noted.
#[derive(Debug, Default, Serialize)]
struct Outcome {
    /// Nothing else was done: another request was being carried out.
    already_running: bool,
    answers: u64,
    answers_in_redis: u64,
    summary_scopes: u64,
    analyzed: Vec<&'static str>,
    /// Steps that were not done, with the code of why.
    failed: Vec<String>,
    resident_bytes_before: Option<u64>,
    resident_bytes_after: Option<u64>,
}

/// The handler.
pub async fn optimize(
    State(app): State<AppState>,
    caller: Caller,
    Extension(context): Extension<RequestContext>,
    headers: HeaderMap,
    params: Params,
    NoBody: NoBody,
) -> Result<Response, ApiError> {
    check_accept(&headers, "application/json")?;
    same_origin(&headers)?;
    params.finish()?;
    if !app.database.is_up() {
        return Err(ApiError::database_unavailable());
    }
    let trace_id = context.trace_id.to_string();
    let asked = Asked { key: caller.key, trace_id: &trace_id, process: &app.instance.id };
    // Nothing is done of which there is no note.
    let action_id = operator_actions::begin(&app.store, Action::Optimize, asked).await?;
    let under_way = app.optimizing.begin();
    let mut outcome = Outcome {
        already_running: under_way.is_none(),
        resident_bytes_before: Memory::now().resident_bytes,
        ..Outcome::default()
    };
    outcome.answers = app.answers.evict();
    let body = View {
        action_id,
        already_running: outcome.already_running,
        evicted: Evicted::new(outcome.answers, &app),
        refreshes: ["pnl_summary_stats"],
        analyzes: LargeTable::ALL.map(LargeTable::as_str).to_vec(),
    };
    // The span names the holder of the key.
    tracing::info!(
        %action_id,
        answers = outcome.answers,
        already_running = outcome.already_running,
        "kept answers are forgotten, summary and statistics renewed, as an operator asked"
    );
    tokio::spawn(carry_out(app, action_id, outcome, under_way).in_current_span());
    let fresh = (header::CACHE_CONTROL, "no-store");
    Ok((StatusCode::ACCEPTED, [fresh], Json(body)).into_response())
}

async fn carry_out(app: AppState, id: Uuid, mut outcome: Outcome, under_way: Option<UnderWay>) {
    if under_way.is_some() {
        outcome.work(&app).await;
    }
    outcome.resident_bytes_after = Memory::now().resident_bytes;
    let noted = serde_json::to_value(&outcome).unwrap_or_default();
    match operator_actions::finish(&app.work_store, id, &noted).await {
        Ok(()) => tracing::info!(action_id = %id, ?outcome, "what an operator asked for is done"),
        Err(error) => tracing::warn!(
            action_id = %id,
            ?outcome,
            error = %Chain(&error),
            code = error.code(),
            "what came of an operator's request could not be noted"
        ),
    }
}

impl Outcome {
    async fn work(&mut self, app: &AppState) {
        self.answers_in_redis =
            self.noted("answers in Redis", app.answers.evict_shared().await).unwrap_or_default();
        self.summary_scopes =
            self.noted("summary", results::refresh(&app.work_store).await).unwrap_or_default();
        for table in LargeTable::ALL {
            self.analyze(&app.work_store, table).await;
        }
    }

    async fn analyze(&mut self, store: &Store, table: LargeTable) {
        match self.noted(table.as_str(), maintenance::analyze(store, table).await) {
            Some(true) => self.analyzed.push(table.as_str()),
            Some(false) => self.failed.push(format!("{table}: another process is at it")),
            None => {}
        }
    }

    /// What a step gave; none when it failed.
    fn noted<T>(&mut self, step: &'static str, done: Result<T, StoreError>) -> Option<T> {
        let error = match done {
            Ok(given) => return Some(given),
            Err(error) => error,
        };
        tracing::warn!(step, error = %Chain(&error), code = error.code(), "a step is not done");
        self.failed.push(format!("{step}: {}", error.code()));
        None
    }
}
