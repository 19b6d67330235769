//! Chain endpoints, price sources and accounting rules, as configured.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chain_client::{
    CallPolicy, ClientMetrics, CsvPrices, LlamaPrices, PriceSource, PriceSources, ProviderConfig,
    ProviderKind, ProviderPool, SetupError, TransactionSource,
};
use pnl_core::ledger::LedgerRules;
use pnl_core::{AssetId, Chain};
use prometheus::Registry;
use service_runtime::config::{self, Settings};

/// The outside of the service.
#[derive(Clone)]
pub struct Sources {
    /// The chains that can be read.
    pub chains: BTreeMap<Chain, Arc<dyn TransactionSource>>,
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
        let mut chains: BTreeMap<Chain, Arc<dyn TransactionSource>> = BTreeMap::new();
        for chain in offered_chains(settings) {
            let providers: Vec<ProviderConfig> =
                providers(settings, chain).iter().map(provider_config).collect();
            let pool = ProviderPool::new(chain, &providers, policy.clone(), &metrics)?;
            chains.insert(chain, Arc::new(pool));
        }
        for chain in Chain::ALL {
            if !chains.contains_key(&chain) && !providers(settings, chain).is_empty() {
                tracing::warn!(%chain, "this version cannot read the chain; its providers are not used");
            }
        }
        let sources: Vec<Arc<dyn PriceSource>> = settings
            .prices
            .sources
            .iter()
            .map(|source| price_source(source, &policy, &metrics))
            .collect::<Result<_, _>>()?;
        Ok(Self { chains, prices: PriceSources::new(sources) })
    }
}

/// The chains for which batches are accepted: those with a provider that this version can read.
pub fn offered_chains(settings: &Settings) -> BTreeSet<Chain> {
    [Chain::Solana].into_iter().filter(|chain| !providers(settings, *chain).is_empty()).collect()
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

fn providers(settings: &Settings, chain: Chain) -> &[config::ProviderSettings] {
    settings.chains.get(chain.as_str()).map_or(&[], |chain| &chain.providers)
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
    source: &config::PriceSource,
    policy: &CallPolicy,
    metrics: &ClientMetrics,
) -> Result<Arc<dyn PriceSource>, SetupError> {
    Ok(match source {
        config::PriceSource::Csv { path } => Arc::new(CsvPrices::open(path)?),
        config::PriceSource::Llama { url, requests_per_second } => Arc::new(LlamaPrices::new(
            url.expose(),
            f64::from(*requests_per_second),
            // Tokens beside the native coins are valued by the other side of their exchanges.
            BTreeSet::new(),
            policy.clone(),
            metrics,
        )?),
    })
}
