//! `check-config`: the effective configuration, secrets redacted.

use std::io::{self, Write};
use std::process::ExitCode;

use service_runtime::config::Settings;

use crate::cli::ConfigArgs;

/// Prints the settings as TOML; a wrong one is an error that names the key.
pub fn run(args: &ConfigArgs) -> anyhow::Result<ExitCode> {
    let settings = Settings::load(args.config.as_deref())?;
    settings.check_exposure(settings.service.role)?;
    let mut out = io::stdout().lock();
    out.write_all(settings.redacted_toml().as_bytes())?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
