//! Webhooks: telling receivers elsewhere of the end of jobs.
//!
//! What is to be told stands in the database, written with the event itself ([`persistence_layer::webhooks`]).
//! Every process with a worker looks for what is due, claims it for a while, sends it, and notes what came of it. A
//! process that dies in between is taken over when its claim has lapsed, so a receiver is told at least once. No
//! transaction is open while something is sent.

mod schedule;

use std::sync::Arc;
use std::time::Duration;

use chain_client::webhooks::{Answer, Message, Signer};
use persistence_layer::batches::{Batch, BatchId};
use persistence_layer::job_events::{self, Event, Number};
use persistence_layer::webhooks::{self, Claimed, Payload};
use persistence_layer::{Store, StoreError};
use service_runtime::config::{SigningSecret, WebhookSettings};
use service_runtime::telemetry::Chain;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

pub use chain_client::webhooks::{TargetRules, WebhookClient};

use crate::metrics::Metrics;
use crate::watch_state::StateLog;

/// Pause between two looks for what is due: the longest delay of a first attempt.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What a claim lasts longer than an attempt: reading the job and noting what came of it. A delivery of a dead process
/// waits so long.
const LEASE_MARGIN: Duration = Duration::from_secs(10);

/// A delivery of which nothing could be sent, since the database failed, is looked at again after this time.
const HANDED_BACK_FOR: Duration = Duration::from_secs(10);

/// How the end of a job is put into words.
pub type Render = fn(&Batch, &Event) -> String;

/// What deliveries need.
#[derive(Debug)]
pub struct Deliveries {
    /// The database.
    pub store: Store,
    /// Sends.
    pub client: WebhookClient,
    /// What is sent.
    pub render: Render,
    /// Most under way at a time.
    pub max_under_way: u32,
    /// Counts.
    pub metrics: Metrics,
}

impl Deliveries {
    /// How long nobody else takes a delivery that is being sent.
    fn lease(&self) -> Duration {
        self.client.timeout() + LEASE_MARGIN
    }
}

/// Why webhooks cannot be sent as configured.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// One of the secrets.
    #[error("webhooks.secrets or root_secrets: {0}")]
    Secret(#[from] chain_client::webhooks::BadSecret),
    /// The HTTP client.
    #[error(transparent)]
    Client(#[from] chain_client::SetupError),
}

/// Where webhooks may go under `settings`; `None` when there are none.
pub fn target_rules(settings: &WebhookSettings) -> Option<TargetRules> {
    settings.is_on().then(|| TargetRules {
        allowed_hosts: settings.allowed_hosts.clone(),
        allow_private: settings.allow_private,
    })
}

/// What sends webhooks under `settings`; `None` when nothing does.
///
/// # Errors
/// [`SetupError`].
pub fn client(settings: &WebhookSettings) -> Result<Option<WebhookClient>, SetupError> {
    let Some(rules) = target_rules(settings) else { return Ok(None) };
    Ok(Some(WebhookClient::new(rules, signer(settings)?, settings.timeout())?))
}

/// What deliveries are signed with under `settings`.
///
/// # Errors
/// [`SetupError::Secret`].
pub fn signer(settings: &WebhookSettings) -> Result<Signer, SetupError> {
    let tenants = settings.tenants.iter();
    let generations = tenants.map(|tenant| (tenant.name.clone(), tenant.generations.clone()));
    let shared = Signer::new(settings.secrets.iter().map(SigningSecret::expose))?;
    let roots = settings.root_secrets.iter().map(SigningSecret::expose);
    Ok(shared.with_roots(roots, generations.collect())?)
}

/// `webhook-id` of an event. Numbers of events are those of their job; receivers want one of its own for each
/// message.
pub fn message_id(job: BatchId, number: Number) -> String {
    format!("{job}-{number}")
}

/// Delivers until `stop`; then what is under way is still brought to its end, which takes no longer than an attempt.
pub fn start(deliveries: Deliveries, stop: CancellationToken) -> JoinHandle<()> {
    tokio::spawn(run(Arc::new(deliveries), stop))
}

async fn run(deliveries: Arc<Deliveries>, stop: CancellationToken) {
    let mut log = StateLog::new("webhooks are not delivered", "webhooks are delivered again");
    let lease = deliveries.lease();
    let most = deliveries.max_under_way as usize;
    let mut under_way = JoinSet::new();
    while !stop.is_cancelled() {
        // What ended badly lost its claim, and is found again when that has lapsed.
        while under_way.try_join_next().is_some() {}
        let free = u32::try_from(most - under_way.len()).unwrap_or(u32::MAX);
        match webhooks::claim(&deliveries.store, free, lease).await {
            Ok(claimed) => {
                log.works();
                for one in claimed {
                    under_way.spawn(deliver(Arc::clone(&deliveries), one));
                }
            }
            Err(error) => log.fails(&error),
        }
        let is_full = under_way.len() >= most;
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(LOOK_EVERY), if !is_full => {}
            _ = under_way.join_next(), if is_full => {}
        }
    }
    while under_way.join_next().await.is_some() {}
}

/// One attempt, if there is something to send.
async fn deliver(deliveries: Arc<Deliveries>, claimed: Claimed) {
    let job = &claimed.job;
    match payload(&deliveries, &claimed).await {
        Ok(None) => {}
        Ok(Some(payload)) => {
            if let Err(error) = attempt(&deliveries, &claimed, &payload).await {
                tracing::warn!(
                    batch_id = %job, code = error.code(), error = %Chain(&error),
                    "what became of a webhook could not be noted; it is sent again"
                );
            }
        }
        Err(error) => {
            tracing::warn!(
                batch_id = %job, code = error.code(), error = %Chain(&error),
                "a webhook could not be put into words; nothing was sent"
            );
            let back = webhooks::hand_back(&deliveries.store, &claimed, HANDED_BACK_FOR).await;
            if let Err(error) = back {
                tracing::debug!(batch_id = %job, error = %Chain(&error), "its claim lapses by itself");
            }
        }
    }
}

/// Sends, and notes what came of it. Where that cannot be noted the claim lapses, and the same is sent again.
async fn attempt(
    deliveries: &Deliveries,
    claimed: &Claimed,
    payload: &Payload,
) -> Result<(), StoreError> {
    let Deliveries { store, client, metrics, .. } = deliveries;
    let id = message_id(claimed.job.id, payload.number);
    let message = Message { tenant: claimed.job.tenant.as_str(), id: &id, body: &payload.body };
    let answer = client.send(&claimed.url, message).await;
    let end = schedule::end(claimed.attempt, &answer);
    let (status, error) = match &answer {
        Ok(answer) if answer.is_success() => (Some(answer.status), None),
        Ok(answer) => (Some(answer.status), Some(refusal(*answer))),
        Err(error) => (None, Some(error.to_string())),
    };
    if !webhooks::end_attempt(store, claimed, &end, status, error.as_deref()).await? {
        return Ok(());
    }
    metrics.webhook_attempted(&end);
    let attempt = claimed.attempt;
    match error {
        None => tracing::info!(batch_id = %claimed.job, id, attempt, "webhook delivered"),
        Some(error) => {
            tracing::info!(batch_id = %claimed.job, id, attempt, error, "webhook not delivered");
        }
    }
    Ok(())
}

/// Why an answer does not do.
fn refusal(answer: Answer) -> String {
    match answer.status {
        300..=399 => format!("answered {}: redirects are not followed", answer.status),
        status => format!("answered {status}; only 2xx will do"),
    }
}

/// What is sent: as at the first attempt, or put into words now. `None`: the job is gone, or the claim was lost.
async fn payload(
    deliveries: &Deliveries,
    claimed: &Claimed,
) -> Result<Option<Payload>, StoreError> {
    if let Some(payload) = &claimed.payload {
        return Ok(Some(payload.clone()));
    }
    let Deliveries { store, render, .. } = deliveries;
    // Gives the event its number, too.
    let Some(snapshot) = job_events::snapshot(store, &claimed.job).await? else { return Ok(None) };
    let row = claimed.event_row;
    let event = job_events::of_row(store, &claimed.job, row).await?.ok_or_else(|| {
        StoreError::Corrupt(format!(
            "event {row} of job {}, which is to be told, is missing",
            claimed.job
        ))
    })?;
    let payload = Payload { number: event.number, body: render(&snapshot.batch, &event) };
    let kept = webhooks::keep_body(store, claimed, &payload, deliveries.lease()).await?;
    Ok(kept.then_some(payload))
}
