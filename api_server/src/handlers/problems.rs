//! `GET /problems/{code}`: what an error code means, in words.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use crate::error::ApiError;
use crate::extract::Segment;
use crate::problems::{self, FIELD_CODES};

/// The description of `code` as plain text.
pub async fn describe(Segment(code): Segment) -> Result<Response, ApiError> {
    let text = match problems::find(&code) {
        Some(problem) => {
            format!("{code}\n{}\n{}\n\n{}\n", problem.status, problem.title, problem.description)
        }
        None => match FIELD_CODES.iter().find(|(known, _)| *known == code) {
            Some((_, meaning)) => format!("{code}\nOne invalid field of a request\n\n{meaning}\n"),
            None => {
                let detail = "No error of this service has this code.";
                return Err(ApiError::new(problems::NOT_FOUND, detail));
            }
        },
    };
    let cache = (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=86400"));
    Ok(([cache], text).into_response())
}
