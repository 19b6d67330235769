//! Probes: is the process alive, ready, and what about its dependencies.

use std::time::{Duration, Instant};

use axum::extract::State;
use axum::response::Response;
use persistence_layer::ReplicaState;
use persistence_layer::redis_monitor::RedisState;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::app::AppState;
use crate::dto::time::rfc3339;
use crate::error::ApiError;
use crate::handlers::fresh_json;
use crate::problems;

/// Result of one check.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    name: &'static str,
    /// `up`, `degraded`, `down`, `unknown` (not looked at yet), `draining`.
    state: &'static str,
    /// Time the check took.
    duration_ms: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// Whether the process is of no use without it.
    required: bool,
}

impl Check {
    fn is_bad(&self) -> bool {
        self.required && matches!(self.state, "down" | "degraded" | "draining")
    }
}

/// `/health`: the process lives. Asks nothing of anybody.
pub async fn live() -> Response {
    fresh_json(&json!({ "status": "ok" }))
}

/// `/api/health`: whether requests should be sent here. Answers from what is known, at once.
pub async fn ready(State(app): State<AppState>) -> Result<Response, ApiError> {
    let started = Instant::now();
    let database = app.database.health();
    let checks = [
        lifecycle(&app),
        of_database(database.up, database.takes_writes, database.code, started.elapsed()),
    ];
    answer(&checks)
}

/// `/api/health/detailed`: every dependency, the database asked now or a second ago.
pub async fn detailed(State(app): State<AppState>) -> Result<Response, ApiError> {
    let mut checks = vec![lifecycle(&app), ask_database(&app).await];
    checks.extend(look_at_replica(&app));
    checks.extend(look_at_redis(&app));
    if let Some(worker) = &app.worker {
        let started = Instant::now();
        let status = worker.status();
        checks.push(Check {
            name: "worker",
            state: "up",
            duration_ms: milliseconds(started.elapsed()),
            detail: Some(format!("{} of {} slots in use", status.slots_in_use, status.slots)),
            required: false,
        });
        for (chain, providers) in &status.providers {
            let bad = providers.iter().filter(|provider| provider.state.as_str() != "ok").count();
            checks.push(Check {
                name: chain.as_str(),
                state: if bad == providers.len() { "down" } else { "up" },
                duration_ms: milliseconds(Duration::ZERO),
                detail: Some(format!("{bad} of {} providers in trouble", providers.len())),
                required: false,
            });
        }
    }
    answer(&checks)
}

/// `/api/health/db`: one round trip, of now or a second ago, and the pool.
pub async fn database(State(app): State<AppState>) -> Result<Response, ApiError> {
    let answer = app.database.ask_now(&app.store).await;
    let pool = app.store.pool();
    let members = members(&json!({
        "state": database_state(answer.up, answer.takes_writes),
        "cause": answer.code,
        "since": rfc3339(app.database.health().since),
        "ping_ms": answer.round_trip.map(milliseconds),
        "pool": { "size": pool.size, "idle": pool.idle, "max": pool.max },
    }));
    if answer.up {
        return Ok(fresh_json(&members));
    }
    tracing::warn!(code = answer.code, "the database did not answer a probe");
    Err(ApiError::database_unavailable().with_members(members))
}

fn lifecycle(app: &AppState) -> Check {
    Check {
        name: "process",
        state: if app.is_draining() { "draining" } else { "up" },
        duration_ms: milliseconds(Duration::ZERO),
        detail: None,
        required: true,
    }
}

async fn ask_database(app: &AppState) -> Check {
    let started = Instant::now();
    let answer = app.database.ask_now(&app.store).await;
    of_database(answer.up, answer.takes_writes, answer.code, started.elapsed())
}

fn of_database(up: bool, takes_writes: bool, code: Option<&str>, took: Duration) -> Check {
    Check {
        name: "database",
        state: database_state(up, takes_writes),
        duration_ms: milliseconds(took),
        detail: code.map(str::to_owned),
        required: true,
    }
}

/// `degraded`: it can be read, and accepts no job.
const fn database_state(up: bool, takes_writes: bool) -> &'static str {
    match (up, takes_writes) {
        (true, true) => "up",
        (true, false) => "degraded",
        (false, _) => "down",
    }
}

/// What the watch over the replica last saw; nothing when none is configured. Without it the primary is read.
fn look_at_replica(app: &AppState) -> Option<Check> {
    let started = Instant::now();
    let replica = app.store.replica()?;
    let lag = |lag: Duration| format!(", {} ms behind", lag.as_millis());
    Some(Check {
        name: "replica",
        state: match replica {
            ReplicaState::InUse(_) => "up",
            ReplicaState::Behind(_) => "degraded",
            ReplicaState::Away
            | ReplicaState::NotAReplica
            | ReplicaState::OfAnother
            | ReplicaState::MixesAnswers => "down",
        },
        duration_ms: milliseconds(started.elapsed()),
        detail: Some(format!("{}{}", replica.code(), replica.lag().map(lag).unwrap_or_default())),
        required: false,
    })
}

/// What the watch over Redis last saw; nothing when none is configured. Redis is never required.
fn look_at_redis(app: &AppState) -> Option<Check> {
    let started = Instant::now();
    let state = app.redis.as_ref()?.status().state;
    Some(Check {
        name: "redis",
        state: redis_state(state),
        duration_ms: milliseconds(started.elapsed()),
        detail: state.code().map(str::to_owned),
        required: false,
    })
}

/// A state of Redis as pages name it.
pub const fn redis_state(state: RedisState) -> &'static str {
    match state {
        RedisState::Unknown => "unknown",
        RedisState::Ok => "up",
        RedisState::Slow => "degraded",
        RedisState::Down => "down",
    }
}

/// 200 or a 503 problem, both with the checks: a probe reads the status, a person the body.
fn answer(checks: &[Check]) -> Result<Response, ApiError> {
    let bad: Vec<_> = checks.iter().filter(|check| check.is_bad()).collect();
    let members = members(&json!({ "checks": checks }));
    if bad.is_empty() {
        let mut body = Map::from_iter([("status".to_owned(), Value::from("ok"))]);
        body.extend(members);
        return Ok(fresh_json(&body));
    }
    let names: Vec<_> = bad.iter().map(|check| format!("{} {}", check.name, check.state)).collect();
    let detail = format!("Not ready: {}.", names.join(", "));
    Err(ApiError::new(problems::NOT_READY, detail).with_members(members))
}

/// The members of a JSON object.
fn members(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

/// Milliseconds with three places.
fn milliseconds(duration: Duration) -> String {
    let micros = duration.as_micros();
    format!("{}.{:03}", micros / 1000, micros % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_in_milliseconds() {
        assert_eq!(milliseconds(Duration::from_micros(1_234_005)), "1234.005");
        assert_eq!(milliseconds(Duration::from_nanos(999)), "0.000");
    }
}
