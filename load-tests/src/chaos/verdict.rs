//! Judging a run: its answers against those of the undisturbed one, and its rows against the rules
//! of the queue.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;

use super::stage::{Run, Stage, TAKEOVER_LIMIT};
use super::tally::Tally;
use crate::service::{Client, Row};

/// What a fault may do to wallets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Nothing: every result is that of the undisturbed run, and no attempt was charged.
    Free,
    /// Attempts may be charged; every result is that of the undisturbed run.
    Equal,
    /// A wallet may fail under a code; results are those of the undisturbed run.
    EqualOrNamed,
}

/// Rules of the queue: what each statement counts must not be there.
const QUEUE_RULES: [(&str, &str); 11] = [
    (
        "tasks have no end in an ended batch",
        "select count(*) from wallet_tasks t join batches b on b.id = t.batch_id
         where b.state <> 'active' and t.state in ('queued', 'delayed', 'running')",
    ),
    (
        "wallets that are done have no result, or one of another fence",
        "select count(*) from wallet_tasks t where t.state = 'done' and not exists (
             select from pnl_results r where r.task = t.id and r.fence = t.fence
                 and r.batch_id = t.batch_id and r.wallet = t.wallet and r.chain = t.chain)",
    ),
    (
        "results belong to wallets that are not done",
        "select count(*) from pnl_results r where not exists (
             select from wallet_tasks t where t.id = r.task and t.state = 'done')",
    ),
    (
        "tasks have two results",
        "select count(*) from (
             select task from pnl_results group by task having count(*) > 1) as twice",
    ),
    (
        "tasks are not done by the attempt that holds their fence, or by two",
        "select count(*) from wallet_tasks t where t.state = 'done' and (
             select array_agg(a.fence) from wallet_attempts a
             where a.task = t.id and a.outcome = 'done') is distinct from array[t.fence]",
    ),
    (
        "tasks have other attempts than one for each fence",
        "select count(*) from wallet_tasks t where t.fence <> (
             select count(*) from wallet_attempts a
             where a.task = t.id and a.fence between 1 and t.fence)",
    ),
    (
        "attempts have no end though their task is not running",
        "select count(*) from wallet_attempts a join wallet_tasks t on t.id = a.task
         where a.ended is null and (t.state <> 'running' or t.fence <> a.fence)",
    ),
    (
        "attempts at one wallet began before an earlier one had ended",
        "select count(*) from (
             select a.started, lag(a.ended) over (
                 partition by t.chain, t.wallet order by a.started, a.fence) as before
             from wallet_attempts a join wallet_tasks t on t.id = a.task) as pairs
         where before > started",
    ),
    (
        "ledgers that are read have other chunks than their head says",
        "select count(*) from ledgers l
         cross join lateral (
             select count(*) as chunks, coalesce(sum(c.events), 0) as events from ledger_chunks c
             where c.chain = l.chain and c.ledger_id = l.ledger_id) as has
         where l.state = 'current' and (l.chunks <> has.chunks or l.events <> has.events)",
    ),
    (
        "analyzed wallets have no ledger that is read",
        "select count(*) from wallet_latest w where not exists (
             select from ledgers l where l.chain = w.chain and l.wallet = w.wallet
                 and l.state = 'current')",
    ),
    (
        "signatures are listed whose transactions are not stored, of wallets that are done",
        "select count(*) from address_signatures s
         where exists (select from wallet_tasks t where t.state = 'done' and t.wallet = s.address)
             and not exists (select from raw_transactions r
                 where r.chain = s.chain and r.tx_id = s.tx_id)",
    ),
];

/// Checksums of raw transactions and signature lists, by content, not by place.
pub async fn stored_chain_data(stage: &Stage, database: &str) -> anyhow::Result<String> {
    let statement = "
        select (select count(*) || ' transactions ' || coalesce(md5(string_agg(
                    tx_id || md5(payload), ',' order by tx_id)), '') from raw_transactions)
            || ', ' || (select count(*) || ' signatures ' || coalesce(md5(string_agg(
                    address || tx_id || slot || failed, ',' order by address, tx_id)), '')
                from address_signatures)";
    stage.postgres.psql(database, statement).await
}

/// Judges one ended batch of all wallets of the stage: answers and rows.
///
/// # Errors
/// When the service or the database cannot be asked.
pub async fn judge(
    stage: &Stage,
    run: &Run,
    client: &Client,
    job_id: &str,
    rule: Rule,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    let rows = client.results(job_id).await.context("results")?;
    judge_rows(stage, &rows, rule, tally);
    judge_queue(stage, run, rule, tally).await?;
    if rows.iter().all(|row| row.status == "done") {
        let stored = stored_chain_data(stage, &run.database).await?;
        if stored != stage.stored {
            tally.violation(format!("stored chain data: {stored} instead of {}", stage.stored));
        }
    }
    Ok(())
}

/// Judges the answers.
pub fn judge_rows(stage: &Stage, rows: &[Row], rule: Rule, tally: &mut Tally) {
    let mut seen = BTreeSet::new();
    for row in rows {
        tally.wallets += 1;
        if !seen.insert(&row.wallet) {
            tally.doubled += 1;
            tally.violation(format!("{} is listed twice", row.wallet));
        }
        match (row.status.as_str(), row.result(), &row.error) {
            ("done", Some(result), None) => {
                let expected = stage.reference.get(&row.wallet);
                if expected.map(String::as_str) != Some(result) {
                    tally.differing += 1;
                    let known = expected.map_or("no such wallet", String::as_str);
                    tally.violation(first_difference(&row.wallet, known, result));
                }
            }
            ("failed" | "timed_out", None, Some(error)) if rule == Rule::EqualOrNamed => {
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
    let missing = stage.wallets.iter().filter(|wallet| !seen.contains(wallet)).count();
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

/// Judges the rows.
///
/// # Errors
/// When the database cannot be asked.
pub async fn judge_queue(
    stage: &Stage,
    run: &Run,
    rule: Rule,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    let count = async |statement: &str| stage.postgres.number(&run.database, statement).await;
    for (what, statement) in QUEUE_RULES {
        let found = count(statement).await?;
        if found > 0 {
            if what.contains("two results") {
                tally.doubled += found;
            }
            tally.violation(format!("{found} {what}"));
        }
    }
    let cost = count("select coalesce(sum(attempts), 0) from wallet_tasks").await?;
    tally.attempts_cost += cost;
    if rule == Rule::Free && cost > 0 {
        let which = "select string_agg(distinct outcome || ' ' || coalesce(error_code, ''), ', ')
            from wallet_attempts where outcome in ('backoff', 'failed', 'timed_out')";
        let which = stage.postgres.psql(&run.database, which).await?;
        tally.violation(format!("{cost} attempts were charged ({which})"));
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
}
