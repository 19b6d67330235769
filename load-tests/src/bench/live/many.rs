//! As many clients as a process takes: what each costs, and how soon it hears.

use std::time::Duration;

use super::client::{Client, Scene, Transport};
use super::log::Log;
use super::{Crowd, Figures, Live, PATIENCE, RedisServer, Site, now, submit};
use crate::bench::memory::MemoryCurve;
use crate::bench::processor::Processor;
use crate::service::ServiceSettings;

const DATABASE: &str = "live_many";

/// Jobs that the clients share.
const JOBS: usize = 20;
/// Wallets of each; as many in the one job that all clients follow afterwards, times [`ONE_JOB`].
const WALLETS: usize = 60;
const ONE_JOB: usize = 4;
/// About twenty ends a second.
const PERMITS: u32 = 8;
/// The same where every end is told to all clients.
const PERMITS_OF_ONE: u32 = 2;

/// Until memory is what it is.
const SETTLED: Duration = Duration::from_secs(3);

/// One round of clients.
struct Round {
    name: String,
    /// Other seeds give other wallets.
    seed: u64,
    jobs: usize,
    wallets: usize,
    permits: u32,
    p99_ms: u64,
}

impl Live {
    pub(super) async fn many(&self, site: &Site, figures: &mut Figures) -> anyhow::Result<()> {
        figures.title(format_args!("{} clients at one process", self.clients));
        let redis = RedisServer::start().await?;
        let settings = self.settings(site, DATABASE, &redis).await?;
        for round in [
            Round {
                name: format!("{JOBS} jobs"),
                seed: 2,
                jobs: JOBS,
                wallets: WALLETS,
                permits: PERMITS,
                p99_ms: self.p99_ms,
            },
            Round {
                name: "one job".to_owned(),
                seed: 3,
                jobs: 1,
                wallets: WALLETS * ONE_JOB,
                permits: PERMITS_OF_ONE,
                p99_ms: self.one_job_p99_ms,
            },
        ] {
            self.round(site, &settings, &round, figures).await?;
        }
        Ok(())
    }

    async fn round(
        &self,
        site: &Site,
        settings: &ServiceSettings,
        round: &Round,
        figures: &mut Figures,
    ) -> anyhow::Result<()> {
        let Round { name, seed, jobs, wallets, permits, p99_ms } = round;
        // A new process: memory that was used before would not be counted.
        let tells = site.serve(&settings.clone().with_role("api")).await?;
        let jobs = submit(&tells, *seed, *jobs, *wallets).await?;
        let curve = MemoryCurve::start(tells.pid(), "idle");
        tokio::time::sleep(SETTLED).await;
        let scene = Scene::at(&tells.url());
        let clients = (0..self.clients).map(|n| {
            let transport = if n % 2 == 0 { Transport::Sse } else { Transport::WebSocket };
            Client::new(transport, &jobs[n / 2 % jobs.len()], false)
        });
        curve.phase("connecting");
        let crowd = Crowd::gather(&scene, clients.collect()).await?;
        curve.phase("connected");
        tokio::time::sleep(SETTLED).await;
        curve.phase("told");
        let processor = Processor::of(tells.pid());
        // Nothing happens before there is a worker.
        let works =
            settings.clone().with_role("worker").with("PNL_WORKER__WALLET_PERMITS", permits);
        let begun = now()?;
        let works = site.serve(&works).await?;
        let stories = crowd.stories().await?;
        let over = now()?;
        let spent = processor.spent();
        works.stop(PATIENCE).await?;
        let dropped = tells.metric("live_dropped_total").await?;
        tells.stop(PATIENCE).await?;

        let log = Log::read(&site.postgres, DATABASE).await?;
        let wrong: Vec<_> = stories.iter().filter_map(|story| log.contradiction(story)).collect();
        wrong.iter().take(3).for_each(|what| figures.note("wrong", what));
        let whole = (stories.len() - wrong.len()) as u64;
        let heard_all = format!("{name}: clients that heard every event once");
        figures.at_least(&heard_all, whole, self.clients as u64, "");
        let heard: usize = stories.iter().map(|story| story.heard.len()).sum();
        let connections: u64 = stories.iter().map(|story| story.connections).sum();
        figures.at_most(&format!("{name}: connections"), connections, self.clients as u64, "");
        figures.at_most(&format!("{name}: let go of"), u64::try_from(dropped)?, 0, "");
        let idle = curve.peak_kib(Some("idle"));
        for (phase, what) in [("connected", "a client costs, nothing told"), ("told", "at most")] {
            let each =
                curve.peak_kib(Some(phase)).saturating_sub(idle).div_ceil(self.clients as u64);
            figures.at_most(&format!("{name}: {what}"), each, self.client_kib, "KiB");
        }
        figures.note(&format!("{name}: idle process"), format_args!("{} MiB", idle.div_ceil(1024)));
        let delays = log.delays(&stories, std::slice::from_ref(&(begun..over)));
        self.judge_delays(&format!("{name}: event to message"), &delays, *p99_ms, figures);
        let each = spent.as_micros() / heard.max(1) as u128;
        let spent = format!("{each} µs for each event of a client, {heard} in all");
        figures.note(&format!("{name}: processor time of the process"), spent);
        if let Some(file) = site.kept(&format!("live-{seed}.csv")) {
            curve.write_csv(&file)?;
        }
        Ok(())
    }
}
