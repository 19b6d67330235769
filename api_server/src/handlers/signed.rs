//! Signed results, and the key to check them with.

use std::io;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use futures::TryStreamExt;
use serde::Serialize;

use crate::app::{App, AppState};
use crate::error::ApiError;
use crate::export;
use crate::extract::{JobId, NDJSON, Params, check_accept};
use crate::handlers::{Keep, POLL_AFTER_SECONDS, value};
use crate::middleware::validators::VARY;
use crate::problems;
use crate::signing::Signer;

/// The answer of [`key`].
#[derive(Serialize)]
struct KeyAnswer {
    algorithm: &'static str,
    public_key: String,
}

/// `GET /api/signing/key`
pub async fn key(
    State(app): State<AppState>,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, ApiError> {
    check_accept(&headers, "application/json")?;
    params.finish()?;
    let public_key = signer(&app)?.public_key();
    Ok(value(Keep::Revalidated, &KeyAnswer { algorithm: "Ed25519", public_key }))
}

/// `GET /api/pnl/batch/results/{job_id}/signed.ndjson`
pub async fn results(
    State(app): State<AppState>,
    params: Params,
    JobId(job): JobId,
) -> Result<Response, ApiError> {
    params.finish()?;
    signer(&app)?;
    let batch = app.batches.status(&job).await?;
    if !batch.state.is_terminal() {
        let detail = "The job has not ended; what may change is not signed.";
        return Err(ApiError::new(problems::JOB_RUNNING, detail).retry_after(POLL_AFTER_SECONDS));
    }
    let disposition = format!("attachment; filename=\"pnl-{job}-signed.ndjson\"");
    let disposition = HeaderValue::from_str(&disposition).map_err(|_| ApiError::internal())?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(NDJSON)),
        Keep::results_of(&batch, app.results_days, Utc::now()).header(),
        (header::CONTENT_DISPOSITION, disposition),
        (header::VARY, VARY),
    ];
    let lines = export::signed(app.clone(), &job.tenant, &batch).map_err(|error| {
        tracing::error!(%error, code = error.code(), "signed results were aborted");
        io::Error::other("the export failed")
    });
    Ok((headers, Body::from_stream(lines)).into_response())
}

fn signer(app: &App) -> Result<&Signer, ApiError> {
    app.signer.as_ref().ok_or_else(|| {
        let detail = "This server signs nothing: signing.key_file is not set.";
        ApiError::new(problems::NOT_SIGNING, detail)
    })
}
