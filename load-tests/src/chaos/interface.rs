//! Requests that meet each other: admission, idempotency, cancel and retry, shared wallets.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use futures::future::join_all;
use serde_json::Value;

use super::draw::Draw;
use super::fleet::Fleet;
use super::stage::{BATCH_PATIENCE, Run, Stage};
use super::tally::Tally;
use super::verdict::{self, Rule};
use crate::faults::{FaultKind, Faults};
use crate::service::{Client, wait};

/// Submissions at once.
const SUBMISSIONS: usize = 100;

/// Batches that are admitted at a time.
const PLACES: usize = 3;

/// All three take requests and work.
const ROLES: [&str; 3] = ["all", "all", "all"];

/// A hundred submissions at once over three processes: exactly three get a place, again and again.
///
/// # Errors
/// When the run itself cannot go on.
pub async fn admission(stage: &mut Stage, round: u64) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let mut draw = Draw::new(stage.seed, "admission", round);
    let mut run = stage.run("admission").await?;
    let fleet = Fleet::start(stage, &mut run, ROLES).await?;
    let clients = fleet.clients();
    for _ in 0..3 {
        // No batch ends while the others ask.
        stage.disturb_node(Faults::always(FaultKind::Http503));
        let groups: Vec<_> = (0..SUBMISSIONS).map(|_| draw.some(&stage.wallets, 5)).collect();
        let asked =
            groups.iter().enumerate().map(|(place, wallets)| {
                let client = &clients[place % clients.len()];
                async move {
                    client.clone().with_patience(BATCH_PATIENCE).try_submit(wallets, None).await
                }
            });
        let mut jobs = Vec::new();
        let mut wrong = Vec::new();
        for (answer, wallets) in join_all(asked).await.into_iter().zip(&groups) {
            let answer = answer?;
            match answer.status {
                202 => jobs.push((job_id(&answer.json()?)?, wallets)),
                503 if answer.text().contains("capacity-exhausted")
                    && answer.headers.contains_key("retry-after") => {}
                status => wrong.push(format!("{status} {}", answer.text())),
            }
        }
        stage.calm_node();
        tally.fault(
            async {
                ensure!(wrong.is_empty(), "{} other answers: {}", wrong.len(), wrong[0]);
                ensure!(jobs.len() == PLACES, "{} batches got one of {PLACES} places", jobs.len());
                Ok(())
            }
            .await,
        );
        for (job, wallets) in &jobs {
            judge_job(stage, &clients[0], job, wallets, &mut tally).await?;
        }
    }
    verdict::judge_queue(stage, &run.url, Rule::Free, &mut tally).await?;
    fleet.stop(&mut tally).await;
    Ok(tally)
}

/// Waits for the end of a job with some of the wallets, and judges its answers.
///
/// # Errors
/// When its results cannot be had.
pub async fn judge_job(
    stage: &Stage,
    client: &Client,
    job: &str,
    wallets: &[String],
    tally: &mut Tally,
) -> anyhow::Result<()> {
    match client.job_end(job, BATCH_PATIENCE).await {
        Ok(_) => {
            let rows = client.results(job).await?;
            verdict::judge_rows(stage, wallets, &rows, Rule::Free, tally);
        }
        Err(error) => tally.violation(format!("{error:#}")),
    }
    Ok(())
}

/// The id in the answer to a submission.
///
/// # Errors
/// When there is none.
pub fn job_id(accepted: &Value) -> anyhow::Result<String> {
    Ok(accepted["job_id"].as_str().context("no job_id")?.to_owned())
}

/// The same submission under one key at once, over three processes: one job.
///
/// # Errors
/// When the run itself cannot go on.
pub async fn idempotency(stage: &mut Stage, round: u64) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let mut draw = Draw::new(stage.seed, "idempotency", round);
    let mut run = stage.run("idempotency").await?;
    let fleet = Fleet::start(stage, &mut run, ROLES).await?;
    let clients = fleet.clients();
    for number in 0..5 {
        let wallets = draw.some(&stage.wallets, 5);
        let other = draw.some(&stage.wallets, 4);
        let key = format!("chaos-{round}-{number}");
        let outcome = one_key(&clients, &key, &wallets, &other).await;
        let job = outcome.as_ref().ok().cloned();
        tally.fault(outcome.map(|_| ()));
        if let Some(job) = job {
            judge_job(stage, &clients[0], &job, &wallets, &mut tally).await?;
        }
    }
    let batches = stage.postgres.number(&run.database, "select count(*) from batches").await?;
    if batches != 5 {
        tally.violation(format!("5 keys made {batches} batches"));
    }
    verdict::judge_queue(stage, &run.url, Rule::Free, &mut tally).await?;
    fleet.stop(&mut tally).await;
    Ok(tally)
}

/// Sixty-one requests with one key, a third of them with another body; the one job.
async fn one_key(
    clients: &[Client],
    key: &str,
    wallets: &[String],
    other: &[String],
) -> anyhow::Result<String> {
    // The key belongs to this body before others try it.
    let first = clients[0].try_submit(wallets, Some(key));
    let same = (0..20).map(|place| clients[place % clients.len()].try_submit(wallets, Some(key)));
    let mut jobs = BTreeSet::new();
    let mut bodies = BTreeSet::new();
    for answer in join_all(std::iter::once(first).chain(same)).await {
        let answer = answer?;
        match answer.status {
            202 => {
                bodies.insert(answer.body.to_vec());
                jobs.insert(job_id(&answer.json()?)?);
            }
            409 if answer.text().contains("idempotency-key-in-flight") => {}
            status => bail!("{status} {}", answer.text()),
        }
    }
    // The key was answered: nobody meets anybody any more.
    let again = (0..20).map(|place| clients[place % clients.len()].try_submit(wallets, Some(key)));
    for answer in join_all(again).await {
        let answer = answer?;
        ensure!(answer.status == 202, "a replay is answered {} {}", answer.status, answer.text());
        bodies.insert(answer.body.to_vec());
    }
    let different =
        (0..20).map(|place| clients[place % clients.len()].try_submit(other, Some(key)));
    for answer in join_all(different).await {
        let answer = answer?;
        let text = answer.text();
        let is_reused = answer.status == 422 && text.contains("idempotency-key-reused");
        ensure!(is_reused, "another body is answered {} {text}", answer.status);
    }
    ensure!(jobs.len() == 1, "one key made {} jobs", jobs.len());
    ensure!(bodies.len() == 1, "one key got {} different answers", bodies.len());
    jobs.pop_first().context("one job")
}

/// Cancel and retry come at once and again and again, while wallets are claimed, end and fail.
///
/// # Errors
/// When the run itself cannot go on.
pub async fn cancel_retry(stage: &mut Stage, round: u64) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let mut draw = Draw::new(stage.seed, "cancel-retry", round);
    let mut run = stage.run("cancel-retry").await?;
    run.rate = 150;
    run.variables.push(("PNL_WORKER__MAX_ATTEMPTS", "1".to_owned()));
    run.variables.push(("PNL_WORKER__CALL_TRIES", "1".to_owned()));
    let fleet = Fleet::start(stage, &mut run, ROLES).await?;
    let clients = fleet.clients();
    // A twentieth of the calls fails, and a failed call is the end of its wallet.
    let faults = Faults {
        error_rate: 0.05,
        kinds: vec![FaultKind::RpcError],
        seed: draw.seed(),
        ..Faults::default()
    };
    stage.disturb_node(faults);
    let wallets = draw.some(&stage.wallets, stage.wallets.len().min(60));
    for _ in 0..stage.scale.faults {
        let job = clients[0].submit(&wallets).await?.job_id;
        tally.fault(quarrel(&clients, &job, &mut draw).await);
        let outcome = settled(stage, &run, &clients[0], &job).await;
        tally.promise(outcome);
    }
    // Whatever the quarrels have left behind, the same wallets go through once the node behaves.
    stage.calm_node();
    let job = clients[0].submit(&stage.wallets).await?.job_id;
    clients[0].job_end(&job, BATCH_PATIENCE).await?;
    let rows = clients[0].results(&job).await?;
    verdict::judge_rows(stage, &stage.wallets, &rows, Rule::Free, &mut tally);
    verdict::judge_queue(stage, &run.url, Rule::EqualOrNamed, &mut tally).await?;
    fleet.stop(&mut tally).await;
    Ok(tally)
}

/// Sends cancel and retry from all sides until the job has ended; every answer is one of the
/// documented ones.
async fn quarrel(clients: &[Client], job: &str, draw: &mut Draw) -> anyhow::Result<()> {
    let until = tokio::time::Instant::now() + draw.milliseconds(500, 4_000);
    // Cancelled at once it would have no wallets that failed.
    tokio::time::sleep(draw.milliseconds(100, 2_000)).await;
    while tokio::time::Instant::now() < until {
        let words: Vec<_> = (0..6).map(|_| ["cancel", "retry", "retry"][draw.below(3)]).collect();
        let said = words.iter().enumerate().map(|(place, word)| {
            let client = &clients[place % clients.len()];
            async move {
                client.post(&format!("/api/pnl/batch/{job}/{word}"), &serde_json::json!({})).await
            }
        });
        for answer in join_all(said).await {
            let answer = answer?;
            let text = answer.text();
            let documented = answer.status == 202
                || answer.status == 409
                    && (text.contains("job-running") || text.contains("nothing-to-retry"));
            ensure!(documented, "{} {text}", answer.status);
        }
        tokio::time::sleep(draw.milliseconds(0, 200)).await;
    }
    clients[0]
        .post(&format!("/api/pnl/batch/{job}/cancel"), &serde_json::json!({}))
        .await?
        .expect(202)?;
    Ok(())
}

/// The job ends, its counts are those of its rows, and what is done is right.
async fn settled(stage: &Stage, run: &Run, client: &Client, job: &str) -> anyhow::Result<()> {
    let end = client.job_end(job, Duration::from_secs(60)).await?;
    ensure!(end.counts.ended() == end.counts.total, "{end:?}");
    let rows = client.results(job).await?;
    let count = |status: &str| rows.iter().filter(|row| row.status == status).count() as u64;
    let counts = &end.counts;
    ensure!(
        (count("done"), count("failed"), count("cancelled"))
            == (counts.done, counts.failed, counts.cancelled),
        "{counts:?} are not the counts of the rows"
    );
    for row in &rows {
        let right = match row.status.as_str() {
            "done" => row.result() == stage.reference.get(&row.wallet).map(String::as_str),
            "failed" => {
                let named = row.error.as_ref().is_some_and(|error| verdict::may_fail(&error.code));
                row.result().is_none() && named
            }
            _ => row.result().is_none(),
        };
        ensure!(
            right,
            "{} is {} with {:?} and {:?}",
            row.wallet,
            row.status,
            row.result,
            row.error
        );
    }
    wait::until("no wallet of an ended job to run", Duration::from_secs(5), async || {
        let statement = format!(
            "select count(*) from wallet_tasks where batch_id = '{job}' and state = 'running'"
        );
        Ok((stage.postgres.number(&run.database, &statement).await? == 0).then_some(()))
    })
    .await
}

/// Three batches with the same wallets in different orders at once, over three processes.
///
/// # Errors
/// When the run itself cannot go on.
pub async fn shared_wallets(stage: &mut Stage, round: u64) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let mut draw = Draw::new(stage.seed, "shared-wallets", round);
    let mut run = stage.run("shared-wallets").await?;
    let fleet = Fleet::start(stage, &mut run, ROLES).await?;
    let clients = fleet.clients();
    let mut jobs = Vec::new();
    for client in &clients {
        let order = draw.some(&stage.wallets, stage.wallets.len());
        jobs.push(client.submit(&order).await?.job_id);
    }
    for job in &jobs {
        match clients[0].job_end(job, BATCH_PATIENCE).await {
            Ok(_) => {
                let rows = clients[0].results(job).await?;
                verdict::judge_rows(stage, &stage.wallets, &rows, Rule::Free, &mut tally);
                tally.fault(Ok(()));
            }
            Err(error) => tally.fault(Err(error)),
        }
    }
    verdict::judge_queue(stage, &run.url, Rule::Free, &mut tally).await?;
    let stored = verdict::stored_chain_data(stage, &run.url).await?;
    if stored != stage.stored {
        tally.violation(format!("stored chain data: {stored} instead of {}", stage.stored));
    }
    fleet.stop(&mut tally).await;
    Ok(tally)
}
