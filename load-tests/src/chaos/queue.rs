//! Batches that wait for a place (`batch.admission = "queue"`), while processes are killed, frozen and
//! stopped.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use futures::future::join_all;

use super::draw::Draw;
use super::fleet::{self, Fleet};
use super::interface::{job_id, judge_job};
use super::stage::{BATCH_PATIENCE, Run, Stage};
use super::tally::Tally;
use super::verdict::{self, Death, Rule};
use crate::faults::{FaultKind, Faults};
use crate::service::{Answer, Client, wait};

/// Batches that are worked on at a time.
const PLACES: usize = 3;

/// Batches that may wait behind them.
const WAITING: usize = 6;

/// Submissions at once beyond both.
const BEYOND: usize = 20;

/// Calls a second of each process: the queue outlasts the disturbances.
const RATE: u32 = 25;

/// All three take requests and work.
const ROLES: [&str; 3] = ["all", "all", "all"];

/// Three batches get a place, six wait in the order of their submission, the others are refused; then
/// processes are disturbed until all nine have ended. Every look on the way finds the bounds and the
/// order kept.
///
/// # Errors
/// When the run itself cannot go on.
pub async fn run(stage: &mut Stage, round: u64) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let mut draw = Draw::new(stage.seed, "queue", round);
    let mut run = stage.run("queue").await?;
    run.rate = RATE;
    run.variables.push(("PNL_BATCH__ADMISSION", "queue".to_owned()));
    run.variables.push(("PNL_BATCH__MAX_CONCURRENT", PLACES.to_string()));
    run.variables.push(("PNL_BATCH__QUEUE_LIMIT", WAITING.to_string()));
    let mut fleet = Fleet::start(stage, &mut run, ROLES).await?;
    // Apart, so that no batch waits for a wallet of another one.
    let all = draw.some(&stage.wallets, stage.wallets.len());
    let groups: Vec<&[String]> = all.chunks(all.len() / (PLACES + WAITING)).collect();
    let groups = &groups[..PLACES + WAITING];
    // No batch ends while the places are taken.
    stage.disturb_node(Faults::always(FaultKind::Http503));
    let jobs = submit(&fleet.clients(), groups).await;
    stage.calm_node();
    let jobs = match jobs {
        Ok(jobs) => jobs,
        Err(error) => {
            tally.fault(Err(error));
            return Ok(tally);
        }
    };

    let mut deaths = Vec::new();
    let url = run.url.clone();
    let watched = watch(stage, &url, &jobs);
    let disturbed = disturb(stage, &mut run, &mut fleet, &mut draw, &mut deaths, &mut tally);
    let (watched, disturbed) = tokio::join!(watched, disturbed);
    disturbed?;
    tally.promise(watched);
    let client = fleet.clients().into_iter().next().context("no process takes requests")?;
    for (job, wallets) in jobs.iter().zip(groups) {
        judge_job(stage, &client, job, wallets, &mut tally).await?;
    }
    verdict::judge_queue(stage, &run.url, Rule::Free, &mut tally).await?;
    verdict::time_takeovers(stage, &run, &deaths, &mut tally).await?;
    fleet.stop(&mut tally).await;
    Ok(tally)
}

/// Submits the groups one after the other, then as many as want to; the jobs in their order.
async fn submit(clients: &[Client], groups: &[&[String]]) -> anyhow::Result<Vec<String>> {
    let mut jobs = Vec::new();
    for (place, wallets) in groups.iter().enumerate() {
        let answer = clients[place % clients.len()].try_submit(wallets, None).await?;
        jobs.push(job_id(&answer.expect(202)?.json()?)?);
    }
    let more = (0..BEYOND).map(|place| clients[place % clients.len()].try_submit(groups[0], None));
    for answer in join_all(more).await {
        let answer = answer?;
        ensure!(is_refused(&answer), "beyond the queue: {} {}", answer.status, answer.text());
    }
    Ok(jobs)
}

fn is_refused(answer: &Answer) -> bool {
    answer.status == 503
        && answer.text().contains("capacity-exhausted")
        && answer.headers.contains_key("retry-after")
}

/// Disturbs one process after the other until all batches have ended.
async fn disturb(
    stage: &Stage,
    run: &mut Run,
    fleet: &mut Fleet,
    draw: &mut Draw,
    deaths: &mut Vec<Death>,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    for _ in 0..stage.scale.faults {
        tokio::time::sleep(draw.milliseconds(100, 900)).await;
        let open = "select count(*) from batches where state = 'active'";
        if stage.postgres.number_at(&run.url, open).await? == 0 {
            break;
        }
        let (chosen, what) = (draw.below(ROLES.len()), draw.below(4));
        let outcome = fleet::disturb(stage, run, fleet, chosen, what, draw, deaths).await;
        let is_gone = outcome.is_err();
        tally.fault(outcome);
        if is_gone {
            break;
        }
    }
    Ok(())
}

/// Looks again and again until every batch has ended: never more than the places taken, and none
/// admitted before one that was submitted earlier.
async fn watch(stage: &Stage, url: &str, jobs: &[String]) -> anyhow::Result<()> {
    let look = look(jobs);
    wait::until("all batches to end", BATCH_PATIENCE + Duration::from_secs(60), async || {
        let seen = stage.postgres.psql_at(url, &look).await?;
        let numbers: Vec<usize> = seen.split('|').filter_map(|text| text.parse().ok()).collect();
        let [open, admitted, overtaken] = numbers[..] else { bail!("a look gives {seen:?}") };
        ensure!(admitted <= PLACES, "{admitted} batches are worked on, {PLACES} may be");
        ensure!(overtaken == 0, "{overtaken} batches wait though a later one was admitted");
        Ok((open == 0).then_some(()))
    })
    .await
}

/// Counts open batches, admitted ones, and waiting ones behind which another one was admitted.
fn look(jobs: &[String]) -> String {
    let mut places = String::new();
    for (place, job) in jobs.iter().enumerate() {
        let _ = write!(places, "{}('{job}'::uuid, {place})", if place == 0 { "" } else { ", " });
    }
    format!(
        "with seen as (
             select p.place, b.state = 'active' as open,
                 b.state = 'active' and b.waiting_since is not null as waits
             from (values {places}) as p (id, place) join batches b on b.id = p.id)
         select count(*) filter (where open), count(*) filter (where open and not waits),
             count(*) filter (where waits and exists (
                 select from seen as later where later.place > seen.place and not later.waits))
         from seen"
    )
}
