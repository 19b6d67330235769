//! The body of `POST /api/performance/cache/purge`.

use crate::dto::batch::wrong_type;
use crate::error::{ApiError, FieldErrors};
use crate::json::{Json, shown};
use crate::purges::Tag;

/// Most tags of one request.
const MOST: usize = 100;

/// The tags of a body as they are written in full, each once.
///
/// # Errors
/// [`crate::problems::VALIDATION_FAILED`].
pub fn read_tags(body: &Json) -> Result<Vec<String>, ApiError> {
    let mut errors = FieldErrors::default();
    let mut tags = Vec::new();
    match body {
        Json::Object(body) => {
            body.check_names("", &["tags"], &mut errors);
            match body.get("tags") {
                Some(Json::List(entries)) => tags = read(entries, &mut errors),
                Some(other) => wrong_type(other, "/tags", "a list", &mut errors),
                None => errors.push(|| "/tags".into(), "missing-field", || "the field is required"),
            }
        }
        other => wrong_type(other, "", "an object with tags", &mut errors),
    }
    errors.into_result().map(|()| tags)
}

fn read(entries: &[Json], errors: &mut FieldErrors) -> Vec<String> {
    if entries.is_empty() {
        errors.push(|| "/tags".into(), "empty-list", || "nothing is named; \"everything\" is all");
    }
    if entries.len() > MOST {
        let detail = || format!("{} tags are named; at most {MOST}", entries.len());
        errors.push(|| "/tags".into(), "out-of-range", detail);
        return Vec::new();
    }
    let mut tags = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let at = || format!("/tags/{index}");
        let Json::Text(text) = entry else {
            wrong_type(entry, &at(), "a string", errors);
            continue;
        };
        match text.parse::<Tag>() {
            Ok(tag) => tags.push(tag.to_string()),
            Err(error) => errors.push(at, "bad-tag", || format!("{}: {error}", shown(text))),
        }
    }
    tags.sort_unstable();
    tags.dedup();
    tags
}
