//! Judging a run: its answers against those of the undisturbed one, and its rows against the rules
//! of the queue.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;

use super::stage::{Run, Stage, TAKEOVER_LIMIT};
use super::tally::Tally;
use crate::service::{Client, PostgresServer, Row};

/// What a fault may do to wallets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Nothing: every result is that of the undisturbed run, and no attempt was charged.
    Free,
    /// Attempts may be charged; every result is that of the undisturbed run.
    Equal,
    /// A tenth of the wallets may fail, under a code that a provider's errors lead to; results are
    /// those of the undisturbed run.
    EqualOrNamed,
}

/// What a wallet may fail with when the provider answers wrongly or not at all. Anything else is a
/// fault of ours.
const PROVIDER_CODES: [&str; 4] =
    ["provider-error", "transaction-not-found", "transaction-unreadable", "timed-out"];

/// Of so many wallets one may fail by the errors of a provider. A fifth of the calls is wrong, a call
/// has several tries and a wallet several attempts: more than a tenth of all is no bad luck.
const ONE_MAY_FAIL_OF: u64 = 10;

/// Whether the errors of a provider may end a wallet under this code.
pub fn may_fail(code: &str) -> bool {
    PROVIDER_CODES.contains(&code)
}

/// What must not be there: how it is called, what counts it, and whether it is double work that was
/// stored.
struct QueueRule {
    what: &'static str,
    count: &'static str,
    is_double: bool,
}

const fn rule(what: &'static str, count: &'static str) -> QueueRule {
    QueueRule { what, count, is_double: false }
}

const fn double(what: &'static str, count: &'static str) -> QueueRule {
    QueueRule { what, count, is_double: true }
}

/// Rules of the queue.
const QUEUE_RULES: [QueueRule; 12] = [
    rule(
        "tasks have no end in an ended batch",
        "select count(*) from wallet_tasks t join batches b on b.id = t.batch_id
         where b.state <> 'active' and t.state in ('queued', 'delayed', 'running')",
    ),
    rule(
        "wallets that are done have no result, or one of another fence",
        "select count(*) from wallet_tasks t where t.state = 'done' and not exists (
             select from pnl_results r where r.task = t.id and r.fence = t.fence
                 and r.batch_id = t.batch_id and r.wallet = t.wallet and r.chain = t.chain)",
    ),
    rule(
        "results belong to wallets that are not done",
        "select count(*) from pnl_results r where not exists (
             select from wallet_tasks t where t.id = r.task and t.state = 'done')",
    ),
    double(
        "tasks have two results",
        "select count(*) from (
             select task from pnl_results group by task having count(*) > 1) as twice",
    ),
    double(
        "tasks have two attempts that are done",
        "select count(*) from (
             select task from wallet_attempts where outcome = 'done'
             group by task having count(*) > 1) as twice",
    ),
    double(
        "results are of another fence than that of the attempt that is done",
        "select count(*) from pnl_results r where not exists (
             select from wallet_attempts a
             where a.task = r.task and a.fence = r.fence and a.outcome = 'done')",
    ),
    rule(
        "tasks have other attempts than one for each fence",
        "select count(*) from wallet_tasks t where t.fence <> (
             select count(*) from wallet_attempts a
             where a.task = t.id and a.fence between 1 and t.fence)",
    ),
    rule(
        "attempts have no end though their task is not running",
        "select count(*) from wallet_attempts a join wallet_tasks t on t.id = a.task
         where a.ended is null and (t.state <> 'running' or t.fence <> a.fence)",
    ),
    rule(
        "attempts at one wallet began before an earlier one had ended",
        "select count(*) from (
             select a.started, lag(a.ended) over (
                 partition by t.chain, t.wallet order by a.started, a.fence) as before
             from wallet_attempts a join wallet_tasks t on t.id = a.task) as pairs
         where before > started",
    ),
    rule(
        "ledgers that are read have other chunks than their head says",
        "select count(*) from ledgers l
         cross join lateral (
             select count(*) as chunks, coalesce(sum(c.events), 0) as events from ledger_chunks c
             where c.chain = l.chain and c.ledger_id = l.ledger_id) as has
         where l.state = 'current' and (l.chunks <> has.chunks or l.events <> has.events)",
    ),
    rule(
        "analyzed wallets have no ledger that is read",
        "select count(*) from latest_results w where not exists (
             select from ledgers l where l.chain = w.chain and l.wallet = w.wallet
                 and l.tenant = w.tenant and l.state = 'current')",
    ),
    rule(
        "signatures are listed whose transactions are not stored, of wallets that are done",
        "select count(*) from address_signatures s
         where exists (select from wallet_tasks t where t.state = 'done' and t.wallet = s.address)
             and not exists (select from raw_transactions r
                 where r.chain = s.chain and r.tx_id = s.tx_id)",
    ),
];

/// Checksums of raw transactions and signature lists in the database at `url`, by content, not by
/// place.
///
/// # Errors
/// When the database cannot be asked.
pub async fn stored_chain_data(stage: &Stage, url: &str) -> anyhow::Result<String> {
    let statement = "
        select (select count(*) || ' transactions ' || coalesce(md5(string_agg(
                    tx_id || md5(payload), ',' order by tx_id)), '') from raw_transactions)
            || ', ' || (select count(*) || ' signatures ' || coalesce(md5(string_agg(
                    address || tx_id || slot || failed, ',' order by address, tx_id)), '')
                from address_signatures)";
    stage.postgres.psql_at(url, statement).await
}

/// Judges one ended batch of all wallets of the stage: answers, and rows of the database at `url`.
///
/// # Errors
/// When the service or the database cannot be asked.
pub async fn judge(
    stage: &Stage,
    url: &str,
    client: &Client,
    job_id: &str,
    rule: Rule,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    let rows = client.results(job_id).await.context("results")?;
    judge_rows(stage, &stage.wallets, &rows, rule, tally);
    judge_queue(stage, url, rule, tally).await?;
    if rows.iter().all(|row| row.status == "done") {
        let stored = stored_chain_data(stage, url).await?;
        if stored != stage.stored {
            tally.violation(format!("stored chain data: {stored} instead of {}", stage.stored));
        }
    }
    Ok(())
}

/// Judges the answers for a job with these wallets.
pub fn judge_rows(stage: &Stage, wallets: &[String], rows: &[Row], rule: Rule, tally: &mut Tally) {
    compare(&stage.reference, wallets, rows, rule, tally);
}

fn compare(
    reference: &BTreeMap<String, String>,
    wallets: &[String],
    rows: &[Row],
    rule: Rule,
    tally: &mut Tally,
) {
    let mut seen = BTreeSet::new();
    let mut failed = 0;
    for row in rows {
        tally.wallets += 1;
        if !seen.insert(&row.wallet) {
            tally.doubled += 1;
            tally.violation(format!("{} is listed twice", row.wallet));
        }
        match (row.status.as_str(), row.result(), &row.error) {
            ("done", Some(result), None) => {
                let expected = reference.get(&row.wallet);
                if expected.map(String::as_str) != Some(result) {
                    tally.differing += 1;
                    let known = expected.map_or("no such wallet", String::as_str);
                    tally.violation(first_difference(&row.wallet, known, result));
                }
            }
            ("failed" | "timed_out", None, Some(error))
                if rule == Rule::EqualOrNamed && may_fail(&error.code) =>
            {
                failed += 1;
                *tally.failed.entry(error.code.clone()).or_default() += 1;
            }
            (status, result, error) => {
                tally.lost += 1;
                let has = if result.is_some() { "with" } else { "without" };
                tally.violation(format!(
                    "{} is {status} {has} a result, error {error:?}",
                    row.wallet
                ));
            }
        }
    }
    if failed * ONE_MAY_FAIL_OF > rows.len() as u64 {
        tally.violation(format!(
            "{failed} of {} wallets failed, more than one in {ONE_MAY_FAIL_OF}",
            rows.len()
        ));
    }
    let missing = wallets.iter().filter(|wallet| !seen.contains(wallet)).count();
    if missing > 0 {
        tally.lost += missing as u64;
        tally.violation(format!("{missing} wallets are not in the results"));
    }
}

fn first_difference(wallet: &str, expected: &str, result: &str) -> String {
    let place = expected.bytes().zip(result.bytes()).take_while(|(a, b)| a == b).count();
    let around = |text: &str| {
        let from = place.saturating_sub(60);
        let part = text.as_bytes().get(from..text.len().min(place + 60)).unwrap_or_default();
        String::from_utf8_lossy(part).into_owned()
    };
    format!("{wallet} differs: …{}… instead of …{}…", around(result), around(expected))
}

/// Judges the rows of the database at `url`.
///
/// # Errors
/// When the database cannot be asked.
pub async fn judge_queue(
    stage: &Stage,
    url: &str,
    rule: Rule,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    apply_queue_rules(&stage.postgres, url, tally).await?;
    let cost = "select coalesce(sum(attempts), 0) from wallet_tasks";
    let cost = stage.postgres.number_at(url, cost).await?;
    tally.attempts_cost += cost;
    if rule == Rule::Free && cost > 0 {
        let which = "select string_agg(distinct outcome || ' ' || coalesce(error_code, ''), ', ')
            from wallet_attempts where outcome in ('backoff', 'failed', 'timed_out')";
        let which = stage.postgres.psql_at(url, which).await?;
        tally.violation(format!("{cost} attempts were charged ({which})"));
    }
    Ok(())
}

async fn apply_queue_rules(
    postgres: &PostgresServer,
    url: &str,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    for QueueRule { what, count, is_double } in QUEUE_RULES {
        let found = postgres.number_at(url, count).await?;
        if found > 0 {
            tally.doubled += if is_double { found } else { 0 };
            tally.violation(format!("{found} {what}"));
        }
    }
    Ok(())
}

/// The death, or freezing, of a process with its wallets.
#[derive(Debug, Clone)]
pub struct Death {
    /// The worker as it calls itself in its log.
    pub worker: String,
    /// Since when others could take over.
    pub at: SystemTime,
}

/// The id under which the worker of a process claims; none before it has started.
pub fn worker_of(log: &str) -> Option<String> {
    let line = log.lines().rfind(|line| line.contains("worker started"))?;
    let rest = line.split_once("worker=")?.1;
    Some(rest.split_whitespace().next()?.trim_matches('"').to_owned())
}

/// Adds the time from each death to the next claim of each wallet that the dead one held.
///
/// # Errors
/// When the database cannot be asked.
pub async fn time_takeovers(
    stage: &Stage,
    run: &Run,
    deaths: &[Death],
    tally: &mut Tally,
) -> anyhow::Result<()> {
    for death in deaths {
        let at = death.at.duration_since(UNIX_EPOCH)?.as_millis();
        let statement = format!(
            "select (extract(epoch from n.started) * 1000)::bigint - {at}
             from wallet_attempts a join wallet_attempts n on n.task = a.task and n.fence = a.fence + 1
             where a.worker = '{}' and a.outcome = 'lease_expired'
                 and extract(epoch from a.started) * 1000 <= {at}
                 and extract(epoch from a.ended) * 1000 >= {at}",
            death.worker
        );
        for line in stage.postgres.psql(&run.database, &statement).await?.lines() {
            let millis: i64 = line.trim().parse().context("a takeover in milliseconds")?;
            let took = Duration::from_millis(u64::try_from(millis).unwrap_or(0));
            // The short programme runs beside compilers, where no time means anything.
            if took > TAKEOVER_LIMIT && !stage.scale.short {
                tally.violation(format!("a wallet was taken over after {} ms", took.as_millis()));
            }
            tally.takeovers.push(took);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_worker_is_found_in_the_log_of_its_process() {
        let log = "x INFO worker started worker=host-1-ab slots=5\n";
        assert_eq!(worker_of(log).as_deref(), Some("host-1-ab"));
        assert_eq!(worker_of("starting"), None);
    }

    #[test]
    fn a_difference_is_shown_with_what_is_around_it() {
        let told = first_difference("W", r#"{"a":1,"b":2}"#, r#"{"a":1,"b":3}"#);
        assert!(told.contains(r#""b":3"#) && told.contains(r#""b":2"#), "{told}");
    }
    fn rows(rows: &serde_json::Value) -> Vec<Row> {
        serde_json::from_str(&rows.to_string()).unwrap()
    }

    fn judged(rule: Rule, answers: &serde_json::Value) -> Tally {
        let mut tally = Tally::default();
        let reference = (0..20).map(|n| (format!("w{n}"), r#"{"gain":"1"}"#.to_owned()));
        let rows = rows(answers);
        let wallets: Vec<_> = rows.iter().map(|row| row.wallet.clone()).collect();
        compare(&reference.collect(), &wallets, &rows, rule, &mut tally);
        tally
    }

    fn done(n: usize) -> serde_json::Value {
        json!({"wallet": format!("w{n}"), "status": "done", "result": {"gain": "1"}, "error": null,
            "run": {}})
    }

    fn failed(n: usize, code: &str) -> serde_json::Value {
        json!({"wallet": format!("w{n}"), "status": "failed", "result": null,
            "error": {"code": code, "detail": ""}, "run": {}})
    }

    #[test]
    fn a_wallet_may_fail_by_the_provider_and_by_nothing_else() {
        let mut answers: Vec<_> = (0..10).map(done).collect();
        answers[3] = failed(3, "provider-error");
        let tally = judged(Rule::EqualOrNamed, &json!(answers));
        assert!(tally.is_clean() && tally.failed["provider-error"] == 1, "{tally:?}");
        assert_eq!(judged(Rule::Free, &json!(answers)).lost, 1);
        answers[3] = failed(3, "internal");
        assert_eq!(judged(Rule::EqualOrNamed, &json!(answers)).lost, 1);
    }

    #[test]
    fn more_than_a_tenth_may_not_fail() {
        let with = |failing: usize| {
            let row = |n| if n < failing { failed(n, "timed-out") } else { done(n) };
            judged(Rule::EqualOrNamed, &json!((0..20).map(row).collect::<Vec<_>>()))
        };
        assert!(with(2).is_clean());
        assert!(!with(3).is_clean());
    }

    #[tokio::test]
    async fn two_attempts_that_are_done_and_a_result_of_another_fence_are_double_work() {
        let server = PostgresServer::start(&[]).await.unwrap();
        let url = server.create_database("judged").await.unwrap();
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations");
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> =
            files.filter(|file| file.extension().is_some_and(|kind| kind == "sql")).collect();
        files.sort();
        for file in files {
            server.psql_at(&url, &std::fs::read_to_string(file).unwrap()).await.unwrap();
        }
        let rows = "
            insert into batches (id, chain, request, trace_id, total, state, done, failed,
                timed_out, cancelled, finished_at)
            values ('00000000-0000-4000-8000-000000000000', 'solana', '{}', repeat('0', 32), 1,
                'completed', 1, 0, 0, 0, now());
            insert into wallet_tasks (batch_id, chain, wallet, ordinal, vtime, state, fence,
                finished_at)
            values ('00000000-0000-4000-8000-000000000000', 'solana', 'w', 0, 0, 'done', 2, now());
            insert into wallet_attempts (task, fence, worker, started, ended, outcome)
            select id, 1, 'a', now() - interval '4 s', now() - interval '3 s', 'lease_expired'
                from wallet_tasks union all
            select id, 2, 'b', now() - interval '2 s', now() - interval '1 s', 'done'
                from wallet_tasks;
            insert into pnl_results (chain, batch_id, wallet, task, fence, report)
            select chain, batch_id, wallet, id, fence, '{}' from wallet_tasks";
        server.psql_at(&url, rows).await.unwrap();
        let doubled = async |change: &str| {
            server.psql_at(&url, change).await.unwrap();
            let mut tally = Tally::default();
            apply_queue_rules(&server, &url, &mut tally).await.unwrap();
            (tally.doubled, tally.violations)
        };
        assert_eq!(doubled("select 1").await, (0, Vec::new()));
        let (twice, told) = doubled("update wallet_attempts set outcome = 'done'").await;
        assert_eq!(twice, 1, "{told:?}");
        let other = "update wallet_attempts set outcome = 'lease_expired' where fence = 2";
        assert_eq!(doubled(other).await.0, 1, "the result is of fence 2, and fence 1 is done");
    }
}
