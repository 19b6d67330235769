//! The keys of chain endpoints and price sources.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::secret::SecretUrl;

/// `[chains.<chain>]` for the chains the service knows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Chains {
    /// Solana mainnet.
    pub solana: ChainSettings,
    /// Ethereum mainnet.
    pub ethereum: ChainSettings,
    /// Base.
    pub base: ChainSettings,
    /// BNB Smart Chain.
    pub binance_smart_chain: ChainSettings,
}

impl Default for Chains {
    fn default() -> Self {
        let public = ProviderSettings {
            name: "public".to_owned(),
            kind: ProviderKind::SolanaRpc,
            url: SecretUrl::new("https://api.mainnet-beta.solana.com"),
            requests_per_second: 4,
            price_per_thousand_calls_usd: String::new(),
        };
        Self {
            solana: ChainSettings { providers: vec![public], ..ChainSettings::default() },
            ethereum: ChainSettings::default(),
            base: ChainSettings::default(),
            binance_smart_chain: ChainSettings::default(),
        }
    }
}

impl Chains {
    /// Every chain by its canonical name, in the order of the documentation.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &ChainSettings)> {
        [
            ("solana", &self.solana),
            ("ethereum", &self.ethereum),
            ("base", &self.base),
            ("binance-smart-chain", &self.binance_smart_chain),
        ]
        .into_iter()
    }

    /// Forgets the endpoints of every chain but the one with this canonical name.
    pub fn keep_only(&mut self, chain: &str) {
        let all = [
            ("solana", &mut self.solana),
            ("ethereum", &mut self.ethereum),
            ("base", &mut self.base),
            ("binance-smart-chain", &mut self.binance_smart_chain),
        ];
        for (name, settings) in all {
            if name != chain {
                settings.providers.clear();
            }
        }
    }

    /// The settings of the chain with this canonical name.
    pub fn get(&self, chain: &str) -> Option<&ChainSettings> {
        self.iter().find(|(name, _)| *name == chain).map(|(_, settings)| settings)
    }
}

/// The settings of one chain.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChainSettings {
    /// Endpoints in the order in which they are asked; none: the chain is not offered.
    pub providers: Vec<ProviderSettings>,
    /// EVM chains: a block is final when so many stand on it; 0: when the node says so.
    pub confirmations: u32,
    /// EVM chains: the contract whose tokens are the native coin; empty: the chain's usual one.
    pub wrapped_native: String,
    /// Tokens that price sources are asked for, by mint or contract.
    pub priced_tokens: Vec<String>,
}

/// What an endpoint speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProviderKind {
    /// JSON-RPC of a Solana node.
    SolanaRpc,
    /// JSON-RPC of an EVM node.
    EvmRpc,
    /// The query interface of Etherscan and its relatives.
    Etherscan,
}

impl ProviderKind {
    /// The name, as in configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SolanaRpc => "solana-rpc",
            Self::EvmRpc => "evm-rpc",
            Self::Etherscan => "etherscan",
        }
    }
}

/// One chain endpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderSettings {
    /// Name in logs, metrics and the status page; unique within its chain.
    pub name: String,
    /// What the endpoint speaks.
    pub kind: ProviderKind,
    /// Where it is.
    pub url: SecretUrl,
    /// Calls that start in any sliding second, at most; every call of a JSON-RPC batch counts.
    #[serde(default = "default_provider_rate")]
    pub requests_per_second: u32,
    /// What a thousand calls cost, in USD as decimal text; empty: not known.
    #[serde(default)]
    pub price_per_thousand_calls_usd: String,
}

/// What public endpoints commonly allow.
const fn default_provider_rate() -> u32 {
    4
}

/// `[prices]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PriceSettings {
    /// Sources in the order in which they are asked; the first answer counts.
    pub sources: Vec<PriceSource>,
    /// Tokens that are worth exactly 1 USD, by contract.
    pub stablecoins: Stablecoins,
}

impl Default for PriceSettings {
    fn default() -> Self {
        Self {
            sources: vec![PriceSource::Llama {
                url: SecretUrl::new("https://coins.llama.fi"),
                requests_per_second: default_price_rate(),
            }],
            stablecoins: Stablecoins::default(),
        }
    }
}

/// One price source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "PriceSourceKeys", into = "PriceSourceKeys")]
pub enum PriceSource {
    /// Hourly candles in files `<symbol>_usd.csv`.
    Csv {
        /// The folder of the files.
        path: PathBuf,
    },
    /// An endpoint that speaks the DefiLlama coin price interface.
    Llama {
        /// Where it is.
        url: SecretUrl,
        /// Calls that start in any sliding second, at most.
        requests_per_second: u32,
    },
}

impl PriceSource {
    /// The name of the kind, as in configuration.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Csv { .. } => "csv",
            Self::Llama { .. } => "llama",
        }
    }

    /// The endpoint, when the source is one.
    pub const fn url(&self) -> Option<&SecretUrl> {
        match self {
            Self::Csv { .. } => None,
            Self::Llama { url, .. } => Some(url),
        }
    }
}

const fn default_price_rate() -> u32 {
    5
}

/// A price source as it is written: one table whose keys depend on `kind`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PriceSourceKeys {
    kind: PriceSourceKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<SecretUrl>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    requests_per_second: Option<u32>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum PriceSourceKind {
    Csv,
    Llama,
}

impl TryFrom<PriceSourceKeys> for PriceSource {
    type Error = &'static str;

    fn try_from(keys: PriceSourceKeys) -> Result<Self, Self::Error> {
        match (keys.kind, keys.path, keys.url) {
            (PriceSourceKind::Csv, Some(path), None) if keys.requests_per_second.is_none() => {
                Ok(Self::Csv { path })
            }
            (PriceSourceKind::Csv, ..) => Err("kind \"csv\" takes a path and nothing else"),
            (PriceSourceKind::Llama, None, Some(url)) => Ok(Self::Llama {
                url,
                requests_per_second: keys.requests_per_second.unwrap_or(default_price_rate()),
            }),
            (PriceSourceKind::Llama, ..) => {
                Err("kind \"llama\" takes a url, requests_per_second if wanted, and no path")
            }
        }
    }
}

impl From<PriceSource> for PriceSourceKeys {
    fn from(source: PriceSource) -> Self {
        match source {
            PriceSource::Csv { path } => Self {
                kind: PriceSourceKind::Csv,
                url: None,
                path: Some(path),
                requests_per_second: None,
            },
            PriceSource::Llama { url, requests_per_second } => Self {
                kind: PriceSourceKind::Llama,
                url: Some(url),
                path: None,
                requests_per_second: Some(requests_per_second),
            },
        }
    }
}

/// `[prices.stablecoins]`: mints and contracts, the latter in lower case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Stablecoins {
    /// On Solana.
    pub solana: Vec<String>,
    /// On Ethereum.
    pub ethereum: Vec<String>,
    /// On Base.
    pub base: Vec<String>,
    /// On BNB Smart Chain.
    pub binance_smart_chain: Vec<String>,
}

impl Default for Stablecoins {
    fn default() -> Self {
        let list = |addresses: &[&str]| addresses.iter().map(|&a| a.to_owned()).collect();
        Self {
            // USDC, USDT
            solana: list(&[
                "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v",
                "Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB",
            ]),
            // USDC, USDT, DAI
            ethereum: list(&[
                "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48",
                "0xdac17f958d2ee523a2206206994597c13d831ec7",
                "0x6b175474e89094c44da98b954eedeac495271d0f",
            ]),
            // USDC, USDbC
            base: list(&[
                "0x833589fcd6edb6e08f4c7c32d4f71b54bda02913",
                "0xd9aaec86b65d86f6a7b5b1b0c42ffa531710b6ca",
            ]),
            // USDC, USDT
            binance_smart_chain: list(&[
                "0x8ac76a51cc950d9822d68b83fe1ad97b32cd580d",
                "0x55d398326f99059ff775485246999027b3197955",
            ]),
        }
    }
}

impl Stablecoins {
    /// Every chain by its canonical name with its listed coins.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &[String])> {
        [
            ("solana", self.solana.as_slice()),
            ("ethereum", self.ethereum.as_slice()),
            ("base", self.base.as_slice()),
            ("binance-smart-chain", self.binance_smart_chain.as_slice()),
        ]
        .into_iter()
    }

    /// The listed coins of the chain with this canonical name.
    pub fn get(&self, chain: &str) -> &[String] {
        self.iter().find(|(name, _)| *name == chain).map_or(&[], |(_, coins)| coins)
    }
}
