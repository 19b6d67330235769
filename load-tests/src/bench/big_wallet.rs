//! One wallet with a very long history: memory, attempts, a crash in the middle, and reading it all
//! back.

use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::Args;
use serde_json::Value;

use super::figures::{self, Figures, mib};
use super::jobs;
use super::memory::{MemoryCurve, elapsed};
use super::site::{Site, SiteOptions};
use crate::SyntheticPlan;
use crate::service::{Client, Job, Service, ServiceSettings};

const DATABASE: &str = "big_wallet";
/// Pause between two looks at the task.
const PAUSE: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(4 * 3600);

/// One wallet of 200,000 transactions: memory, time, a kill, and reading its results.
#[derive(Debug, Args)]
pub struct BigWallet {
    #[command(flatten)]
    site: SiteOptions,
    /// Transactions of the wallet
    #[arg(long, default_value_t = 200_000)]
    transactions: u64,
    /// Tokens it trades beside SOL; 0: transfers of SOL only
    #[arg(long, default_value_t = 4)]
    tokens: u8,
    /// Longest time of one attempt, in seconds: short, so that it takes several
    #[arg(long, default_value_t = 60)]
    timeout_seconds: u32,
    /// Do not kill the service in the middle
    #[arg(long)]
    no_kill: bool,
    /// Most memory above that of the idle process, in MiB
    #[arg(long, default_value_t = 400)]
    limit_mib: u64,
}

impl BigWallet {
    /// Measures.
    ///
    /// # Errors
    /// When a limit was missed or the run broke.
    pub async fn run(&self) -> anyhow::Result<()> {
        let mut figures = Figures::default();
        let plan = SyntheticPlan {
            transactions_each: self.transactions,
            tokens: self.tokens,
            ..SyntheticPlan::default()
        };
        let site = Site::start(&self.site, plan).await?;
        let settings = site
            .settings(DATABASE)
            .await?
            .with("PNL_WORKER__WALLET_TIMEOUT_SECONDS", self.timeout_seconds)
            .with("PNL_WORKER__LEASE_SECONDS", 5)
            .with("PNL_WORKER__MAX_TRANSACTIONS", self.transactions.max(1));
        figures.title(format_args!(
            "One wallet, {} transactions, {} tokens, attempts of {} s",
            self.transactions, self.tokens, self.timeout_seconds
        ));
        let service = site.serve(&settings).await?;
        let curve = MemoryCurve::start(service.pid(), "idle");
        tokio::time::sleep(Duration::from_secs(3)).await;
        let idle = curve.peak_kib(Some("idle"));
        figures.note("memory of the idle process", format_args!("{} MiB", mib(idle)));

        let wallets = site.node.chain().synthetic_wallets();
        let (job, _) = jobs::submit(&service.client(), &wallets).await?;
        let begun = Instant::now();
        let (service, killed) = self.follow(&site, &settings, service, &job, &curve).await?;
        figures.note("time to the end", figures::seconds(elapsed(begun)));
        if !self.no_kill {
            figures.judge("the service was killed in the middle", killed, "true", killed);
        }
        note_attempts(&site, &service, &figures).await?;
        let status = service.client().job_status(&job.job_id).await?;
        let completed = status.status == "completed";
        figures.judge("how the job ended", &status.status, "completed", completed);
        if !completed {
            // Nothing to look into or to read back.
            return figures.conclude();
        }
        self.judge_result(&site, &service, &job, &mut figures).await?;
        for phase in ["working", "after the kill"] {
            figures.note(
                &format!("highest memory, {phase}"),
                format_args!("{} MiB", mib(curve.peak_kib(Some(phase)))),
            );
        }
        self.read_back(&service.client(), &wallets[0], &job, &curve, idle, &mut figures).await?;
        let above = mib(curve.peak_kib(None).saturating_sub(idle));
        figures.at_most("memory above idle, all of it", above, self.limit_mib, "MiB");
        if let Some(path) = site.kept(&format!("{DATABASE}.csv")) {
            curve.write_csv(&path)?;
            figures.note("the curve", path.display());
        }
        service.stop(Duration::from_secs(60)).await?;
        figures.conclude()
    }

    /// Waits for the end of the job; kills the service once half of the history was asked for. The
    /// service that saw the end, and whether another one was killed before.
    async fn follow(
        &self,
        site: &Site,
        settings: &ServiceSettings,
        mut service: Service,
        job: &Job,
        curve: &MemoryCurve,
    ) -> anyhow::Result<(Service, bool)> {
        let begun = Instant::now();
        let mut killed = false;
        curve.phase("working");
        loop {
            let status = service.client().job_status(&job.job_id).await?;
            if status.done {
                return Ok((service, killed));
            }
            let is_due = !self.no_kill && !killed;
            if is_due && site.node.stats().calls_of("getTransaction") >= self.transactions / 2 {
                killed = true;
                service.kill().await?;
                service = site.serve(settings).await?;
                curve.follow(service.pid());
                curve.phase("after the kill");
            }
            ensure!(begun.elapsed() < PATIENCE, "the wallet does not end: {status:?}");
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn judge_result(
        &self,
        site: &Site,
        service: &Service,
        job: &Job,
        figures: &mut Figures,
    ) -> anyhow::Result<()> {
        let row = jobs::only_row(&service.client(), job).await?;
        let result = &row["result"];
        let whole = result["coverage"]["complete"] == Value::Bool(true);
        figures.judge("the result is complete", whole, "true", whole);
        let counted = result["transactions"].as_u64().unwrap_or_default();
        figures.judge(
            "transactions counted",
            counted,
            self.transactions,
            counted == self.transactions,
        );
        let unexplained = &result["unexplained_raw"];
        let explained = unexplained.as_array().is_some_and(Vec::is_empty);
        figures.judge("balances that the ledger does not explain", unexplained, "none", explained);
        figures.note("realized gain", &result["realized_gain_usd"]);
        let calls = site.node.stats().calls_of("getTransaction");
        // What was in flight at the kill and at each time limit is asked for again.
        let most = self.transactions + self.transactions / 100 + 1000;
        figures.at_most("getTransaction", calls, most, "calls");
        Ok(())
    }

    async fn read_back(
        &self,
        client: &Client,
        wallet: &str,
        job: &Job,
        curve: &MemoryCurve,
        idle: u64,
        figures: &mut Figures,
    ) -> anyhow::Result<()> {
        let one = format!("/api/v2/wallets/{wallet}");
        let results = format!("/api/pnl/batch/results/{}", job.job_id);
        let streams = [
            ("accounting document", format!("{one}/ledger?chain=solana&format=oracle")),
            (
                "result with lots and disposals",
                format!("{one}/pnl?chain=solana&include=lots,disposals"),
            ),
            ("csv export", format!("{results}/export.csv")),
        ];
        let mut judge = |name: &str, read: jobs::Read| {
            let above = mib(curve.peak_kib(Some(name)).saturating_sub(idle));
            figures.note(
                &format!("{name}: read"),
                format_args!("{} bytes, {}", read.bytes, figures::seconds(read.milliseconds)),
            );
            figures.at_most(&format!("{name}: memory above idle"), above, self.limit_mib, "MiB");
        };
        curve.phase("ledger in pages");
        let read = jobs::read_pages(client, &format!("{one}/ledger?chain=solana"), 1000).await?;
        judge("ledger in pages", read);
        for (name, path) in streams {
            curve.phase(name);
            judge(name, jobs::read_stream(client, &path).await?);
        }
        curve.phase("read");
        figures
            .note("ledger in pages: events", format_args!("{} in {} pages", read.rows, read.pages));
        Ok(())
    }
}

/// How many attempts it took, what became of them, and where the time of the last process went.
async fn note_attempts(site: &Site, service: &Service, figures: &Figures) -> anyhow::Result<()> {
    let attempts = site
        .postgres
        .psql(
            DATABASE,
            "select count(*) || ' ' || coalesce(outcome, 'open') from wallet_attempts \
             group by outcome order by outcome",
        )
        .await?;
    figures.note("attempts by outcome", attempts.replace('\n', ", "));
    let stages =
        jobs::milliseconds_by_label(&service.admin(), "wallet_stage_duration_seconds_sum", "stage")
            .await?;
    for (stage, milliseconds) in stages {
        figures
            .note(&format!("time in stage {stage} (last process)"), figures::seconds(milliseconds));
    }
    Ok(())
}
