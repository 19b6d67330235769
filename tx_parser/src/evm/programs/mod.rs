//! Programs by address and events by topic: what they are called and what they are for.
//!
//! Names and categories are labels. They never change an amount.

mod events;
mod table;

use std::collections::HashMap;
use std::sync::LazyLock;

use pnl_core::Chain;

use super::{Account, Word};

pub(super) use events::Purpose;

/// What a program is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Category {
    /// Pools, routers over pools, and aggregators.
    Exchange,
    /// Orders that somebody else executes.
    Order,
    /// Positions and vaults of liquidity.
    Liquidity,
    /// Lending and borrowing.
    Lend,
    /// Staking and locking.
    Stake,
    /// Transfers to and from other chains.
    Bridge,
    /// Markets for single tokens.
    NftMarket,
    /// Distribution of airdrops and rewards.
    Claim,
    /// Anything else with a name.
    Other,
}

/// A program with a name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Program {
    pub(super) chains: &'static [Chain],
    pub(super) address: Account,
    pub(super) name: &'static str,
    pub(super) category: Category,
}

static BY_ADDRESS: LazyLock<HashMap<(Chain, Account), &'static Program>> = LazyLock::new(|| {
    let on_chains = |program: &'static Program| {
        program.chains.iter().map(move |chain| ((*chain, program.address), program))
    };
    table::PROGRAMS.iter().flat_map(on_chains).collect()
});

static BY_TOPIC: LazyLock<HashMap<Word, &'static events::Event>> = LazyLock::new(|| {
    events::EVENTS
        .iter()
        .map(|event| (alloy_primitives::keccak256(event.signature), event))
        .collect()
});

/// The program at this address, when it has a name here.
pub(super) fn at(chain: Chain, address: &Account) -> Option<&'static Program> {
    BY_ADDRESS.get(&(chain, *address)).copied()
}

/// What an event with this first topic and so many topics tells.
pub(super) fn purpose(topic: &Word, topics: usize) -> Option<Purpose> {
    let event = BY_TOPIC.get(topic)?;
    event.topics.contains(&topics).then_some(event.purpose)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_program_and_no_event_is_listed_twice() {
        let rows: usize = table::PROGRAMS.iter().map(|program| program.chains.len()).sum();
        assert_eq!(BY_ADDRESS.len(), rows);
        assert_eq!(BY_TOPIC.len(), events::EVENTS.len());
        assert!(
            table::PROGRAMS.iter().all(|program| program
                .chains
                .iter()
                .collect::<HashSet<_>>()
                .len()
                == program.chains.len())
        );
    }
}
