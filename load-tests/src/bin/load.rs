//! `load`: measures the service against stated limits, one subcommand for each kind of load.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use load_tests::bench::big_batch::{BigBatch, HundredWallets};
use load_tests::bench::big_wallet::BigWallet;
use load_tests::bench::claim_plan::ClaimPlan;
use load_tests::bench::export::Export;
use load_tests::bench::live::Live;
use load_tests::bench::overhead::Overhead;
use load_tests::bench::ratios::Ratios;
use load_tests::bench::soak::Soak;
use load_tests::bench::upgrade::Upgrade;
use load_tests::bench::what_if::WhatIf;
use load_tests::stop;

/// Runs the service on servers and a made-up chain of its own, prints figures against their limits
/// and exits with 1 when one was missed.
#[derive(Debug, Parser)]
#[command(version)]
enum Command {
    /// Wallets a second when there is nothing to do in them
    Overhead(Overhead),
    /// One wallet of 200,000 transactions: memory, time, a kill, reading it back
    BigWallet(BigWallet),
    /// One batch of 10,000 wallets: submission, memory, reading it back, a small batch behind it
    BigBatch(BigBatch),
    /// 100 wallets at once: memory
    HundredWallets(HundredWallets),
    /// Steady submissions for minutes: connections, refusals, success, growth
    Soak(Soak),
    /// Clients that follow jobs: every event once and in order whatever breaks, delay, memory
    Live(Live),
    /// The plan of the claim statement at a million rows
    ClaimPlan(ClaimPlan),
    /// An older program and this one on one database during a batch
    Upgrade(Upgrade),
    /// Processor time of a wallet by all methods side by side
    WhatIf(WhatIf),
    /// A job of a million disposals as files: speed, memory
    Export(Export),
    /// Kept answers and 304 beside a bare handler of the same bytes
    Ratios(Ratios),
}

#[tokio::main]
async fn main() -> ExitCode {
    let command = Command::parse();
    let outcome = tokio::select! {
        outcome = run(command) => outcome.map(|()| ExitCode::SUCCESS),
        stopped = stop::stopped() => {
            stopped.map(|()| ExitCode::from(stop::EXIT_STOPPED)).map_err(Into::into)
        }
    };
    outcome.unwrap_or_else(|error| {
        // Nobody reads it any more: the exit status still tells.
        let _ = writeln!(std::io::stderr(), "load: {error:#}");
        ExitCode::FAILURE
    })
}

async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Overhead(command) => command.run().await,
        Command::BigWallet(command) => command.run().await,
        Command::BigBatch(command) => command.run().await,
        Command::HundredWallets(command) => command.run().await,
        Command::Soak(command) => command.run().await,
        Command::Live(command) => command.run().await,
        Command::ClaimPlan(command) => command.run().await,
        Command::Upgrade(command) => command.run().await,
        Command::WhatIf(command) => command.run().await,
        Command::Export(command) => command.run().await,
        Command::Ratios(command) => command.run().await,
    }
}
