//! Jobs at one process, sockets at another; that one is killed and Redis started again in between.

use std::time::Duration;

use super::client::{Client, Scene, Transport};
use super::log::Log;
use super::{Crowd, Figures, Live, PATIENCE, RedisServer, Site, now, programs, submit, wait};
use crate::service::Service;

const DATABASE: &str = "live_disturbed";
const JOBS: usize = 4;
const WALLETS: usize = 300;
/// About fifty ends a second.
const PERMITS: u32 = 20;

/// How long Redis is away.
const AWAY: Duration = Duration::from_secs(3);

/// Until processes hear each other again, and clients have caught up.
const SETTLED: Duration = Duration::from_secs(5);

impl Live {
    pub(super) async fn disturbed(&self, site: &Site, figures: &mut Figures) -> anyhow::Result<()> {
        figures.title(format_args!(
            "{} sockets at one process, {JOBS} jobs of {WALLETS} wallets at another",
            self.sockets
        ));
        let mut redis = RedisServer::start().await?;
        let settings = self.settings(site, DATABASE, &redis).await?;
        let works = settings.clone().with("PNL_WORKER__WALLET_PERMITS", PERMITS);
        let works = site.serve(&works).await?;
        // Clients find it again where it was.
        let tells = settings.with_role("api").with("PNL_API__PORT", programs::free_port()?);
        let first = site.serve(&tells).await?;
        let scene = Scene::at(&first.url());
        let jobs = submit(&works, 1, JOBS, WALLETS).await?;
        let clients = (0..self.sockets).map(|n| {
            // Some know of the beginning, some come to a snapshot.
            Client::new(Transport::WebSocket, &jobs[n % JOBS], (n / JOBS).is_multiple_of(2))
        });
        let crowd = Crowd::gather(&scene, clients.collect()).await?;
        let gathered = now()?;

        // Each hears a start, its wallets and an end.
        let all = (self.sockets * (WALLETS + 2)) as u64;
        heard(&scene, all / 3).await?;
        let killed = now()?;
        first.kill().await?;
        let second = Service::start(&tells).await?;
        heard(&scene, all / 2).await?;
        let went = now()?;
        redis.kill().await?;
        tokio::time::sleep(AWAY).await;
        redis.start_again().await?;
        let came = now()?;
        let stories = crowd.stories().await?;
        let over = now()?;

        let log = Log::read(&site.postgres, DATABASE).await?;
        let wrong: Vec<_> = stories.iter().filter_map(|story| log.contradiction(story)).collect();
        wrong.iter().take(3).for_each(|what| figures.note("wrong", what));
        let whole = (stories.len() - wrong.len()) as u64;
        let name = "clients that heard every event once, in order";
        figures.at_least(name, whole, self.sockets as u64, "");
        let heard: usize = stories.iter().map(|story| story.heard.len()).sum();
        figures.note("events compared with the rows", heard);
        // One before the kill, one after it; that Redis went away breaks none.
        let least = stories.iter().map(|story| story.connections).min().unwrap_or_default();
        let most = stories.iter().map(|story| story.connections).max().unwrap_or_default();
        let twos = least == 2 && most == 2;
        figures.judge("connections of a client", format_args!("{least} to {most}"), "2", twos);
        let settled = i64::try_from(SETTLED.as_micros())?;
        let calm = [gathered..killed, came + settled..over];
        let calm = log.delays(&stories, &calm);
        self.judge_delays("event to message, another process", &calm, self.p99_ms, figures);
        let away = log.delays(&stories, std::slice::from_ref(&(went..came)));
        let told = format!("{} ms, {} ms", away.milliseconds(50), away.milliseconds(99));
        figures.note("the same while Redis is away: p50, p99", told);
        works.stop(PATIENCE).await?;
        second.stop(PATIENCE).await
    }
}

/// Waits until clients have heard so many events.
async fn heard(scene: &Scene, count: u64) -> anyhow::Result<()> {
    let look = async || Ok((scene.heard() >= count).then_some(()));
    wait::until(&format!("{count} events to be heard"), PATIENCE, look).await
}
