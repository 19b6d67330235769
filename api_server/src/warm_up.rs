//! Answers that are made before somebody asks for them.
//!
//! A process that has just started keeps nothing, and its first clients would wait for what was at hand before. So it asks itself for
//! what they probably want first: the newest jobs that have ended, and the wallets that were analyzed last. These
//! requests pass the layers that keep answers, as those of clients do, so a kept answer is the same whoever asked for it; what
//! another process has left in Redis is only fetched. They are asked one after the other while clients leave room, and nobody waits
//! for them.

use std::num::NonZero;
use std::thread;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::http::Request;
use persistence_layer::results::{self, LatestList, LatestPlace, LatestSort};
use persistence_layer::{StoreError, Tenant, batches};
use tower::ServiceExt as _;
use tracing::Instrument as _;

use crate::answers::Found;
use crate::app::{App, AppState};
use crate::keys::Caller;
use crate::metrics::WarmUpMetrics;
use crate::router;

/// The longest that it goes on: by then clients have asked for what they want themselves.
const LONGEST: Duration = Duration::from_secs(60);

/// Longest time for one answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Longest wait for Redis, which may have the answers.
const REDIS_PATIENCE: Duration = Duration::from_secs(2);

/// Pause between two looks at whether there is room.
const PAUSE: Duration = Duration::from_millis(50);

/// Newest jobs of a tenant that are looked at.
const JOBS: u32 = 10;

/// Wallets of a tenant, of those that were analyzed last.
const WALLETS: u32 = 20;

/// What is asked for, and for whom.
struct Ahead {
    tenant: Tenant,
    path: String,
}

/// Begins to make up to `most` answers, in the background.
pub fn start(app: &AppState, most: u32, metrics: WarmUpMetrics) {
    if most == 0 || !app.answers.is_on() {
        return;
    }
    let (drain, app) = (app.drain.clone(), app.clone());
    let warming = async move { run(&app, most as usize, &metrics).await };
    let warming = warming.instrument(tracing::info_span!("warm_up"));
    // Nothing waits for its end.
    tokio::spawn(drain.run_until_cancelled_owned(warming));
}

async fn run(app: &AppState, most: usize, metrics: &WarmUpMetrics) {
    let begun = Instant::now();
    let mut answers = 0;
    let ended = tokio::time::timeout(LONGEST, fill(app, most, metrics, &mut answers)).await;
    let took = begun.elapsed();
    metrics.ended(took);
    if let Ok(Err(error)) = &ended {
        tracing::debug!(%error, "what to answer ahead was not found out");
    }
    let seconds = took.as_secs();
    tracing::info!(answers, seconds, in_time = ended.is_ok(), "answers were made ahead");
}

async fn fill(
    app: &AppState,
    most: usize,
    metrics: &WarmUpMetrics,
    answers: &mut usize,
) -> Result<(), StoreError> {
    redis(app).await;
    let router = router::unattended(app);
    // The rest is for what clients ask in the meantime.
    let mut room = app.answers.room() / 2;
    for ahead in wanted(app, most).await? {
        quiet(app).await;
        let asked = tokio::time::timeout(PATIENCE, ask(&router, ahead)).await;
        let Ok(Some((found, bytes))) = asked else { continue };
        metrics.warmed(found);
        *answers += 1;
        room = room.saturating_sub(bytes);
        if room == 0 {
            break;
        }
    }
    Ok(())
}

/// Where the answer was found, and its bytes; `None` when it is not kept.
async fn ask(router: &Router, ahead: Ahead) -> Option<(Found, u64)> {
    let caller = Caller::ahead_of_clients(ahead.tenant);
    let request = Request::get(ahead.path).extension(caller).body(Body::empty()).ok()?;
    let Ok(response) = router.clone().oneshot(request).await;
    let found = response.extensions().get::<Found>().copied()?;
    // Without Redis it is kept all the same.
    let found = match found {
        Found::Bypass => Found::Miss,
        Found::SharedHit | Found::Awaited => Found::Hit,
        other => other,
    };
    let is_kept = matches!(found, Found::Hit | Found::Miss);
    is_kept.then(|| (found, response.body().size_hint().lower()))
}

/// Up to `most` questions: of each tenant in turn, so that none waits for all of another one.
async fn wanted(app: &App, most: usize) -> Result<Vec<Ahead>, StoreError> {
    quiet(app).await;
    let tenants = match &app.keys {
        None => vec![Caller::anybody().tenant],
        Some(keys) => keys.readers().await?,
    };
    let mut of_tenants = Vec::new();
    for tenant in tenants.into_iter().take(most) {
        quiet(app).await;
        of_tenants.push(of_tenant(app, &tenant).await?.into_iter());
    }
    let mut all = Vec::new();
    while all.len() < most {
        let before = all.len();
        all.extend(of_tenants.iter_mut().filter_map(Iterator::next).take(most - before));
        if all.len() == before {
            break;
        }
    }
    Ok(all)
}

/// What clients of a tenant ask first.
async fn of_tenant(app: &App, tenant: &Tenant) -> Result<Vec<Ahead>, StoreError> {
    let mut paths = Vec::new();
    let jobs = batches::list(&app.store, tenant, None, None, None, JOBS).await?;
    for job in jobs.iter().filter(|job| job.state.is_terminal()) {
        paths.push(format!("/api/pnl/batch/results/{}", job.id));
        if job.group.is_some() {
            paths.push(format!("/api/pnl/batch/results/{}/group", job.id));
        }
    }
    let newest = LatestList::sorted(LatestSort::AnalyzedAt, false);
    let store = app.store.reading();
    let page = results::latest(&store, tenant, &newest, LatestPlace::Offset(0), WALLETS).await?;
    paths.extend(page.rows.iter().map(|row| {
        let pnl_core::WalletRef { chain, address } = &row.wallet;
        format!("/api/v2/wallets/{address}/pnl?chain={chain}")
    }));
    Ok(paths.into_iter().map(|path| Ahead { tenant: tenant.clone(), path }).collect())
}

/// Waits until one question more costs no client anything: what is made is kept, and a core is left.
async fn quiet(app: &App) {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let is_busy = || {
        let now = app.http_metrics.now();
        let at_work = usize::try_from(now.in_flight - now.waiting).unwrap_or(0);
        at_work >= cores || app.load.is_high()
    };
    while !app.knows_what_is_kept() || is_busy() {
        tokio::time::sleep(PAUSE).await;
    }
}

/// Waits until Redis has been found, if there is one.
async fn redis(app: &App) {
    let Some(redis) = &app.redis else { return };
    let found = async {
        while redis.connection().is_none() {
            tokio::time::sleep(PAUSE).await;
        }
    };
    // Without it the answers are made.
    let _ = tokio::time::timeout(REDIS_PATIENCE, found).await;
}
