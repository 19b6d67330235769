//! What a batch would cost, from what is stored, without asking anybody.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use persistence_layer::{Store, StoreError, Tenant, estimates};
use pnl_core::{Address, Chain};

/// Wallets that are looked up at a time.
const WALLETS_AT_ONCE: usize = 500;

/// Newest analyses that tell what one usually takes.
const TYPICAL_OF: u32 = 100;

/// The cost of analyzing some wallets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Estimate {
    /// Wallets that have a full-history result: the calls below are for them.
    pub known: u64,
    /// Wallets of which nothing is known.
    pub unknown: u64,
    /// Wallets that there was no time to look up.
    pub unexamined: u64,
    /// Calls for lists and balances of the known wallets, by method: as many as the last time.
    pub calls: BTreeMap<String, u64>,
    /// Transactions of theirs that are listed and have to be fetched.
    pub missing_transactions: u64,
    /// Calls that fetch them.
    pub transaction_calls: u64,
    /// The median of all calls of the newest analyses of the chain; `None` before the first.
    pub typical: Option<u64>,
}

impl Estimate {
    /// All calls for the known wallets.
    pub fn total(&self) -> u64 {
        self.calls.values().sum::<u64>() + self.transaction_calls
    }

    /// The same and as many for each other wallet as an analysis usually takes, where that is known.
    pub fn total_with_others(&self) -> Option<u64> {
        let others = self.unknown + self.unexamined;
        if others == 0 {
            return Some(self.total());
        }
        Some(self.total() + self.typical? * others)
    }
}

/// Looks the wallets up among those of this tenant, for at most about `time`.
///
/// # Errors
/// The database.
pub async fn estimate(
    store: &Store,
    tenant: &Tenant,
    chain: Chain,
    wallets: &[Address],
    time: Duration,
) -> Result<Estimate, StoreError> {
    let begun = Instant::now();
    let typical = estimates::typical_calls(store, tenant, chain, TYPICAL_OF).await?;
    let mut found = Estimate { typical, ..Estimate::default() };
    let mut looked_up = 0;
    for some in wallets.chunks(WALLETS_AT_ONCE) {
        if begun.elapsed() >= time {
            break;
        }
        let stored = estimates::known(store, tenant, chain, some).await?;
        found.known += stored.calls.len() as u64;
        found.missing_transactions += stored.missing;
        looked_up += some.len();
        for calls in stored.calls.iter().flatten().filter_map(|calls| calls.as_object()) {
            for (method, count) in calls.iter().filter(|(method, _)| !fetches_transactions(method))
            {
                *found.calls.entry(method.clone()).or_default() += count.as_u64().unwrap_or(0);
            }
        }
    }
    found.transaction_calls = found.missing_transactions * calls_per_transaction(chain);
    found.unknown = (looked_up as u64).saturating_sub(found.known);
    found.unexamined = (wallets.len() - looked_up) as u64;
    Ok(found)
}

/// Whether a method is for transactions, which are stored and not asked for again.
fn fetches_transactions(method: &str) -> bool {
    let method = method.to_ascii_lowercase();
    ["gettransaction", "receipt", "trace"].iter().any(|part| method.contains(part))
}

/// Calls for one transaction: on an EVM chain it and its receipt.
const fn calls_per_transaction(chain: Chain) -> u64 {
    match chain {
        Chain::Solana => 1,
        Chain::Ethereum | Chain::Base | Chain::BinanceSmartChain => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transactions_are_stored_and_lists_are_asked_for_again() {
        for method in ["getTransaction", "eth_getTransactionReceipt", "debug_traceTransaction"] {
            assert!(fetches_transactions(method), "{method}");
        }
        for method in
            ["getSignaturesForAddress", "getTokenAccountsByOwner", "txlist", "eth_getLogs"]
        {
            assert!(!fetches_transactions(method), "{method}");
        }
    }

    #[test]
    fn other_wallets_cost_what_an_analysis_usually_does() {
        let calls = BTreeMap::from([("getSignaturesForAddress".to_owned(), 5)]);
        let known = Estimate { known: 2, calls, transaction_calls: 3, ..Estimate::default() };
        assert_eq!((known.total(), known.total_with_others()), (8, Some(8)));
        let more = Estimate { unknown: 1, unexamined: 1, ..known };
        assert_eq!(more.total_with_others(), None);
        assert_eq!(Estimate { typical: Some(10), ..more }.total_with_others(), Some(28));
    }
}
