//! How PostgreSQL finds the next task among a million.

use anyhow::{Context as _, ensure};
use clap::Args;
use serde_json::Value;
use tokio::process::Command;

use super::figures::Figures;
use super::site::{Site, SiteOptions};
use crate::SyntheticPlan;

/// The statement of the product itself.
const CLAIM: &str = include_str!("../../../persistence_layer/queries/wallet_tasks/claim.sql");
/// What the store says of statements that find their rows by key: `BY_KEY` and what all have in common, in
/// `persistence_layer/src/store/session.rs`.
const AS_THE_STORE: &str = "set local jit = off; set local enable_bitmapscan = off; \
    set local plan_cache_mode = force_generic_plan; set local enable_seqscan = off; \
    set local enable_hashjoin = off; set local enable_mergejoin = off";
const DATABASE: &str = "claim_plan";
/// Tasks of one batch of the seed.
const PER_BATCH: u32 = 10_000;

/// The plan of the claim statement at a million rows.
#[derive(Debug, Args)]
pub struct ClaimPlan {
    #[command(flatten)]
    site: SiteOptions,
    /// Rows of the queue
    #[arg(long, default_value_t = 1_000_000)]
    rows: u32,
    /// Tasks that are claimed
    #[arg(long, default_value_t = 5)]
    free: u32,
    /// Most buffers that the statement may touch
    #[arg(long, default_value_t = 500)]
    buffers: u64,
}

impl ClaimPlan {
    /// Measures.
    ///
    /// # Errors
    /// When a limit was missed or the run broke.
    pub async fn run(&self) -> anyhow::Result<()> {
        let mut figures = Figures::default();
        let site = Site::start(&self.site, SyntheticPlan::default()).await?;
        let settings = site.settings(DATABASE).await?;
        let migrated = Command::new(&settings.program)
            .arg("migrate")
            .envs(&settings.variables)
            .current_dir(&settings.folder)
            .output()
            .await?;
        ensure!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
        figures.title(format_args!("The claim of {} tasks at {} rows", self.free, self.rows));
        // Half of them waiting, most of the others done, a few running or delayed, over as many
        // batches as it takes; first with the statistics of an empty table, as after a burst.
        site.postgres.psql(DATABASE, &seed(self.rows)).await?;
        self.judge(&site, "without statistics", &mut figures).await?;
        site.postgres.psql(DATABASE, "vacuum analyze wallet_tasks").await?;
        let text = self.judge(&site, "with statistics", &mut figures).await?;
        figures.title(text);
        figures.conclude()
    }

    /// Looks at the plan; gives its text.
    async fn judge(
        &self,
        site: &Site,
        when: &str,
        figures: &mut Figures,
    ) -> anyhow::Result<String> {
        let json = site.postgres.psql(DATABASE, &self.explain("json")).await?;
        let plan: Value = serde_json::from_str(&json).context("the plan is no JSON")?;
        let top = &plan[0]["Plan"];
        let buffers = ["Shared Hit Blocks", "Shared Read Blocks"]
            .iter()
            .filter_map(|member| top[member].as_u64())
            .sum();
        figures.at_most(&format!("buffers, {when}"), buffers, self.buffers, "pages");
        let mut scans = Vec::new();
        collect_scans(top, &mut scans);
        let ready = scans.iter().any(|(_, index)| index == "wallet_tasks_ready");
        figures.judge(&format!("reads the ready index, {when}"), ready, "true", ready);
        let walks = scans.iter().any(|(kind, _)| kind == "Seq Scan");
        figures.judge(&format!("walks through the table, {when}"), walks, "false", !walks);
        figures.note(&format!("time, {when}"), format_args!("{} ms", plan[0]["Execution Time"]));
        site.postgres.psql(DATABASE, &self.explain("text")).await
    }

    /// Explains the statement as a worker runs it, and leaves the queue as it was.
    fn explain(&self, format: &str) -> String {
        let free = self.free;
        format!(
            "begin; {AS_THE_STORE}; prepare claim as {CLAIM}; \
             explain (analyze, buffers, format {format}) execute claim \
             ('load-test', {free}, '30 seconds', \
             array['solana', 'ethereum', 'base', 'binance-smart-chain']); \
             deallocate claim; rollback"
        )
    }
}

/// Every scan of the queue's table, with the index it uses.
fn collect_scans(node: &Value, scans: &mut Vec<(String, String)>) {
    let text = |member: &str| node[member].as_str().unwrap_or_default().to_owned();
    let is_index = node["Index Name"].is_string();
    if is_index || node["Relation Name"] == "wallet_tasks" {
        scans.push((text("Node Type"), text("Index Name")));
    }
    for child in node["Plans"].as_array().into_iter().flatten() {
        collect_scans(child, scans);
    }
}

fn seed(rows: u32) -> String {
    let batches = rows.div_ceil(PER_BATCH);
    format!(
        "insert into batches (id, chain, request, trace_id, total)
         select ('00000000-0000-7000-8000-' || lpad(b::text, 12, '0'))::uuid, 'solana', '{{}}',
             repeat('0', 32), {PER_BATCH}
         from generate_series(1, {batches}) b;
         insert into wallet_tasks
             (batch_id, chain, wallet, ordinal, vtime, state, run_at, lease_until, worker,
              finished_at)
         select ('00000000-0000-7000-8000-' || lpad((n / {PER_BATCH} + 1)::text, 12, '0'))::uuid,
             'solana', 'wallet-' || n, n % {PER_BATCH}, n % {PER_BATCH}, state,
             case state when 'delayed' then now() + '1 hour'::interval end,
             case state when 'running' then now() + '1 hour'::interval end,
             case state when 'running' then 'another' end,
             case state when 'done' then now() end
         from generate_series(0, {rows} - 1) n,
             lateral (select case
                 when n % 2 = 0 then 'queued'
                 when n % 1000 = 1 then 'delayed'
                 when n % 20000 = 3 then 'running'
                 else 'done' end as state) s"
    )
}
