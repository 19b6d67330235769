//! `POST /api/performance/cache/purge`: every process forgets what it keeps of some tags. Changes no job and no result;
//! who asked and what came of it is noted.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use persistence_layer::operator_actions::{self, Asked};
use serde::Serialize;
use service_runtime::telemetry::Chain;
use tracing::Instrument;
use utoipa::ToSchema;
use uuid::Uuid;

use super::optimize::Evicted;
use crate::app::AppState;
use crate::dto::purge::read_tags;
use crate::error::ApiError;
use crate::extract::{JsonBody, Params, check_accept};
use crate::handlers::same_origin;
use crate::keys::Caller;
use crate::middleware::context::RequestContext;
use crate::purges;

/// What is done.
#[derive(Serialize, ToSchema)]
#[schema(as = Purged)]
pub struct View {
    /// Its row in `operator_actions`, by which the other processes hear of it.
    #[schema(value_type = String, format = "uuid")]
    action_id: Uuid,
    /// What is forgotten, each once.
    tags: Vec<String>,
    evicted: Evicted,
}

/// What came of it, as it is noted.
#[derive(Debug, Serialize)]
struct Outcome {
    answers: u64,
    answers_in_redis: u64,
    /// Steps that were not done, with the code of why.
    failed: Vec<String>,
}

/// The handler.
pub async fn purge(
    State(app): State<AppState>,
    caller: Caller,
    Extension(context): Extension<RequestContext>,
    headers: HeaderMap,
    params: Params,
    JsonBody(body): JsonBody,
) -> Result<Response, ApiError> {
    check_accept(&headers, "application/json")?;
    same_origin(&headers)?;
    params.finish()?;
    let tags = read_tags(&body)?;
    if !app.database.is_up() {
        return Err(ApiError::database_unavailable());
    }
    let trace_id = context.trace_id.to_string();
    let asking = async move {
        let asked = Asked { key: caller.key, trace_id: &trace_id, process: &app.instance.id };
        let (action_id, answers) = purges::ask(&app, &tags, asked).await?;
        tracing::info!(%action_id, ?tags, answers, "an operator has answers forgotten");
        let body = View { action_id, tags, evicted: Evicted::new(answers, &app) };
        tokio::spawn(carry_out(app, action_id, answers).in_current_span());
        Ok::<_, ApiError>(body)
    };
    // A task of its own: what was begun is carried out and noted also when the client goes away.
    let asking = tokio::spawn(asking.in_current_span());
    let body = asking.await.map_err(|_| ApiError::internal())??;
    let fresh = (header::CACHE_CONTROL, "no-store");
    Ok((StatusCode::ACCEPTED, [fresh], Json(body)).into_response())
}

/// Gives the memory of Redis back, and notes what came of all.
async fn carry_out(app: AppState, id: Uuid, answers: u64) {
    let shared = app.answers.forget_purged_shared().await;
    let outcome = Outcome {
        answers,
        answers_in_redis: *shared.as_ref().unwrap_or(&0),
        failed: shared
            .err()
            .map(|error| format!("answers in Redis: {}", error.code()))
            .into_iter()
            .collect(),
    };
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
