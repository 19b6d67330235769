//! Hours of ordinary work in minutes: small batches, one after the other, and results read beside.

use std::time::{Duration, Instant};

use clap::Args;

use super::figures::{Figures, mib};
use super::memory::{MemoryCurve, elapsed, growth_per_hour};
use super::site::{Site, SiteOptions};
use crate::SyntheticPlan;
use crate::service::{Client, Job, JobStatus, Service};

const DATABASE: &str = "soak";
/// Wallets on the chain. They come again, as those of real clients do.
const WALLETS: u32 = 2_000;
/// Wallets of a batch.
const PER_BATCH: usize = 10;
/// How long the last batches may take after the last submission.
const PATIENCE: Duration = Duration::from_secs(300);
/// The first part of the run, in which pools and caches fill, says nothing about growth.
const WARM_UP_SHARE: usize = 4;

/// Steady submissions for some minutes: connections, timeouts, refusals, success, growth.
#[derive(Debug, Args)]
pub struct Soak {
    #[command(flatten)]
    site: SiteOptions,
    /// Minutes of submissions; a record takes 30
    #[arg(long, default_value_t = 2)]
    minutes: u64,
    /// Milliseconds between two submissions
    #[arg(long, default_value_t = 2_000)]
    every_ms: u64,
    /// Transactions of each wallet
    #[arg(long, default_value_t = 60)]
    transactions: u64,
    /// Most database connections; none above it may be open at any sample
    #[arg(long, default_value_t = 79)]
    connections: u64,
    /// Most growth of the memory after the warm-up, in MiB over the time measured
    #[arg(long, default_value_t = 32)]
    growth_mib: u64,
}

#[derive(Debug, Default)]
struct Seen {
    submitted: u64,
    refused: u64,
    broken: u64,
    ended: Vec<JobStatus>,
    /// (milliseconds, connections)
    connections: Vec<(u64, u64)>,
    reads: u64,
    reads_failed: u64,
}

impl Soak {
    /// Measures.
    ///
    /// # Errors
    /// When a limit was missed or the run broke.
    pub async fn run(&self) -> anyhow::Result<()> {
        let mut figures = Figures::default();
        let plan = SyntheticPlan {
            wallets: WALLETS,
            transactions_each: self.transactions,
            tokens: 3,
            ..SyntheticPlan::default()
        };
        let site = Site::start(&self.site, plan).await?;
        figures.title(format_args!(
            "{} minutes, {PER_BATCH} wallets of {} transactions each {} ms",
            self.minutes, self.transactions, self.every_ms
        ));
        let mut service = site.serve(&site.settings(DATABASE).await?).await?;
        let curve = MemoryCurve::start(service.pid(), "soak");
        let seen = self.work(&site, &service, &mut figures).await?;
        let alive = service.is_alive();
        figures.judge("restarts", u8::from(!alive), 0, alive);
        judge(&seen, &mut figures);
        self.judge_growth(&seen, &curve, &mut figures);
        if let Some(path) = site.kept("soak.csv") {
            curve.write_csv(&path)?;
            figures.note("the curve", path.display());
        }
        service.stop(Duration::from_secs(60)).await?;
        figures.conclude()
    }

    async fn work(
        &self,
        site: &Site,
        service: &Service,
        figures: &mut Figures,
    ) -> anyhow::Result<Seen> {
        let client = service.client();
        let wallets = site.node.chain().synthetic_wallets();
        let mut seen = Seen::default();
        let mut open: Vec<Job> = Vec::new();
        let mut ticks = tokio::time::interval(Duration::from_millis(self.every_ms));
        let begun = Instant::now();
        for batch in wallets.chunks(PER_BATCH).cycle() {
            if begun.elapsed() >= Duration::from_secs(self.minutes * 60) {
                break;
            }
            ticks.tick().await;
            seen.submitted += 1;
            match client.try_submit(batch, None).await {
                Ok(answer) if answer.status == 202 => open.push(answer.json()?),
                Ok(answer) if answer.status == 503 => seen.refused += 1,
                _ => seen.broken += 1,
            }
            look(&client, &mut open, &mut seen).await?;
            read(&client, &batch[0], &mut seen).await;
            let connections = site
                .postgres
                .number(
                    "postgres",
                    &format!("select count(*) from pg_stat_activity where datname = '{DATABASE}'"),
                )
                .await?;
            seen.connections.push((elapsed(begun), connections));
        }
        let last = Instant::now();
        while !open.is_empty() && last.elapsed() < PATIENCE {
            look(&client, &mut open, &mut seen).await?;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        figures.judge("jobs that do not end", open.len(), 0, open.is_empty());
        Ok(seen)
    }

    fn judge_growth(&self, seen: &Seen, curve: &MemoryCurve, figures: &mut Figures) {
        let memory: Vec<(u64, u64)> =
            curve.samples().iter().map(|sample| (sample.milliseconds, sample.kib)).collect();
        let memory = after_warm_up(&memory);
        let measured = match memory {
            [first, .., last] => last.0 - first.0,
            _ => 0,
        };
        let per_hour = growth_per_hour(memory);
        figures.note("highest memory", format_args!("{} MiB", mib(curve.peak_kib(None))));
        figures.note("slope of the memory", format_args!("{per_hour} KiB an hour"));
        let grown = per_hour * i64::try_from(measured).unwrap_or(i64::MAX / 1024) / 3_600_000;
        let grown = mib(u64::try_from(grown).unwrap_or_default());
        figures.at_most("growth of the memory on that line", grown, self.growth_mib, "MiB");
        let slope = growth_per_hour(after_warm_up(&seen.connections));
        figures.note("slope of the connections", format_args!("{slope} an hour"));
        let (most, early, late) = peaks(&seen.connections);
        // A pool that leaks goes on growing.
        figures.at_most("connections late in the run", late, early + 5, "open");
        figures.at_most("most database connections", most, self.connections, "open");
    }
}

/// The samples without those of the first part of the run.
fn after_warm_up(samples: &[(u64, u64)]) -> &[(u64, u64)] {
    &samples[samples.len() / WARM_UP_SHARE..]
}

/// The highest of all samples; and of the two halves of those after the warm-up.
fn peaks(samples: &[(u64, u64)]) -> (u64, u64, u64) {
    let highest =
        |part: &[(u64, u64)]| part.iter().map(|sample| sample.1).max().unwrap_or_default();
    let settled = after_warm_up(samples);
    let (early, late) = settled.split_at(settled.len() / 2);
    (highest(samples), highest(early), highest(late))
}

fn judge(seen: &Seen, figures: &mut Figures) {
    let count =
        |of: fn(&JobStatus) -> bool| seen.ended.iter().filter(|&job| of(job)).count() as u64;
    let ended = seen.ended.len() as u64;
    let completed = count(|job| job.status == "completed");
    let timed_out: u64 = seen.ended.iter().map(|job| job.counts.timed_out).sum();
    let wallets: u64 = seen.ended.iter().map(|job| job.counts.done).sum();
    figures.note("submissions", format_args!("{}, {wallets} wallets done", seen.submitted));
    figures.at_most(
        "answers 503, in hundredths of a percent",
        hundredths(seen.refused, seen.submitted),
        99,
        "",
    );
    figures.at_most("submissions answered in any other way", seen.broken, 0, "");
    figures.at_most("wallets timed out", timed_out, 0, "");
    let success = hundredths(completed, ended);
    figures.at_least("jobs completed, in hundredths of a percent", success, 9_501, "");
    figures.judge(
        "reads that failed",
        format_args!("{} of {}", seen.reads_failed, seen.reads),
        0,
        seen.reads_failed == 0,
    );
}

/// Hundredths of a percent, rounded down.
fn hundredths(part: u64, whole: u64) -> u64 {
    part * 10_000 / whole.max(1)
}

/// Takes the jobs that have ended off the list.
async fn look(client: &Client, open: &mut Vec<Job>, seen: &mut Seen) -> anyhow::Result<()> {
    let mut still = Vec::new();
    for job in open.drain(..) {
        let status = client.job_status(&job.job_id).await?;
        if status.done { seen.ended.push(status) } else { still.push(job) }
    }
    *open = still;
    Ok(())
}

/// What clients do beside: lists and one wallet. A wallet that was never done is unknown.
async fn read(client: &Client, wallet: &str, seen: &mut Seen) {
    let one = format!("/api/v2/wallets/{wallet}/pnl?chain=solana&include=lots");
    for (path, may_be_unknown) in [
        ("/api/pnl/results?limit=50", false),
        ("/api/services/status", false),
        (one.as_str(), true),
    ] {
        seen.reads += 1;
        let status = client.get(path).await.map(|answer| answer.status);
        let answered = match status {
            Ok(200) => true,
            Ok(404) => may_be_unknown,
            _ => false,
        };
        seen.reads_failed += u64::from(!answered);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_connections_are_those_of_any_sample_also_of_the_first_ones() {
        let samples: Vec<(u64, u64)> =
            [90, 3, 4, 5, 4, 6, 5, 5].into_iter().zip(0..).map(|(open, at)| (at, open)).collect();
        assert_eq!(peaks(&samples), (90, 5, 6));
        assert_eq!(peaks(&[]), (0, 0, 0));
    }
}
