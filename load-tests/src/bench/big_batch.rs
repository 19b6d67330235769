//! Many wallets at once: a batch of ten thousand, a small batch behind a large one, a hundred
//! wallets side by side.

use std::time::{Duration, Instant};

use clap::Args;

use super::figures::{self, Figures, mib};
use super::jobs;
use super::memory::{MemoryCurve, elapsed};
use super::site::{Site, SiteOptions};
use crate::SyntheticPlan;
use crate::service::{Client, Service};

const PATIENCE: Duration = Duration::from_secs(2 * 3600);
/// What a small batch may take longer behind a large one than behind a middling one, beside a
/// factor of three: the machine is noisy, and one slot has to come free.
const NOISE_MS: u64 = 2_000;

/// A batch of 10,000 wallets: submit, memory, reading, and a small batch behind it.
#[derive(Debug, Args)]
pub struct BigBatch {
    #[command(flatten)]
    site: SiteOptions,
    /// Wallets of the large batch
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(10..=10_000))]
    wallets: u32,
    /// Transactions of each wallet
    #[arg(long, default_value_t = 5)]
    transactions: u64,
    /// Most memory above that of the idle process, in MiB
    #[arg(long, default_value_t = 400)]
    limit_mib: u64,
    /// Longest time for the answer to the submission, in milliseconds
    #[arg(long, default_value_t = 1_000)]
    submit_ms: u64,
}

impl BigBatch {
    /// Measures.
    ///
    /// # Errors
    /// When a limit was missed or the run broke.
    pub async fn run(&self) -> anyhow::Result<()> {
        let mut figures = Figures::default();
        let middling = self.wallets / 10;
        let plan = SyntheticPlan {
            wallets: self.wallets + middling + 6,
            transactions_each: self.transactions,
            tokens: 2,
            ..SyntheticPlan::default()
        };
        let site = Site::start(&self.site, plan).await?;
        let all = site.node.chain().synthetic_wallets();
        let (large, rest) = all.split_at(self.wallets as usize);
        let (middle, small) = rest.split_at(middling as usize);
        figures.title(format_args!(
            "{} wallets of {} transactions in one batch, 5 permits",
            self.wallets, self.transactions
        ));
        let service = site.serve(&site.settings("big_batch").await?).await?;
        let client = service.client();
        let curve = MemoryCurve::start(service.pid(), "idle");
        tokio::time::sleep(Duration::from_secs(3)).await;
        let idle = curve.peak_kib(Some("idle"));
        figures.note("memory of the idle process", format_args!("{} MiB", mib(idle)));

        let (_, alone) = jobs::complete(&client, &small[..2], PATIENCE).await?;
        let behind_middle = self.behind(&client, middle, &small[2..4]).await?;
        curve.phase("working");
        let begun = Instant::now();
        let (job, submitted) = jobs::submit(&client, large).await?;
        figures.at_most("answer to the submission", submitted, self.submit_ms, "ms");
        let (_, behind_large) = jobs::complete(&client, &small[4..6], PATIENCE).await?;
        let ended = jobs::follow(&client, &job, PATIENCE).await?;
        let took = elapsed(begun);
        figures.judge(
            "wallets with a result",
            ended.status.counts.done,
            self.wallets,
            ended.status.status == "completed",
        );
        figures.note("time to the last result", figures::seconds(took));
        figures.note("wallets a second", figures::per_second(u64::from(self.wallets), took));
        fairness(alone.milliseconds, behind_middle, behind_large.milliseconds, &mut figures);

        let results = format!("/api/pnl/batch/results/{}", job.job_id);
        curve.phase("reading");
        let pages = jobs::read_pages(&client, &results, 1000).await?;
        figures.judge(
            "rows of the results",
            pages.rows,
            self.wallets,
            pages.rows == u64::from(self.wallets),
        );
        figures.note(
            "results in pages",
            format_args!(
                "{} bytes, {} pages, {}",
                pages.bytes,
                pages.pages,
                figures::seconds(pages.milliseconds)
            ),
        );
        let export = jobs::read_stream(&client, &format!("{results}/export.csv")).await?;
        figures.judge(
            "lines of the export",
            export.rows,
            self.wallets + 1,
            export.rows == u64::from(self.wallets) + 1,
        );
        figures.note(
            "csv export",
            format_args!("{} bytes, {}", export.bytes, figures::seconds(export.milliseconds)),
        );
        for phase in ["working", "reading"] {
            let above = mib(curve.peak_kib(Some(phase)).saturating_sub(idle));
            figures.at_most(&format!("memory above idle, {phase}"), above, self.limit_mib, "MiB");
        }
        if let Some(path) = site.kept("big_batch.csv") {
            curve.write_csv(&path)?;
            figures.note("the curve", path.display());
        }
        service.stop(Duration::from_secs(60)).await?;
        figures.conclude()
    }

    /// How long a small batch takes that is submitted behind another one.
    async fn behind(
        &self,
        client: &Client,
        large: &[String],
        small: &[String],
    ) -> anyhow::Result<u64> {
        let (job, _) = jobs::submit(client, large).await?;
        let (_, ended) = jobs::complete(client, small, PATIENCE).await?;
        jobs::follow(client, &job, PATIENCE).await?;
        Ok(ended.milliseconds)
    }
}

fn fairness(alone: u64, behind_middle: u64, behind_large: u64, figures: &mut Figures) {
    figures.note("2 wallets alone", format_args!("{alone} ms"));
    figures.note("2 wallets behind a tenth of the batch", format_args!("{behind_middle} ms"));
    let limit = behind_middle * 3 + NOISE_MS;
    figures.at_most("2 wallets behind the whole batch", behind_large, limit, "ms");
}

/// A hundred wallets side by side.
#[derive(Debug, Args)]
pub struct HundredWallets {
    #[command(flatten)]
    site: SiteOptions,
    /// Transactions of each wallet
    #[arg(long, default_value_t = 2_000)]
    transactions: u64,
    /// Most memory of the process, in MiB
    #[arg(long, default_value_t = 1_200)]
    limit_mib: u64,
}

impl HundredWallets {
    /// Measures.
    ///
    /// # Errors
    /// When a limit was missed or the run broke.
    pub async fn run(&self) -> anyhow::Result<()> {
        let mut figures = Figures::default();
        let plan = SyntheticPlan {
            wallets: 100,
            transactions_each: self.transactions,
            tokens: 4,
            ..SyntheticPlan::default()
        };
        let site = Site::start(&self.site, plan).await?;
        figures.title(format_args!("100 wallets of {} transactions at once", self.transactions));
        let settings =
            site.settings("hundred_wallets").await?.with("PNL_WORKER__WALLET_PERMITS", 100);
        let service: Service = site.serve(&settings).await?;
        let curve = MemoryCurve::start(service.pid(), "working");
        let wallets = site.node.chain().synthetic_wallets();
        let (_, ended) = jobs::complete(&service.client(), &wallets, PATIENCE).await?;
        figures.note("time", figures::seconds(ended.milliseconds));
        figures.at_most("highest memory", mib(curve.peak_kib(None)), self.limit_mib, "MiB");
        if let Some(path) = site.kept("hundred_wallets.csv") {
            curve.write_csv(&path)?;
        }
        service.stop(Duration::from_secs(60)).await?;
        figures.conclude()
    }
}
