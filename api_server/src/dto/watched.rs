//! Watched wallets: the body of `POST /api/pnl/watched/add`, and what clients see of the list.

use job_orchestrator::request::{Analysis, TimeRange};
use persistence_layer::StoreError;
use persistence_layer::wallet_tasks::TaskError;
use persistence_layer::watched_wallets::{LastRound, WatchedWallet};
use pnl_core::Chain;
use serde::Serialize;
use serde_json::{Map, Value};
use service_runtime::config::ContinuousSettings;
use utoipa::ToSchema;

use crate::dto::batch::{CreateBatch, SubmitRules, optional, wrong_type};
use crate::dto::result::wallet_status;
use crate::dto::time::{rfc3339, rfc3339_seconds};
use crate::error::{ApiError, FieldErrors};
use crate::json::{Json, Object, shown};
use crate::openapi::shapes::{JobId, Open, Time, TimeRange as TimeRangeShape, WalletError};

/// Members of a submission that make sense for every round, and the interval. Rounds look at now, each wallet by itself.
const FIELDS: &[&str] = &[
    "wallet_addresses",
    "chain",
    "every_seconds",
    "time_range",
    "max_transactions",
    "method",
    "options",
];

/// A valid request.
#[derive(Debug, Clone, PartialEq)]
pub struct AddWatched {
    /// The wallets and how they are analyzed.
    pub wallets: CreateBatch,
    /// From the beginning of a round to that of the next.
    pub every_seconds: u32,
}

impl AddWatched {
    /// Reads a body, finding every invalid field.
    ///
    /// # Errors
    /// As [`CreateBatch::read`].
    pub fn read(
        body: &Json,
        rules: &SubmitRules,
        settings: &ContinuousSettings,
    ) -> Result<Self, ApiError> {
        let (wallets, every_seconds) =
            CreateBatch::read_with(body, FIELDS, rules, |body, errors| {
                read_interval(body, settings, errors)
            })?;
        Ok(Self { wallets, every_seconds })
    }
}

fn read_interval(body: &Object, settings: &ContinuousSettings, errors: &mut FieldErrors) -> u32 {
    let default = settings.default_interval_seconds;
    let allowed = settings.least_interval_seconds..=ContinuousSettings::MOST_INTERVAL_SECONDS;
    match optional(body, "every_seconds") {
        None => return default,
        Some(Json::Number(text)) => match text.parse() {
            Ok(seconds) if allowed.contains(&seconds) => return seconds,
            _ => errors.push(
                || "/every_seconds".to_owned(),
                "out-of-range",
                || {
                    let (least, most) = allowed.into_inner();
                    format!("{} is no whole number from {least} to {most}", shown(text))
                },
            ),
        },
        Some(other) => wrong_type(other, "/every_seconds", "a whole number", errors),
    }
    default
}

/// What became of a request.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Added)]
pub struct AddedView {
    /// The chain of the wallets.
    #[schema(value_type = String)]
    pub chain: Chain,
    /// Wallets of the request, each counted once.
    pub total_wallets: u32,
    /// Entries that named a wallet again.
    pub duplicates_removed: u32,
    /// As asked for, or the default.
    pub every_seconds: u32,
    /// New in the list.
    pub added: u32,
    /// Watched in another way until now.
    pub changed: u32,
    /// Watched in this way already.
    pub unchanged: u32,
}

/// What became of a request to let parked wallets go on.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Resumed)]
pub struct ResumedView {
    /// Wallets that are not parked any more.
    pub resumed: u64,
}

/// A watched wallet.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WatchedWallet)]
pub struct WatchedView {
    wallet: String,
    chain: &'static str,
    /// `waiting`, `running`, `parked`.
    state: &'static str,
    every_seconds: u32,
    method: &'static str,
    #[schema(value_type = Open)]
    options: Map<String, Value>,
    #[schema(value_type = TimeRangeShape)]
    time_range: Value,
    max_transactions: Option<u32>,
    #[schema(value_type = Time)]
    added_at: String,
    /// When the next round may begin; of a parked wallet none does.
    #[schema(value_type = Time)]
    next_at: String,
    /// The round under way.
    #[schema(value_type = Option<JobId>)]
    job_id: Option<String>,
    /// Rounds in a row that ended without a result.
    failures: u32,
    #[schema(value_type = Option<Time>)]
    parked_at: Option<String>,
    /// The last round that has ended with a result; the job may have been removed meanwhile.
    #[schema(value_type = Option<JobId>)]
    last_done_job_id: Option<String>,
    last_round: Option<LastRoundView>,
}

/// The last round of a wallet that has ended.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LastRound)]
struct LastRoundView {
    /// The job may have been removed meanwhile.
    #[schema(value_type = JobId)]
    job_id: String,
    /// How it ended for the wallet: `done`, `failed`, `timed_out`, `cancelled`.
    status: &'static str,
    #[schema(value_type = Time)]
    ended_at: String,
    #[schema(value_type = Option<WalletError>)]
    error: Option<TaskError>,
}

/// A page of watched wallets.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WatchedWallets)]
pub struct WatchedPage {
    /// In the order in which they were added.
    pub data: Vec<WatchedView>,
    /// Of the next page.
    pub next_cursor: Option<String>,
    /// Whether there is one.
    pub has_more: bool,
}

impl WatchedView {
    /// The view of a stored row.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when the row was written by no version of this program.
    pub fn of(watched: WatchedWallet) -> Result<Self, StoreError> {
        let analysis = Analysis::of_batch(&watched.request)
            .map_err(|error| StoreError::Corrupt(format!("watched wallet: {error}")))?;
        let state = watched.state().as_str();
        Ok(Self {
            wallet: watched.wallet.address.to_string(),
            chain: watched.wallet.chain.as_str(),
            state,
            every_seconds: watched.every_seconds,
            method: analysis.method.as_str(),
            options: analysis.options,
            time_range: time_range(analysis.time_range),
            max_transactions: analysis.max_transactions,
            added_at: rfc3339(watched.added_at),
            next_at: rfc3339(watched.next_at),
            job_id: watched.round.map(|round| round.to_string()),
            failures: watched.failures,
            parked_at: watched.parked_at.map(rfc3339),
            last_done_job_id: watched.last_done.map(|round| round.to_string()),
            last_round: watched.last.map(LastRoundView::of),
        })
    }
}

impl LastRoundView {
    fn of(last: LastRound) -> Self {
        Self {
            job_id: last.batch.to_string(),
            status: wallet_status(last.state),
            ended_at: rfc3339(last.ended_at),
            error: last.error,
        }
    }
}

/// As it was submitted.
fn time_range(range: TimeRange) -> Value {
    match range {
        TimeRange::Between { from, to } => {
            serde_json::json!({ "from": rfc3339_seconds(from), "to": rfc3339_seconds(to) })
        }
        // The stored form of a preset is its name; no round looks at the past.
        other => serde_json::to_value(other).unwrap_or_default(),
    }
}
