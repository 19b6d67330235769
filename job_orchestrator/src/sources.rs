//! Chain endpoints, price sources and accounting rules, as configured.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chain_client::{
    CallPolicy, ChainSource, ClientMetrics, CsvPrices, EvmConfig, EvmPool, EvmSource, LlamaPrices,
    PriceSource, PriceSources, ProviderConfig, ProviderKind, ProviderPool, SetupError,
    TransactionSource,
};
use pnl_core::ledger::LedgerRules;
use pnl_core::{Address, AssetId, Chain, Usd};
use prometheus::Registry;
use service_runtime::config::{self, Settings};
use tx_parser::evm::Network;

/// A chain, as the stages of its kind ask it.
#[derive(Clone)]
pub enum Source {
    /// Solana.
    Solana(Arc<dyn TransactionSource>),
    /// A chain of the EVM, and what its parser must know.
    Evm(Arc<dyn EvmSource>, Network),
}

impl Source {
    /// What every chain is asked.
    pub fn common(&self) -> Arc<dyn ChainSource> {
        match self {
            Self::Solana(source) => Arc::clone(source) as Arc<dyn ChainSource>,
            Self::Evm(source, _) => Arc::clone(source) as Arc<dyn ChainSource>,
        }
    }
}

/// The outside of the service.
#[derive(Clone)]
pub struct Sources {
    /// The chains that can be read.
    pub chains: BTreeMap<Chain, Source>,
    /// Where prices come from.
    pub prices: PriceSources,
}

/// Why the outside cannot be used as configured.
#[derive(Debug, thiserror::Error)]
pub enum SourcesError {
    /// A provider or price source.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// A metric was registered twice.
    #[error("metrics of the chain client")]
    Metrics(#[from] prometheus::Error),
}

impl SourcesError {
    /// Stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Setup(error) => error.code(),
            Self::Metrics(_) => "metrics",
        }
    }
}

impl Sources {
    /// Sets up everything that the settings name; calls nobody. Registers the client's metrics.
    ///
    /// # Errors
    /// [`SourcesError`], naming the provider or table that cannot be used.
    pub fn from_settings(settings: &Settings, registry: &Registry) -> Result<Self, SourcesError> {
        let metrics = ClientMetrics::register(registry)?;
        let policy = CallPolicy {
            call_timeout: settings.worker.call_timeout(),
            call_tries: settings.worker.call_tries,
            ..CallPolicy::default()
        };
        let mut chains: BTreeMap<Chain, Source> = BTreeMap::new();
        for chain in offered_chains(settings) {
            let providers: Vec<ProviderConfig> =
                providers(settings, chain).iter().map(provider_config).collect();
            let source = match network(settings, chain) {
                None => {
                    let pool = ProviderPool::new(chain, &providers, policy.clone(), &metrics)?;
                    Source::Solana(Arc::new(pool))
                }
                Some(network) => {
                    let confirmations = chain_settings(settings, chain)
                        .and_then(|of| (of.confirmations > 0).then_some(of.confirmations));
                    let config = EvmConfig { confirmations };
                    let pool = EvmPool::new(chain, &providers, config, &policy, &metrics)?;
                    Source::Evm(Arc::new(pool), network)
                }
            };
            chains.insert(chain, source);
        }
        Ok(Self { chains, prices: price_sources(settings, &policy, &metrics)? })
    }
}

/// By what transactions that are stored were read and priced, beside the [rules](ledger_rules) of their ledger.
#[derive(Clone)]
pub struct ReadingRules {
    /// What the parser must know of each chain of the EVM.
    pub networks: BTreeMap<Chain, Network>,
    /// Where prices come from. Those that would be asked over the network are not: what they have answered is
    /// stored.
    pub prices: PriceSources,
}

impl ReadingRules {
    /// As the settings say; calls nobody.
    ///
    /// # Errors
    /// [`SourcesError`], naming the table of prices that cannot be used.
    pub fn from_settings(settings: &Settings) -> Result<Self, SourcesError> {
        let metrics = ClientMetrics::register(&Registry::new())?;
        let of = |chain| network(settings, chain).map(|network| (chain, network));
        Ok(Self {
            networks: Chain::ALL.into_iter().filter_map(of).collect(),
            prices: price_sources(settings, &CallPolicy::default(), &metrics)?,
        })
    }
}

fn price_sources(
    settings: &Settings,
    policy: &CallPolicy,
    metrics: &ClientMetrics,
) -> Result<PriceSources, SetupError> {
    let sources = settings.prices.sources.iter();
    let sources = sources.map(|source| price_source(settings, source, policy, metrics));
    Ok(PriceSources::new(sources.collect::<Result<_, _>>()?))
}

/// The chains for which batches are accepted: those with a provider.
pub fn offered_chains(settings: &Settings) -> BTreeSet<Chain> {
    Chain::ALL.into_iter().filter(|chain| !providers(settings, *chain).is_empty()).collect()
}

/// How fast a provider may be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pace {
    /// Its name.
    pub name: String,
    /// What it speaks.
    pub kind: &'static str,
    /// Most calls in a second.
    pub requests_per_second: u32,
    /// What a thousand calls cost, where that is known.
    pub price_per_thousand_calls: Option<Usd>,
}

/// The paces of each chain's providers, in the order in which they are asked.
pub fn paces(settings: &Settings) -> BTreeMap<Chain, Vec<Pace>> {
    let pace = |provider: &config::ProviderSettings| Pace {
        name: provider.name.clone(),
        kind: provider.kind.as_str(),
        requests_per_second: provider.requests_per_second,
        // Empty is no number, and anything else was checked with the settings.
        price_per_thousand_calls: provider.price_per_thousand_calls_usd.parse().ok(),
    };
    let of = |chain| (chain, providers(settings, chain).iter().map(pace).collect());
    offered_chains(settings).into_iter().map(of).collect()
}

/// What the parser of an EVM chain must know; `None` for Solana.
fn network(settings: &Settings, chain: Chain) -> Option<Network> {
    let usual = Network::of(chain)?;
    let contract = chain_settings(settings, chain).map_or("", |of| of.wrapped_native.as_str());
    Some(usual.with_wrapped_native(&Address::from_chain_data(contract)).unwrap_or(usual))
}

/// What the accounts of each chain take as given.
pub fn ledger_rules(settings: &Settings) -> BTreeMap<Chain, LedgerRules> {
    Chain::ALL
        .into_iter()
        .map(|chain| {
            let listed = settings.prices.stablecoins.get(chain.as_str());
            let stablecoins = listed.iter().map(|id| AssetId::new(id)).collect();
            (chain, LedgerRules { chain, stablecoins })
        })
        .collect()
}

fn chain_settings(settings: &Settings, chain: Chain) -> Option<&config::ChainSettings> {
    settings.chains.get(chain.as_str())
}

fn providers(settings: &Settings, chain: Chain) -> &[config::ProviderSettings] {
    chain_settings(settings, chain).map_or(&[], |chain| &chain.providers)
}

fn provider_config(provider: &config::ProviderSettings) -> ProviderConfig {
    ProviderConfig {
        name: provider.name.clone(),
        kind: match provider.kind {
            config::ProviderKind::SolanaRpc => ProviderKind::SolanaRpc,
            config::ProviderKind::EvmRpc => ProviderKind::EvmRpc,
            config::ProviderKind::Etherscan => ProviderKind::Etherscan,
        },
        url: provider.url.expose().to_owned(),
        requests_per_second: f64::from(provider.requests_per_second),
    }
}

fn price_source(
    settings: &Settings,
    source: &config::PriceSource,
    policy: &CallPolicy,
    metrics: &ClientMetrics,
) -> Result<Arc<dyn PriceSource>, SetupError> {
    Ok(match source {
        config::PriceSource::Csv { path } => Arc::new(CsvPrices::open(path)?),
        config::PriceSource::Llama { url, requests_per_second } => Arc::new(LlamaPrices::new(
            url.expose(),
            f64::from(*requests_per_second),
            // Other tokens are valued by the other side of their exchanges.
            settings
                .chains
                .iter()
                .flat_map(|(_, chain)| &chain.priced_tokens)
                .map(|id| AssetId::new(id))
                .collect(),
            policy.clone(),
            metrics,
        )?),
    })
}
