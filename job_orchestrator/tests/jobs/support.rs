//! A database, a node and workers for one test.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chain_client::{
    CallPolicy, ClientMetrics, CsvPrices, LlamaPrices, PriceSource, PriceSources, ProviderConfig,
    ProviderKind, ProviderPool, TransactionSource,
};
use job_orchestrator::reports::Reporter;
use job_orchestrator::sources::Source;
use job_orchestrator::{
    Analysis, BatchRules, Batches, Metrics, NewBatchRequest, Worker, WorkerDeps,
};
use load_tests::{RecordedChain, RecordedNode, SyntheticPlan};
use persistence_layer::batches::{self, Admission, Batch, BatchId, BatchRef};
use persistence_layer::results::{self, ResultRow};
use persistence_layer::test_util::TestDatabase;
use persistence_layer::{Store, StoreSettings, Tenant};
use pnl_core::ledger::LedgerRules;
use pnl_core::{Address, AssetId, Chain};
use prometheus::Registry;
use serde_json::Value;
use service_runtime::config::WorkerSettings;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Longest wait for a state that must come.
const PATIENCE: Duration = Duration::from_secs(120);

/// The folder of recorded data, or `None` with a loud line when it is not there.
pub fn fixtures() -> Option<PathBuf> {
    match std::env::var_os("TEST_FIXTURES_DIR") {
        Some(folder) => Some(folder.into()),
        None if std::env::var_os("CI").is_some() => panic!("TEST_FIXTURES_DIR must be set in CI"),
        None => {
            println!("SKIPPED: TEST_FIXTURES_DIR is not set");
            None
        }
    }
}

/// Wallets that the node makes up: `count` of them with `transactions` transfers each.
pub fn made_up(count: u32, transactions: u64) -> RecordedChain {
    let plan = SyntheticPlan {
        wallets: count,
        transactions_each: transactions,
        ..SyntheticPlan::default()
    };
    RecordedChain::synthetic(plan)
}

/// Everything around the workers of one test.
pub struct World {
    pub database: TestDatabase,
    pub node: RecordedNode,
    pub settings: WorkerSettings,
    pub prices: Vec<Arc<dyn PriceSource>>,
}

impl World {
    /// A database of its own, and a node that serves `chain`.
    pub async fn new(chain: RecordedChain) -> Self {
        let prices = price_table();
        let csv = CsvPrices::open(prices.path()).expect("the table was just written");
        Self::with_prices(chain, vec![Arc::new(csv)]).await
    }

    pub async fn with_prices(chain: RecordedChain, prices: Vec<Arc<dyn PriceSource>>) -> Self {
        // Log lines of a failed test are shown with it. Several tests set it; one succeeds.
        let _ = tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
            .with_test_writer()
            .try_init();
        Self {
            database: TestDatabase::create().await,
            node: RecordedNode::start(chain, ("127.0.0.1", 0)).await.expect("a free port"),
            settings: WorkerSettings {
                lease_seconds: 2,
                poll_interval_ms: 50,
                backoff_seconds: 1,
                shutdown_grace_seconds: 5,
                ..WorkerSettings::default()
            },
            prices,
        }
    }

    pub fn store(&self) -> &Store {
        self.database.store()
    }

    /// Where the worker finds the node.
    pub fn source(&self) -> ProviderPool {
        let policy = CallPolicy {
            call_timeout: self.settings.call_timeout(),
            call_tries: self.settings.call_tries,
            backoff_start: Duration::from_millis(10),
            backoff_cap: Duration::from_millis(50),
            longest_wait: Duration::from_millis(200),
            ..CallPolicy::default()
        };
        let provider = ProviderConfig {
            name: "recorded".to_owned(),
            kind: ProviderKind::SolanaRpc,
            url: self.node.solana_url(),
            requests_per_second: 5_000.0,
        };
        let metrics = ClientMetrics::register(&Registry::new()).expect("a registry of its own");
        ProviderPool::new(Chain::Solana, &[provider], policy, &metrics).expect("a usable provider")
    }

    /// What a worker of another process would have.
    pub async fn deps(&self) -> WorkerDeps {
        let source = self.source();
        self.deps_with(Arc::new(source)).await
    }

    pub async fn deps_with(&self, source: Arc<dyn TransactionSource>) -> WorkerDeps {
        WorkerDeps {
            store: self.database.second_store().await,
            sources: BTreeMap::from([(Chain::Solana, Source::Solana(source))]),
            prices: PriceSources::new(self.prices.clone()),
            rules: BTreeMap::from([(Chain::Solana, rules())]),
            settings: self.settings.clone(),
            metrics: Metrics::new(&Registry::new()).expect("a registry of its own"),
        }
    }

    pub async fn worker(&self) -> TestWorker {
        TestWorker::start(self.deps().await)
    }

    /// A worker on another store, and the registry of its metrics.
    pub async fn worker_on(&self, store: Store) -> (TestWorker, Registry) {
        let registry = Registry::new();
        let metrics = Metrics::new(&registry).expect("a registry of its own");
        (TestWorker::start(WorkerDeps { store, metrics, ..self.deps().await }), registry)
    }

    pub fn batches(&self) -> Batches {
        let rules = BatchRules {
            admission: Admission::rejecting(3),
            chains: BTreeSet::from(Chain::ALL),
            idempotency: Duration::from_secs(3600),
        };
        Batches::new(self.store().clone(), rules)
    }

    pub async fn submit(&self, wallets: &[String]) -> BatchId {
        self.submit_as(wallets, Analysis::default()).await
    }

    pub async fn submit_on(&self, chain: Chain, wallets: &[String]) -> BatchId {
        let request = NewBatchRequest { chain, ..request(wallets, Analysis::default()) };
        job_id(&self.batches().submit(request).await.expect("accepted").body)
    }

    pub async fn submit_as(&self, wallets: &[String], analysis: Analysis) -> BatchId {
        let accepted = self.batches().submit(request(wallets, analysis)).await.expect("accepted");
        job_id(&accepted.body)
    }

    pub async fn batch(&self, id: BatchId) -> Batch {
        batches::get(self.store(), &everybodys(id))
            .await
            .expect("the database answers")
            .expect("it is there")
    }

    /// Waits until the batch is as wanted.
    pub async fn until(&self, id: BatchId, wanted: impl Fn(&Batch) -> bool) -> Batch {
        let look = async || {
            let batch = self.batch(id).await;
            wanted(&batch).then_some(batch)
        };
        match eventually(look).await {
            Some(batch) => batch,
            None => panic!("never as wanted: {:?}", self.batch(id).await),
        }
    }

    pub async fn until_over(&self, id: BatchId) -> Batch {
        self.until(id, |batch| batch.state.is_terminal()).await
    }

    pub async fn rows(&self, id: BatchId) -> Vec<ResultRow> {
        results::page(self.store(), &everybodys(id), None, 10_000)
            .await
            .expect("the database answers")
    }

    /// Waits until the batch has ended with every wallet done.
    pub async fn until_done(&self, id: BatchId) {
        let batch = self.until_over(id).await;
        assert_eq!(batch.counts.done, batch.total, "{:?}", self.rows(id).await);
    }

    /// Submits, works with one worker to the end, and gives the rows.
    pub async fn run(&self, wallets: &[String]) -> Vec<ResultRow> {
        let worker = self.worker().await;
        let id = self.submit(wallets).await;
        self.until_over(id).await;
        worker.stop().await;
        self.rows(id).await
    }
}

/// What reports of a process with this worker, or none.
pub fn reporter(store: Store, worker: Option<&TestWorker>) -> Reporter {
    Reporter {
        store,
        worker: worker.map(|worker| worker.worker.clone()),
        role: if worker.is_some() { "all" } else { "api" },
        version: "1.2.3",
        redis: None,
    }
}

/// Another pool on a database, with its own size.
pub async fn store_of(url: &str, max_connections: u32) -> Store {
    let settings = StoreSettings {
        url: url.to_owned(),
        max_connections,
        min_connections: 1,
        acquire_timeout: Duration::from_secs(30),
        idle_timeout: Duration::from_secs(600),
        max_lifetime: Duration::from_secs(1800),
        statement_timeout: Duration::from_secs(60),
    };
    Store::connect(&settings).await.expect("the server accepts another pool")
}

/// The value of a gauge without labels.
pub fn gauge(registry: &Registry, name: &str) -> u32 {
    let family = registry.gather().into_iter().find(|family| family.name() == name);
    let value = family.expect("the metric is registered").get_metric()[0].get_gauge().get_value();
    format!("{value}").parse().expect("a small whole number")
}

/// The batch of this id as everybody names it where there are no tenants.
pub fn everybodys(id: BatchId) -> BatchRef {
    BatchRef { tenant: Tenant::default(), id }
}

pub fn request(wallets: &[String], analysis: Analysis) -> NewBatchRequest {
    NewBatchRequest {
        tenant: Tenant::default(),
        chain: Chain::Solana,
        wallets: wallets.iter().map(|wallet| Address::from_chain_data(wallet)).collect(),
        duplicates_removed: 0,
        analysis,
        idempotency: None,
        webhook: None,
        trace_id: "0af7651916cd43dd8448eb211c80319c".to_owned(),
    }
}

pub fn job_id(body: &Value) -> BatchId {
    body["job_id"].as_str().and_then(|id| id.parse().ok()).expect("the answer names the job")
}

/// The `result` object of a row.
pub fn result(row: &ResultRow) -> Value {
    let json = row.report_json.as_ref().unwrap_or_else(|| panic!("no result: {row:?}"));
    serde_json::from_str(json).expect("a stored result is JSON")
}

pub fn rules() -> LedgerRules {
    LedgerRules {
        chain: Chain::Solana,
        stablecoins: BTreeSet::from([AssetId::new("EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v")]),
    }
}

/// SOL at 100 US dollars and rising, hourly, over the time of made-up wallets.
pub fn price_table() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let first = 1_704_067_200_i64 - 3600;
    let mut table = String::from("unix_seconds,open,high,low,close\n");
    for hour in 0..48 {
        let (opened, close) = (first + hour * 3600, 100 + hour);
        table.push_str(&format!("{opened},{close},{close},{close},{close}\n"));
    }
    std::fs::write(folder.path().join("sol_usd.csv"), table).expect("the folder is writable");
    folder
}

pub fn csv_prices(folder: &Path) -> Vec<Arc<dyn PriceSource>> {
    vec![Arc::new(CsvPrices::open(folder).expect("the folder has tables"))]
}

/// A price source that asks the node's price API.
pub fn llama_prices(node: &RecordedNode, settings: &WorkerSettings) -> Vec<Arc<dyn PriceSource>> {
    let metrics = ClientMetrics::register(&Registry::new()).expect("a registry of its own");
    let policy = CallPolicy { call_timeout: settings.call_timeout(), ..CallPolicy::default() };
    let llama = LlamaPrices::new(&node.llama_url(), 5_000.0, BTreeSet::new(), policy, &metrics);
    vec![Arc::new(llama.expect("a usable source"))]
}

/// Asks again and again until there is an answer; `None` when it never came.
pub async fn eventually<T, F: Future<Output = Option<T>>>(
    mut look: impl FnMut() -> F,
) -> Option<T> {
    tokio::time::timeout(PATIENCE, async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    })
    .await
    .ok()
}

/// A worker that can be drained or killed.
pub struct TestWorker {
    pub worker: Worker,
    shutdown: CancellationToken,
    handle: JoinHandle<()>,
}

impl TestWorker {
    pub fn start(deps: WorkerDeps) -> Self {
        let shutdown = CancellationToken::new();
        let (worker, handle) = Worker::start(deps, shutdown.clone());
        Self { worker, shutdown, handle }
    }

    /// As SIGTERM does.
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.handle.await.expect("the worker ends by itself");
    }

    /// As kill -9 does: nothing is written any more, leases are left behind.
    pub async fn kill(self) {
        self.handle.abort();
        assert!(self.handle.await.is_err_and(|error| error.is_cancelled()));
    }
}
