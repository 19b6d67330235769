//! Files of a million rows: how fast they come, and in how much memory.

use std::time::{Duration, Instant};

use clap::Args;
use hyper::Method;
use hyper::header::ETAG;

use super::figures::{self, Figures};
use super::jobs;
use super::memory::{MemoryCurve, elapsed};
use super::site::{Site, SiteOptions};
use crate::SyntheticPlan;
use crate::service::Client;

const PATIENCE: Duration = Duration::from_secs(1800);

/// A job of a million disposals as files.
#[derive(Debug, Args)]
pub struct Export {
    #[command(flatten)]
    site: SiteOptions,
    /// Rows, at least
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// Transactions of each wallet
    #[arg(long, default_value_t = 20_000)]
    transactions: u64,
    /// Least megabytes (10^6 bytes) a second, of files of text
    #[arg(long, default_value_t = 50)]
    rate: u64,
    /// Most MiB above the idle process
    #[arg(long, default_value_t = 100)]
    memory: u64,
}

impl Export {
    /// Measures.
    ///
    /// # Errors
    /// When a limit was missed or the run broke.
    pub async fn run(&self) -> anyhow::Result<()> {
        // A transaction of the made-up chain has one disposal and a half.
        let wallets = self.rows.div_ceil(self.transactions * 3 / 2) + 1;
        let plan = SyntheticPlan {
            wallets: wallets.try_into()?,
            transactions_each: self.transactions,
            tokens: 8,
            ..SyntheticPlan::default()
        };
        let site = Site::start(&self.site, plan).await?;
        let settings = site.settings("export").await?;
        let service = site.serve(&settings).await?;
        let addresses = site.node.chain().synthetic_wallets();
        let (job, _) = jobs::complete(&service.client(), &addresses, PATIENCE).await?;
        let file = format!("/api/pnl/batch/results/{}/export", job.job_id);
        service.stop(PATIENCE).await?;

        // A process that has not analyzed anything.
        let service = site.serve(&settings).await?;
        let client = service.client();
        let memory = MemoryCurve::start(service.pid(), "idle");
        tokio::time::sleep(Duration::from_secs(2)).await;
        let mut figures = Figures::default();
        figures.title(format_args!("{wallets} wallets of {} transactions", self.transactions));
        for format in ["csv", "ndjson", "parquet", "arrow"] {
            memory.phase(format);
            let path = format!("{file}.{format}?rows=disposals");
            let measured = until_measured(&client, &path).await?;
            figures.note(&format!("{format}: made to be measured"), measured);
            let read = jobs::read_stream(&client, &path).await?;
            let rate = figures::per_second(read.bytes, read.milliseconds) / 1_000_000;
            let (megabytes, time) = (read.bytes / 1_000_000, figures::seconds(read.milliseconds));
            figures.note(format, format_args!("{megabytes} MB in {time}"));
            if matches!(format, "parquet" | "arrow") {
                figures.note(&format!("{format}: rate"), format_args!("{rate} MB/s"));
            } else {
                let header = u64::from(format == "csv");
                figures.at_least(&format!("{format}: rows"), read.rows - header, self.rows, "rows");
                figures.at_least(&format!("{format}: rate"), rate, self.rate, "MB/s");
            }
            let above = memory.peak_kib(Some(format)).saturating_sub(memory.peak_kib(Some("idle")));
            let above = figures::mib(above);
            figures.at_most(&format!("{format}: memory above idle"), above, self.memory, "MiB");
        }
        service.stop(PATIENCE).await?;
        figures.conclude()
    }
}

/// Waits until the file has a tag, which is known when it was made once; gives the time that it took. Before that it would be made beside.
async fn until_measured(client: &Client, path: &str) -> anyhow::Result<String> {
    let begun = Instant::now();
    loop {
        let head = client.send(Method::HEAD, path, &[], None).await?.expect(200)?;
        if head.headers.contains_key(ETAG) {
            return Ok(figures::seconds(elapsed(begun)));
        }
        anyhow::ensure!(begun.elapsed() < PATIENCE, "{path} was not measured");
    }
}
