//! Webhooks: where the end of a job is told, and each delivery with what has become of it.
//!
//! A delivery comes into being with its event, written by the schema in the transaction in which the job ends
//! (migration 0047). Any process may claim it; a claim lapses by itself, so a delivery whose process has died is
//! taken over, and may then be told twice. Who has lost its claim changes nothing any more: every write names the
//! fence of its claim.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::batches::{BatchId, BatchRef, BatchState};
use crate::convert::{from_bigint, from_count, from_integer, interval, to_bigint};
use crate::error::StoreError;
use crate::job_events::Number;
use crate::store::{Store, read, run};
use crate::tenant::Tenant;

/// Deliveries of a job that are shown; there is one for each time that it has ended.
const SHOWN: i64 = 100;

/// How a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// It is tried, now or later.
    Waiting,
    /// The receiver has taken it.
    Delivered,
    /// It was tried as often as it may be.
    Failed,
    /// The receiver wants no more.
    Gone,
}

impl DeliveryState {
    /// All states.
    pub const ALL: [Self; 4] = [Self::Waiting, Self::Delivered, Self::Failed, Self::Gone];

    /// The name in the database and in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Gone => "gone",
        }
    }

    fn read(text: &str) -> Result<Self, StoreError> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| StoreError::Corrupt(format!("state of a delivery is {text:?}")))
    }
}

/// A delivery that this process has claimed.
#[derive(Debug, Clone)]
pub struct Claimed {
    id: i64,
    fence: i64,
    /// Its job.
    pub job: BatchRef,
    /// Where it goes.
    pub url: String,
    /// The row of the event in the log.
    pub event_row: i64,
    /// What is sent, once that was put into words.
    pub payload: Option<Payload>,
    /// Which attempt this is, from 1.
    pub attempt: u32,
}

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// The event.
    pub number: Number,
    /// The text, the same at each attempt.
    pub body: String,
}

/// How an attempt has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptEnd {
    /// The receiver has taken it.
    Delivered,
    /// It is tried again after this time.
    Again(Duration),
    /// That was the last attempt.
    Failed,
    /// The receiver wants no more of this job.
    Gone,
}

impl AttemptEnd {
    const fn state(&self) -> DeliveryState {
        match self {
            Self::Delivered => DeliveryState::Delivered,
            Self::Again(_) => DeliveryState::Waiting,
            Self::Failed => DeliveryState::Failed,
            Self::Gone => DeliveryState::Gone,
        }
    }
}

/// The webhook of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Where the job's end is told.
    pub url: String,
    /// When the receiver said that it wants no more.
    pub gone_at: Option<DateTime<Utc>>,
    /// What was told, or is to be; newest first, at most a hundred.
    pub deliveries: Vec<Delivery>,
}

/// A delivery as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The event; `None` until it is tried the first time.
    pub number: Option<Number>,
    /// The end of the job that it tells of.
    pub end: BatchState,
    /// When that was.
    pub happened_at: DateTime<Utc>,
    /// How it stands.
    pub state: DeliveryState,
    /// Attempts since it came into being, or was asked for again; one under way counts.
    pub attempts: u32,
    /// When it is tried next, or, while it is being tried, again at the latest. `None` when it is over.
    pub due_at: Option<DateTime<Utc>>,
    /// When the last attempt began.
    pub tried_at: Option<DateTime<Utc>>,
    /// When it was over.
    pub ended_at: Option<DateTime<Utc>>,
    /// HTTP status of the last answer.
    pub last_status: Option<u16>,
    /// Why the last attempt did not do.
    pub last_error: Option<String>,
}

/// Notes the webhook of a batch that is being stored.
pub(crate) async fn insert_in(
    tx: &mut PgConnection,
    batch: BatchId,
    tenant: &Tenant,
    url: &str,
) -> Result<(), StoreError> {
    sqlx::query_file!("queries/webhooks/insert.sql", batch.0, tenant.as_str(), url)
        .execute(tx)
        .await?;
    Ok(())
}

/// Claims at most `most` deliveries that are due, for the time `lease`.
///
/// # Errors
/// As every write.
pub async fn claim(store: &Store, most: u32, lease: Duration) -> Result<Vec<Claimed>, StoreError> {
    let rows = run!(store, "webhooks/claim", async |tx| {
        let claim =
            sqlx::query_file!("queries/webhooks/claim.sql", i64::from(most), interval(lease)? as _);
        Ok(claim.fetch_all(tx).await?)
    })?;
    let claimed = rows.into_iter().map(|row| {
        let payload = row.number.zip(row.body).map(|(number, body)| {
            Ok::<_, StoreError>(Payload {
                number: Number(from_bigint(number, "event number")?),
                body,
            })
        });
        Ok(Claimed {
            id: row.id,
            fence: row.fence,
            job: BatchRef { tenant: Tenant::read(&row.tenant)?, id: BatchId(row.batch_id) },
            url: row.url,
            event_row: row.event_id,
            payload: payload.transpose()?,
            attempt: from_integer(row.attempts, "attempts")?,
        })
    });
    claimed.collect()
}

/// Keeps what is sent, so that each attempt sends the same, and the claim for the time `lease` from now on. False:
/// the claim was lost.
///
/// # Errors
/// As every write.
pub async fn keep_body(
    store: &Store,
    claimed: &Claimed,
    payload: &Payload,
    lease: Duration,
) -> Result<bool, StoreError> {
    let number = to_bigint(payload.number.0, "event number")?;
    run!(store, "webhooks/keep_body", async |tx| {
        let kept = sqlx::query_file!(
            "queries/webhooks/keep_body.sql",
            claimed.id,
            claimed.fence,
            number,
            payload.body,
            interval(lease)? as _
        );
        Ok(kept.execute(tx).await?.rows_affected() > 0)
    })
}

/// Gives a claim back of which nothing was sent; it can be claimed again after `pause`.
///
/// # Errors
/// As every write.
pub async fn hand_back(
    store: &Store,
    claimed: &Claimed,
    pause: Duration,
) -> Result<(), StoreError> {
    run!(store, "webhooks/hand_back", async |tx| {
        let back = sqlx::query_file!(
            "queries/webhooks/hand_back.sql",
            claimed.id,
            claimed.fence,
            interval(pause)? as _
        );
        back.execute(tx).await?;
        Ok(())
    })
}

/// Notes how an attempt has ended. False: the claim was lost, and nothing was noted.
///
/// # Errors
/// As every write.
pub async fn end_attempt(
    store: &Store,
    claimed: &Claimed,
    end: &AttemptEnd,
    status: Option<u16>,
    error: Option<&str>,
) -> Result<bool, StoreError> {
    let pause = match end {
        AttemptEnd::Again(pause) => Some(interval(*pause)?),
        AttemptEnd::Delivered | AttemptEnd::Failed | AttemptEnd::Gone => None,
    };
    run!(store, "webhooks/end_attempt", async |tx| {
        let job = claimed.job.id.0;
        if *end == AttemptEnd::Gone {
            // The webhook before its deliveries, as everybody else; what is added to them meanwhile is seen below.
            sqlx::query_file!("queries/webhooks/lock.sql", job).fetch_optional(&mut *tx).await?;
        }
        let ended = sqlx::query_file_scalar!(
            "queries/webhooks/end_attempt.sql",
            claimed.id,
            claimed.fence,
            end.state().as_str(),
            pause.clone() as _,
            status.map(i32::from),
            error
        );
        let is_mine = ended.fetch_optional(&mut *tx).await?.is_some();
        if is_mine && *end == AttemptEnd::Gone {
            sqlx::query_file!("queries/webhooks/set_gone.sql", job).execute(tx).await?;
        }
        Ok(is_mine)
    })
}

/// The webhook of a job with its deliveries; `None` when the tenant has no such job, or it has no webhook.
///
/// # Errors
/// As every read.
pub async fn get(store: &Store, job: &BatchRef) -> Result<Option<Webhook>, StoreError> {
    let (id, tenant) = (job.id.0, job.tenant.as_str());
    run!(store, "webhooks/get", async |tx| {
        let webhook = sqlx::query_file!("queries/webhooks/get.sql", id, tenant);
        let Some(webhook) = webhook.fetch_optional(&mut *tx).await? else { return Ok(None) };
        let rows = sqlx::query_file_as!(Row, "queries/webhooks/deliveries.sql", id, tenant, SHOWN)
            .fetch_all(tx)
            .await?;
        let deliveries = rows.into_iter().map(Delivery::try_from).collect::<Result<_, _>>()?;
        Ok(Some(Webhook { url: webhook.url, gone_at: webhook.gone_at, deliveries }))
    })
}

/// Begins the newest delivery of a job anew, whatever has become of it. False: it has none.
///
/// # Errors
/// As every write.
pub async fn replay(store: &Store, job: &BatchRef) -> Result<bool, StoreError> {
    run!(store, "webhooks/replay", async |tx| {
        let replay =
            sqlx::query_file!("queries/webhooks/replay.sql", job.id.0, job.tenant.as_str());
        Ok(replay.execute(tx).await?.rows_affected() > 0)
    })
}

/// How many deliveries wait, for their first attempt or another one.
///
/// # Errors
/// As every read.
pub async fn waiting(store: &Store) -> Result<u32, StoreError> {
    let waiting = read!(store, async |connection| {
        sqlx::query_file_scalar!("queries/webhooks/count_waiting.sql").fetch_one(connection)
    })?;
    from_count(waiting, "deliveries")
}

/// One row of `webhooks/deliveries`.
struct Row {
    number: Option<i64>,
    kind: String,
    at: DateTime<Utc>,
    state: String,
    attempts: i32,
    due_at: DateTime<Utc>,
    tried_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
    last_status: Option<i32>,
    last_error: Option<String>,
}

impl TryFrom<Row> for Delivery {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let state = DeliveryState::read(&row.state)?;
        let number = row.number.map(|number| from_bigint(number, "event number")).transpose()?;
        let status = row.last_status.map(|status| {
            u16::try_from(status).map_err(|_| StoreError::Corrupt(format!("HTTP status {status}")))
        });
        Ok(Self {
            number: number.map(Number),
            end: BatchState::read(&row.kind)?,
            happened_at: row.at,
            state,
            attempts: from_integer(row.attempts, "attempts")?,
            due_at: (state == DeliveryState::Waiting).then_some(row.due_at),
            tried_at: row.tried_at,
            ended_at: row.ended_at,
            last_status: status.transpose()?,
            last_error: row.last_error,
        })
    }
}
