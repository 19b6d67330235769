//! `bundle` and `replay`: a result with all its inputs in one file, and the same result from that file
//! alone.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::Path;
use std::pin::pin;
use std::process::ExitCode;

use anyhow::Context;
use futures::StreamExt;
use job_orchestrator::sources::ledger_rules;
use job_orchestrator::wallets::{AllWallets, Replayed, Wallets, replay};
use pnl_core::{Address, WalletRef};

use super::{WrongUsage, configure_quietly};
use crate::cli::{BundleArgs, ReplayArgs};
use crate::database::Database;
use crate::dto::batch::unknown_method;

/// Writes the bundle to stdout. Exit code 1 when the wallet is not stored.
pub async fn write(args: BundleArgs) -> anyhow::Result<ExitCode> {
    let settings = configure_quietly(&args.config)?;
    let usage = |text: String| anyhow::Error::new(WrongUsage(text));
    if !args.method.is_offered() {
        return Err(usage(unknown_method(args.method.as_str())));
    }
    let address = Address::parse(args.chain, &args.wallet)
        .map_err(|error| usage(format!("{}: {error}", crate::json::shown(&args.wallet))))?;
    let database = Database::open_for_a_look(&settings).await?;
    let wallets = AllWallets::new(database.store.clone(), ledger_rules(&settings));
    let wallets = wallets.of(args.tenant.clone());
    let wallet = WalletRef { chain: args.chain, address };
    let written = write_lines(&wallets, &wallet, &args).await;
    database.close().await;
    if written? {
        return Ok(ExitCode::SUCCESS);
    }
    let _ = writeln!(io::stderr(), "error: no such wallet is stored; analyze it first");
    Ok(ExitCode::FAILURE)
}

async fn write_lines(
    wallets: &Wallets,
    wallet: &WalletRef,
    args: &BundleArgs,
) -> anyhow::Result<bool> {
    let Some(lines) = wallets.bundle(wallet, args.method).await? else { return Ok(false) };
    let mut out = BufWriter::new(io::stdout());
    let mut lines = pin!(lines);
    while let Some(line) = lines.next().await {
        out.write_all(line?.as_bytes())?;
    }
    out.flush()?;
    Ok(true)
}

/// Prints the result of the bundle. Exit code 1 when it is another one than the bundle has, or when
/// something in the bundle contradicts something else in it.
pub fn run(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    let replayed = if args.file == Path::new("-") {
        replay(io::stdin().lock())?
    } else {
        let file = File::open(&args.file)
            .with_context(|| format!("cannot open {}", args.file.display()))?;
        replay(BufReader::new(file))?
    };
    writeln!(io::stdout(), "{}", replayed.result)?;
    let mut err = io::stderr().lock();
    for (name, then, now) in &replayed.versions {
        writeln!(err, "the bundle was made by version {then} of the {name}, this is {now}")?;
    }
    for tx_id in &replayed.contradicted {
        writeln!(err, "transaction {tx_id} does not do what its events say")?;
    }
    for tx_id in &replayed.misnamed {
        writeln!(err, "what the bundle calls {tx_id} is another transaction")?;
    }
    for tx_id in &replayed.misplaced {
        writeln!(err, "transaction {tx_id} has another block, time or status than its events say")?;
    }
    for sum in &replayed.sums {
        writeln!(err, "{sum} in the first line: the events come to something else")?;
    }
    let Replayed { is_equal, transactions, unread, .. } = replayed;
    let word = if is_equal { "the same bytes as" } else { "NOT the result of" };
    writeln!(
        err,
        "{word} the bundle; {transactions} transactions read again, {unread} not in it; input_hash and \
         price_set_hash are repeated, not computed: a bundle lacks transactions without an event and \
         quotes, which they cover"
    )?;
    Ok(if replayed.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
