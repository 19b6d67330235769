//! Clients that follow jobs: whether they hear everything once and in order whatever breaks, how soon, and what
//! each costs in memory.
//!
//! What lives where: [`client`] is one client, [`log`] compares what it heard with the rows, `disturbed` and
//! `many` are the two runs.

pub mod client;
pub mod log;

mod disturbed;
mod many;

use std::time::Duration;

use anyhow::ensure;
use clap::Args;
use tokio::task::JoinSet;

use self::client::{Client, Scene, Story};
use self::log::Delays;
use super::figures::Figures;
use super::jobs;
use super::site::{Site, SiteOptions};
use crate::service::{RedisServer, Service, ServiceSettings, programs, wait};
use crate::synthetic::unused_address;
use crate::{Faults, SyntheticPlan};

/// Longest time of any step.
const PATIENCE: Duration = Duration::from_secs(300);

/// Clients that connect at a time.
const AT_ONCE: usize = 50;

/// File descriptors that a program needs beside those of clients.
const OTHER_FILES: u64 = 500;

/// How long each call to the chain takes: four of them make a wallet, so that ends come steadily.
const CALL_MS: u64 = 100;

/// Following jobs over server-sent events and WebSockets.
#[derive(Debug, Args)]
pub struct Live {
    #[command(flatten)]
    site: SiteOptions,
    /// WebSockets of the run with a killed process and a Redis that is started again
    #[arg(long, default_value_t = 200)]
    sockets: usize,
    /// Clients of the run that measures, half of them over each transport
    #[arg(long, default_value_t = 2_000)]
    clients: usize,
    /// Most milliseconds from an event to its message, of 99 % of the messages while nothing is broken
    #[arg(long, default_value_t = 50)]
    p99_ms: u64,
    /// The same where all clients follow one job
    #[arg(long, default_value_t = 150)]
    one_job_p99_ms: u64,
    /// Most KiB that a client costs its process, at any time
    #[arg(long, default_value_t = 64)]
    client_kib: u64,
}

impl Live {
    /// Measures.
    ///
    /// # Errors
    /// When a limit was missed or the run broke.
    pub async fn run(&self) -> anyhow::Result<()> {
        programs::raise_file_limit(self.sockets.max(self.clients) as u64 + OTHER_FILES)?;
        let mut figures = Figures::default();
        let plan = SyntheticPlan { transactions_each: 1, ..SyntheticPlan::default() };
        let site = Site::start(&self.site, plan).await?;
        let latency_ms = Some((CALL_MS, CALL_MS));
        site.node.set_faults(Faults { latency_ms, ..Faults::default() });
        self.disturbed(&site, &mut figures).await?;
        self.many(&site, &mut figures).await?;
        figures.conclude()
    }

    /// Settings of a process on a database of this name and a Redis, with room for all clients.
    async fn settings(
        &self,
        site: &Site,
        database: &str,
        redis: &RedisServer,
    ) -> anyhow::Result<ServiceSettings> {
        Ok(site
            .settings(database)
            .await?
            .with("PNL_DATABASE__MAX_CONNECTIONS", 30)
            .with("PNL_REDIS__URL", redis.url())
            .with("PNL_BATCH__MAX_CONCURRENT", 100)
            .with("PNL_LIVE__MAX_STREAMS", self.sockets.max(self.clients)))
    }

    /// Judges what clients heard.
    fn judge_delays(&self, name: &str, delays: &Delays, limit: u64, figures: &mut Figures) {
        figures.note(&format!("{name}: messages measured"), delays.count());
        figures.note(&format!("{name}: p50"), format_args!("{} ms", delays.milliseconds(50)));
        figures.at_most(&format!("{name}: p99"), delays.milliseconds(99), limit, "ms");
    }
}

/// Submits `count` jobs of `wallets` wallets each, which no other job has.
async fn submit(
    service: &Service,
    seed: u64,
    count: usize,
    wallets: usize,
) -> anyhow::Result<Vec<String>> {
    let mut ids = Vec::new();
    for number in 0..count {
        let first = number * wallets;
        let addresses: Vec<_> =
            (first..first + wallets).map(|wallet| unused_address(seed, wallet as u64)).collect();
        ids.push(jobs::submit(&service.client(), &addresses).await?.0.job_id);
    }
    Ok(ids)
}

/// Clients that follow until their jobs are over.
struct Crowd {
    clients: JoinSet<anyhow::Result<Story>>,
    count: usize,
}

impl Crowd {
    /// Lets clients in, some at a time, until each has its first message.
    async fn gather(scene: &Scene, clients: Vec<Client>) -> anyhow::Result<Self> {
        let mut crowd = Self { clients: JoinSet::new(), count: clients.len() };
        for client in clients {
            crowd.clients.spawn(client.follow(scene.clone()));
            let come = crowd.clients.len();
            if come.is_multiple_of(AT_ONCE) || come == crowd.count {
                wait::until("clients to connect", PATIENCE, async || {
                    Ok((scene.connected() >= come as u64).then_some(()))
                })
                .await?;
            }
        }
        Ok(crowd)
    }

    /// What each has heard, once all their jobs are over.
    async fn stories(mut self) -> anyhow::Result<Vec<Story>> {
        let mut stories = Vec::with_capacity(self.count);
        let all = async {
            while let Some(story) = self.clients.join_next().await {
                stories.push(story??);
            }
            anyhow::Ok(())
        };
        let ended = tokio::time::timeout(PATIENCE, all).await;
        ensure!(ended.is_ok(), "{} of {} clients heard the end", stories.len(), self.count);
        ended??;
        Ok(stories)
    }
}

/// Microseconds since 1970.
fn now() -> anyhow::Result<i64> {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    Ok(i64::try_from(since.as_micros())?)
}
