//! The subcommands. Each gives an exit code: 0 done, 1 failed, 2 wrong usage or configuration.

pub mod analyze;
pub mod bundle;
pub mod capacity;
pub mod check_config;
pub mod db;
pub mod doctor;
pub mod engine;
pub mod explain;
pub mod keys;
pub mod migrate;
pub mod openapi;
pub mod parse;
pub mod seed_bench;
pub mod status;
mod table;
pub mod verify;
pub mod webhook_secrets;

use std::future::Future;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use service_runtime::config::{ConfigError, LogFormat, LogSettings, Settings};
use service_runtime::telemetry;

use crate::cli::{Cli, Command, ConfigArgs};
use crate::serve;

/// Wrong usage or configuration, as clap has it.
const EXIT_USAGE: u8 = 2;

/// Runs a subcommand to its end and tells the user what went wrong, if anything did.
pub fn run(cli: Cli) -> ExitCode {
    let outcome = match cli.command {
        Command::Serve(args) => blocking_on(serve::run(args)),
        Command::Analyze(args) => blocking_on(analyze::run(args)),
        Command::Engine => engine::run(),
        Command::Bundle(args) => blocking_on(bundle::write(args)),
        Command::Replay(args) => bundle::run(&args),
        Command::Explain(args) => blocking_on(explain::run(args)),
        Command::Parse(args) => parse::run(&args),
        Command::Keys(command) => blocking_on(keys::run(command)),
        Command::Migrate(args) => blocking_on(migrate::run(args)),
        Command::Openapi => openapi::run(),
        Command::CheckConfig(args) => check_config::run(&args),
        Command::Doctor(args) => blocking_on(doctor::run(args)),
        Command::Status(args) => blocking_on(status::run(args)),
        Command::Capacity(args) => blocking_on(capacity::run(args)),
        Command::Db(command) => blocking_on(db::run(command)),
        Command::SeedBench(args) => blocking_on(seed_bench::run(args)),
        Command::Verify(args) => blocking_on(verify::run(args)),
        Command::WebhookSecrets(args) => webhook_secrets::run(&args),
        Command::SigningKey(args) => verify::create(&args),
    };
    telemetry::flush();
    match outcome {
        Ok(code) => code,
        Err(error) => {
            // Causes follow on the same line, so that one line tells the whole story.
            let _ = writeln!(io::stderr(), "error: {error:#}");
            if error.is::<ConfigError>() || error.is::<WrongUsage>() {
                ExitCode::from(EXIT_USAGE)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

/// Arguments that are well-formed and still cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct WrongUsage(pub String);

fn blocking_on(work: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?
        .block_on(work)
}

/// The settings, with log lines set up as they say.
pub(crate) fn configure(args: &ConfigArgs) -> anyhow::Result<Settings> {
    let settings = Settings::load(args.config.as_deref())?;
    telemetry::init(&settings)?;
    Ok(settings)
}

/// The same for a command whose output is for people: only what is wrong is logged, unless more is
/// asked for.
pub(crate) fn configure_quietly(args: &ConfigArgs) -> anyhow::Result<Settings> {
    let mut settings = Settings::load(args.config.as_deref())?;
    if settings.log.format == LogFormat::Text
        && settings.log.filter == LogSettings::default().filter
    {
        settings.log.filter = "warn".to_owned();
    }
    telemetry::init(&settings)?;
    Ok(settings)
}
