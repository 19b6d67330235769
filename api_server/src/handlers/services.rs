//! `GET /api/services/status`: what runs, how much waits, how the providers are.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use job_orchestrator::sources::Pace;
use job_orchestrator::status::{ProviderState, WorkerStatus};
use persistence_layer::chain_data::{self, ChangedBlock};
use persistence_layer::wallet_tasks::QueueFigures;
use pnl_core::Chain;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::AppState;
use crate::dto::fleet::{ProcessView, SlotsView, own_words};
use crate::dto::time::rfc3339;
use crate::error::ApiError;
use crate::extract::{Params, check_accept};
use crate::fleet::{self, Process};
use crate::handlers::continuous::ContinuousView;
use crate::handlers::health::redis_state;

/// Longest wait for the queue's figures: the page is looked at most when the database has trouble.
const PATIENCE: Duration = Duration::from_secs(2);

/// No member names a host, an address or a key.
#[derive(Serialize)]
struct StatusView {
    status: &'static str,
    mode: &'static str,
    version: &'static str,
    instance: String,
    uptime: u64,
    services: Vec<ServiceView>,
    queue: Option<QueueView>,
    slots: SlotsView,
    providers: Vec<ProviderView>,
    /// Over all tenants; null while the database cannot tell.
    continuous: Option<ContinuousView>,
    /// All that share the database; null while it cannot tell.
    processes: Option<Vec<ProcessView>>,
}

#[derive(Serialize)]
struct ServiceView {
    name: &'static str,
    state: &'static str,
    since: String,
    detail: Option<String>,
}

/// Open wallets.
#[derive(Serialize, ToSchema)]
#[schema(as = Queue)]
pub struct QueueView {
    queued: u64,
    delayed: u64,
    running: u64,
    oldest_queued_seconds: Option<u64>,
}

#[derive(Serialize)]
struct ProviderView {
    chain: &'static str,
    name: String,
    kind: &'static str,
    state: &'static str,
    since: String,
    cause: Option<String>,
    /// `open` while it is left alone because it failed.
    breaker: &'static str,
    quota: Quota,
    calls: u64,
    errors: u64,
}

/// What the provider takes.
#[derive(Serialize, ToSchema)]
#[schema(as = ProviderQuota)]
pub struct Quota {
    /// As configured; null: by the provider alone.
    requests_per_second: Option<u32>,
    /// How long it has asked to be left alone yet, rounded up.
    paused_seconds: u64,
}

/// The handler.
pub async fn status(
    State(app): State<AppState>,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, ApiError> {
    check_accept(&headers, "application/json")?;
    params.finish()?;
    let worker = app.worker.as_ref().map(job_orchestrator::Worker::status);
    let database = app.database.health();
    let asked = async {
        tokio::join!(
            queue(&app),
            fleet::processes(&app.store),
            chain_data::changed_final_blocks(&app.store),
            app.continuous_watch.figures(&app.store)
        )
    };
    let answers = if database.up { tokio::time::timeout(PATIENCE, asked).await.ok() } else { None };
    let (queue, processes, changed, continuous) = match answers {
        Some((queue, processes, changed, continuous)) => {
            (queue, processes.ok(), changed.unwrap_or_default(), continuous)
        }
        None => (None, None, Vec::new(), None),
    };
    let mut services = services(&app, worker.as_ref(), &database, &queue, &processes);
    services.extend(finality(&changed));
    let has_trouble =
        services.iter().any(|one| matches!(one.state, "down" | "paused" | "degraded"))
            || processes.iter().flatten().any(Process::has_trouble);
    let body = StatusView {
        status: if !database.up {
            "down"
        } else if has_trouble {
            "degraded"
        } else {
            "ok"
        },
        mode: app.mode(),
        version: env!("CARGO_PKG_VERSION"),
        instance: app.instance.id.clone(),
        uptime: app.instance.started.elapsed().as_secs(),
        services,
        queue,
        slots: SlotsView {
            in_use: worker.as_ref().map_or(0, |worker| worker.slots_in_use),
            total: worker.as_ref().map_or(0, |worker| worker.slots),
        },
        providers: worker.map_or_else(Vec::new, |worker| providers(worker, &app.paces)),
        continuous: continuous.map(ContinuousView::of),
        processes: processes.map(|all| all.iter().map(ProcessView::public).collect()),
    };
    let cache = (header::CACHE_CONTROL, HeaderValue::from_static("max-age=10"));
    Ok(([cache], Json(body)).into_response())
}

/// The queue, unless the database has trouble: the page shall answer then most of all.
pub(super) async fn queue(app: &AppState) -> Option<QueueView> {
    let QueueFigures { tasks: counts, oldest_queued } = app.queue.figures(&app.store).await?;
    Some(QueueView {
        queued: counts.queued,
        delayed: counts.delayed,
        running: counts.running,
        oldest_queued_seconds: oldest_queued.map(|age| age.as_secs()),
    })
}

fn services(
    app: &AppState,
    worker: Option<&WorkerStatus>,
    database: &crate::monitor::DatabaseHealth,
    queue: &Option<QueueView>,
    processes: &Option<Vec<Process>>,
) -> Vec<ServiceView> {
    let started = rfc3339(app.instance.started_at);
    let mut services = vec![
        ServiceView {
            name: "api",
            state: if app.is_draining() { "draining" } else { "up" },
            since: started.clone(),
            detail: None,
        },
        ServiceView {
            name: "database",
            state: match (database.up, database.code) {
                (true, None) => "up",
                (true, Some(_)) => "degraded",
                (false, _) => "down",
            },
            since: rfc3339(database.since),
            detail: database.code.map(str::to_owned),
        },
    ];
    services.extend(app.redis.as_ref().map(|redis| {
        let redis = redis.status();
        ServiceView {
            name: "redis",
            state: redis_state(redis.state),
            since: rfc3339(redis.since.into()),
            detail: redis.state.code().map(str::to_owned),
        }
    }));
    services.push(match worker {
        None => {
            // A wallet that runs is held by somebody, if only by a version that does not report.
            let waits = queue.as_ref().is_some_and(|queue| queue.queued > 0 && queue.running == 0);
            let works = processes.iter().flatten().any(Process::works);
            let (state, detail) = match processes {
                Some(_) if waits && !works => ("down", "wallets wait and no process works on them"),
                _ => ("absent", "this process answers requests only"),
            };
            ServiceView { name: "worker", state, since: started, detail: Some(detail.to_owned()) }
        }
        Some(worker) => match worker.paused.first() {
            None => ServiceView { name: "worker", state: "up", since: started, detail: None },
            Some(first) => {
                let chains: Vec<_> =
                    worker.paused.iter().map(|paused| paused.chain.as_str()).collect();
                ServiceView {
                    name: "worker",
                    state: "paused",
                    since: rfc3339(first.since.into()),
                    detail: Some(format!("every provider is down: {}", chains.join(", "))),
                }
            }
        },
    });
    if let Some(worker) = &app.worker {
        services.push(prices(&worker.status(), rfc3339(app.instance.started_at)));
    }
    services
}

fn prices(worker: &WorkerStatus, started: String) -> ServiceView {
    let throttled = || worker.prices.iter().find(|one| one.state.as_str() == "throttled");
    let (state, since, told) = match (worker.prices_away_since, throttled()) {
        (Some(since), _) => ("down", rfc3339(since.into()), "the price source is down"),
        (None, Some(one)) => {
            ("throttled", rfc3339(one.since.into()), "the price source asks for a slower pace")
        }
        (None, None) => {
            return ServiceView { name: "prices", state: "up", since: started, detail: None };
        }
    };
    let causes = worker.prices.iter().filter_map(|one| one.detail.as_deref()).map(own_words);
    let causes: String = causes.map(|cause| format!(" ({cause})")).collect();
    let detail = Some(format!("{told}{causes}; wallets that need it wait"));
    ServiceView { name: "prices", state, since, detail }
}

/// Only there when a final block has changed.
fn finality(changed: &[ChangedBlock]) -> Option<ServiceView> {
    let first = changed.iter().min_by_key(|block| block.since)?;
    let blocks: Vec<String> =
        changed.iter().map(|block| format!("{} {}", block.chain, block.was.block)).collect();
    Some(ServiceView {
        name: "finality",
        state: "degraded",
        since: rfc3339(first.since),
        detail: Some(format!("blocks that were final have changed: {}", blocks.join(", "))),
    })
}

fn providers(worker: WorkerStatus, paces: &BTreeMap<Chain, Vec<Pace>>) -> Vec<ProviderView> {
    worker
        .providers
        .into_iter()
        .flat_map(|(chain, providers)| {
            providers.into_iter().map(move |provider| ProviderView {
                chain: chain.as_str(),
                state: provider.state.as_str(),
                breaker: if provider.state == ProviderState::Down { "open" } else { "closed" },
                quota: Quota {
                    requests_per_second: paces
                        .get(&chain)
                        .into_iter()
                        .flatten()
                        .find(|pace| pace.name == provider.name)
                        .map(|pace| pace.requests_per_second),
                    paused_seconds: u64::try_from(provider.paused.as_millis().div_ceil(1000))
                        .unwrap_or(u64::MAX),
                },
                since: rfc3339(DateTime::<Utc>::from(provider.since)),
                cause: provider.detail.as_deref().map(own_words),
                name: provider.name,
                kind: provider.kind,
                calls: provider.calls,
                errors: provider.errors,
            })
        })
        .collect()
}
