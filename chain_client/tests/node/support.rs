//! Nodes and pools for the tests.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chain_client::{CallPolicy, ClientMetrics, ProviderConfig, ProviderKind, ProviderPool};
use load_tests::{RecordedChain, RecordedNode};
use pnl_core::{Address, Chain, TxId};

pub fn demo_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../load-tests/demo-chain")
}

/// A node that serves the demo chain and its prices.
pub async fn demo_node() -> RecordedNode {
    let chain = RecordedChain::from_folder(demo_folder()).unwrap();
    node(chain.with_prices(demo_folder().join("prices")).unwrap()).await
}

pub async fn node(chain: RecordedChain) -> RecordedNode {
    RecordedNode::start(chain, "127.0.0.1:0").await.unwrap()
}

/// The first wallet of the demo chain.
pub fn wallet() -> Address {
    Address::from_chain_data("82S2h8tnRskvS7SHng5UztGPi13CsiTzALE21SSbNhfp")
}

/// The oldest transaction of the demo chain.
pub fn transaction_id() -> TxId {
    TxId::new(
        "3YWFe6VQJ4YBjb7wH95kejks2GLKZTB6K7PzuKLbt6sn3ixxBmcH2nejy5Fd42g2ErAz6HtZPXoYkHg4WneG9G9B",
    )
}

/// Three tries, hardly a pause between them, no second chance for a provider that is down.
pub fn hasty() -> CallPolicy {
    CallPolicy {
        call_tries: 3,
        backoff_start: Duration::from_millis(1),
        backoff_cap: Duration::from_millis(4),
        trial_every: Duration::from_secs(3600),
        ..CallPolicy::default()
    }
}

pub fn metrics() -> ClientMetrics {
    ClientMetrics::register(&prometheus::Registry::new()).unwrap()
}

pub fn provider(name: &str, url: &str, requests_per_second: f64) -> ProviderConfig {
    let (name, url) = (name.to_owned(), url.to_owned());
    ProviderConfig { name, kind: ProviderKind::SolanaRpc, url, requests_per_second }
}

/// A pool over nodes named `first`, `second`, …, with budgets that do not matter.
pub fn pool(nodes: &[&RecordedNode], policy: CallPolicy) -> ProviderPool {
    let names = ["first", "second", "third"];
    let providers: Vec<ProviderConfig> = nodes
        .iter()
        .zip(names)
        .map(|(node, name)| provider(name, &node.solana_url(), 10_000.0))
        .collect();
    ProviderPool::new(Chain::Solana, &providers, policy, &metrics()).unwrap()
}

/// How many requests a node's Solana endpoint has seen.
pub fn requests(node: &RecordedNode) -> u64 {
    node.stats().requests.get("/solana").copied().unwrap_or_default()
}
