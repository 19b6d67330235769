//! Three processes on one database: killed, frozen, stopped and started in a drawn order.

use std::time::{Duration, SystemTime};

use anyhow::Context as _;

use super::draw::Draw;
use super::kind::Kind;
use super::single::{STOP_PATIENCE, kill};
use super::stage::{BATCH_PATIENCE, LEASE_SECONDS, Run, Stage};
use super::tally::Tally;
use super::verdict::{self, Death, Rule};
use crate::service::{Client, JobStatus, Service, Signal, wait};

/// Calls a second of each process, so that a batch outlasts several disturbances.
const RATE: u32 = 60;

/// What the three processes are. At least two of them work on wallets.
const ROLES: [[&str; 3]; 3] =
    [["all", "worker", "api"], ["all", "all", "worker"], ["api", "worker", "worker"]];

/// Three processes with their roles.
#[derive(Debug)]
pub struct Fleet {
    processes: Vec<(&'static str, Service)>,
}

impl Fleet {
    /// Starts a process of each role.
    ///
    /// # Errors
    /// When one does not start.
    pub async fn start(
        stage: &Stage,
        run: &mut Run,
        roles: [&'static str; 3],
    ) -> anyhow::Result<Self> {
        let mut processes = Vec::new();
        for role in roles {
            processes.push((role, run.start(stage, role).await?));
        }
        Ok(Self { processes })
    }

    /// Clients of those that take requests.
    pub fn clients(&self) -> Vec<Client> {
        let takes = self.processes.iter().filter(|(role, _)| *role != "worker");
        takes.map(|(_, service)| service.client().with_patience(Duration::from_secs(10))).collect()
    }

    /// A status of the job from whoever answers.
    async fn job_status(&self, job_id: &str) -> anyhow::Result<JobStatus> {
        let mut last = anyhow::anyhow!("nobody takes requests");
        for client in self.clients() {
            match client.job_status(job_id).await {
                Ok(status) => return Ok(status),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Ends all of them in order.
    pub async fn stop(self, tally: &mut Tally) {
        for (role, service) in self.processes {
            tally
                .promise(service.stop(STOP_PATIENCE).await.with_context(|| format!("role {role}")));
        }
    }
}

/// Disturbs one of three processes after the other until the batch has ended.
///
/// # Errors
/// When the run itself cannot go on.
pub async fn run(stage: &mut Stage, kind: Kind, round: u64) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let mut draw = Draw::new(stage.seed, &kind.name(), round);
    let mut run = stage.run(&kind.name()).await?;
    run.rate = RATE;
    let roles = ROLES[draw.below(ROLES.len())];
    let mut fleet = Fleet::start(stage, &mut run, roles).await?;
    let client = fleet.clients().into_iter().next().context("no process takes requests")?;
    let job = client.submit(&stage.wallets).await?;
    let mut deaths = Vec::new();
    for _ in 0..stage.scale.faults {
        tokio::time::sleep(draw.milliseconds(100, 900)).await;
        if fleet.job_status(&job.job_id).await.is_ok_and(|status| status.done) {
            break;
        }
        let chosen = draw.below(fleet.processes.len());
        let what = if kind == Kind::Freeze { 2 } else { draw.below(4) };
        let outcome = disturb(stage, &mut run, &mut fleet, chosen, what, &mut draw, &mut deaths);
        let outcome = outcome.await;
        tally.fault(outcome);
    }
    let ended = wait::until("the job to end", BATCH_PATIENCE, async || {
        Ok(fleet.job_status(&job.job_id).await.ok().filter(|status| status.done))
    });
    match ended.await {
        Ok(_) => {
            // A process that was frozen may have words left that nobody listens to any more.
            let client = fleet.clients().into_iter().next().context("nobody takes requests")?;
            verdict::judge(stage, &run.url, &client, &job.job_id, Rule::Free, &mut tally).await?;
        }
        Err(error) => tally.violation(format!("{error:#}")),
    }
    verdict::time_takeovers(stage, &run, &deaths, &mut tally).await?;
    fleet.stop(&mut tally).await;
    Ok(tally)
}

/// Kills (0, 1), freezes (2) or stops (3) one process and brings it back; the others go on meanwhile.
///
/// # Errors
/// When it does not come back.
pub async fn disturb(
    stage: &Stage,
    run: &mut Run,
    fleet: &mut Fleet,
    chosen: usize,
    what: usize,
    draw: &mut Draw,
    deaths: &mut Vec<Death>,
) -> anyhow::Result<()> {
    let (role, service) = fleet.processes.swap_remove(chosen);
    let service = match what {
        0 | 1 => {
            kill(service, deaths).await?;
            // Others take its wallets over, or it is back before its leases have run out.
            tokio::time::sleep(draw.milliseconds(0, 2 * LEASE_SECONDS * 1_000)).await;
            run.start(stage, role).await?
        }
        2 => {
            let worker = verdict::worker_of(&service.log());
            deaths.extend(worker.map(|worker| Death { worker, at: SystemTime::now() }));
            anyhow::ensure!(service.signal(Signal::Stop), "the process is gone");
            let longer = LEASE_SECONDS * 1_000;
            tokio::time::sleep(draw.milliseconds(longer + 1_500, longer + 4_000)).await;
            anyhow::ensure!(service.signal(Signal::Cont), "the process is gone");
            service.ready(Duration::from_secs(20)).await.context("after it was frozen")?;
            service
        }
        _ => {
            service.stop(STOP_PATIENCE).await?;
            tokio::time::sleep(draw.milliseconds(0, 1_500)).await;
            run.start(stage, role).await?
        }
    };
    fleet.processes.push((role, service));
    Ok(())
}
