//! `recorded-node`: serves recorded transactions on the loopback interface until it is stopped.
//!
//! The first line on stdout is its URL.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use load_tests::{Faults, RecordedChain, RecordedNode, SyntheticPlan};

/// Answers like a Solana endpoint, out of recorded transactions.
///
/// POST /solana is JSON-RPC; GET /llama/prices/historical/TIME/COINS gives prices; GET /_stats
/// says what was asked; POST /_reset sets the counts to zero; POST /_faults sets faults (JSON, {}
/// ends them).
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// Folder with transactions/*.json and, optionally, index.json
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Folder with sol_usd.csv, eth_usd.csv, bnb_usd.csv (any of them)
    #[arg(long)]
    prices: Option<PathBuf>,
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// Port to listen on; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Made-up wallets to serve beside the recorded ones; their addresses follow the URL on stdout
    #[arg(long, default_value_t = 0)]
    synthetic_wallets: u32,
    /// Transactions of each made-up wallet
    #[arg(long, default_value_t = 2_500)]
    synthetic_transactions: u64,
    /// Tokens that each made-up wallet trades beside SOL, up to 32
    #[arg(long, default_value_t = 0)]
    synthetic_tokens: u8,
    /// Faults to begin with, as JSON
    #[arg(long)]
    faults: Option<String>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let mut chain = match &options.folder {
        Some(folder) => RecordedChain::from_folder(folder)
            .with_context(|| format!("cannot serve {}", folder.display()))?,
        None => RecordedChain::default(),
    };
    if let Some(prices) = &options.prices {
        chain = chain.with_prices(prices)?;
    }
    if options.synthetic_wallets > 0 {
        chain = chain.with_synthetic(SyntheticPlan {
            wallets: options.synthetic_wallets,
            transactions_each: options.synthetic_transactions,
            tokens: options.synthetic_tokens,
            ..SyntheticPlan::default()
        });
    }
    let faults: Faults = match &options.faults {
        Some(json) => serde_json::from_str(json).context("cannot read --faults")?,
        None => Faults::default(),
    };
    let wallets = chain.synthetic_wallets();
    let node = RecordedNode::start(chain, (options.host.as_str(), options.port)).await?;
    node.set_faults(faults);
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{}", node.url())?;
    for wallet in wallets {
        writeln!(stdout, "{wallet}")?;
    }
    stdout.flush()?;
    drop(stdout);
    load_tests::stop::stopped().await?;
    node.stop().await;
    Ok(())
}
