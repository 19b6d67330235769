//! `GET /api/performance/capacity`: whether this process is large enough, and how many of them a load wants.

use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::{Params, check_accept};
use crate::handlers::fresh_json;
use crate::performance::capacity::{
    AT_A_TIME, CORES, Gate, MEMORY_BYTES, Measured, gates, instances,
};
use crate::performance::memory::Memory;
use crate::performance::ratio::Share;

/// Bounds of what may be asked.
const MOST_RATE: u64 = 1_000_000;
const MOST_LATENCY_MS: u64 = 600_000;

/// The whole answer.
#[derive(Serialize, ToSchema)]
#[schema(as = Capacity)]
pub struct CapacityView {
    /// How long back is looked, in seconds; less just after the start.
    window_seconds: u64,
    /// The highest gate that is reached; 0: none.
    reached: u8,
    /// What reached a gate, in words.
    why: Vec<String>,
    gates: Vec<Gate>,
    plan: Plan,
}

/// How many instances the load wants: ceil(rate × latency / at a time).
#[derive(Serialize, ToSchema)]
#[schema(as = CapacityPlan)]
struct Plan {
    /// Requests a second, as decimal text: those asked about, else those of the window.
    requests_per_second: String,
    /// Mean time of an answer, as decimal text: that asked about, else that of the window.
    latency_ms: String,
    /// Requests that one instance has in hand at a time: a hundred, or fewer when this process has found that it can do
    /// fewer in time.
    at_a_time: u64,
    instances: u64,
    cores: u64,
    /// Two gigabytes for each instance, or the most that this process ever had.
    memory_bytes: u64,
}

/// The handler.
pub async fn capacity(
    State(app): State<AppState>,
    headers: HeaderMap,
    mut params: Params,
) -> Result<Response, ApiError> {
    check_accept(&headers, "application/json")?;
    let mut number = |name, most| {
        let complaint = format!("is no whole number from 1 to {most}");
        params.read(name, &complaint, |text| {
            text.parse::<u64>().ok().filter(|number| (1..=most).contains(number))
        })
    };
    let rate = number("rps", MOST_RATE);
    let latency = number("latency_ms", MOST_LATENCY_MS);
    params.finish()?;

    let recent = app.http_metrics.traffic().recent();
    let measured = Measured {
        cpu: app.vitals.cpu(),
        pool: app.vitals.pool(),
        p95: recent.p95,
        errors: recent.errors,
    };
    let gates = gates(&measured);
    let rate_thousandths = rate.map_or_else(
        || {
            let thousandths = u128::from(recent.answers) * 1_000_000;
            let per_second = thousandths.checked_div(recent.over.as_millis()).unwrap_or(0);
            u64::try_from(per_second).unwrap_or(u64::MAX)
        },
        |rate| rate * 1000,
    );
    let latency = latency.map_or_else(
        || {
            recent
                .took
                .checked_div(u32::try_from(recent.answers).unwrap_or(u32::MAX))
                .unwrap_or_default()
        },
        Duration::from_millis,
    );
    let at_a_time = app.load.limit().map_or(AT_A_TIME, |limit| AT_A_TIME.min(limit.into()));
    let instances = instances(rate_thousandths, latency, at_a_time);
    let of_one = MEMORY_BYTES.max(Memory::now().peak_bytes.unwrap_or(0));
    let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
    Ok(fresh_json(&CapacityView {
        window_seconds: recent.over.as_secs(),
        reached: gates.iter().map(|gate| gate.reached).max().unwrap_or(0),
        why: gates.iter().filter_map(Gate::story).collect(),
        gates: gates.into(),
        plan: Plan {
            requests_per_second: Share(rate_thousandths.saturating_mul(1000)).to_string(),
            latency_ms: Share(micros.saturating_mul(1000)).to_string(),
            at_a_time,
            instances,
            cores: instances.saturating_mul(CORES),
            memory_bytes: instances.saturating_mul(of_one),
        },
    }))
}
