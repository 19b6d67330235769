//! The steps of a wallet on an EVM chain, up to its plan; from there on all chains are one.
//!
//! 1. [`pin`]: the batch is pinned to a final block whose hash is kept;
//! 2. [`lists`]: the lists that together name every transaction, each as far as the pin;
//! 3. [`fetch`]: those transactions with receipts, block times and traces, and a look into each;
//! 4. [`balances`]: what the chain says the wallet holds at the pin, against what its events say;
//!    then whether the pinned block is still the same, since everything above was read from its chain;
//! 5. [`tokens`]: decimals and symbols, for the lines that the ledger is made of.
//!
//! Each page of a list and each hundred transactions are stored before the next step, so an attempt
//! that ends early loses at most what is in flight.

pub(crate) mod balances;
pub(crate) mod fetch;
pub(crate) mod lists;
pub(crate) mod pin;
pub(crate) mod tokens;

use std::collections::BTreeMap;

use chain_client::EvmSource;
use pnl_core::Pin;
use tx_parser::evm::Network;

use super::order;
use super::plan::Plan;
use crate::attempt::Attempt;
use crate::error::StageError;

/// Reads what is missing; gives the plan of the wallet's books.
pub(crate) async fn run(
    attempt: &Attempt,
    source: &dyn EvmSource,
    network: Network,
    pin: Pin,
) -> Result<Plan, StageError> {
    let listed = lists::run(attempt, source, pin).await?;
    let fetched = fetch::run(attempt, source, network, pin, &listed).await?;
    let compared = balances::run(attempt, source, network, pin, &fetched.sums).await?;
    pin::confirm(attempt, source, pin).await?;
    let mut placed = order::place(fetched.entries, &BTreeMap::new());
    let surplus = placed.len().saturating_sub(fetched.bound);
    placed.drain(..surplus);
    for one in &mut placed {
        one.no_coins = !fetched.coins.contains(&one.tx_id);
    }
    let mut plan = Plan::new(placed, false, fetched.cut);
    plan.head.missing = listed.missing.iter().map(|one| one.as_str().to_owned()).collect();
    plan.head.excluded = compared.excluded;
    plan.head.balances = compared.balances;
    plan.keep(attempt, pin).await
}
