//! `parse`: raw transactions to JSON lines.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use job_orchestrator::tools::{self, Parser};
use pnl_core::Address;

use super::WrongUsage;
use crate::cli::ParseArgs;
use crate::json::shown;

/// Exit code 1 when any file was bad.
pub fn run(args: &ParseArgs) -> anyhow::Result<ExitCode> {
    let address = |text: &String| {
        Address::parse(args.chain, text)
            .map_err(|error| WrongUsage(format!("{}: {error}", shown(text))))
    };
    let wallets = args.wallets.iter().map(address).collect::<Result<Vec<_>, _>>()?;
    let wrapped_native = args.wrapped_native.as_ref().map(address).transpose()?;
    let parser = Parser::new(args.chain, wrapped_native.as_ref())
        .map_err(|error| WrongUsage(format!("--wrapped-native: {error}")))?;
    let mut out = BufWriter::new(io::stdout().lock());
    let mut errors = io::stderr().lock();
    let parsed = tools::parse_files(&parser, &wallets, &args.files, &mut out, &mut errors);
    let all_good = match parsed.and_then(|good| out.flush().map(|()| good)) {
        Ok(all_good) => all_good,
        // Whoever read our output has seen enough, as `head` does.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => true,
        Err(error) => return Err(error.into()),
    };
    Ok(if all_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
