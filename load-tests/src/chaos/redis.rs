//! Redis is killed and stands still; where it holds keys, it is also flushed and its keys get the
//! wrong type. Nothing depends on it.

use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::draw::Draw;
use super::single::STOP_PATIENCE;
use super::stage::{BATCH_PATIENCE, Stage};
use super::tally::Tally;
use super::verdict::{self, Rule};
use crate::service::{Client, RedisServer, Signal};

/// Calls a second, so that a batch outlasts the disturbances.
const RATE: u32 = 80;

/// Longest time of an answer while Redis does not give one.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Disturbs Redis in each way during one batch.
///
/// # Errors
/// When the run itself cannot go on.
pub async fn run(stage: &mut Stage, round: u64) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let mut draw = Draw::new(stage.seed, "redis", round);
    let mut redis = match RedisServer::start().await {
        Ok(redis) => redis,
        Err(why) => return Ok(Tally::skipped(&format!("{why:#}"))),
    };
    let mut run = stage.run("redis").await?;
    run.rate = RATE;
    run.variables.push(("REDIS_URL", redis.url()));
    let service = run.start(stage, "all").await?;
    let client = service.client();
    let job = client.submit(&stage.wallets).await?;
    for what in draw.some(&["kill", "flush", "freeze", "types"], 4) {
        tokio::time::sleep(draw.milliseconds(200, 900)).await;
        // The service keeps no keys there yet. Without any there is nothing to flush or to retype.
        let disturbs = matches!(what, "kill" | "freeze") || !redis.keys().await?.is_empty();
        let outcome = async {
            match what {
                "kill" => {
                    redis.kill().await?;
                    let answered = answers(&client, &job.job_id).await;
                    redis.start_again().await?;
                    answered
                }
                "flush" => {
                    redis.command(&["FLUSHALL"]).await?;
                    answers(&client, &job.job_id).await
                }
                "freeze" => {
                    redis.signal(Signal::Stop);
                    let answered = answers(&client, &job.job_id).await;
                    tokio::time::sleep(stage.scale.pause(10)).await;
                    redis.signal(Signal::Cont);
                    answered
                }
                _ => {
                    for key in redis.keys().await? {
                        retype(&redis, &key).await?;
                    }
                    answers(&client, &job.job_id).await
                }
            }
        };
        let outcome = outcome.await.context(what);
        if disturbs { tally.fault(outcome) } else { tally.promise(outcome) }
    }
    match client.job_end(&job.job_id, BATCH_PATIENCE).await {
        Ok(_) => {
            verdict::judge(stage, &run.url, &client, &job.job_id, Rule::Free, &mut tally).await?
        }
        Err(error) => tally.violation(format!("{error:#}")),
    }
    tally.promise(service.stop(STOP_PATIENCE).await);
    Ok(tally)
}

/// Readiness stays, and reads are answered in time.
async fn answers(client: &Client, job_id: &str) -> anyhow::Result<()> {
    let client = client.clone().with_patience(ANSWER_WITHIN);
    let results = format!("/api/pnl/batch/results/{job_id}?limit=20");
    for path in ["/api/health", &results, "/api/pnl/results?limit=5", "/api/services/status"] {
        let answer = client.get(path).await?;
        ensure!(answer.status == 200, "{path} is {}: {}", answer.status, answer.text());
    }
    Ok(())
}

/// Makes a list of what is none, and a text of what is a list.
async fn retype(redis: &RedisServer, key: &str) -> anyhow::Result<()> {
    let is_list = redis.command(&["TYPE", key]).await? == "list";
    redis.command(&["DEL", key]).await?;
    let made = if is_list { ["SET", key, "wrong"] } else { ["LPUSH", key, "wrong"] };
    redis.command(&made).await?;
    Ok(())
}
