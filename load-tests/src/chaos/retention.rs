//! A process that is killed while it removes what its time is over.

use std::time::Duration;

use anyhow::ensure;

use super::draw::Draw;
use super::single::STOP_PATIENCE;
use super::stage::{BATCH_PATIENCE, Run, Stage};
use super::tally::Tally;
use super::verdict::{self, Rule};
use crate::service::wait;

/// A run of retention begins within the six seconds between two looks of a process.
const RUN_PATIENCE: Duration = Duration::from_secs(60);

/// Most starts of a process in a round, whether or not its kill came in the midst of a run.
const STARTS: u64 = 20;

/// Makes everything that is there older than it is kept, as if 40 days had gone by.
const AGE: &str = "
    update batches set created_at = created_at - interval '40 days',
        finished_at = finished_at - interval '40 days';
    update raw_transactions set stored_at = stored_at - interval '40 days',
        used_at = used_at - interval '40 days';
    update address_scans set updated_at = updated_at - interval '40 days';
    update balance_snapshots set taken_at = taken_at - interval '40 days'";

/// The next look finds a run due, and the rows of batches that went for clients no longer read.
const DUE: &str = "
    delete from care_runs;
    update expired_batches set expired_at = expired_at - interval '10 minutes'";

/// A batch ends and gets old; the only process is killed again and again while it removes it and its
/// chain data. From the second half of the kills on, a new batch with the same wallets is at work.
/// It must come out as undisturbed, and nothing of the old one may be left.
///
/// # Errors
/// When the run itself cannot go on.
pub async fn run(stage: &mut Stage, round: u64) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let mut draw = Draw::new(stage.seed, "kill-retention", round);
    let mut run = stage.run("kill-retention").await?;
    let service = run.start(stage, "all").await?;
    let old = service.client().submit(&stage.wallets).await?.job_id;
    let end = service.client().job_end(&old, BATCH_PATIENCE).await?;
    ensure!(end.status == "completed", "the batch to be removed ended as {}", end.status);
    service.stop(STOP_PATIENCE).await?;
    stage.postgres.psql_at(&run.url, AGE).await?;

    run.variables = vec![
        ("PNL_RETENTION__RESULTS_DAYS", "1".to_owned()),
        ("PNL_RETENTION__RAW_TRANSACTIONS_DAYS", "2".to_owned()),
        ("PNL_RETENTION__INTERVAL_MINUTES", "1".to_owned()),
        ("PNL_RETENTION__ROWS_PER_STEP", "3".to_owned()),
    ];
    let mut new = None;
    for _ in 0..STARTS {
        stage.postgres.psql_at(&run.url, DUE).await?;
        let service = run.start(stage, "all").await?;
        if new.is_none() && tally.injected >= stage.scale.faults / 2 {
            new = Some(service.client().submit(&stage.wallets).await?.job_id);
        }
        let before = left(stage, &run, &old).await?;
        let begun = wait::until("a run of retention", RUN_PATIENCE, async || {
            Ok((left(stage, &run, &old).await? < before).then_some(()))
        });
        tally.promise(begun.await);
        tokio::time::sleep(draw.milliseconds(0, 200)).await;
        let killed = service.kill().await;
        if left(stage, &run, &old).await? == 0 {
            killed?;
            break;
        }
        tally.fault(killed);
        if tally.injected >= stage.scale.faults {
            break;
        }
    }

    stage.postgres.psql_at(&run.url, DUE).await?;
    let service = run.start(stage, "all").await?;
    let client = service.client();
    let new = match new {
        Some(new) => new,
        None => client.submit(&stage.wallets).await?.job_id,
    };
    let gone = wait::until("the old batch to be removed", RUN_PATIENCE, async || {
        Ok((left(stage, &run, &old).await? == 0).then_some(()))
    });
    tally.promise(gone.await);
    match client.job_end(&new, BATCH_PATIENCE).await {
        Ok(_) => verdict::judge(stage, &run.url, &client, &new, Rule::Free, &mut tally).await?,
        Err(error) => tally.violation(format!("{error:#}")),
    }
    let told = client.get(&format!("/api/pnl/batch/status/{old}")).await?.expect(410);
    tally.promise(told.map(drop));
    tally.promise(service.stop(STOP_PATIENCE).await);
    Ok(tally)
}

/// Rows whose time is over: those of the old batch, and chain data that nobody has used since.
async fn left(stage: &Stage, run: &Run, old: &str) -> anyhow::Result<u64> {
    let statement = format!(
        "select (select count(*) from batches where id = '{old}')
            + (select count(*) from wallet_tasks where batch_id = '{old}')
            + (select count(*) from pnl_results where batch_id = '{old}')
            + (select count(*) from raw_transactions
                where coalesce(used_at, stored_at) < now() - interval '10 days')
            + (select count(*) from address_scans where updated_at < now() - interval '10 days')"
    );
    stage.postgres.number_at(&run.url, &statement).await
}
