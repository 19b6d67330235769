//! Accepting, cancelling and retrying batches.
//!
//! The requests come here validated; this decides, and the store does each thing in one
//! transaction. The limits on batches are counted in the database, so they hold over all processes
//! and until a batch has ended.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, SubsecRound, Utc};
use persistence_layer::batches::{
    self, Admission, Batch, BatchId, BatchRef, IdempotencyClaim, NewBatch, Purged, Retried,
    Submitted,
};
use persistence_layer::{Store, StoreError, Tenant};
use pnl_core::{Address, Chain};
use serde_json::{Value, json};

use crate::request::Analysis;

/// What batches are accepted under.
#[derive(Debug, Clone)]
pub struct BatchRules {
    /// Batches that may be worked on at a time, and how many may wait behind them.
    pub admission: Admission,
    /// Chains with a provider; others are refused.
    pub chains: BTreeSet<Chain>,
    /// How long an answer is replayed for its `Idempotency-Key`.
    pub idempotency: Duration,
}

/// A validated request for a batch.
#[derive(Debug, Clone)]
pub struct NewBatchRequest {
    /// Whose the batch is.
    pub tenant: Tenant,
    /// Chain of all wallets.
    pub chain: Chain,
    /// The wallets in the order of submission, each once; at least one.
    pub wallets: Vec<Address>,
    /// How many repetitions were left out of `wallets`.
    pub duplicates_removed: usize,
    /// How they are analyzed.
    pub analysis: Analysis,
    /// The client's `Idempotency-Key` and the hash of its request.
    pub idempotency: Option<IdempotencyKey>,
    /// Where its end is told; checked by [`crate::webhooks::target_rules`].
    pub webhook: Option<String>,
    /// Trace id of the request, 32 hex digits.
    pub trace_id: String,
}

/// The wish to be answered once per key of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The key, 1 to 255 characters.
    pub key: String,
    /// Hash of the request: the same key with another one is refused.
    pub fingerprint: String,
}

/// An accepted batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    /// The body of the 202 answer.
    pub body: Value,
    /// Whether it is the answer to an earlier request with the same key.
    pub replayed: bool,
}

/// Why a batch was not accepted or changed.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// So many batches are worked on already, or places are kept for other tenants, and no more may wait. The
    /// text is what existing clients match on.
    #[error(
        "System is currently processing maximum concurrent batch jobs ({limit}). Please try again in a few minutes."
    )]
    AtCapacity {
        /// The limit.
        limit: u32,
    },
    /// The key belongs to another request.
    #[error("the Idempotency-Key was used with another request")]
    KeyReused,
    /// A request with the key is being stored right now.
    #[error("a request with this Idempotency-Key is being processed")]
    KeyInFlight,
    /// No provider of the chain is configured.
    #[error("no provider is configured for {chain}")]
    ChainUnavailable {
        /// The chain.
        chain: Chain,
    },
    /// The tenant has no such batch.
    #[error("there is no such job")]
    Unknown,
    /// It was removed: its time was over, or somebody asked for it.
    #[error("the job was removed at {at}")]
    Expired {
        /// When.
        at: DateTime<Utc>,
    },
    /// So much happens in the batch that no moment of it could be had.
    #[error("too much happens in the job just now")]
    Busy,
    /// The batch is not over yet.
    #[error("the job is not over yet")]
    NotTerminal,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl BatchError {
    /// Stable code, for problem bodies, metrics and logs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::AtCapacity { .. } => "capacity-exhausted",
            Self::KeyReused => "idempotency-key-reused",
            Self::KeyInFlight => "idempotency-key-in-flight",
            Self::ChainUnavailable { .. } => "chain-unavailable",
            Self::Unknown => "unknown-job",
            Self::Expired { .. } => "job-expired",
            Self::Busy => "job-busy",
            Self::NotTerminal => "job-running",
            Self::Store(error) => error.code(),
        }
    }
}

/// Submits, cancels, retries and removes batches. A cheap clone.
#[derive(Debug, Clone)]
pub struct Batches {
    store: Store,
    /// For what clients only look at.
    looks: Store,
    rules: BatchRules,
}

impl Batches {
    /// Batches in `store` under `rules`.
    pub fn new(store: Store, rules: BatchRules) -> Self {
        Self { looks: store.clone(), store, rules }
    }

    /// The same, where what clients only look at is read through `looks`.
    #[must_use]
    pub fn looking_through(self, looks: Store) -> Self {
        Self { looks, ..self }
    }

    /// Stores the batch with all its wallets, or tells why not. Of a refused batch nothing is
    /// stored.
    ///
    /// # Errors
    /// [`BatchError`]: at capacity, a used key, a chain without provider, the database.
    pub async fn submit(&self, request: NewBatchRequest) -> Result<Accepted, BatchError> {
        let chain = request.chain;
        if !self.rules.chains.contains(&chain) {
            return Err(BatchError::ChainUnavailable { chain });
        }
        let id = BatchId::generate();
        // Whole milliseconds, as every answer shows them.
        let created_at = Utc::now().trunc_subsecs(3);
        let body = accepted_body(id, &request, created_at);
        let batch = NewBatch {
            id,
            tenant: request.tenant,
            chain,
            request: request.analysis.to_batch(),
            trace_id: request.trace_id,
            created_at,
            idempotency: request.idempotency.map(|key| IdempotencyClaim {
                key: key.key,
                fingerprint: key.fingerprint,
                keep: self.rules.idempotency,
            }),
            webhook: request.webhook,
            wallets: request.wallets,
            response: body.clone(),
        };
        match batches::submit(&self.store, &batch, self.rules.admission).await? {
            Submitted::Accepted => {
                tracing::info!(
                    trace_id = batch.trace_id,
                    batch_id = %id,
                    tenant = %batch.tenant,
                    %chain,
                    wallets = batch.wallets.len(),
                    "batch accepted"
                );
                Ok(Accepted { body, replayed: false })
            }
            Submitted::Replayed { body } => Ok(Accepted { body, replayed: true }),
            Submitted::AtCapacity { limit } => Err(BatchError::AtCapacity { limit }),
            Submitted::KeyReused => Err(BatchError::KeyReused),
            Submitted::KeyInFlight => Err(BatchError::KeyInFlight),
        }
    }

    /// The batch as it stands.
    ///
    /// # Errors
    /// [`BatchError::Unknown`], [`BatchError::Expired`], or the database.
    pub async fn status(&self, job: &BatchRef) -> Result<Batch, BatchError> {
        match batches::get(&self.looks, job).await? {
            Some(batch) => Ok(batch),
            None => Err(self.absence(job).await),
        }
    }

    /// Why the tenant has no batch of this id.
    pub async fn absence(&self, job: &BatchRef) -> BatchError {
        match batches::expired(&self.looks, job).await {
            Ok(Some(at)) => BatchError::Expired { at },
            Ok(None) => BatchError::Unknown,
            Err(error) => error.into(),
        }
    }

    /// Cancels the batch: waiting wallets at once, running ones at their next heartbeat. A batch
    /// that is over stays as it is.
    ///
    /// # Errors
    /// [`BatchError::Unknown`], [`BatchError::Expired`], or the database.
    pub async fn cancel(&self, job: &BatchRef) -> Result<Batch, BatchError> {
        let Some(batch) = batches::cancel(&self.store, job).await? else {
            return Err(self.absence(job).await);
        };
        tracing::info!(trace_id = batch.trace_id, batch_id = %job, "batch cancelled by request");
        Ok(batch)
    }

    /// Queues the failed and timed-out wallets of a batch again, with the same pin; gives their
    /// number.
    ///
    /// # Errors
    /// [`BatchError::Unknown`], [`BatchError::Expired`], [`BatchError::NotTerminal`],
    /// [`BatchError::AtCapacity`] (a retried batch takes a place like a new one), or the database.
    pub async fn retry(&self, job: &BatchRef) -> Result<u32, BatchError> {
        match batches::retry(&self.store, job, self.rules.admission).await? {
            Retried::Requeued(wallets) => {
                tracing::info!(batch_id = %job, wallets, "batch retried");
                Ok(wallets)
            }
            Retried::NothingToRetry => Ok(0),
            Retried::Unknown => Err(self.absence(job).await),
            Retried::NotTerminal => Err(BatchError::NotTerminal),
            Retried::AtCapacity { limit } => Err(BatchError::AtCapacity { limit }),
        }
    }

    /// Removes a batch that is over, with its results.
    ///
    /// # Errors
    /// [`BatchError::Unknown`], [`BatchError::Expired`], [`BatchError::NotTerminal`], or the database.
    pub async fn purge(&self, job: &BatchRef) -> Result<(), BatchError> {
        match batches::purge(&self.store, job).await? {
            Purged::Removed => {
                tracing::info!(batch_id = %job, tenant = %job.tenant, "batch removed by request");
                Ok(())
            }
            Purged::Unknown => Err(self.absence(job).await),
            Purged::NotTerminal => Err(BatchError::NotTerminal),
        }
    }
}

fn accepted_body(id: BatchId, request: &NewBatchRequest, created_at: DateTime<Utc>) -> Value {
    let mut body = json!({
        "job_id": id,
        "status": "queued",
        "chain": request.chain,
        "total_wallets": request.wallets.len(),
        "duplicates_removed": request.duplicates_removed,
        "created_at": created_at.to_rfc3339_opts(SecondsFormat::Millis, true),
        "status_url": format!("/api/pnl/batch/status/{id}"),
        "results_url": format!("/api/pnl/batch/results/{id}"),
        "cancel_url": format!("/api/pnl/batch/{id}/cancel"),
    });
    if request.analysis.group {
        body["group_url"] = format!("/api/pnl/batch/results/{id}/group").into();
    }
    body
}
