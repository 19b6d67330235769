//! All methods side by side: what a request costs the service in processor time.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;

use super::figures::{self, Figures};
use super::jobs;
use super::memory::elapsed;
use super::processor::Processor;
use super::site::{Site, SiteOptions};
use crate::SyntheticPlan;

const PATIENCE: Duration = Duration::from_secs(3600);
const PAUSE: Duration = Duration::from_millis(500);

/// Processor time of `what-if` for a long and a short wallet.
#[derive(Debug, Args)]
pub struct WhatIf {
    #[command(flatten)]
    site: SiteOptions,
    /// Transactions of the long wallet
    #[arg(long, default_value_t = 60_000)]
    transactions: u64,
    /// Tokens it trades beside SOL
    #[arg(long, default_value_t = 50)]
    tokens: u8,
    /// Requests over which the mean is taken
    #[arg(long, default_value_t = 50)]
    requests: u32,
}

impl WhatIf {
    /// Measures.
    ///
    /// # Errors
    /// When a limit was missed or the run broke.
    pub async fn run(&self) -> anyhow::Result<()> {
        let mut figures = Figures::default();
        figures.title(format_args!("What-if by four methods, mean of {} requests", self.requests));
        // Milliseconds for so many events.
        for (name, transactions, per_events, limit) in [
            ("what_if_long", self.transactions, 100_000, 150),
            ("what_if_short", self.transactions / 100, 1_000, 5),
        ] {
            self.measure(name, transactions.max(1), per_events, limit, &mut figures).await?;
        }
        figures.conclude()
    }

    async fn measure(
        &self,
        name: &str,
        transactions: u64,
        per_events: u64,
        limit: u64,
        figures: &mut Figures,
    ) -> anyhow::Result<()> {
        let plan = SyntheticPlan {
            transactions_each: transactions,
            tokens: self.tokens,
            ..SyntheticPlan::default()
        };
        let site = Site::start(&self.site, plan).await?;
        // Every request computes: none is answered with what is kept.
        let settings = site.settings(name).await?.with("PNL_CACHE__MEMORY_MB", 0);
        let service = site.serve(&settings).await?;
        let wallets = site.node.chain().synthetic_wallets();
        let (job, _) = jobs::submit(&service.client(), &wallets).await?;
        let begun = Instant::now();
        loop {
            let status = service.client().job_status(&job.job_id).await?;
            if status.done {
                ensure!(status.status == "completed", "the job ended as {}", status.status);
                break;
            }
            ensure!(begun.elapsed() < PATIENCE, "the wallet does not end");
            tokio::time::sleep(PAUSE).await;
        }
        figures.note(&format!("{name}: analysis"), figures::seconds(elapsed(begun)));
        let events = site.postgres.psql(name, "select sum(events) from ledgers").await?;
        let events: u64 = events.trim().parse().context("the number of events")?;
        let path = format!("/api/v2/wallets/{}/what-if?chain=solana", wallets[0]);
        // The first one also opens connections and plans statements.
        jobs::read_stream(&service.client(), &path).await?;
        let processor = Processor::of(service.pid());
        let begun = Instant::now();
        for _ in 0..self.requests {
            jobs::read_stream(&service.client(), &path).await?;
        }
        let microseconds = |spent: Duration| spent.as_micros() as u64 / u64::from(self.requests);
        let (spent, waited) = (microseconds(processor.spent()), microseconds(begun.elapsed()));
        figures.note(&format!("{name}: events"), events);
        figures.note(&format!("{name}: time of a request"), format_args!("{waited} us"));
        figures.note(&format!("{name}: processor of a request"), format_args!("{spent} us"));
        let allowed = limit * 1000 * events / per_events;
        figures.at_most(
            &format!("{name}: processor, at {limit} ms for {per_events} events"),
            spent,
            allowed,
            "us",
        );
        service.stop(Duration::from_secs(60)).await?;
        Ok(())
    }
}
