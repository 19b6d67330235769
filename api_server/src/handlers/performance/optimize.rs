//! `POST /api/performance/optimize`: forgets kept answers and renews statistics. Changes nothing that is stored.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use persistence_layer::Store;
use persistence_layer::maintenance::{self, LargeTable};
use serde::Serialize;
use service_runtime::telemetry::Chain;
use tracing::Instrument;
use utoipa::ToSchema;

use crate::answers::PREFIX;
use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::{NoBody, Params, check_accept};
use crate::handlers::same_origin;

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
    /// An earlier request is still being carried out, and this one has only forgotten the answers of this process.
    already_running: bool,
    evicted: Evicted,
    /// Tables whose statistics are renewed, one after the other.
    analyzes: Vec<&'static str>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = EvictedAnswers)]
struct Evicted {
    /// Answers that this process had kept.
    answers: u64,
    /// What keys in Redis begin with that are removed; null: none is configured.
    redis_prefix: Option<&'static str>,
}

/// The handler.
pub async fn optimize(
    State(app): State<AppState>,
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
    let answers = app.answers.evict();
    let under_way = app.optimizing.begin();
    let body = View {
        already_running: under_way.is_none(),
        evicted: Evicted { answers, redis_prefix: app.redis.is_some().then_some(PREFIX) },
        analyzes: LargeTable::ALL.map(LargeTable::as_str).to_vec(),
    };
    // The span names the holder of the key: this line is the record of who did it.
    tracing::info!(
        answers,
        already_running = body.already_running,
        "kept answers are forgotten and statistics renewed, as an operator asked"
    );
    if let Some(under_way) = under_way {
        tokio::spawn(carry_out(app, under_way).in_current_span());
    }
    let fresh = (header::CACHE_CONTROL, "no-store");
    Ok((StatusCode::ACCEPTED, [fresh], Json(body)).into_response())
}

async fn carry_out(app: AppState, _until_the_end: UnderWay) {
    match app.answers.evict_shared().await {
        Ok(0) => {}
        Ok(answers) => tracing::info!(answers, "answers in Redis are forgotten"),
        Err(error) => tracing::warn!(
            error = %Chain(&error),
            code = error.code(),
            "answers in Redis are kept until their time is over"
        ),
    }
    for table in LargeTable::ALL {
        analyze(&app.work_store, table).await;
    }
    tracing::info!("statistics are renewed");
}

async fn analyze(store: &Store, table: LargeTable) {
    match maintenance::analyze(store, table).await {
        Ok(true) => {}
        Ok(false) => tracing::info!(%table, "another process renews the statistics of the table"),
        Err(error) => tracing::warn!(
            %table,
            error = %Chain(&error),
            code = error.code(),
            "the statistics of a table are not renewed"
        ),
    }
}
