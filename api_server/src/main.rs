//! `pnl-tracker`: see [`api_server::cli`] for what it can do.

use std::process::ExitCode;

use api_server::cli::Cli;
use clap::Parser;

/// Requests and ledgers allocate much and briefly, on all threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The TLS library is built without a default provider; whoever is first chooses, and that is us.
    let _ = rustls::crypto::ring::default_provider().install_default();
    api_server::commands::run(Cli::parse())
}
