//! One process, killed or stopped at random moments of a batch.

use std::time::{Duration, SystemTime};

use super::draw::Draw;
use super::kind::Kind;
use super::stage::{BATCH_PATIENCE, Stage};
use super::tally::Tally;
use super::verdict::{self, Death, Rule};
use crate::service::{Service, Signal};

/// A process that is told to stop ends within its grace of 2 s and what it says goodbye with.
pub const STOP_PATIENCE: Duration = Duration::from_secs(20);

/// Calls a second: a batch lasts about a second for each disturbance.
const RATE: u32 = 200;

/// Kills or stops the only process and starts it again, as often as the scale says or until the
/// batch has ended.
///
/// # Errors
/// When the run itself cannot go on.
pub async fn run(stage: &mut Stage, kind: Kind, round: u64) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let mut draw = Draw::new(stage.seed, &kind.name(), round);
    let mut run = stage.run(&kind.name()).await?;
    run.rate = RATE;
    let mut service = run.start(stage, "all").await?;
    let job = service.client().submit(&stage.wallets).await?;
    let mut deaths = Vec::new();
    for _ in 0..stage.scale.faults {
        tokio::time::sleep(draw.milliseconds(50, 900)).await;
        if service.client().job_status(&job.job_id).await.is_ok_and(|status| status.done) {
            break;
        }
        let ended = match kind {
            Kind::Stop => service.stop(STOP_PATIENCE).await,
            Kind::KillShutdown => {
                service.signal(Signal::Term);
                tokio::time::sleep(draw.milliseconds(0, 2_500)).await;
                kill(service, &mut deaths).await
            }
            _ => kill(service, &mut deaths).await,
        };
        service = run.start(stage, "all").await?;
        tally.fault(ended);
    }
    // Nobody can take over while nobody is there: what is timed begins with the start that lasted.
    let lasting = SystemTime::now();
    deaths.iter_mut().for_each(|death| death.at = lasting);
    let client = service.client();
    match client.job_end(&job.job_id, BATCH_PATIENCE).await {
        Ok(_) => {
            verdict::judge(stage, &run.url, &client, &job.job_id, Rule::Free, &mut tally).await?
        }
        Err(error) => tally.violation(format!("{error:#}")),
    }
    verdict::time_takeovers(stage, &run, &deaths, &mut tally).await?;
    tally.promise(service.stop(STOP_PATIENCE).await);
    Ok(tally)
}

/// Kills a process and remembers whose wallets it leaves behind.
///
/// # Errors
/// When the system refuses.
pub async fn kill(service: Service, deaths: &mut Vec<Death>) -> anyhow::Result<()> {
    if let Some(worker) = verdict::worker_of(&service.log()) {
        deaths.push(Death { worker, at: SystemTime::now() });
    }
    service.kill().await
}
