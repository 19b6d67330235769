//! Asking every configured endpoint once, for operators.

use std::time::Duration;

use chain_client::{PriceAsk, SourceError};
use pnl_core::{AssetId, Chain};
use prometheus::Registry;
use service_runtime::config::Settings;

use crate::sources::{Sources, offered_chains};

/// Longest wait for one endpoint.
const PATIENCE: Duration = Duration::from_secs(10);

/// What came of asking one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// `solana provider main`, `prices csv`; never a URL.
    pub name: String,
    /// What it answered, or why it did not; without secrets.
    pub outcome: Result<String, String>,
}

/// Asks each provider and each price source by itself, one after the other.
pub async fn all(settings: &Settings) -> Vec<Probe> {
    let mut probes = Vec::new();
    for chain in offered_chains(settings) {
        let configured = settings.chains.get(chain.as_str());
        for provider in configured.map_or(&[][..], |chain| &chain.providers) {
            let mut alone = quick(settings);
            alone.chains.solana.providers = vec![provider.clone()];
            alone.chains.keep_only(chain.as_str());
            alone.prices.sources.clear();
            // Those of an EVM chain complement each other: they answer together.
            let name = match chain {
                Chain::Solana => format!("{chain} provider {}", provider.name),
                Chain::Ethereum | Chain::Base | Chain::BinanceSmartChain => {
                    format!("{chain} providers")
                }
            };
            let outcome = bounded(ask_chain(&alone, chain)).await;
            probes.push(Probe { name, outcome });
            if chain != Chain::Solana {
                break;
            }
        }
    }
    for (n, source) in settings.prices.sources.iter().enumerate() {
        let mut alone = quick(settings);
        alone.chains.keep_only("");
        alone.prices.sources = vec![source.clone()];
        let outcome = bounded(ask_price(&alone)).await;
        probes.push(Probe { name: format!("price source {}", n + 1), outcome });
    }
    probes
}

/// The settings with one short try for each call.
fn quick(settings: &Settings) -> Settings {
    let mut settings = settings.clone();
    settings.worker.call_tries = 1;
    settings.worker.call_timeout_seconds = 5;
    settings
}

async fn bounded(ask: impl Future<Output = Result<String, String>>) -> Result<String, String> {
    match tokio::time::timeout(PATIENCE, ask).await {
        Ok(outcome) => outcome,
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

fn sources(settings: &Settings) -> Result<Sources, String> {
    Sources::from_settings(settings, &Registry::new()).map_err(|error| error.to_string())
}

async fn ask_chain(settings: &Settings, chain: Chain) -> Result<String, String> {
    let sources = sources(settings)?;
    let source = sources.chains.get(&chain).ok_or("it cannot be used")?;
    source.common().probe().await.map(|()| "answers".to_owned()).map_err(|error| told(&error))
}

/// The price of SOL yesterday: every source that is of use knows it, but a table may end earlier.
async fn ask_price(settings: &Settings) -> Result<String, String> {
    let sources = sources(settings)?;
    let source = sources.prices.iter().next().ok_or("it cannot be used")?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let yesterday = now.map_or(0, |since| since.as_secs().cast_signed()) - 24 * 3600;
    let ask = PriceAsk { chain: Chain::Solana, asset: AssetId::native(), at: yesterday };
    let quotes = source.quotes(&[ask]).await.map_err(|error| told(&error))?;
    let known = quotes.first().is_some_and(Option::is_some);
    let known = if known { "knows" } else { "does not know" };
    Ok(format!("{} answers, and {known} the price of SOL a day ago", source.name()))
}

fn told(error: &SourceError) -> String {
    error.to_string()
}
