//! `chaos`: the fault programme. `make chaos` runs it.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::{Parser, ValueEnum as _};
use load_tests::chaos::{Kind, Scale, Stage, Tally, run_kind};
use load_tests::service::programs;
use load_tests::stop;

/// Disturbs batches in every way, compares what comes out with an undisturbed run, and prints one
/// line per kind of fault. Exit code 1 when anything was lost, doubled or different, a promise was
/// not kept, or nothing was disturbed.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// Draws moments, orders and wallets; the same seed draws the same
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Rounds of all kinds; each draws anew
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    rounds: u64,
    /// Begins rounds for so many seconds, instead of --rounds
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: Option<u64>,
    /// Only these kinds; may be given several times, or divided by commas
    #[arg(long, value_delimiter = ',')]
    kind: Vec<Kind>,
    /// A program to test instead of the pnl-tracker beside this one
    #[arg(long)]
    program: Option<PathBuf>,
    /// Folder with the recordings (solana/transactions, prices), instead of TEST_FIXTURES_DIR;
    /// without any wallets are made up
    #[arg(long)]
    fixtures: Option<PathBuf>,
    /// Wallets of a batch
    #[arg(long, default_value_t = 240)]
    wallets: usize,
    /// Disturbances of one batch, where they are counted
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..))]
    faults: u64,
    /// Small batches and pauses of a tenth, and only the kinds that are quick
    #[arg(long)]
    short: bool,
    /// Keeps the logs of all runs; those of a run with violations are kept anyway
    #[arg(long)]
    keep: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    tokio::select! {
        outcome = run(&options) => outcome,
        stopped = stop::stopped() => {
            stopped?;
            Ok(ExitCode::from(stop::EXIT_STOPPED))
        }
    }
}

fn say(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}

async fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let begun = Instant::now();
    let program = match &options.program {
        Some(program) => program.canonicalize().context("--program")?,
        None => programs::sibling("pnl-tracker")?,
    };
    let logs = tempfile::Builder::new().prefix("pnl-chaos.").tempdir()?;
    // The cluster that a process starts for itself runs under another account.
    std::fs::set_permissions(logs.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let fixtures = options.fixtures.clone().or_else(fixtures_of_environment);
    match &fixtures {
        Some(folder) => say(&format!("chaos: recordings of {}", folder.display()))?,
        None => say("chaos: no recordings (TEST_FIXTURES_DIR), wallets are made up")?,
    }
    let scale = if options.short {
        Scale { wallets: options.wallets.min(60), faults: options.faults.min(5), short: true }
    } else {
        Scale { wallets: options.wallets, faults: options.faults, short: false }
    };
    let mut stage =
        Stage::set_up(&program, fixtures.as_deref(), logs.path(), scale, options.seed).await?;
    say(&format!(
        "chaos: seed {}, {} wallets a batch, {} disturbances, program {}; the undisturbed run is there after {} s",
        options.seed,
        stage.wallets.len(),
        scale.faults,
        program.display(),
        begun.elapsed().as_secs(),
    ))?;

    let kinds = kinds(options);
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    let is_over = |round: u64| match options.seconds {
        Some(seconds) => begun.elapsed() >= Duration::from_secs(seconds),
        None => round >= options.rounds,
    };
    let mut round = 0;
    while !is_over(round) {
        for &kind in &kinds {
            let name = kind.name();
            let since = Instant::now();
            let tally = run_kind(&mut stage, kind, round).await.unwrap_or_else(|error| {
                let mut tally = Tally::default();
                tally.violation(format!("the run broke off: {error:#}"));
                tally
            });
            let line = tally.line(&name);
            say(&format!("round {round}, {} s: {line}", since.elapsed().as_secs()))?;
            for violation in tally.violations.iter().take(20) {
                say(&format!("  VIOLATION {violation}"))?;
            }
            tallies.entry(name).or_default().add(tally);
        }
        round += 1;
    }

    say(&format!("\n{}", Tally::heading()))?;
    for kind in &kinds {
        if let Some(tally) = tallies.get(&kind.name()) {
            say(&tally.line(&kind.name()))?;
        }
    }
    let (is_clean, verdict) = verdict(&tallies);
    if options.keep || !is_clean {
        say(&format!("chaos: the logs are in {}", logs.keep().display()))?;
    }
    say(&format!(
        "chaos: seed {}, {round} rounds, {} s: {verdict}",
        options.seed,
        begun.elapsed().as_secs()
    ))?;
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether all is well, and the end of the last line, which names what was not run.
fn verdict(tallies: &BTreeMap<String, Tally>) -> (bool, String) {
    let skipped: Vec<&str> = tallies
        .iter()
        .filter(|(_, tally)| tally.skipped.is_some())
        .map(|(name, _)| name.as_str())
        .collect();
    if skipped.len() == tallies.len() {
        return (false, "NOTHING WAS RUN".to_owned());
    }
    let is_clean = tallies.values().all(Tally::is_clean);
    let mut verdict =
        if is_clean { "nothing lost, doubled or different" } else { "VIOLATIONS" }.to_owned();
    if !skipped.is_empty() {
        verdict.push_str(&format!("; not run: {}", skipped.join(", ")));
    }
    (is_clean, verdict)
}

fn kinds(options: &Options) -> Vec<Kind> {
    if !options.kind.is_empty() {
        return options.kind.clone();
    }
    let all = Kind::value_variants().iter().copied();
    all.filter(|kind| !options.short || kind.is_quick()).collect()
}

/// The folder of the recordings when the environment names one.
fn fixtures_of_environment() -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("TEST_FIXTURES_DIR")?);
    folder.join("solana/transactions").is_dir().then_some(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_run_is_named_and_a_run_of_nothing_is_no_success() {
        let ran = Tally { injected: 3, ..Tally::default() };
        let of = |tallies: &[(&str, &Tally)]| {
            let named = tallies.iter().map(|(name, tally)| ((*name).to_owned(), (*tally).clone()));
            verdict(&named.collect())
        };
        let skipped = Tally::skipped("no root");
        assert_eq!(of(&[("kill", &ran)]), (true, "nothing lost, doubled or different".to_owned()));
        let (is_clean, told) = of(&[("kill", &ran), ("postgres-disk", &skipped)]);
        assert!(is_clean && told.ends_with("; not run: postgres-disk"), "{told}");
        assert!(!of(&[("postgres-disk", &skipped)]).0);
        assert!(!of(&[]).0);
        let lost = Tally { lost: 1, ..ran };
        assert_eq!(of(&[("kill", &lost)]), (false, "VIOLATIONS".to_owned()));
    }

    #[test]
    fn no_rounds_no_time_and_no_faults_are_refused() {
        for zero in ["--rounds=0", "--seconds=0", "--faults=0"] {
            Options::try_parse_from(["chaos", zero]).unwrap_err();
        }
        Options::try_parse_from(["chaos", "--rounds=1", "--seconds=1", "--faults=1"]).unwrap();
    }
}
