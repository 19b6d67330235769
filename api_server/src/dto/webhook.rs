//! The webhook of a job as clients see it.

use job_orchestrator::webhooks::message_id;
use persistence_layer::batches::BatchId;
use persistence_layer::webhooks::{Delivery, Webhook};
use serde::Serialize;
use utoipa::ToSchema;

use crate::dto::time::rfc3339;
use crate::live::type_of_end;
use crate::openapi::shapes::{JobId, Time};

/// The body of the delivery log.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Webhook)]
pub struct WebhookView {
    #[schema(value_type = JobId)]
    job_id: String,
    /// Scheme, host and port of its URL.
    origin: String,
    /// When the receiver answered 410; nothing more is told then.
    #[schema(value_type = Option<Time>)]
    gone_at: Option<String>,
    /// One for each time that the job has ended, newest first; at most 100.
    deliveries: Vec<DeliveryView>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookDelivery)]
struct DeliveryView {
    /// The header of the delivery; null until its first attempt.
    webhook_id: Option<String>,
    /// The number of the event.
    event_id: Option<String>,
    r#type: String,
    #[schema(value_type = Time)]
    happened_at: String,
    /// `waiting`, `delivered`, `failed`, `gone`.
    state: &'static str,
    /// Since the end of the job, or the last replay; one under way counts.
    attempts: u32,
    #[schema(value_type = Option<Time>)]
    next_try_at: Option<String>,
    #[schema(value_type = Option<Time>)]
    last_try_at: Option<String>,
    #[schema(value_type = Option<Time>)]
    ended_at: Option<String>,
    /// HTTP status of the last answer.
    last_status: Option<u16>,
    /// Why the last attempt did not do.
    last_error: Option<String>,
}

impl WebhookView {
    /// The view of the webhook of `job`.
    pub fn of(job: BatchId, webhook: &Webhook) -> Self {
        Self {
            job_id: job.to_string(),
            origin: origin(&webhook.url).to_owned(),
            gone_at: webhook.gone_at.map(rfc3339),
            deliveries: webhook.deliveries.iter().map(|one| DeliveryView::of(job, one)).collect(),
        }
    }
}

impl DeliveryView {
    fn of(job: BatchId, delivery: &Delivery) -> Self {
        Self {
            webhook_id: delivery.number.map(|number| message_id(job, number)),
            event_id: delivery.number.map(|number| number.to_string()),
            r#type: type_of_end(delivery.end),
            happened_at: rfc3339(delivery.happened_at),
            state: delivery.state.as_str(),
            attempts: delivery.attempts,
            next_try_at: delivery.due_at.map(rfc3339),
            last_try_at: delivery.tried_at.map(rfc3339),
            ended_at: delivery.ended_at.map(rfc3339),
            last_status: delivery.last_status,
            last_error: delivery.last_error.clone(),
        }
    }
}

/// Scheme, host and port of a stored URL: path and query may hold a secret that not every reader of the job knows.
fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url[host..].find(['/', '?']).map_or(url.len(), |at| host + at);
    &url[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_neither_path_nor_query() {
        for (url, expected) in [
            ("https://a.org/b?c=d", "https://a.org"),
            ("https://a.org:8443/?c=/d", "https://a.org:8443"),
            ("http://[::1]:80/x", "http://[::1]:80"),
        ] {
            assert_eq!(origin(url), expected);
        }
    }
}
