//! `engine`: one accounting case, stdin to stdout.

use std::io::{self, Read, Write};
use std::process::ExitCode;

use anyhow::Context;

/// Answers the document on stdin. A history that the engine refuses is answered with an `error`
/// member, which is an answer: the exit code is 0.
pub fn run() -> anyhow::Result<ExitCode> {
    let mut document = String::new();
    io::stdin().lock().read_to_string(&mut document).context("cannot read stdin")?;
    let mut answer = pnl_core::document::answer(&document);
    answer.push('\n');
    let mut out = io::stdout().lock();
    out.write_all(answer.as_bytes())?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
