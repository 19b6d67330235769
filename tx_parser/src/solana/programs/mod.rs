//! Programs by id: what they are called and what they are for.
//!
//! Names and categories are labels. They never change an amount.

pub(crate) mod ids;
pub(crate) mod liquidity;
pub(crate) mod services;
mod table;
pub(crate) mod tips;

use std::collections::HashMap;
use std::sync::LazyLock;

use super::pubkey::Pubkey;

/// What a program is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Category {
    /// System, tokens, budget, memos, checks: present in any transaction, never a venue.
    Base,
    /// Pools, bonding curves, market makers with an own program.
    Exchange,
    /// Exchanges where funds wait in the book: an order pays in now and pays out later.
    OrderBook,
    /// Routers over exchanges, and programs of trading bots and terminals.
    Router,
    /// Limit and recurring orders that somebody else executes.
    Order,
    /// Lending and borrowing.
    Lend,
    /// Perpetual futures and margin trading.
    Perps,
    /// Native staking.
    Stake,
    /// Stake pools: SOL against a token that stands for staked SOL.
    LiquidStake,
    /// Vaults that hold liquidity for their depositors.
    Vault,
    /// Transfers to and from other chains.
    Bridge,
    /// Markets for single tokens.
    NftMarket,
    /// Metadata and compressed tokens.
    Nft,
    /// Distribution of airdrops and rewards.
    Claim,
    /// Prices published on the chain.
    Oracle,
    /// Anything else with a name.
    Other,
}

/// A program with a name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Program {
    pub(crate) id: Pubkey,
    pub(crate) name: &'static str,
    pub(crate) category: Category,
}

static BY_ID: LazyLock<HashMap<Pubkey, &'static Program>> =
    LazyLock::new(|| table::PROGRAMS.iter().map(|program| (program.id, program)).collect());

/// The program with this id, when it has a name here.
pub(crate) fn by_id(id: &Pubkey) -> Option<&'static Program> {
    BY_ID.get(id).copied()
}

/// Whether the first bytes of this program's instructions help to label a transaction.
pub(crate) fn wants_tag(id: &Pubkey) -> bool {
    liquidity::is_listed(id)
}
