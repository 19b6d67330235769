//! Where a run happens: a PostgreSQL, a chain endpoint and a folder of its own.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use tempfile::TempDir;

use crate::service::{PostgresServer, Service, ServiceSettings, programs};
use crate::{RecordedChain, RecordedNode, SyntheticPlan};

/// The most calls a second that a provider can be configured with: no limit here.
const RATE: u32 = 100_000;

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub struct SiteOptions {
    /// The program to measure; default: `pnl-tracker` beside this program
    #[arg(long)]
    pub program: Option<PathBuf>,
    /// Folder that keeps curves and logs; default: nothing is kept
    #[arg(long)]
    pub out: Option<PathBuf>,
}

impl SiteOptions {
    /// The program to measure.
    ///
    /// # Errors
    /// When it is not there.
    pub fn program(&self) -> anyhow::Result<PathBuf> {
        self.program.as_ref().map_or_else(
            || programs::sibling("pnl-tracker"),
            |path| path.canonicalize().with_context(|| format!("no program {}", path.display())),
        )
    }
}

/// Servers and chain of a run. Dropping it ends and removes everything.
#[derive(Debug)]
pub struct Site {
    /// The database server.
    pub postgres: PostgresServer,
    /// The chain endpoint.
    pub node: RecordedNode,
    program: PathBuf,
    folder: TempDir,
    kept: Option<PathBuf>,
}

impl Site {
    /// Starts the servers, with the wallets of a plan on the chain and a price for each hour of
    /// them.
    ///
    /// # Errors
    /// When something does not start.
    pub async fn start(options: &SiteOptions, plan: SyntheticPlan) -> anyhow::Result<Self> {
        Self::start_with(options, vec![plan]).await
    }

    /// The same with the wallets of several plans.
    ///
    /// # Errors
    /// When something does not start.
    pub async fn start_with(
        options: &SiteOptions,
        plans: Vec<SyntheticPlan>,
    ) -> anyhow::Result<Self> {
        let program = options.program()?;
        let folder = tempfile::Builder::new().prefix("pnl-load.").tempdir()?;
        if let Some(kept) = &options.out {
            std::fs::create_dir_all(kept)?;
        }
        let prices = folder.path().join("prices");
        std::fs::create_dir(&prices)?;
        std::fs::write(prices.join("sol_usd.csv"), price_table(&plans)?)?;
        let chain = plans.into_iter().fold(RecordedChain::default(), RecordedChain::with_synthetic);
        let chain = chain.with_prices(&prices)?;
        let node = RecordedNode::start(chain, ("127.0.0.1", 0)).await?;
        let postgres =
            PostgresServer::start(&["max_connections=300", "shared_buffers=512MB"]).await?;
        Ok(Self { postgres, node, program, folder, kept: options.out.clone() })
    }

    /// The folder of what is thrown away.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where a file of this name is kept, when files are.
    pub fn kept(&self, name: &str) -> Option<PathBuf> {
        Some(self.kept.as_ref()?.join(name))
    }

    /// A new database and the settings of a service on it, with the limits of the default
    /// configuration but for calls to the chain.
    ///
    /// # Errors
    /// When the database cannot be made.
    pub async fn settings(&self, database: &str) -> anyhow::Result<ServiceSettings> {
        let url = self.postgres.create_database(database).await?;
        let mut settings = ServiceSettings::new(&self.program, self.folder.path())
            .with_database(&url)
            .with("PNL_DATABASE__MAX_CONNECTIONS", 60)
            .with("PNL_DATABASE__MIN_CONNECTIONS", 10)
            .with_node(&self.node, RATE);
        settings.log = self
            .kept(&format!("{database}.log"))
            .unwrap_or_else(|| self.folder.path().join(format!("{database}.log")));
        Ok(settings)
    }

    /// A service that is ready.
    ///
    /// # Errors
    /// When it does not become so.
    pub async fn serve(&self, settings: &ServiceSettings) -> anyhow::Result<Service> {
        let service = Service::start(settings).await?;
        service.ready(Duration::from_secs(60)).await?;
        Ok(service)
    }
}

/// A candle of SOL for each hour of the plans, with closes that go up and down.
fn price_table(plans: &[SyntheticPlan]) -> anyhow::Result<String> {
    let mut table = String::from("unix_seconds,open,high,low,close\n");
    let first = plans.iter().map(|plan| plan.times().0).min().context("no plan")?;
    let last = plans.iter().map(|plan| plan.times().1).max().context("no plan")?;
    for (number, opened_at) in (first / 3600 * 3600..=last + 86_400).step_by(3600).enumerate() {
        let close = 100 + number * 37 % 90;
        writeln!(table, "{opened_at},{close}.5,{close}.9,{close}.1,{close}.25")?;
    }
    Ok(table)
}
