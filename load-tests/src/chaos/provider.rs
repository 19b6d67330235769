//! The chain endpoint or the price source fails.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::draw::Draw;
use super::kind::Kind;
use super::single::STOP_PATIENCE;
use super::stage::{BATCH_PATIENCE, Stage};
use super::tally::Tally;
use super::verdict::{self, Rule};
use crate::faults::{FaultKind, Faults};
use crate::service::{Service, wait};

/// Time in which the status page names what is down.
const TOLD_WITHIN: Duration = Duration::from_secs(30);

/// A share of the endpoint's answers is wrong in one way, for a whole batch.
///
/// # Errors
/// When the run itself cannot go on.
pub async fn errors(stage: &mut Stage, kind: Kind, round: u64) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let mut draw = Draw::new(stage.seed, &kind.name(), round);
    let fault = kind.node_fault().context("a kind of answers")?;
    let mut run = stage.run(&kind.name()).await?;
    let hangs = fault == FaultKind::Hang;
    if hangs {
        run.variables.push(("PNL_WORKER__CALL_TIMEOUT_SECONDS", "1".to_owned()));
    }
    let service = run.start(stage, "all").await?;
    stage.disturb_node(Faults {
        // A call that hangs costs a second; the others cost next to nothing.
        error_rate: if hangs { 0.05 } else { 0.2 },
        kinds: vec![fault],
        seed: draw.seed(),
        ..Faults::default()
    });
    stage.node.reset();
    let client = service.client();
    let job = client.submit(&stage.wallets).await?;
    match client.job_end(&job.job_id, BATCH_PATIENCE).await {
        Ok(_) => {
            let rule = Rule::EqualOrNamed;
            verdict::judge(stage, &run.url, &client, &job.job_id, rule, &mut tally).await?;
        }
        Err(error) => tally.violation(format!("{error:#}")),
    }
    tally.injected = stage.node.stats().faults_given();
    stage.calm_node();
    tally.promise(service.ready(Duration::from_secs(10)).await);
    tally.promise(service.stop(STOP_PATIENCE).await);
    Ok(tally)
}

/// For a while the endpoint answers five calls a second, or nobody, or the price source nobody.
///
/// # Errors
/// When the run itself cannot go on.
pub async fn outage(stage: &mut Stage, kind: Kind, round: u64) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let mut draw = Draw::new(stage.seed, &kind.name(), round);
    let mut run = stage.run(&kind.name()).await?;
    let service = run.start(stage, "all").await?;
    let faults = match kind {
        Kind::Throttle => Faults { rate_limit_rps: Some(5), ..Faults::default() },
        Kind::PricesDown => {
            Faults { down: true, only: Some("/llama".to_owned()), ..Faults::default() }
        }
        _ => Faults { down: true, ..Faults::default() },
    };
    let client = service.client();
    let job = client.submit(&stage.wallets).await?;
    tokio::time::sleep(draw.milliseconds(0, 1_500)).await;
    stage.disturb_node(faults);
    let until = tokio::time::Instant::now() + stage.scale.pause(60);
    tally.fault(tells(&service, kind).await);
    tokio::time::sleep_until(until).await;
    stage.calm_node();
    match client.job_end(&job.job_id, BATCH_PATIENCE).await {
        Ok(_) => {
            verdict::judge(stage, &run.url, &client, &job.job_id, Rule::Free, &mut tally).await?
        }
        Err(error) => tally.violation(format!("{error:#}")),
    }
    tally.promise(service.stop(STOP_PATIENCE).await);
    Ok(tally)
}

/// The service stays ready, and its status page names the provider or the price source.
async fn tells(service: &Service, kind: Kind) -> anyhow::Result<()> {
    let client = service.client();
    let mut last = Value::Null;
    let told = wait::until("the status page to name the cause", TOLD_WITHIN, async || {
        last = client.get_json("/api/services/status").await?;
        Ok(names_the_cause(&last, kind).then_some(()))
    });
    told.await.with_context(|| last.to_string())?;
    let health = client.get("/api/health").await?;
    ensure!(health.status == 200, "not ready though the database is there: {}", health.text());
    Ok(())
}

/// Whether a status page shows the outage that this kind makes.
fn names_the_cause(page: &Value, kind: Kind) -> bool {
    let (list, name, state) = match kind {
        Kind::PricesDown => ("services", Some("prices"), "down"),
        Kind::Throttle => ("providers", None, "throttled"),
        _ => ("providers", None, "down"),
    };
    let mut rows = page[list].as_array().into_iter().flatten();
    rows.any(|row| row["state"] == state && name.is_none_or(|name| row["name"] == name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_page_names_the_cause_by_the_state_of_the_one_that_is_away() {
        let page = |prices: &str, provider: &str| {
            json!({
                "services": [
                    {"name": "worker", "state": "up"},
                    {"name": "redis", "state": "down"},
                    {"name": "prices", "state": prices},
                ],
                "providers": [{"name": "recorded", "state": provider}],
            })
        };
        assert!(names_the_cause(&page("down", "ok"), Kind::PricesDown));
        assert!(!names_the_cause(&page("up", "down"), Kind::PricesDown));
        assert!(names_the_cause(&page("up", "down"), Kind::Down));
        assert!(!names_the_cause(&page("down", "throttled"), Kind::Down));
        assert!(names_the_cause(&page("up", "throttled"), Kind::Throttle));
        assert!(!names_the_cause(&json!({}), Kind::Throttle));
    }
}
