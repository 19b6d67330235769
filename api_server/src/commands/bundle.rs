//! `bundle` and `replay`: a result with all its inputs in one file, and the same result from that file
//! alone.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::pin::pin;
use std::process::ExitCode;

use anyhow::Context;
use futures::{StreamExt, TryStreamExt};
use job_orchestrator::sources::{ReadingRules, ledger_rules};
use job_orchestrator::wallets::{AllWallets, BundlePart, Replayed, Wallets, replay};
use pnl_core::{Address, WalletRef};

use super::{WrongUsage, configure_quietly};
use crate::cli::{BundleArgs, ReplayArgs};
use crate::database::Database;
use crate::dto::batch::unknown_method;

/// As fast as writing without compression.
const COMPRESSION_LEVEL: i32 = 3;
/// What a compressed bundle begins with.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Writes the bundle to stdout. Exit code 1 when the wallet is not stored.
pub async fn write(args: BundleArgs) -> anyhow::Result<ExitCode> {
    let settings = configure_quietly(&args.config)?;
    let usage = |text: String| anyhow::Error::new(WrongUsage(text));
    if !args.method.is_offered() {
        return Err(usage(unknown_method(args.method.as_str())));
    }
    let address = Address::parse(args.chain, &args.wallet)
        .map_err(|error| usage(format!("{}: {error}", crate::json::shown(&args.wallet))))?;
    let reading = ReadingRules::from_settings(&settings)?;
    let database = Database::open_for_a_look(&settings).await?;
    let wallets = AllWallets::new(database.store.clone(), ledger_rules(&settings));
    let wallets = wallets.of(args.tenant.clone());
    let wallet = WalletRef { chain: args.chain, address };
    let written = write_lines(&wallets, &wallet, &args, reading).await;
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
    reading: ReadingRules,
) -> anyhow::Result<bool> {
    let Some(parts) = wallets.bundle(wallet, args.method, reading).await? else {
        return Ok(false);
    };
    let mut out = BufWriter::new(io::stdout());
    let (mut absent, mut unpriced) = (0, 0);
    let text = |part: BundlePart| {
        absent += part.absent;
        unpriced += part.unpriced;
        part.text
    };
    let mut lines = pin!(parts.map_ok(text));
    if args.compress {
        let mut packed = zstd::Encoder::new(out, COMPRESSION_LEVEL)?;
        while let Some(line) = lines.next().await {
            packed.write_all(line?.as_bytes())?;
        }
        out = packed.finish()?;
    } else {
        while let Some(line) = lines.next().await {
            out.write_all(line?.as_bytes())?;
        }
    }
    out.flush()?;
    if absent > 0 || unpriced > 0 {
        // The bundle is whole all the same.
        let _ = writeln!(
            io::stderr(),
            "{absent} transactions are not stored any more, and of {unpriced} others the prices by which they \
             were booked are not known: a replay does not check their values"
        );
    }
    Ok(true)
}

/// Prints the result of the bundle. Exit code 1 when it is another one than the bundle has, or when
/// something in the bundle contradicts something else in it.
pub fn run(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    let replayed = if args.file == Path::new("-") {
        read(io::stdin().lock())?
    } else {
        let file = File::open(&args.file)
            .with_context(|| format!("cannot open {}", args.file.display()))?;
        read(file)?
    };
    writeln!(io::stdout(), "{}", replayed.result)?;
    tell(&replayed, &mut io::stderr().lock())?;
    Ok(if replayed.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Replays a file that may be compressed.
fn read(file: impl Read) -> anyhow::Result<Replayed> {
    let mut file = BufReader::new(file);
    if file.fill_buf()?.starts_with(&ZSTD_MAGIC) {
        return Ok(replay(BufReader::new(zstd::Decoder::with_buffer(file)?))?);
    }
    Ok(replay(file)?)
}

/// What was compared and what was not, and what differs.
fn tell(replayed: &Replayed, err: &mut impl Write) -> io::Result<()> {
    for (name, then, now) in &replayed.versions {
        writeln!(err, "the bundle was made by version {then} of the {name}, this is {now}")?;
    }
    for (number, differing) in replayed.differing.iter().enumerate() {
        let first = if number == 0 { "first difference: " } else { "" };
        writeln!(err, "{first}{differing}")?;
    }
    if replayed.more_differing > 0 {
        writeln!(err, "and {} more transactions that differ", replayed.more_differing)?;
    }
    for sum in &replayed.sums {
        writeln!(err, "{sum} in the first line: the bundle comes to something else")?;
    }
    let Replayed { is_equal, transactions, made_again, unread, silent, .. } = replayed;
    let word = if *is_equal { "the same bytes as" } else { "NOT the result of" };
    writeln!(
        err,
        "{word} the bundle; {transactions} transactions read again, of {made_again} of them the events \
         made again"
    )?;
    writeln!(
        err,
        "not checked: the values of {} transactions whose prices are not in it, {unread} not in it, \
         {silent} without an event; in the first line doubts, counts and notes that follow from nothing in it, \
         and prices, balances and coverage at the pin; input_hash and price_set_hash are repeated, not \
         computed: they cover such transactions and prices that were not found",
        transactions - made_again
    )
}
