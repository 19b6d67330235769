//! Two versions of the service on one database, in both directions.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::Args;
use serde_json::Value;

use super::figures::Figures;
use super::jobs;
use super::site::{Site, SiteOptions};
use crate::service::{Client, Job, Service, ServiceSettings, wait};
use crate::{Faults, SyntheticPlan};

const PATIENCE: Duration = Duration::from_secs(900);

/// An older program and this one share a database during a batch.
#[derive(Debug, Args)]
pub struct Upgrade {
    #[command(flatten)]
    site: SiteOptions,
    /// The older program
    #[arg(long)]
    old: PathBuf,
    /// Wallets of a batch
    #[arg(long, default_value_t = 120)]
    wallets: u32,
    /// Transactions of each wallet
    #[arg(long, default_value_t = 40)]
    transactions: u64,
    /// Wallets besides that are too long for one attempt, and leave work that the other version finds
    #[arg(long, default_value_t = 4)]
    long_wallets: u32,
    /// Transactions of each long wallet; those above 200 leave work
    #[arg(long, default_value_t = 6_000)]
    long_transactions: u64,
    /// Longest time of one attempt, in seconds
    #[arg(long, default_value_t = 8)]
    timeout_seconds: u32,
}

/// Results by wallet, as they were served.
type Results = BTreeMap<String, String>;

impl Upgrade {
    /// Runs.
    ///
    /// # Errors
    /// When a limit was missed or the run broke.
    pub async fn run(&self) -> anyhow::Result<()> {
        let mut figures = Figures::default();
        let old = self.old.canonicalize().context("no older program")?;
        let short = SyntheticPlan {
            wallets: self.wallets,
            transactions_each: self.transactions,
            tokens: 3,
            ..SyntheticPlan::default()
        };
        let long = SyntheticPlan {
            wallets: self.long_wallets,
            transactions_each: self.long_transactions,
            seed: short.seed + 1,
            ..short
        };
        // The long ones come first, so that they are under way when the second version joins.
        let site = Site::start_with(&self.site, vec![long, short]).await?;
        let new = self.site.program()?;
        figures.title(format_args!(
            "{} wallets and {} long ones, two versions",
            self.wallets, self.long_wallets
        ));
        let alone = self.alone(&site, &new).await?;

        figures.title("Upgrade: the old one works, the new one migrates and joins");
        let settings = self.settings(&site, "upgrade").await?;
        let first = settings.program_is(&old);
        let second = settings.program_is(&new);
        self.together(&site, "upgrade", [&first, &second], &alone, &mut figures).await?;

        figures
            .title("Rollback: the new one works, the old one starts on its schema and takes over");
        let settings = self.settings(&site, "rollback").await?;
        let first = settings.program_is(&new);
        let second = settings.program_is(&old);
        self.together(&site, "rollback", [&first, &second], &alone, &mut figures).await?;
        figures.conclude()
    }

    async fn settings(&self, site: &Site, database: &str) -> anyhow::Result<ServiceSettings> {
        let settings = site.settings(database).await?;
        Ok(settings
            .with("PNL_WORKER__LEASE_SECONDS", 5)
            .with("PNL_WORKER__WALLET_TIMEOUT_SECONDS", self.timeout_seconds)
            // On a busy machine so short an attempt may end with nothing new, which is no matter here.
            .with("PNL_WORKER__MAX_ATTEMPTS", 20))
    }

    /// What the new one gives when nobody else is there.
    async fn alone(&self, site: &Site, new: &std::path::Path) -> anyhow::Result<Results> {
        let settings = site.settings("alone").await?.program_is(new);
        let service = site.serve(&settings).await?;
        let wallets = site.node.chain().synthetic_wallets();
        let (job, _) = jobs::complete(&service.client(), &wallets, PATIENCE).await?;
        let results = results(&service.client(), &job).await?;
        service.stop(Duration::from_secs(60)).await?;
        Ok(results)
    }

    /// The second joins once the first has done a sixth of the batch; once it has done a sixth too,
    /// the first is stopped in order, and the second finishes.
    async fn together(
        &self,
        site: &Site,
        database: &str,
        programs: [&ServiceSettings; 2],
        alone: &Results,
        figures: &mut Figures,
    ) -> anyhow::Result<()> {
        // A slow chain, so that there is time to join.
        site.node.set_faults(Faults { latency_ms: Some((5, 20)), ..Faults::default() });
        let share = u64::from(self.wallets) / 6;
        let first = site.serve(programs[0]).await?;
        let wallets = site.node.chain().synthetic_wallets();
        let (job, _) = jobs::submit(&first.client(), &wallets).await?;
        let done_by = async |pid: u32| site.postgres.number(database, &done_statement(pid)).await;
        let begun = Instant::now();
        let has_share = async |service: &Service| {
            let done = async || Ok((done_by(service.pid()).await? >= share).then_some(()));
            wait::until("a sixth of the batch", PATIENCE, done).await
        };
        has_share(&first).await?;
        let second = site.serve(programs[1]).await?;
        has_share(&second).await?;
        let during = results(&first.client(), &job).await;
        figures.judge("the first one still answers", during.is_ok(), "true", during.is_ok());
        let first_pid = first.pid();
        let stopped = first.stop(Duration::from_secs(60)).await;
        figures.judge("the first one stops in order", stopped.is_ok(), "true", stopped.is_ok());
        let client = second.client();
        let ended = jobs::follow(&client, &job, PATIENCE).await?;
        figures.note("time", format_args!("{} ms", begun.elapsed().as_millis()));
        figures.judge(
            "wallets done",
            ended.status.counts.done,
            wallets.len(),
            ended.status.status == "completed",
        );
        let by_first = done_by(first_pid).await?;
        let by_second = done_by(second.pid()).await?;
        figures.at_least("wallets finished by the first", by_first, share, "");
        figures.at_least("wallets finished by the second", by_second, share, "");
        let crossed = site
            .postgres
            .number(database, &crossed_statement(first_pid, self.long_wallets))
            .await?;
        let least = u64::from(self.long_wallets > 0);
        figures.at_least(
            "long wallets the first left half done and the second finished",
            crossed,
            least,
            "",
        );
        compare(alone, &results(&client, &job).await?, figures)?;
        // And it works on: a batch of its own, on what the other one stored.
        let (again, _) = jobs::complete(&client, &wallets, PATIENCE).await?;
        let again = results(&client, &again).await?;
        figures.at_least("wallets of a second batch", again.len() as u64, wallets.len() as u64, "");
        compare(alone, &again, figures)?;
        site.node.set_faults(Faults::default());
        second.stop(Duration::from_secs(60)).await
    }
}

impl ServiceSettings {
    /// The same with another program.
    fn program_is(&self, program: &std::path::Path) -> Self {
        Self { program: program.to_owned(), ..self.clone() }
    }
}

/// Wallets that a process finished. A worker's name begins with its process id.
fn done_statement(pid: u32) -> String {
    format!("select count(*) from wallet_attempts where outcome = 'done' and worker like '{pid}-%'")
}

/// Of the first `long` wallets of a batch those that the process left half done when an attempt ran out
/// of time, and that another process finished.
fn crossed_statement(pid: u32, long: u32) -> String {
    format!(
        "select count(distinct a.task) from wallet_attempts a
         join wallet_tasks t on t.id = a.task and t.ordinal < {long}
         join wallet_attempts d on d.task = a.task and d.outcome = 'done'
         where a.outcome = 'continued' and a.worker like '{pid}-%' and d.worker not like '{pid}-%'"
    )
}

async fn results(client: &Client, job: &Job) -> anyhow::Result<Results> {
    let rows = client.results(&job.job_id).await?;
    let count = rows.len();
    let results: Results = rows
        .into_iter()
        .map(|row| (row.wallet.clone(), row.result().unwrap_or("null").to_owned()))
        .collect();
    ensure!(results.len() == count, "a wallet was answered twice");
    Ok(results)
}

/// Byte by byte; results of another version may differ in the members that name the version, and have
/// members of their own, at any depth.
fn compare(expected: &Results, found: &Results, figures: &mut Figures) -> anyhow::Result<()> {
    let (mut equal, mut other_version, mut different) = (0u64, 0u64, 0u64);
    for (wallet, result) in expected {
        match found.get(wallet) {
            Some(other) if other == result => equal += 1,
            Some(other) if agree(other, result)? => other_version += 1,
            _ => different += 1,
        }
    }
    figures.note("results equal byte by byte", equal);
    figures.note("equal but for the names of versions", other_version);
    figures.at_most("results that differ or are missing", different, 0, "");
    Ok(())
}

/// Whether the members that both results have are the same, but for the names of versions, and for the hash of
/// the inputs where a version is another, since versions are part of it.
fn agree(one: &str, other: &str) -> anyhow::Result<bool> {
    let (one, other): (Value, Value) = (serde_json::from_str(one)?, serde_json::from_str(other)?);
    let (Some(one), Some(other)) = (one.as_object(), other.as_object()) else { return Ok(false) };
    let of_one_version = ["engine_version", "parser_version"]
        .into_iter()
        .all(|version| one.get(version) == other.get(version));
    let mut of_both = one
        .iter()
        .filter(|(name, _)| !name.ends_with("_version"))
        .filter(|(name, _)| of_one_version || *name != "input_hash")
        .filter_map(|(name, value)| Some((value, other.get(name)?)))
        .peekable();
    Ok(of_both.peek().is_some() && of_both.all(|(value, found)| same(value, found)))
}

/// Whether two values are the same but for members that only one of them has: a version adds members, at any depth.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let of_both = one.iter().filter_map(|(name, value)| Some((value, other.get(name)?)));
            let (mut count, mut agree) = (0, true);
            for (value, found) in of_both {
                count += 1;
                agree &= same(value, found);
            }
            // One of them has all the others have.
            agree && count == one.len().min(other.len())
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_names_of_versions_may_differ() {
        let results = |text: &str| Results::from([("w".to_owned(), text.to_owned())]);
        let judged = |found: &str| {
            let expected = results(r#"{"engine_version":"1","gain":"2"}"#);
            let mut figures = Figures::default();
            compare(&expected, &results(found), &mut figures).unwrap();
            figures.conclude().is_ok()
        };
        assert!(judged(r#"{"engine_version":"1","gain":"2"}"#));
        assert!(judged(r#"{"engine_version":"2","gain":"2"}"#));
        assert!(judged(r#"{"engine_version":"2","gain":"2","score":"1"}"#));
        assert!(!judged(r#"{"engine_version":"2","score":"1"}"#));
        let nested = |score: &str| format!(r#"{{"gain":"2","rows":[{{"score":{score}}}]}}"#);
        assert!(agree(&nested(r#"{"a":1}"#), &nested(r#"{"a":1,"b":2}"#)).unwrap());
        assert!(!agree(&nested(r#"{"a":1}"#), &nested(r#"{"a":2,"b":2}"#)).unwrap());
        assert!(!agree(&nested(r#"{"a":1}"#), &nested(r#"{"b":2}"#)).unwrap());
        assert!(!judged(r#"{"engine_version":"2","gain":"3","score":"1"}"#));
        assert!(!judged(r#"{"engine_version":"1","gain":"3"}"#));
        assert!(!judged("null"));
        for name in ["parser_version", "engine_version"] {
            let made_by = |version: &str, hash: &str| {
                format!(r#"{{"{name}":"{version}","input_hash":"{hash}","gain":"2"}}"#)
            };
            assert!(agree(&made_by("1", "a"), &made_by("2", "b")).unwrap());
            assert!(!agree(&made_by("1", "a"), &made_by("1", "b")).unwrap());
        }
    }
}
