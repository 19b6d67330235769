//! A process that is killed before it serves.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;

use super::draw::Draw;
use super::single::STOP_PATIENCE;
use super::stage::{BATCH_PATIENCE, Stage};
use super::tally::Tally;
use super::verdict::{self, Rule};
use crate::service::{Service, Signal, wait};

/// Kills of one start. The first ones hit `initdb`, later ones the start of the server.
const KILLS: u64 = 6;

/// A process that starts a PostgreSQL cluster of its own is killed again and again on the way;
/// then it is left alone and works through a batch.
///
/// # Errors
/// When the run itself cannot go on.
pub async fn own_cluster(stage: &mut Stage, round: u64) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let mut draw = Draw::new(stage.seed, "kill-start", round);
    let mut run = stage.run("kill-start").await?;
    let mut settings = run.settings(stage, "all");
    settings.variables.remove("DATABASE_URL");
    let data = run.folder.join("data");
    let settings = settings.with("PNL_DATABASE__DATA_DIR", data.display());
    for _ in 0..KILLS {
        let service = Service::spawn(&settings)?;
        tokio::time::sleep(draw.milliseconds(0, 4_000)).await;
        tally.fault(service.kill().await);
    }
    let outcome = async {
        let service = Service::start(&settings).await.context("after kills at its start")?;
        service.ready(Duration::from_secs(60)).await?;
        let client = service.client();
        let job = client.submit(&stage.wallets).await?;
        client.job_end(&job.job_id, BATCH_PATIENCE).await?;
        let url = own_url(&data)?;
        verdict::judge(stage, &url, &client, &job.job_id, Rule::Free, &mut tally).await?;
        service.stop(STOP_PATIENCE).await
    };
    let outcome = outcome.await;
    tally.promise(outcome);
    // Who found the cluster running left it running.
    stop_cluster(&data).await?;
    Ok(tally)
}

/// A process is killed while it brings an empty database to the newest schema; then it is left
/// alone and works through a batch.
///
/// # Errors
/// When the run itself cannot go on.
pub async fn migrations(stage: &mut Stage, round: u64) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let mut draw = Draw::new(stage.seed, "kill-migrate", round);
    let mut run = stage.run("kill-migrate").await?;
    for _ in 0..KILLS {
        let service = Service::spawn(&run.settings(stage, "all"))?;
        tokio::time::sleep(draw.milliseconds(20, 400)).await;
        tally.fault(service.kill().await);
    }
    let service = run.start(stage, "all").await?;
    let client = service.client();
    let job = client.submit(&stage.wallets).await?;
    match client.job_end(&job.job_id, BATCH_PATIENCE).await {
        Ok(_) => {
            verdict::judge(stage, &run.url, &client, &job.job_id, Rule::Free, &mut tally).await?
        }
        Err(error) => tally.violation(format!("{error:#}")),
    }
    tally.promise(service.stop(STOP_PATIENCE).await);
    Ok(tally)
}

/// Where the files of the own cluster below `data` lie.
fn home_of(data: &Path) -> PathBuf {
    let anchor = data.join("postgres");
    let noted = std::fs::read_to_string(anchor.join("location"));
    noted.map_or(anchor, |noted| noted.trim_end().into())
}

/// The URL of the database in the own cluster below `data`, as docs/runbooks has it.
fn own_url(data: &Path) -> anyhow::Result<String> {
    let home = home_of(data);
    let read = |name: &str| {
        let text = std::fs::read_to_string(home.join(name));
        text.map(|text| text.trim().to_owned())
            .with_context(|| format!("{name} of the own cluster"))
    };
    let (password, port) = (read("password")?, read("port")?);
    Ok(format!("postgres://pnl:{password}@127.0.0.1:{port}/pnl_tracker"))
}

/// Stops the server of a cluster below `data`, if one runs.
async fn stop_cluster(data: &Path) -> anyhow::Result<()> {
    let home = home_of(data);
    let Some(pid) = find_pid(&home) else { return Ok(()) };
    Signal::Int.send(pid);
    wait::until("the cluster to stop", Duration::from_secs(30), async || {
        Ok((!Path::new(&format!("/proc/{pid}")).exists()).then_some(()))
    })
    .await
}

/// The process named by the `postmaster.pid` in `folder` or one below.
fn find_pid(folder: &Path) -> Option<u32> {
    if let Ok(text) = std::fs::read_to_string(folder.join("postmaster.pid")) {
        return text.lines().next()?.trim().parse().ok();
    }
    let below = std::fs::read_dir(folder).ok()?.flatten();
    below.filter(|entry| entry.path().is_dir()).find_map(|entry| find_pid(&entry.path()))
}
