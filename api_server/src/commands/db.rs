//! `db`: how the tables are, and the work that keeps them small.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use job_orchestrator::care;
use persistence_layer::retention::{self, Removed, Run};
use persistence_layer::upkeep::{self, Section, UpkeepReport};
use persistence_layer::{Store, results};
use serde_json::{Map, Value, json};
use service_runtime::config::Settings;

use super::configure_quietly;
use super::table::{self, Align};
use crate::cli::{DbCommand, MaintainArgs, OutputFormat};
use crate::database::Database;

/// Does what was asked for. Exit code 1 when the report has something that needs a human.
pub async fn run(command: DbCommand) -> anyhow::Result<ExitCode> {
    let config = match &command {
        DbCommand::Report(args) => &args.config,
        DbCommand::Maintain(args) => &args.config,
    };
    let settings = configure_quietly(config)?;
    let database = Database::open_for_a_look(&settings).await?;
    let done = on(&settings, &database.store, &command).await;
    database.close().await;
    done
}

async fn on(settings: &Settings, store: &Store, command: &DbCommand) -> anyhow::Result<ExitCode> {
    let (applied, newest) = store.schema_version().await?;
    if applied < newest {
        bail!("the schema is at version {applied} of {newest}; run pnl-tracker migrate first");
    }
    match command {
        DbCommand::Report(args) => report(store, args.format).await,
        DbCommand::Maintain(args) => maintain(settings, store, args).await,
    }
}

async fn report(store: &Store, format: OutputFormat) -> anyhow::Result<ExitCode> {
    let found = upkeep::report(store).await?;
    let text = match format {
        OutputFormat::Json => serde_json::to_string_pretty(&view(&found))? + "\n",
        OutputFormat::Table => tables(&found),
    };
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(if found.attention.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn view(found: &UpkeepReport) -> Value {
    let rows = |section: &Section| -> Vec<Value> {
        let row = |cells: &Vec<Option<String>>| {
            let named = section.columns.iter().cloned().zip(cells.iter().cloned().map(Value::from));
            Value::Object(named.collect())
        };
        section.rows.iter().map(row).collect()
    };
    let sections: Map<String, Value> = found
        .sections
        .iter()
        .map(|section| (section.name.to_owned(), Value::from(rows(section))))
        .collect();
    json!({ "attention": found.attention, "sections": sections })
}

fn tables(found: &UpkeepReport) -> String {
    let mut text = String::new();
    if found.attention.is_empty() {
        text.push_str("ok: nothing needs a human\n");
    }
    for sentence in &found.attention {
        let _ = writeln!(text, "attention: {sentence}");
    }
    for section in &found.sections {
        let _ = writeln!(text, "\n{}", section.title);
        if section.rows.is_empty() {
            text.push_str("none\n");
            continue;
        }
        let columns: Vec<_> =
            section.columns.iter().map(|name| (name.as_str(), Align::Left)).collect();
        let cell = |cell: &Option<String>| cell.clone().unwrap_or_else(|| "-".to_owned());
        let rows: Vec<Vec<String>> =
            section.rows.iter().map(|row| row.iter().map(cell).collect()).collect();
        text.push_str(&table::render(&columns, &rows));
    }
    text
}

async fn maintain(
    settings: &Settings,
    store: &Store,
    args: &MaintainArgs,
) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    let kept = &settings.retention;
    let retention = format!(
        "retention: results_days = {}, raw_transactions_days = {} (0: for ever)",
        kept.results_days, kept.raw_transactions_days
    );
    let statements = upkeep::maintenance(store).await.context("the tables cannot be listed")?;
    if args.dry_run {
        for step in [retention.as_str()]
            .into_iter()
            .chain(statements.iter().map(String::as_str))
            .chain(["refresh of the summary statistics"])
        {
            writeln!(out, "would do: {step}")?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "{retention}")?;
    let mut removed = Removed::default();
    let rules = care::rules(settings);
    let ended =
        retention::prune(store, &rules, Duration::ZERO, |kind, rows| removed.add(kind, rows));
    let ended = ended.await.context("retention does not get on")?;
    for (kind, rows) in removed.iter() {
        writeln!(out, "removed {rows} rows of {}", kind.as_str())?;
    }
    if ended == Run::Busy {
        writeln!(out, "another process is at retention, and goes on with it")?;
    }
    let begun = |statement: &str| {
        // A closed stdout ends nothing that was begun.
        let _ = writeln!(io::stderr(), "{statement}");
    };
    upkeep::maintain(store, &statements, begun).await?;
    let scopes = results::refresh(store).await?;
    writeln!(out, "vacuumed and analyzed; summary statistics of {scopes} scopes refreshed")?;
    Ok(ExitCode::SUCCESS)
}
