//! `status`: what all processes on the database do, read from the database alone.
//!
//! Exit code: 0 all well, 1 something needs a human, 2 the database cannot be read.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use persistence_layer::queue_report::{self, MANY_ATTEMPTS, QueueReport};
use persistence_layer::{Store, Trouble, retention};
use service_runtime::config::Settings;
use service_runtime::postgres;
use service_runtime::telemetry::Chain;

use super::table::{self, Align};
use crate::cli::{OutputFormat, StatusArgs};
use crate::database::Database;
use crate::dto::fleet::FleetView;
use crate::dto::time::rfc3339;
use crate::fleet::{self, Process};

/// Most running wallets that are shown.
const RUNNING_SHOWN: u32 = 200;

const EXIT_UNREADABLE: u8 = 2;

/// What was read, of one moment.
struct Seen {
    queue: QueueReport,
    processes: Vec<Process>,
    last_retention: Option<DateTime<Utc>>,
    /// Why the database takes no writes.
    refusal: Option<String>,
}

/// Reads, prints and judges.
pub async fn run(args: StatusArgs) -> anyhow::Result<ExitCode> {
    let settings = Settings::load(args.config.config.as_deref())?;
    let seen = match look(&settings).await {
        Ok(seen) => seen,
        Err(error) => {
            writeln!(io::stderr(), "error: the database cannot be read: {error:#}")?;
            return Ok(ExitCode::from(EXIT_UNREADABLE));
        }
    };
    let Seen { queue, processes, last_retention, refusal } = &seen;
    let refusal = refusal
        .iter()
        .map(|cause| format!("the database takes no writes: {cause}; see the runbook database"));
    let alarms: Vec<String> = refusal.chain(fleet::alarms(queue, processes)).collect();
    let is_well = alarms.is_empty();
    let text = match args.format {
        OutputFormat::Json => {
            let view = FleetView::of(alarms, queue, processes, *last_retention);
            serde_json::to_string_pretty(&view)? + "\n"
        }
        OutputFormat::Table => tables(&seen, &alarms),
    };
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn look(settings: &Settings) -> anyhow::Result<Seen> {
    if !postgres::Database::exists(&settings.database) {
        // A new cluster would be empty, and all would look well.
        bail!(
            "no database.postgres_url is set and there is no cluster of the service below {}; name the \
             configuration of the service with --config",
            settings.database.data_dir.display()
        );
    }
    let database = Database::open_for_a_look(settings).await?;
    let seen = read(&database.store).await;
    database.close().await;
    seen
}

async fn read(store: &Store) -> anyhow::Result<Seen> {
    let (applied, newest) = store.schema_version().await?;
    if applied < newest {
        bail!(
            "its schema is at version {applied} and this program reads version {newest}; run \
             pnl-tracker migrate, or use the program that is deployed"
        );
    }
    Ok(Seen {
        queue: queue_report::read(store, RUNNING_SHOWN).await.context("the queue")?,
        processes: fleet::processes(store).await.context("the processes")?,
        last_retention: retention::last_run(store).await.context("the runs of retention")?,
        refusal: store
            .diagnose()
            .await
            .err()
            .map(|Trouble { error, .. }| format!("{} ({})", Chain(&error), error.code())),
    })
}

fn tables(seen: &Seen, alarms: &[String]) -> String {
    let Seen { queue, processes, last_retention, .. } = seen;
    let mut text = String::new();
    if alarms.is_empty() {
        text.push_str("ok: nothing needs a human\n");
    }
    for alarm in alarms {
        let _ = writeln!(text, "attention: {alarm}");
    }
    section(
        &mut text,
        "Open wallets",
        &[
            ("chain", Align::Left),
            ("state", Align::Left),
            ("waits for", Align::Left),
            ("wallets", Align::Right),
        ],
        queue.tasks.iter().map(|open| {
            let waits_for = open.waits_for.clone().unwrap_or_default();
            vec![
                open.chain.to_string(),
                open.state.as_str().to_owned(),
                waits_for,
                open.tasks.to_string(),
            ]
        }),
    );
    text.push('\n');
    let _ = writeln!(
        text,
        "batches         {} worked on, {} waiting for admission",
        queue.batches_admitted, queue.batches_waiting
    );
    let oldest = queue.oldest_waiting.as_ref().map_or_else(
        || "none".to_owned(),
        |oldest| {
            let reason =
                oldest.waits_for.as_ref().map(|reason| format!(", {reason}")).unwrap_or_default();
            format!(
                "{}: {} of batch {} ({}{reason})",
                span(oldest.age),
                oldest.wallet,
                oldest.batch,
                oldest.state.as_str()
            )
        },
    );
    let _ = writeln!(text, "oldest waiting  {oldest}");
    let _ = writeln!(text, "attempts begun  {}", attempts(queue));
    let _ = writeln!(
        text,
        "takeovers       {} in the last hour, {} kept",
        queue.takeovers_last_hour, queue.takeovers_kept
    );
    let last = last_retention.map_or_else(|| "no run yet".to_owned(), rfc3339);
    let _ = writeln!(text, "retention       {last}");
    running(&mut text, queue, processes);
    fleet_tables(&mut text, processes);
    text
}

/// `0: 12 wallets, 1: 5 wallets`.
fn attempts(queue: &QueueReport) -> String {
    let counts = queue.attempts.iter().map(|count| {
        let more = if count.attempts >= MANY_ATTEMPTS { " or more" } else { "" };
        format!("{}{more}: {} wallets", count.attempts, count.tasks)
    });
    let counts: Vec<String> = counts.collect();
    if counts.is_empty() { "no batch is open".to_owned() } else { counts.join(", ") }
}

fn running(text: &mut String, queue: &QueueReport, processes: &[Process]) {
    section(
        text,
        "Running wallets",
        &[
            ("wallet", Align::Left),
            ("batch", Align::Left),
            ("stage", Align::Left),
            ("age", Align::Right),
            ("worker", Align::Left),
            ("lease left", Align::Right),
            ("attempts", Align::Right),
            ("continued", Align::Right),
            ("takeovers", Align::Right),
        ],
        queue.running.iter().map(|task| {
            let holder = processes.iter().find(|process| process.seen.report.id == task.worker);
            let stage = holder.and_then(|process| process.stage(task.task));
            vec![
                task.wallet.to_string(),
                task.batch.to_string(),
                stage.unwrap_or_else(|| "unknown".to_owned()),
                span(task.age),
                task.worker.clone(),
                task.lease_left.map_or_else(|| "run out".to_owned(), span),
                task.attempts.to_string(),
                task.continuations.to_string(),
                task.takeovers.to_string(),
            ]
        }),
    );
}

fn fleet_tables(text: &mut String, processes: &[Process]) {
    section(
        text,
        "Processes",
        &[
            ("process", Align::Left),
            ("role", Align::Left),
            ("host", Align::Left),
            ("pid", Align::Right),
            ("version", Align::Left),
            ("seen", Align::Right),
            ("slots", Align::Right),
            ("redis", Align::Left),
        ],
        processes.iter().map(|process| {
            let report = &process.seen.report;
            vec![
                report.id.clone(),
                report.role.clone(),
                report.host.clone(),
                report.pid.to_string(),
                report.version.clone(),
                format!("{} ago", span(process.seen.age)),
                format!("{} of {}", report.slots_in_use, report.slots),
                report.redis.clone(),
            ]
        }),
    );
    section(
        text,
        "Providers",
        &[
            ("process", Align::Left),
            ("chain", Align::Left),
            ("provider", Align::Left),
            ("state", Align::Left),
            ("since", Align::Left),
            ("cause", Align::Left),
        ],
        processes.iter().flat_map(|process| {
            let id = &process.seen.report.id;
            let providers = process.providers.iter().map(|one| {
                let state = (one.chain.clone(), one.name.clone(), one.state.clone());
                (state, one.since.clone(), one.cause.clone())
            });
            let paused = process.paused.iter().map(|one| {
                let state = (one.chain.clone(), "all".to_owned(), "paused".to_owned());
                (state, one.since.clone(), one.cause.clone())
            });
            providers.chain(paused).map(move |((chain, name, state), since, cause)| {
                let (since, cause) = (since.unwrap_or_default(), cause.unwrap_or_default());
                vec![id.clone(), chain, name, state, since, cause]
            })
        }),
    );
}

/// A heading and its table, or that there is nothing.
fn section(
    text: &mut String,
    heading: &str,
    columns: &[(&str, Align)],
    rows: impl Iterator<Item = Vec<String>>,
) {
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        let _ = writeln!(text, "\n{heading}: none");
    } else {
        let _ = write!(text, "\n{heading}\n{}", table::render(columns, &rows));
    }
}

/// A span as people read it: `45s`, `3m05s`, `2h07m`.
fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_short() {
        for (seconds, text) in [(0, "0s"), (59, "59s"), (185, "3m05s"), (7620, "2h07m")] {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
    }
}
