//! The results of a job as files.

use std::io;

use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::Utc;
use futures::{Stream, StreamExt, TryStreamExt};
use job_orchestrator::wallets::WalletsError;
use persistence_layer::batches::{Batch, BatchId, BatchRef};

use crate::app::AppState;
use crate::error::ApiError;
use crate::export::{self, ExportError, Format, Measured, Rows, Sources, Wanted};
use crate::extract::{JobId, Params};
use crate::handlers::{Keep, POLL_AFTER_SECONDS};
use crate::json::hex;
use crate::middleware::validators::{VARY, conditional};
use crate::problems;

/// The digest of the whole file (RFC 9530), and the same as older clients read it (RFC 3230).
const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");
const DIGEST: HeaderName = HeaderName::from_static("digest");

/// How many rows the file has.
const ROW_COUNT: HeaderName = HeaderName::from_static("x-row-count");

/// Bytes of the digest that a tag shows.
const TAG_BYTES: usize = 16;

/// What is asked for of a file, but its format, which the path names: what the client accepts by habit does not
/// matter.
#[derive(FromRequestParts)]
pub struct Asked {
    method: Method,
    headers: HeaderMap,
    params: Params,
    job: JobId,
}

/// `GET /api/pnl/batch/results/{job_id}/export.csv`
pub async fn csv(State(app): State<AppState>, asked: Asked) -> Result<Response, ApiError> {
    export(app, asked, Format::Csv).await
}

/// `GET /api/pnl/batch/results/{job_id}/export.ndjson`
pub async fn ndjson(State(app): State<AppState>, asked: Asked) -> Result<Response, ApiError> {
    export(app, asked, Format::Ndjson).await
}

/// `GET /api/pnl/batch/results/{job_id}/export.parquet`
pub async fn parquet(State(app): State<AppState>, asked: Asked) -> Result<Response, ApiError> {
    export(app, asked, Format::Parquet).await
}

/// `GET /api/pnl/batch/results/{job_id}/export.arrow`
pub async fn arrow(State(app): State<AppState>, asked: Asked) -> Result<Response, ApiError> {
    export(app, asked, Format::Arrow).await
}

async fn export(app: AppState, asked: Asked, format: Format) -> Result<Response, ApiError> {
    let Asked { method, headers, mut params, job: JobId(job) } = asked;
    let partial = params.flag("partial");
    let rows = params.one_of("rows", &Rows::NAMES).unwrap_or(Rows::Wallets);
    params.finish()?;
    let batch = app.batches.status(&job).await?;
    if !batch.state.is_terminal() && !partial {
        let detail = "The job has not ended; ?partial=true exports what is there.";
        return Err(ApiError::new(problems::JOB_RUNNING, detail).retry_after(POLL_AFTER_SECONDS));
    }
    let sources = Sources::of(app.file_store.clone(), &job, &batch, rows).await?;
    let measured = measured(&app, &job, &batch, rows, format, &sources).await?;
    let document = || {
        export::document(&app, &job.tenant, &batch, rows, format).map_err(|error| failed(&error))
    };
    let keep = match (rows, &measured) {
        (Rows::Wallets, _) => Keep::results_of(&batch, app.results_days, Utc::now()),
        // Newer analyses change it, which the tag shows.
        (Rows::Disposals, Some(_)) => Keep::Revalidated,
        (Rows::Disposals, None) => Keep::Not,
    };
    let common = [
        (header::CONTENT_TYPE, format.content_type()),
        keep.header(),
        (header::CONTENT_DISPOSITION, disposition(job.id, rows, format)),
        (header::VARY, VARY),
    ];
    let Some(file) = measured else {
        let bytes = document()?.map_ok(|piece| piece.bytes);
        return Ok((common, body(bytes)).into_response());
    };
    let tag = format!("\"{}\"", hex(&file.digest[..TAG_BYTES]));
    // Ranges are of GET alone (RFC 9110, section 14.2).
    let range = headers.get(header::RANGE).filter(|_| method == Method::GET);
    let range = range.and_then(|range| range.to_str().ok()).filter(|_| is_same(&headers, &tag));
    let wanted = range.map_or(Wanted::Whole, |range| export::wanted(range, file.length));
    let (status, first, length) = match wanted {
        Wanted::Whole => (StatusCode::OK, 0, file.length),
        Wanted::Part { first, last } => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
        Wanted::Nowhere => return Ok(nowhere(file.length)),
    };
    let bytes = sources.unless_replaced(export::part(document()?, first, length));
    let mut response = (status, common, body(bytes)).into_response();
    response.headers_mut().extend(described(&file, &tag, length));
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {first}-{}/{}", first + length - 1, file.length);
        response.headers_mut().extend(value(header::CONTENT_RANGE, &range));
    }
    Ok(conditional(&headers, &tag, response))
}

/// What is known of the file, where it is the same each time it is made.
async fn measured(
    app: &AppState,
    job: &BatchRef,
    batch: &Batch,
    rows: Rows,
    format: Format,
    sources: &Sources,
) -> Result<Option<Measured>, ApiError> {
    let Some(ended) = batch.finished_at.filter(|_| app.knows_what_is_kept()) else {
        return Ok(None);
    };
    // A retry takes the end away, and gives another one.
    let (ended, made_of) = (ended.timestamp_micros(), hex(sources.hash()));
    let name = format!("{} {ended} {} {made_of}", batch.id, format.as_str());
    let (inside, tenant, of) = (app.clone(), job.tenant.clone(), batch.clone());
    let sources = sources.clone();
    let make = move || {
        let document = export::document(&inside, &tenant, &of, rows, format)?;
        Ok(sources.unless_replaced(document).boxed())
    };
    match app.exports.measured(name, make).await {
        Ok(measured) => Ok(measured),
        // What is now is another file, of which nothing is known yet.
        Err(error) if matches!(*error, ExportError::Replaced) => Ok(None),
        Err(error) if matches!(*error, ExportError::TakenUpAgain) => {
            let detail = "The job was retried while its file was measured; wait for its end.";
            Err(ApiError::new(problems::JOB_RUNNING, detail).retry_after(POLL_AFTER_SECONDS))
        }
        Err(error) => {
            // A job whose time was over while it was read is the answer.
            app.batches.status(job).await?;
            Err(failed(&error))
        }
    }
}

fn failed(error: &ExportError) -> ApiError {
    match error {
        ExportError::Store(error) | ExportError::Ledger(WalletsError::Store(error)) => error.into(),
        _ => {
            tracing::error!(%error, code = error.code(), "an export failed");
            ApiError::internal()
        }
    }
}

/// Whether a part may be sent: the client has others of the same file, or takes the risk.
fn is_same(headers: &HeaderMap, tag: &str) -> bool {
    headers.get(header::IF_RANGE).is_none_or(|known| known == tag)
}

fn described(
    file: &Measured,
    tag: &str,
    length: u64,
) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let digest = STANDARD.encode(file.digest);
    [
        (header::ETAG, tag.to_owned()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
        (REPR_DIGEST, format!("sha-256=:{digest}:")),
        (DIGEST, format!("SHA-256={digest}")),
        (ROW_COUNT, file.rows.to_string()),
    ]
    .into_iter()
    .filter_map(|(name, text)| value(name, &text))
}

fn value(name: HeaderName, text: &str) -> Option<(HeaderName, HeaderValue)> {
    HeaderValue::from_str(text).ok().map(|value| (name, value))
}

fn nowhere(length: u64) -> Response {
    let detail = format!("The file has {length} bytes, and none where the range begins.");
    let mut response = ApiError::new(problems::RANGE_NOT_SATISFIABLE, detail).into_response();
    response.headers_mut().extend(value(header::CONTENT_RANGE, &format!("bytes */{length}")));
    response
}

fn disposition(id: BatchId, rows: Rows, format: Format) -> HeaderValue {
    let what = match rows {
        Rows::Wallets => "",
        Rows::Disposals => "-disposals",
    };
    let text = format!("attachment; filename=\"pnl-{id}{what}.{}\"", format.as_str());
    HeaderValue::from_str(&text).expect("a UUID and words have no character that a header refuses")
}

/// An error ends the stream as an error, which aborts the connection: a file that ends cleanly is complete.
fn body<B: Into<axum::body::Bytes> + 'static>(
    bytes: impl Stream<Item = Result<B, ExportError>> + Send + 'static,
) -> Body {
    Body::from_stream(bytes.map_err(|error| {
        tracing::error!(%error, code = error.code(), "an export was aborted");
        io::Error::other("the export failed")
    }))
}
