//! The member `webhook_url` of a submission.

use job_orchestrator::webhooks::TargetRules;

use super::{optional, text};
use crate::error::FieldErrors;
use crate::json::Object;

const NAME: &str = "webhook_url";

/// The URL in its usual form, if there is one; what is wrong is noted. Without `rules` none is taken.
pub(super) fn read(
    body: &Object,
    rules: Option<&TargetRules>,
    errors: &mut FieldErrors,
) -> Option<String> {
    let url = optional(body, NAME).and_then(|value| text(value, NAME, errors))?;
    let at = || format!("/{NAME}");
    let Some(rules) = rules else {
        let detail = "this server sends no webhooks: neither webhooks.secrets nor webhooks.root_secrets is set";
        errors.push(at, "webhooks-off", || detail);
        return None;
    };
    match rules.check(url) {
        Ok(target) => Some(target.as_str().to_owned()),
        Err(error) => {
            errors.push(at, "bad-url", || error.to_string());
            None
        }
    }
}
