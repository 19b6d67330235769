//! `serve`: the service from start to stop.
//!
//! Start: settings, log lines, database, schema, worker, listeners. Stop, at the first signal:
//! readiness says 503 and nothing new is claimed; requests go on being answered while running
//! wallets use their grace; then the listeners close, and last the database.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use job_orchestrator::batch::{BatchRules, Batches};
use job_orchestrator::reports::Reporter;
use job_orchestrator::sources::{Sources, ledger_rules, offered_chains, paces};
use job_orchestrator::wallets::AllWallets;
use job_orchestrator::webhooks::{self, Deliveries};
use job_orchestrator::{Worker, WorkerDeps, care, continuous, sweep_only};
use persistence_layer::Store;
use persistence_layer::batches::Admission;
use persistence_layer::redis::bus::RedisBus;
use persistence_layer::redis_monitor::RedisMonitor;
use prometheus::Registry;
use prometheus::process_collector::ProcessCollector;
use service_runtime::config::{AuthMode, Role, Settings};
use service_runtime::shutdown::Shutdown;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::answers::Answers;
use crate::app::{App, AppState, Instance};
use crate::cli::ServeArgs;
use crate::commands::configure;
use crate::database::Database;
use crate::descriptors;
use crate::export::Exports;
use crate::extract::Limits;
use crate::front::Front;
use crate::handlers::performance::Optimizing;
use crate::keys::Keys;
use crate::limiter::Limiter;
use crate::listener::{self, MAX_ADMIN_CONNECTIONS, Rules};
use crate::live::{Live, webhook_body};
use crate::load::{Files, Load};
use crate::metrics::{
    DroppedMetrics, HttpMetrics, LiveMetrics, MemoryMetrics, QueueMetrics, WarmUpMetrics,
};
use crate::middleware::cors::Cors;
use crate::monitor::DatabaseMonitor;
use crate::orders::Orders;
use crate::performance::vitals::Vitals;
use crate::purges;
use crate::queue::{ContinuousWatch, QueueWatch};
use crate::router;
use crate::signing::{Signer, SigningError};
use crate::versions::Versions;
use crate::waiting::Waiting;
use crate::warm_up;

/// Time that requests at hand get when the listeners close.
const REQUEST_GRACE: Duration = Duration::from_secs(10);

/// Runs the service until a signal.
pub async fn run(args: ServeArgs) -> anyhow::Result<ExitCode> {
    let settings = configure(&args.config)?;
    let role = args.role.unwrap_or(settings.service.role);
    settings.check_exposure(role)?;
    let shutdown = Shutdown::on_signals()?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), role = role.as_str(), "starting");
    descriptors::check(&settings, role);
    // A signal during the start ends it; there is nothing to drain yet.
    let opened =
        async { open(&settings).await?.read_from_replica(&settings, shutdown.token()).await };
    let database = tokio::select! {
        database = opened => database?,
        () = shutdown.requested() => return Ok(ExitCode::SUCCESS),
    };
    let served = serve(&settings, role, database.store.clone(), shutdown.token()).await;
    database.close().await;
    served?;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

async fn open(settings: &Settings) -> anyhow::Result<Database> {
    let database = Database::open(settings).await?;
    match database.store.migrate().await {
        Ok(()) => Ok(database),
        Err(error) => {
            database.close().await;
            Err(error).context("the schema cannot be brought to its newest version")
        }
    }
}

async fn serve(
    settings: &Settings,
    role: Role,
    store: Store,
    drain: CancellationToken,
) -> anyhow::Result<()> {
    // Ports first: a taken one must not cost a worker its leases.
    let (public, public_address) = listener::bind(&settings.api.host, settings.api.port).await?;
    settings.check_bound(role, public_address.ip())?;
    let (admin, admin_address) = listener::bind(&settings.admin.host, settings.admin.port).await?;
    let closing = CancellationToken::new();
    let Assembled { app, worker, reporter, webhooks } =
        assemble(settings, role, store, drain.clone(), &closing).await?;
    let rules = |max_connections, metrics| Rules {
        max_connections,
        head_timeout: settings.api.request_timeout(),
        grace: REQUEST_GRACE,
        metrics,
    };
    let counted = rules(settings.api.max_connections, Some(app.http_metrics.clone()));
    let uncounted = rules(MAX_ADMIN_CONNECTIONS, None);
    let routes = Front::new(app.clone(), router::public(&app, role));
    let public = tokio::spawn(listener::serve(public, routes, counted, closing.clone()));
    let routes = router::admin(&app);
    let admin = tokio::spawn(listener::serve(admin, routes, uncounted, closing.clone()));
    announce(public_address, admin_address)?;
    if let Some(keys) = &app.keys
        && role.serves_requests()
        && matches!(keys.any_is_valid().await, Ok(false))
    {
        tracing::warn!("no key is valid, so nobody is answered; pnl-tracker keys create makes one");
    }

    let drained = until_drained(worker, &drain).await;
    if let Some(webhooks) = webhooks {
        webhooks.await.context("the delivery of webhooks ended badly")?;
    }
    closing.cancel();
    for listener in [public, admin] {
        listener.await.context("a listener ended badly")?;
    }
    app.live.until_empty(REQUEST_GRACE).await;
    reporter.await.context("the report of this process ended badly")?;
    drained
}

/// Waits for the order to stop and then for the worker. A worker that ends by itself is a reason to
/// stop too: whoever started the process starts it again.
async fn until_drained(
    worker: Option<JoinHandle<()>>,
    drain: &CancellationToken,
) -> anyhow::Result<()> {
    let Some(mut worker) = worker else {
        drain.cancelled().await;
        return Ok(());
    };
    let ended = tokio::select! {
        ended = &mut worker => ended,
        () = drain.cancelled() => worker.await,
    };
    // An idle worker may have obeyed the order before we saw it here.
    let was_told = drain.is_cancelled();
    drain.cancel();
    ended.context("the worker ended badly")?;
    if was_told { Ok(()) } else { bail!("the worker ended by itself") }
}

/// The first two lines on stdout; programs that start us wait for them.
fn announce(public: SocketAddr, admin: SocketAddr) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "listening on http://{public}")?;
    writeln!(out, "admin listening on http://{admin}")?;
    out.flush()
}

/// A process put together.
pub struct Assembled {
    /// What the handlers reach.
    pub app: AppState,
    /// Ends when the worker has drained; none in role `api`.
    pub worker: Option<JoinHandle<()>>,
    /// Ends when the report of this process is taken back, after the end of `closing`.
    pub reporter: JoinHandle<()>,
    /// Ends some seconds after `drain`, when no webhook is under way; none where none is sent.
    pub webhooks: Option<JoinHandle<()>>,
}

/// The batches of a database, under the rules of the settings.
pub fn batches(settings: &Settings, store: Store) -> Batches {
    let rules = BatchRules {
        admission: Admission {
            max_concurrent: settings.batch.max_concurrent,
            queue_limit: settings.batch.waiting_batches(),
        },
        chains: offered_chains(settings),
        idempotency: settings.batch.idempotency(),
    };
    Batches::new(store, rules)
}

/// What a worker needs; calls nobody yet.
///
/// # Errors
/// Sources that cannot be used as configured, or a metric registered twice.
pub fn worker_deps(
    settings: &Settings,
    store: Store,
    registry: &Registry,
    metrics: job_orchestrator::Metrics,
) -> anyhow::Result<WorkerDeps> {
    let sources = Sources::from_settings(settings, registry)
        .context("the configured sources cannot be used")?;
    Ok(WorkerDeps {
        store,
        sources: sources.chains,
        prices: sources.prices,
        rules: ledger_rules(settings),
        settings: settings.worker.clone(),
        metrics,
    })
}

/// What results are signed with, if anything.
fn signer(settings: &Settings) -> Result<Option<Signer>, SigningError> {
    let file = &settings.signing.key_file;
    if file.as_os_str().is_empty() { Ok(None) } else { Signer::open(file).map(Some) }
}

/// What sends webhooks in a process of `role`, if they are sent there.
fn deliveries(
    settings: &Settings,
    role: Role,
    store: &Store,
    metrics: &job_orchestrator::Metrics,
) -> Result<Option<Deliveries>, webhooks::SetupError> {
    let Some(client) = webhooks::client(&settings.webhooks)?.filter(|_| role.works_on_wallets())
    else {
        return Ok(None);
    };
    Ok(Some(Deliveries {
        store: store.clone(),
        client,
        render: webhook_body,
        max_under_way: settings.webhooks.max_under_way,
        metrics: metrics.clone(),
    }))
}

/// Puts a process of `role` together on an open and migrated database and starts its worker.
///
/// `drain` stops the worker and turns readiness off; `closing` ends what watches beside.
///
/// # Errors
/// Sources that cannot be used as configured, or a metric registered twice.
pub async fn assemble(
    settings: &Settings,
    role: Role,
    store: Store,
    drain: CancellationToken,
    closing: &CancellationToken,
) -> anyhow::Result<Assembled> {
    let url = &settings.redis.url;
    let store = if url.is_empty() {
        store
    } else {
        store.with_bus(Arc::new(RedisBus::start(url.expose().to_owned(), closing.clone())))
    };
    let registry = Registry::new();
    registry.register(Box::new(ProcessCollector::for_self()))?;
    store.metrics().register(&registry)?;
    if let Some(metrics) = store.replica_metrics() {
        metrics.register(&registry)?;
    }
    let http_metrics = HttpMetrics::register(&registry)?;
    let queue_metrics = QueueMetrics::register(&registry)?;
    let warm_up_metrics = WarmUpMetrics::register(&registry)?;
    let job_metrics = job_orchestrator::Metrics::new(&registry)?;
    let webhooks = deliveries(settings, role, &store, &job_metrics)?
        .map(|deliveries| webhooks::start(deliveries, drain.clone()));
    let (worker, handle) = if role.works_on_wallets() {
        let deps = worker_deps(settings, store.clone(), &registry, job_metrics.clone())?;
        let (worker, handle) = Worker::start(deps, drain.clone());
        // Nothing waits for its end: a step under way is undone.
        let (rules, pauses) = (care::rules(settings), care::pauses(settings));
        care::start(store.clone(), rules, pauses, job_metrics.clone(), drain.clone());
        let rules = continuous::rules(settings);
        continuous::start(store.clone(), rules, job_metrics, drain.clone());
        (Some(worker), Some(handle))
    } else {
        // Somebody must notice dead workers also when no worker is left. Nothing waits for its end.
        let rules = &settings.worker;
        let (lease, most) = (rules.lease(), rules.max_takeovers);
        sweep_only(store.clone(), job_metrics, lease, most, closing.clone());
        (None, None)
    };
    let redis = (!settings.redis.url.is_empty())
        .then(|| RedisMonitor::start(settings.redis.url.expose().to_owned(), closing.clone()));
    let reporter = Reporter {
        store: store.clone(),
        worker: worker.clone(),
        role: role.as_str(),
        version: env!("CARGO_PKG_VERSION"),
        redis: redis.clone(),
    };
    let reporter = reporter.start(closing.clone());
    let database = DatabaseMonitor::start(store.clone(), closing.clone()).await;
    let answers = store.with_statement_timeout(settings.database.request_statement_timeout());
    let files = store.with_statement_timeout(settings.database.export_statement_timeout());
    let batches = batches(settings, store.clone()).looking_through(answers.clone());
    let vitals = Vitals::start(store.clone(), worker.clone(), closing.clone());
    let app = AppState::new(App {
        live: Live::new(
            store.clone(),
            batches.clone(),
            settings.live.clone(),
            LiveMetrics::register(&registry)?,
            drain.clone(),
        ),
        waiting: Waiting::new(
            batches.clone(),
            settings.live.max_waiting,
            http_metrics.clone(),
            drain.clone(),
        ),
        batches,
        wallets: AllWallets::new(answers.clone(), ledger_rules(settings)),
        database,
        answers: Answers::new(
            settings.cache.memory_mb,
            redis.clone(),
            &format!("{:?}", ledger_rules(settings)),
            DroppedMetrics::register(&registry)?,
        ),
        versions: Versions::new(
            Duration::from_millis(settings.cache.version_ms.into()),
            store.bus().listen(),
            settings.database.read_max_lag(),
        ),
        exports: Exports::default(),
        orders: Orders::default(),
        keys: (settings.auth.mode == AuthMode::Keys).then(|| Keys::new(answers.clone())),
        signer: signer(settings)?,
        cors: Cors::new(&settings.api.cors_origins),
        continuous: settings.continuous.clone(),
        webhooks: webhooks::target_rules(&settings.webhooks),
        limiter: Limiter::new(settings.limits.clone(), redis.clone())
            .context("the limits cannot be used")?,
        redis,
        store: answers,
        work_store: store,
        file_store: files,
        worker,
        chains: offered_chains(settings),
        load: Load::new(settings.api.max_at_work),
        files: Files::new(settings.api.max_files),
        paces: paces(settings),
        limits: Limits {
            max_body_bytes: usize::try_from(settings.api.max_body_bytes).unwrap_or(usize::MAX),
            max_wallets: usize::try_from(settings.api.max_wallets).unwrap_or(usize::MAX),
            max_streamed_wallets: usize::try_from(settings.api.max_streamed_wallets)
                .unwrap_or(usize::MAX),
        },
        slow_log: settings.slow_log.clone(),
        results_days: settings.retention.results_days,
        compression_min_bytes: settings.api.compression_min_bytes,
        request_timeout: settings.api.request_timeout(),
        drain,
        memory_metrics: MemoryMetrics::register(&registry)?,
        registry,
        http_metrics,
        queue_metrics,
        queue: QueueWatch::default(),
        continuous_watch: ContinuousWatch::default(),
        vitals,
        optimizing: Optimizing::default(),
        profiling: settings.admin.profiling,
        instance: Instance::begin(),
    });
    if role.serves_requests() {
        purges::watch(&app, closing.clone()).await;
        warm_up::start(&app, settings.cache.warm_up_answers, warm_up_metrics);
    }
    Ok(Assembled { app, worker: handle, reporter, webhooks })
}
