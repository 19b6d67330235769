//! `openapi`: the description of the HTTP interface.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::openapi::document;

/// Prints the document, as it is checked in.
pub fn run() -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    out.write_all(document().as_bytes())?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
