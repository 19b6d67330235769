//! `analyze`: wallets once, through the same queue and workers as the service.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::{Context, bail};
use job_orchestrator::batch::NewBatchRequest;
use job_orchestrator::request::Analysis;
use job_orchestrator::sources::offered_chains;
use job_orchestrator::tools;
use persistence_layer::batches::{Batch, Counts};
use persistence_layer::results::ResultRow;
use persistence_layer::wallet_tasks::TaskState;
use persistence_layer::{Store, Tenant};
use pnl_core::{Address, Chain};
use prometheus::Registry;
use serde::{Deserialize, Serialize};
use service_runtime::config::Settings;
use service_runtime::shutdown::Shutdown;
use service_runtime::trace::TraceId;

use super::table::{self, Align};
use super::{WrongUsage, configure_quietly};
use crate::cli::{AnalyzeArgs, Format};
use crate::database::Database;
use crate::dto::batch::{not_a_time, range_of, unknown_method};
use crate::dto::csv;
use crate::dto::result::{WalletRow, wallet_status};
use crate::dto::time::read_moment;
use crate::serve::{batches, worker_deps};

/// Exit code 0 when every wallet is done, 1 when any is not.
pub async fn run(args: AnalyzeArgs) -> anyhow::Result<ExitCode> {
    let settings = configure_quietly(&args.config)?;
    let request = request(&args)?;
    if !offered_chains(&settings).contains(&args.chain) {
        bail!(WrongUsage(format!("no provider is configured for {}", args.chain)));
    }
    let shutdown = Shutdown::on_signals()?;
    let database = Database::open(&settings).await?;
    let rows = analyze(&settings, database.store.clone(), request, &shutdown).await;
    database.close().await;
    let rows = rows?;
    print(&rows, args.chain, args.format)?;
    let all_done = rows.iter().all(|row| row.state == TaskState::Done);
    Ok(if all_done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The arguments as a request, checked like one over HTTP.
fn request(args: &AnalyzeArgs) -> anyhow::Result<NewBatchRequest> {
    let usage = |text: String| anyhow::Error::new(WrongUsage(text));
    if !args.method.is_offered() {
        return Err(usage(unknown_method(args.method.as_str())));
    }
    let mut wallets: Vec<Address> = Vec::new();
    for text in &args.wallets {
        let address = Address::parse(args.chain, text)
            .map_err(|error| usage(format!("{}: {error}", crate::json::shown(text))))?;
        if !wallets.contains(&address) {
            wallets.push(address);
        }
    }
    let mut time_range = range_of(&args.time_range).map_err(usage)?;
    if let Some(text) = &args.as_of {
        let as_of = read_moment(text).ok_or_else(|| usage(not_a_time(text)))?;
        time_range = time_range.up_to(as_of).map_err(|error| usage(error.to_string()))?;
    }
    Ok(NewBatchRequest {
        tenant: Tenant::default(),
        chain: args.chain,
        duplicates_removed: args.wallets.len() - wallets.len(),
        wallets,
        analysis: Analysis {
            method: args.method,
            time_range,
            max_transactions: args.max_transactions,
            ..Analysis::default()
        },
        idempotency: None,
        webhook: None,
        trace_id: TraceId::generate().to_string(),
    })
}

/// Submits, works and waits; a signal cancels the job.
async fn analyze(
    settings: &Settings,
    store: Store,
    request: NewBatchRequest,
    shutdown: &Shutdown,
) -> anyhow::Result<Vec<ResultRow>> {
    store.migrate().await.context("the schema cannot be brought to its newest version")?;
    let batches = batches(settings, store.clone());
    // Nobody scrapes a one-shot run, but its parts count all the same.
    let registry = Registry::new();
    let metrics = job_orchestrator::Metrics::new(&registry)?;
    let deps = worker_deps(settings, store, &registry, metrics)?;
    let mut progress = Progress::default();
    let rows = tools::analyze(deps, &batches, request, shutdown.token(), |batch| {
        progress.show(batch);
    })
    .await;
    progress.end();
    Ok(rows?)
}

/// The progress line on stderr: rewritten in place on a terminal, else one line per change.
#[derive(Default)]
struct Progress {
    shown: bool,
}

impl Progress {
    fn show(&mut self, batch: &Batch) {
        self.shown = true;
        let Counts { queued, running, done, failed, timed_out, cancelled } = batch.counts;
        let ended = done + failed + timed_out + cancelled;
        let line = format!(
            "{ended} of {} wallets: {queued} queued, {running} running, {done} done, {} not",
            batch.total,
            failed + timed_out + cancelled,
        );
        let mut err = io::stderr().lock();
        let _ =
            if err.is_terminal() { write!(err, "\r\x1b[K{line}") } else { writeln!(err, "{line}") };
    }

    fn end(&self) {
        let mut err = io::stderr().lock();
        if self.shown && err.is_terminal() {
            let _ = writeln!(err);
        }
    }
}

/// Prints every wallet on stdout.
fn print(rows: &[ResultRow], chain: Chain, format: Format) -> anyhow::Result<()> {
    let text = match format {
        Format::Table => table_of(rows)?,
        Format::Csv => csv_of(rows, chain)?,
        Format::Json => json_of(rows, chain)?,
    };
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

fn csv_of(rows: &[ResultRow], chain: Chain) -> anyhow::Result<String> {
    let mut bytes = csv::header()?;
    for row in rows {
        bytes.extend(csv::line(csv::CsvRow::of(row, chain))?);
    }
    Ok(String::from_utf8(bytes)?)
}

/// The rows of the results route.
fn json_of(rows: &[ResultRow], chain: Chain) -> anyhow::Result<String> {
    #[derive(Serialize)]
    struct Document {
        data: Vec<WalletRow>,
    }
    let rows = rows.iter().map(|row| WalletRow::of(row.clone(), chain));
    let document = Document { data: rows.collect::<Result<_, _>>()? };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

/// What the table shows of a report.
#[derive(Deserialize)]
struct Shown {
    realized_gain_usd: String,
    unrealized_gain_usd: String,
    total_pnl_usd: String,
    fees_usd: String,
    trades: u64,
    transactions: u64,
    coverage: ShownCoverage,
}

#[derive(Deserialize)]
struct ShownCoverage {
    complete: bool,
}

fn table_of(rows: &[ResultRow]) -> anyhow::Result<String> {
    const COLUMNS: &[(&str, Align)] = &[
        ("wallet", Align::Left),
        ("status", Align::Left),
        ("realized USD", Align::Right),
        ("unrealized USD", Align::Right),
        ("total USD", Align::Right),
        ("fees USD", Align::Right),
        ("trades", Align::Right),
        ("transactions", Align::Right),
        ("complete", Align::Left),
    ];
    let mut cells = Vec::new();
    let mut notes = String::new();
    for row in rows {
        let status = wallet_status(row.state);
        let mut line = vec![row.wallet.to_string(), status.to_owned()];
        match &row.report_json {
            Some(report) => {
                let report: Shown = serde_json::from_str(report)?;
                line.extend([
                    table::cents(&report.realized_gain_usd),
                    table::cents(&report.unrealized_gain_usd),
                    table::cents(&report.total_pnl_usd),
                    table::cents(&report.fees_usd),
                    report.trades.to_string(),
                    report.transactions.to_string(),
                    if report.coverage.complete { "yes" } else { "no" }.to_owned(),
                ]);
            }
            None => line.resize(COLUMNS.len(), String::new()),
        }
        if let Some(error) = &row.error {
            notes.push_str(&format!("{}: {} ({})\n", row.wallet, error.detail, error.code));
        }
        cells.push(line);
    }
    let table = table::render(COLUMNS, &cells);
    Ok(if notes.is_empty() { table } else { format!("{table}\n{notes}") })
}

#[cfg(test)]
mod tests {
    use job_orchestrator::request::TimeRange;

    use crate::dto::batch::range_of;

    #[test]
    fn time_ranges_are_presets_or_two_times() {
        assert_eq!(range_of("all"), Ok(TimeRange::default()));
        assert_eq!(
            range_of("1970-01-01T00:00:05Z..1970-01-01T00:00:09Z"),
            Ok(TimeRange::Between { from: 5, to: 9 })
        );
        for bad in ["2d", "..", "5..9", "1970-01-01T00:00:09Z..1970-01-01T00:00:05Z", ""] {
            assert!(range_of(bad).is_err(), "{bad}");
        }
    }
}
