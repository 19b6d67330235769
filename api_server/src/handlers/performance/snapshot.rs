//! `GET /api/performance/performance-metrics`: one look at this process.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use job_orchestrator::Worker;
use serde::Serialize;
use utoipa::ToSchema;

use crate::answers::Found;
use crate::app::AppState;
use crate::dto::fleet::SlotsView;
use crate::error::ApiError;
use crate::extract::{Params, check_accept};
use crate::handlers::fresh_json;
use crate::handlers::health::redis_state;
use crate::handlers::services::{self, QueueView};
use crate::load::Cost;
use crate::performance::memory::Memory;
use crate::performance::ratio::Share;
use crate::performance::vitals;

/// The whole answer. No member names a host, an address or a key.
#[derive(Serialize, ToSchema)]
#[schema(as = PerformanceSnapshot)]
pub struct Snapshot {
    instance: String,
    uptime_seconds: u64,
    /// `normal`, `high_load`, `draining`.
    mode: &'static str,
    processor: Processor,
    memory: Memory,
    places: Places,
    requests: Requests,
    database_pool: Pool,
    slots: SlotsView,
    /// Null while the database does not tell.
    queue: Option<QueueView>,
    cache: CacheView,
}

#[derive(Serialize, ToSchema)]
struct Processor {
    cores: usize,
    /// Share of all cores that this process has used in the last five minutes, as decimal text; null just after its start.
    #[schema(value_type = Option<String>)]
    used: Option<Share>,
    /// Load of the machine over 1, 5 and 15 minutes, as decimal text; null where the kernel does not tell.
    #[schema(value_type = Option<Vec<String>>)]
    machine_load: Option<[String; 3]>,
}

/// Requests that read and are worked on.
#[derive(Serialize, ToSchema)]
#[schema(as = PlacesAtWork)]
struct Places {
    light: u32,
    expensive: u32,
    /// How many there may be now; null: no limit.
    limit: Option<u32>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = RequestsNow)]
struct Requests {
    connections: i64,
    in_flight: i64,
    /// Of those in flight, for a job.
    waiting: i64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = DatabasePool)]
struct Pool {
    size: u32,
    idle: u32,
    max: u32,
    /// Transactions that wait for a connection.
    waiting: u64,
}

/// Answers that are kept.
#[derive(Serialize, ToSchema)]
struct CacheView {
    is_on: bool,
    answers: u64,
    bytes: u64,
    hits: u64,
    misses: u64,
    stale: u64,
    bypasses: u64,
    /// `up`, `degraded`, `down`, `unknown`; null: none is configured.
    redis: Option<&'static str>,
}

/// The handler.
pub async fn snapshot(
    State(app): State<AppState>,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, ApiError> {
    check_accept(&headers, "application/json")?;
    params.finish()?;
    let now = app.http_metrics.now();
    let pool = app.store.pool();
    let worker = app.worker.as_ref().map(Worker::status);
    let queue = if app.database.is_up() { services::queue(&app).await } else { None };
    let (answers, bytes) = app.answers.size();
    let kept = |found: Found| {
        Found::ALL
            .into_iter()
            .zip(now.kept_answers)
            .find(|(one, _)| *one == found)
            .map_or(0, |f| f.1)
    };
    Ok(fresh_json(&Snapshot {
        instance: app.instance.id.clone(),
        uptime_seconds: app.instance.started.elapsed().as_secs(),
        mode: app.mode(),
        processor: Processor {
            cores: vitals::cores(),
            used: app.vitals.cpu(),
            machine_load: vitals::machine_load(),
        },
        memory: Memory::now(),
        places: Places {
            light: app.load.at_work(Cost::Light),
            expensive: app.load.at_work(Cost::Expensive),
            limit: app.load.limit(),
        },
        requests: Requests {
            connections: now.connections,
            in_flight: now.in_flight,
            waiting: now.waiting,
        },
        database_pool: Pool {
            size: pool.size,
            idle: pool.idle,
            max: pool.max,
            waiting: app.store.metrics().transactions_waiting(),
        },
        slots: SlotsView {
            in_use: worker.as_ref().map_or(0, |worker| worker.slots_in_use),
            total: worker.as_ref().map_or(0, |worker| worker.slots),
        },
        queue,
        cache: CacheView {
            is_on: app.answers.is_on(),
            answers,
            bytes,
            hits: kept(Found::Hit),
            misses: kept(Found::Miss),
            stale: kept(Found::Stale),
            bypasses: kept(Found::Bypass),
            redis: app.redis.as_ref().map(|redis| redis_state(redis.status().state)),
        },
    }))
}
