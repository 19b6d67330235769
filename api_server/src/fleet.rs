//! The fleet as the database knows it: what each process last said of itself, and what of that and of
//! the queue needs a human.

use std::collections::BTreeMap;

use persistence_layer::chain_data::ChangedBlock;
use persistence_layer::processes::{self, SeenProcess};
use persistence_layer::queue_report::QueueReport;
use persistence_layer::{Store, StoreError};
use pnl_core::Chain;
use serde::Serialize;
use serde_json::Value;

use crate::dto::time::rfc3339;
use crate::json::printable;

/// State of an endpoint that fails.
const DOWN: &str = "down";

/// A process that is alive.
#[derive(Debug, Clone)]
pub struct Process {
    /// What it said, and when.
    pub seen: SeenProcess,
    /// Its chain endpoints.
    pub providers: Vec<Provider>,
    /// The chains it has paused.
    pub paused: Vec<Paused>,
    /// Since when its wallets wait for the price source.
    pub prices_away_since: Option<String>,
}

/// A chain endpoint as one process sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Provider {
    /// Its chain.
    pub chain: String,
    /// Its configured name.
    pub name: String,
    /// `ok`, `throttled` or `down`.
    pub state: String,
    /// Since when.
    pub since: Option<String>,
    /// Its last failure, while it is not `ok`.
    pub cause: Option<String>,
}

/// A chain that one process has paused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Paused {
    /// The chain.
    pub chain: String,
    /// Since when.
    pub since: Option<String>,
    /// The last failure of its providers.
    pub cause: Option<String>,
}

/// The processes that are alive, the one that started first at the top.
///
/// # Errors
/// As every read of the store.
pub async fn processes(store: &Store) -> Result<Vec<Process>, StoreError> {
    Ok(processes::live(store).await?.into_iter().map(Process::of).collect())
}

impl Process {
    /// Reads the report. It may come from another version of the program: what is not as this one
    /// writes it is left out, never guessed.
    fn of(seen: SeenProcess) -> Self {
        let by_chain = seen.report.providers.as_object().into_iter().flatten();
        let providers = by_chain
            .flat_map(|(chain, list)| {
                list.as_array().into_iter().flatten().map(move |one| (chain, one))
            })
            .filter_map(|(chain, one)| {
                Some(Provider {
                    chain: printable(chain),
                    name: text(one, "name")?,
                    state: text(one, "state")?,
                    since: text(one, "since"),
                    cause: text(one, "detail"),
                })
            })
            .collect();
        let gates = || seen.report.gates.as_array().into_iter().flatten();
        let prices_away_since =
            gates().find(|one| one["prices"] == true).and_then(|one| text(one, "since"));
        let paused = gates()
            .filter_map(|one| {
                Some(Paused {
                    chain: text(one, "chain")?,
                    since: text(one, "since"),
                    cause: text(one, "detail"),
                })
            })
            .collect();
        Self { seen, providers, paused, prices_away_since }
    }

    /// Whether an endpoint or the price source is down, or a chain is paused.
    pub fn has_trouble(&self) -> bool {
        !self.paused.is_empty()
            || self.prices_away_since.is_some()
            || self.providers.iter().any(|one| one.state == DOWN)
    }

    /// Whether it works on wallets.
    pub fn works(&self) -> bool {
        self.seen.report.role != "api"
    }

    /// Whether it has a provider of the chain. One of another version that does not say so may have one.
    fn may_read(&self, chain: Chain) -> bool {
        let providers = self.seen.report.providers.as_object();
        providers.is_none_or(|by_chain| by_chain.contains_key(chain.as_str()))
    }

    /// Where its work on `task` stands.
    pub fn stage(&self, task: i64) -> Option<String> {
        let wallets = self.seen.report.wallets.as_array()?;
        let wallet = wallets.iter().find(|wallet| wallet["task"].as_i64() == Some(task))?;
        text(wallet, "stage")
    }
}

/// A member that is text. It may repeat what an endpoint said, so it is made printable.
fn text(object: &Value, name: &str) -> Option<String> {
    object.get(name)?.as_str().map(printable)
}

/// What needs a human, in one line each.
pub fn alarms(queue: &QueueReport, processes: &[Process]) -> Vec<String> {
    let mut alarms = Vec::new();
    let open: u64 = queue.tasks.iter().map(|open| open.tasks).sum();
    let is_held = queue.running.iter().any(|running| running.lease_left.is_some());
    // A lease that is renewed proves a worker, also one of a version that does not report itself.
    if open > 0 && !is_held && !processes.iter().any(Process::works) {
        alarms.push(format!("nobody works while {open} wallets are open: start a worker"));
    }
    if processes.iter().any(Process::works) {
        alarms.extend(unread(queue, processes));
    }
    let expired = queue.running.iter().filter(|running| running.lease_left.is_none()).count();
    if expired > 0 {
        alarms.push(format!(
            "{expired} running wallets are held by leases that have run out: their process is dead or \
             frozen; they are taken over within seconds when another one is alive"
        ));
    }
    alarms.extend(queue.changed_blocks.iter().map(|changed| {
        let ChangedBlock { chain, was, is, since } = changed;
        format!(
            "block {} of {chain} was final with hash {} and is {} since {}: see the runbook \
             final-block-changed",
            was.block,
            was.hash,
            printable(is),
            rfc3339(*since)
        )
    }));
    let mut paused: Vec<&Paused> = processes.iter().flat_map(|process| &process.paused).collect();
    paused.sort_by(|a, b| a.chain.cmp(&b.chain));
    paused.dedup_by(|a, b| a.chain == b.chain);
    alarms.extend(paused.into_iter().map(|one| {
        format!("{} is paused{}", one.chain, story(one.since.as_deref(), one.cause.as_deref()))
    }));
    let mut down: Vec<(&Provider, &Process)> = processes
        .iter()
        .flat_map(|process| process.providers.iter().map(move |one| (one, process)))
        .filter(|(one, _)| one.state == DOWN)
        .collect();
    down.sort_by(|(a, _), (b, _)| (&a.chain, &a.name).cmp(&(&b.chain, &b.name)));
    for of_one in down.chunk_by(|(a, _), (b, _)| a.chain == b.chain && a.name == b.name) {
        let [(one, _), ..] = of_one else { continue };
        alarms.push(format!(
            "{} provider {} is down for {} of {} processes{}",
            one.chain,
            one.name,
            of_one.len(),
            processes.iter().filter(|process| process.works()).count(),
            story(one.since.as_deref(), one.cause.as_deref())
        ));
    }
    let away: Vec<&str> =
        processes.iter().filter_map(|process| process.prices_away_since.as_deref()).collect();
    if let Some(since) = away.iter().min() {
        alarms.push(format!(
            "the price source is down for {} of {} processes since {since}: wallets that need a price wait",
            away.len(),
            processes.iter().filter(|process| process.works()).count(),
        ));
    }
    alarms
}

/// Chains with open wallets that no process has a provider of.
fn unread(queue: &QueueReport, processes: &[Process]) -> Vec<String> {
    let mut waiting: BTreeMap<Chain, u64> = BTreeMap::new();
    for open in &queue.tasks {
        *waiting.entry(open.chain).or_default() += open.tasks;
    }
    waiting.retain(|&chain, tasks| {
        let is_held = queue.running.iter().any(|running| running.wallet.chain == chain);
        *tasks > 0
            && !is_held
            && !processes.iter().any(|process| process.works() && process.may_read(chain))
    });
    let told = waiting.into_iter().map(|(chain, tasks)| {
        format!(
            "{tasks} wallets of {chain} are open and no working process has a provider of it: add one to \
             [chains.{chain}] of a worker"
        )
    });
    told.collect()
}

fn story(since: Option<&str>, cause: Option<&str>) -> String {
    let since = since.map(|since| format!(" since {since}")).unwrap_or_default();
    let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
    since + &cause
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::{DateTime, Utc};
    use persistence_layer::chain_data::FinalBlock;
    use persistence_layer::processes::ProcessReport;
    use persistence_layer::queue_report::OpenTasks;
    use persistence_layer::wallet_tasks::TaskState;
    use serde_json::json;

    use super::*;

    fn process(role: &str, providers: Value, gates: Value) -> Process {
        Process::of(SeenProcess {
            report: ProcessReport {
                id: "w1".to_owned(),
                role: role.to_owned(),
                host: "machine".to_owned(),
                pid: 1,
                version: "0.1.0".to_owned(),
                started_at: Utc::now(),
                slots: 5,
                slots_in_use: 0,
                wallets: json!([{"task": 7, "stage": "fetch"}]),
                providers,
                gates,
                redis: "absent".to_owned(),
            },
            seen_at: Utc::now(),
            age: Duration::ZERO,
        })
    }

    fn queue(tasks: u64) -> QueueReport {
        QueueReport {
            tasks: vec![OpenTasks {
                chain: Chain::Solana,
                state: TaskState::Queued,
                waits_for: None,
                tasks,
            }],
            oldest_waiting: None,
            running: Vec::new(),
            takeovers_last_hour: 0,
            takeovers_kept: 0,
            attempts: Vec::new(),
            batches_admitted: 0,
            batches_waiting: 0,
            changed_blocks: Vec::new(),
        }
    }

    #[test]
    fn a_final_block_that_changed_is_an_alarm_with_both_hashes() {
        let was = FinalBlock { block: 7, hash: "0xold".to_owned() };
        let since = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let changed = ChangedBlock { chain: Chain::Base, was, is: "0xnew\u{1b}".to_owned(), since };
        let queue = QueueReport { changed_blocks: vec![changed], ..queue(0) };
        let expected = "block 7 of base was final with hash 0xold and is 0xnew\\u{1b} since \
                        2023-11-14T22:13:20.000Z: see the runbook final-block-changed";
        assert_eq!(alarms(&queue, &[]), [expected]);
    }

    #[test]
    fn nobody_who_works_is_an_alarm_only_while_something_waits() {
        let api = process("api", json!({}), json!([]));
        assert!(alarms(&queue(0), std::slice::from_ref(&api)).is_empty());
        let found = alarms(&queue(12), std::slice::from_ref(&api));
        assert_eq!(found, ["nobody works while 12 wallets are open: start a worker"]);
        let reader = process("worker", json!({"solana": []}), json!([]));
        assert!(alarms(&queue(12), &[api, reader]).is_empty());
    }

    #[test]
    fn a_chain_that_no_worker_can_read_is_an_alarm_while_it_has_wallets() {
        let of_ethereum = || process("worker", json!({"ethereum": []}), json!([]));
        assert_eq!(
            alarms(&queue(12), &[of_ethereum()]),
            [
                "12 wallets of solana are open and no working process has a provider of it: add one to \
                 [chains.solana] of a worker"
            ]
        );
        assert!(alarms(&queue(0), &[of_ethereum()]).is_empty());
        let other_version = process("worker", json!("of another version"), json!({}));
        assert!(alarms(&queue(12), &[of_ethereum(), other_version]).is_empty());
    }

    #[test]
    fn what_several_processes_see_is_told_once_and_printable() {
        let providers = json!({"solana": [
            {"name": "main", "kind": "solana-rpc", "state": "down", "since": "2026-01-01T00:00:00Z",
             "detail": "HTTP 503\u{1b}[2J"},
            {"name": "spare", "state": "throttled"}]});
        let gates = json!([
            {"chain": "solana", "since": "2026-01-01T00:00:01Z", "detail": "all down"},
            {"prices": true, "since": "2026-01-01T00:00:02Z"}]);
        let two = [
            process("all", providers.clone(), gates.clone()),
            process("worker", providers, gates),
            process("api", json!("of another version"), json!({})),
        ];
        assert_eq!(
            alarms(&queue(0), &two),
            [
                "solana is paused since 2026-01-01T00:00:01Z: all down",
                "solana provider main is down for 2 of 2 processes since 2026-01-01T00:00:00Z: HTTP \
                 503\\u{1b}[2J",
                "the price source is down for 2 of 2 processes since 2026-01-01T00:00:02Z: wallets that \
                 need a price wait",
            ]
        );
        assert_eq!(two[0].stage(7).as_deref(), Some("fetch"));
        assert_eq!(two[0].stage(8), None);
    }
}
