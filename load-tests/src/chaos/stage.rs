//! What a disturbed run needs: a node, a PostgreSQL, the program, and the undisturbed results.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::draw::Draw;
use crate::service::{PostgresServer, Service, ServiceSettings};
use crate::{Faults, RecordedChain, RecordedNode, SyntheticPlan};

/// Lease of the services under test, in seconds: short, so that takeovers are quick to watch.
pub const LEASE_SECONDS: u64 = 3;

/// The lease and ten seconds: by then somebody has the wallets of a dead process.
pub const TAKEOVER_LIMIT: Duration = Duration::from_secs(LEASE_SECONDS + 10);

/// Longest time of a batch beyond the faults themselves; a lost wallet shows by it.
pub const BATCH_PATIENCE: Duration = Duration::from_secs(300);

/// Latency of the node in milliseconds.
const LATENCY: (u64, u64) = (5, 20);

/// Transactions of a made-up wallet, when there are no recordings.
const MADE_UP_TRANSACTIONS: u64 = 40;

/// How large the programme is.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// Wallets of a batch.
    pub wallets: usize,
    /// Disturbances of one batch, where they are counted.
    pub faults: u64,
    /// Whether pauses are cut to a tenth: 60 s without a provider become 6 s.
    pub short: bool,
}

impl Scale {
    /// A pause of the full programme, or a tenth of it.
    pub fn pause(&self, seconds: u64) -> Duration {
        if self.short { Duration::from_millis(seconds * 100) } else { Duration::from_secs(seconds) }
    }
}

/// Everything that is shared by the runs of a programme.
pub struct Stage {
    /// The program under test.
    pub program: PathBuf,
    /// The chain endpoint and price source.
    pub node: RecordedNode,
    /// The database server.
    pub postgres: PostgresServer,
    /// The wallets of each batch.
    pub wallets: Vec<String>,
    /// The result of each wallet in the undisturbed run.
    pub reference: BTreeMap<String, String>,
    /// Checksums of the chain data that the undisturbed run stored.
    pub stored: String,
    /// How large the programme is.
    pub scale: Scale,
    /// The seed of the programme.
    pub seed: u64,
    folder: PathBuf,
    runs: u32,
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stage").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Stage {
    /// Starts node and PostgreSQL, draws the wallets and runs them undisturbed. Logs of the runs go
    /// below `folder`.
    ///
    /// # Errors
    /// When something of it cannot be had, or the undisturbed run is not clean.
    pub async fn set_up(
        program: &Path,
        fixtures: Option<&Path>,
        folder: &Path,
        scale: Scale,
        seed: u64,
    ) -> anyhow::Result<Self> {
        let (chain, wallets) = match fixtures {
            Some(fixtures) => {
                let chain = RecordedChain::from_folder(fixtures.join("solana"))?
                    .with_prices(fixtures.join("prices"))?;
                let all = chain.recorded_wallets();
                (chain, Draw::new(seed, "wallets", 0).some(&all, scale.wallets))
            }
            None => {
                let chain = RecordedChain::synthetic(SyntheticPlan {
                    wallets: u32::try_from(scale.wallets)?,
                    transactions_each: MADE_UP_TRANSACTIONS,
                    seed,
                    ..SyntheticPlan::default()
                });
                let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo-chain/prices");
                let chain = chain.with_prices(demo)?;
                let wallets = chain.synthetic_wallets();
                (chain, wallets)
            }
        };
        let node = RecordedNode::start(chain, "127.0.0.1:0").await?;
        let postgres = PostgresServer::start(&["max_connections=80"]).await?;
        let mut stage = Self {
            program: program.to_owned(),
            node,
            postgres,
            wallets,
            reference: BTreeMap::new(),
            stored: String::new(),
            scale,
            seed,
            folder: folder.to_owned(),
            runs: 0,
        };
        stage.run_undisturbed().await.context("the undisturbed run")?;
        Ok(stage)
    }

    async fn run_undisturbed(&mut self) -> anyhow::Result<()> {
        let mut run = self.run("undisturbed").await?;
        let service = run.start(self, "all").await?;
        let job = service.client().submit(&self.wallets).await?;
        let end = service.client().job_end(&job.job_id, BATCH_PATIENCE).await?;
        ensure!(end.status == "completed", "it ended as {}: {:?}", end.status, end.counts);
        for row in service.client().results(&job.job_id).await? {
            let result = row.result().context("a wallet is done without a result")?;
            self.reference.insert(row.wallet.clone(), result.to_owned());
        }
        ensure!(self.reference.len() == self.wallets.len(), "not every wallet has a result");
        self.stored = super::verdict::stored_chain_data(self, &run.url).await?;
        service.stop(Duration::from_secs(30)).await
    }

    /// The node behaves again, with its latency.
    pub fn calm_node(&self) {
        self.disturb_node(Faults::default());
    }

    /// The node misbehaves, with its latency.
    pub fn disturb_node(&self, faults: Faults) {
        self.node.set_faults(Faults { latency_ms: Some(LATENCY), ..faults });
    }

    /// A run on a database of its own, with a node that behaves.
    ///
    /// # Errors
    /// When the database or the folder cannot be made.
    pub async fn run(&mut self, name: &str) -> anyhow::Result<Run> {
        self.runs += 1;
        let database = format!("run_{}", self.runs);
        let url = self.postgres.create_database(&database).await?;
        self.run_on(name, database, url)
    }

    /// A run on a database that was made for it.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn run_on(&mut self, name: &str, database: String, url: String) -> anyhow::Result<Run> {
        self.calm_node();
        let folder = self.folder.join(format!("{:03}-{name}", self.runs));
        std::fs::create_dir_all(&folder)?;
        Ok(Run { database, url, folder, rate: 400, variables: Vec::new(), processes: 0 })
    }
}

/// One batch under one kind of fault.
#[derive(Debug)]
pub struct Run {
    /// The name of its database.
    pub database: String,
    /// The URL of its database.
    pub url: String,
    /// Where its processes run and log.
    pub folder: PathBuf,
    /// Calls a second that each process may make: how long a batch lasts.
    pub rate: u32,
    /// Settings on top of the usual ones.
    pub variables: Vec<(&'static str, String)>,
    processes: u32,
}

impl Run {
    /// The settings of the next process; each has a log of its own.
    pub fn settings(&mut self, stage: &Stage, role: &'static str) -> ServiceSettings {
        self.processes += 1;
        let mut settings = ServiceSettings::new(&stage.program, &self.folder)
            .with_role(role)
            .with_database(&self.url)
            .with_node(&stage.node, self.rate)
            .with("PNL_WORKER__LEASE_SECONDS", LEASE_SECONDS)
            .with("PNL_WORKER__SHUTDOWN_GRACE_SECONDS", 2)
            .with("PNL_WORKER__POLL_INTERVAL_MS", 250)
            .with("PNL_WORKER__BACKOFF_SECONDS", 1);
        for (name, value) in &self.variables {
            settings = settings.with(name, value);
        }
        settings.log = self.folder.join(format!("process-{}-{role}.log", self.processes));
        settings
    }

    /// Starts a process and waits until it is ready.
    ///
    /// # Errors
    /// When it does not get there.
    pub async fn start(&mut self, stage: &Stage, role: &'static str) -> anyhow::Result<Service> {
        let service = Service::start(&self.settings(stage, role)).await?;
        service.ready(Duration::from_secs(60)).await?;
        Ok(service)
    }
}
