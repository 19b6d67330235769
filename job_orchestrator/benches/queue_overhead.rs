//! What the queue itself costs: wallets that never did anything, as many a second as possible, on a
//! real PostgreSQL and with a chain inside of this process, so that no HTTP is counted.
//!
//! Each takes a claim, stored balances and an empty list, a ledger without events, a result and the
//! end of its task. `make load KIND=overhead` runs it; `load overhead` measures the same wallets with
//! the whole program and an endpoint over HTTP.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use chain_client::{
    ChainSource, CsvPrices, PageStart, PriceSource, PriceSources, ProviderStatus, SignatureInfo,
    Snapshot, SourceError, TransactionSource,
};
use job_orchestrator::sources::Source;
use job_orchestrator::{
    Analysis, BatchRules, Batches, Metrics, NewBatchRequest, Worker, WorkerDeps,
};
use load_tests::bench::figures::{self, Figures};
use load_tests::bench::processor::Processor;
use load_tests::service::PostgresServer;
use load_tests::synthetic::unused_address;
use persistence_layer::batches::{self, Admission, BatchRef};
use persistence_layer::{Store, StoreSettings, Tenant};
use pnl_core::ledger::LedgerRules;
use pnl_core::{Address, Chain, Pin, RawTransaction, TxId};
use prometheus::Registry;
use service_runtime::config::{Settings, WorkerSettings};
use tokio_util::sync::CancellationToken;

/// Wallets of each run, one batch.
const WALLETS: u64 = 10_000;
/// Wallets before the clock starts: connections open, caches and statistics fill.
const WARM_UP: u64 = 1_000;
/// Permits, and the least wallets a second with them.
const LIMITS: [(u32, u64); 2] = [(5, 400), (50, 1_500)];
/// Pause between two looks at a batch.
const PAUSE: Duration = Duration::from_secs(1);
/// The pin, and an hour of the price table.
const PIN: Pin = Pin { block: 400_000_000, block_time: 1_767_225_600 };

fn main() -> anyhow::Result<()> {
    // Lines as the service writes them, on stderr: they are part of what a wallet costs.
    service_runtime::telemetry::init(&Settings::default())?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(measure())
}

async fn measure() -> anyhow::Result<()> {
    let mut figures = Figures::default();
    figures.title("The queue alone: wallets with empty histories, chain in this process");
    let postgres = PostgresServer::start(&["max_connections=100", "shared_buffers=512MB"]).await?;
    for (permits, limit) in LIMITS {
        let database = format!("overhead_{permits}");
        postgres.create_database(&database).await?;
        let run = Run::start(&postgres.socket_url(&database), permits).await?;
        run.complete(0, WARM_UP).await?;
        let (own, servers) = (Processor::of_self(), Processor::of_children(postgres.pid()));
        let milliseconds = run.complete(WARM_UP, WALLETS).await?;
        let rate = figures::per_second(WALLETS, milliseconds);
        figures.at_least(&format!("{permits} permits, wallets a second"), rate, limit, "/s");
        figures.note(
            &format!("{permits} permits, processor time a wallet"),
            format_args!(
                "{} µs here, {} µs in PostgreSQL",
                own.spent().as_micros() / u128::from(WALLETS),
                servers.spent().as_micros() / u128::from(WALLETS)
            ),
        );
        run.stop().await?;
    }
    figures.conclude()
}

/// A worker on a database of its own.
struct Run {
    store: Store,
    worker: tokio::task::JoinHandle<()>,
    shutdown: CancellationToken,
    _prices: tempfile::TempDir,
}

impl Run {
    async fn start(url: &str, permits: u32) -> anyhow::Result<Self> {
        let store = Store::connect(&StoreSettings {
            url: url.to_owned(),
            max_connections: 60,
            min_connections: 10,
            acquire_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(600),
            max_lifetime: Duration::from_secs(1800),
            statement_timeout: Duration::from_secs(60),
        })
        .await?;
        store.migrate().await?;
        let folder = tempfile::tempdir()?;
        let hour = PIN.block_time / 3600 * 3600;
        std::fs::write(
            folder.path().join("sol_usd.csv"),
            format!("unix_seconds,open,high,low,close\n{hour},100,100,100,100\n"),
        )?;
        let prices: Arc<dyn PriceSource> = Arc::new(CsvPrices::open(folder.path())?);
        let source: Arc<dyn TransactionSource> = Arc::new(EmptyChain);
        let rules = LedgerRules { chain: Chain::Solana, stablecoins: BTreeSet::new() };
        let deps = WorkerDeps {
            store: store.clone(),
            sources: BTreeMap::from([(Chain::Solana, Source::Solana(source))]),
            prices: PriceSources::new(vec![prices]),
            rules: BTreeMap::from([(Chain::Solana, rules)]),
            settings: WorkerSettings { wallet_permits: permits, ..WorkerSettings::default() },
            metrics: Metrics::new(&Registry::new())?,
        };
        let shutdown = CancellationToken::new();
        let (_, worker) = Worker::start(deps, shutdown.clone());
        Ok(Self { store, worker, shutdown, _prices: folder })
    }

    /// Submits so many wallets from `first` on and waits until all are done; gives the milliseconds
    /// from the first claim to the last end.
    async fn complete(&self, first: u64, count: u64) -> anyhow::Result<u64> {
        let rules = BatchRules {
            admission: Admission::rejecting(3),
            chains: BTreeSet::from([Chain::Solana]),
            idempotency: Duration::from_secs(3600),
        };
        let wallet = |number| Address::from_chain_data(&unused_address(1, number));
        let tenant = Tenant::default();
        let request = NewBatchRequest {
            tenant: tenant.clone(),
            chain: Chain::Solana,
            wallets: (first..first + count).map(wallet).collect(),
            duplicates_removed: 0,
            analysis: Analysis::default(),
            idempotency: None,
            webhook: None,
            trace_id: "0af7651916cd43dd8448eb211c80319c".to_owned(),
        };
        let accepted = Batches::new(self.store.clone(), rules).submit(request).await?;
        let id = accepted.body["job_id"].as_str().context("no job")?.parse()?;
        let job = BatchRef { tenant, id };
        loop {
            let batch = batches::get(&self.store, &job).await?.context("the batch is gone")?;
            if batch.state.is_terminal() {
                anyhow::ensure!(u64::from(batch.counts.done) == count, "{:?}", batch.counts);
                let took = batch.finished_at.zip(batch.started_at).map(|(end, begin)| end - begin);
                return Ok(u64::try_from(
                    took.context("a batch without times")?.num_milliseconds(),
                )?);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn stop(self) -> anyhow::Result<()> {
        self.shutdown.cancel();
        self.worker.await?;
        self.store.close().await;
        Ok(())
    }
}

/// A chain on which nobody ever did anything.
struct EmptyChain;

#[async_trait]
impl ChainSource for EmptyChain {
    async fn pin(&self) -> Result<Pin, SourceError> {
        Ok(PIN)
    }

    async fn probe(&self) -> Result<(), SourceError> {
        Ok(())
    }

    fn status(&self) -> Vec<ProviderStatus> {
        Vec::new()
    }
}

#[async_trait]
impl TransactionSource for EmptyChain {
    async fn snapshot(&self, _wallet: &Address) -> Result<Snapshot, SourceError> {
        Ok(Snapshot {
            slot: PIN.block,
            newest_slot: PIN.block,
            native_own_lamports: 0,
            token_accounts: Vec::new(),
        })
    }

    async fn signatures(
        &self,
        _address: &Address,
        _from: Option<&PageStart>,
        _until: Option<&TxId>,
    ) -> Result<Vec<SignatureInfo>, SourceError> {
        Ok(Vec::new())
    }

    async fn transaction(&self, id: &TxId) -> Result<RawTransaction, SourceError> {
        Err(SourceError::NotFound { detail: id.to_string() })
    }
}
