//! The events of single transactions, made again from what a bundle has.

use std::collections::{BTreeMap, BTreeSet};

use pnl_core::ledger::{
    AssetFacts, HistoryFacts, LedgerBuilder, LedgerError, LedgerEvent, LedgerRules, PriceRequest,
    PriceTable,
};
use pnl_core::{Address, AssetId, Chain, RawTransaction, TxId, WalletTransaction, Window};
use serde_json::value::RawValue;
use tx_parser::evm::Network;
use tx_parser::{ParseError, solana};

use super::form::BookedBy;
use crate::stages::evm::fetch;

/// How a chain's transactions are read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Parser {
    Solana,
    Evm(Network),
}

impl Parser {
    /// That of `chain`, with its usual wrapped coin or another one; `None` when that is no contract.
    pub fn of(chain: Chain, wrapped_native: Option<&Address>) -> Option<Self> {
        let Some(network) = Network::of(chain) else { return Some(Self::Solana) };
        let network = match wrapped_native {
            Some(contract) => network.with_wrapped_native(contract)?,
            None => network,
        };
        Some(Self::Evm(network))
    }

    /// What the transaction did to the wallet.
    pub fn line(
        &self,
        raw: &RawTransaction,
        no_coins: bool,
        wallet: &Address,
    ) -> Result<WalletTransaction, ParseError> {
        match self {
            Self::Solana => solana::parse(&raw.json, wallet),
            Self::Evm(network) => fetch::line(raw, no_coins, network, wallet),
        }
    }
}

/// A transaction with its text alone: what else is known of it the parser does not ask for.
pub(super) fn raw(chain: Chain, tx_id: TxId, text: Box<RawValue>) -> RawTransaction {
    // Transactions can be large: the text is moved, not copied.
    let json = String::from(Box::<str>::from(text)).into_bytes();
    RawTransaction { chain, tx_id, block: 0, block_time: None, json }
}

/// Tells the line what the raw transaction does not say: its place in the block, and what contracts say
/// about their tokens.
fn complete(
    line: &mut WalletTransaction,
    events: &[LedgerEvent],
    decimals: &BTreeMap<AssetId, u8>,
) {
    if let Some(event) = events.first() {
        line.order.index = event.order.index;
    }
    for change in &mut line.net {
        change.decimals = change.decimals.or_else(|| decimals.get(&change.asset).copied());
    }
}

/// What a transaction gives.
pub(super) struct Made {
    pub events: Vec<LedgerEvent>,
    /// The prices that were looked up.
    pub requests: BTreeSet<PriceRequest>,
}

/// Books single transactions behind what came before them.
pub(super) struct Again {
    wallet: Address,
    /// By which they are booked.
    pub rules: LedgerRules,
}

impl Again {
    pub fn of(wallet: Address, booked_by: BookedBy) -> Self {
        Self { wallet, rules: booked_by.rules }
    }

    /// Books the transaction of `line`, which is completed by the `events` that are known of it and by what contracts
    /// say about decimals. What it gives is to be these events; what came before it is in `facts`.
    ///
    /// # Errors
    /// See [`LedgerBuilder::push`].
    pub fn make(
        &self,
        line: &mut WalletTransaction,
        events: &[LedgerEvent],
        decimals: &BTreeMap<AssetId, u8>,
        facts: &HistoryFacts,
        prices: &PriceTable,
    ) -> Result<Made, LedgerError> {
        complete(line, events, decimals);
        let mut books = self.before(line, events, facts);
        let requests = books.price_requests(std::slice::from_ref(line));
        Ok(Made { events: books.push(line, prices)?, requests })
    }

    /// The books before the transaction. The time is that of its events, since transactions without one move it on,
    /// too.
    fn before(
        &self,
        line: &WalletTransaction,
        events: &[LedgerEvent],
        facts: &HistoryFacts,
    ) -> LedgerBuilder {
        let excluded: BTreeSet<AssetId> = excluded(events).cloned().collect();
        let known = line.net.iter().filter_map(|change| {
            let decimals = facts.assets.get(&change.asset)?.decimals;
            Some((change.asset.clone(), AssetFacts { decimals, ..AssetFacts::default() }))
        });
        let facts = HistoryFacts {
            rent_pool: facts.rent_pool,
            assets: known.collect(),
            ..HistoryFacts::default()
        };
        let ts = events.first().map_or(0, |event| event.ts);
        LedgerBuilder::new(self.wallet.clone(), self.rules.clone(), Window::ALL)
            .excluding(excluded)
            .behind(ts, facts)
    }
}

/// The assets whose movements the events leave out of the accounts.
fn excluded(events: &[LedgerEvent]) -> impl Iterator<Item = &AssetId> {
    let excluded = events.iter().filter(|event| event.excluded);
    excluded.flat_map(|event| &event.legs).map(|leg| &leg.asset)
}
