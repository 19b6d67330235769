//! What the programs of a transaction say about it. Labels never change an amount.

use std::collections::HashSet;

use alloy_primitives::U256;

use super::header::Header;
use super::logs::Head;
use super::programs::{self, Category, Program, Purpose};
use super::{Account, abi};

/// execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes) of
/// Safe accounts: the first argument is what the account calls.
const SAFE_EXECUTE: [u8; 4] = [0x6a, 0x76, 0x12, 0x02];

/// What programs and events say.
#[derive(Debug, Clone, Default)]
pub(super) struct Labels {
    /// The outermost program or router with a name.
    pub(super) venue: Option<&'static str>,
    /// Whether an exchange or a router took part.
    pub(super) exchange: bool,
    /// What the venue is for.
    pub(super) category: Option<Category>,
    /// Whether something was exchanged in a pool, as its event says.
    pub(super) swapped: bool,
    /// Whether liquidity moved, as the event of a pool says.
    pub(super) pooled: bool,
    /// Whether something was lent, borrowed or paid back.
    pub(super) lent: bool,
    /// Whether a distribution was collected.
    pub(super) claimed: bool,
    /// Pools and vaults whose shares may have been made or destroyed.
    pub(super) shares: HashSet<Account>,
}

impl Labels {
    pub(super) fn read(heads: &[Option<Head>], header: &Header) -> Self {
        let mut labels = Self::default();
        labels.set_venue(called(header));
        if header.failed {
            return labels;
        }
        for head in heads.iter().flatten() {
            let Some(topic) = head.topics.first() else { continue };
            let Some(purpose) = programs::purpose(topic, head.topics.len()) else { continue };
            match purpose {
                Purpose::Swap => labels.swapped = true,
                Purpose::Lend => labels.lent = true,
                Purpose::Claim => labels.claimed = true,
                Purpose::Liquidity | Purpose::Vault => {
                    labels.pooled |= purpose == Purpose::Liquidity;
                    labels.shares.insert(head.contract);
                }
            }
        }
        labels.exchange |= labels.swapped;
        labels
    }

    fn set_venue(&mut self, program: Option<&'static Program>) {
        let Some(program) = program else { return };
        self.venue = Some(program.name);
        self.category = Some(program.category);
        self.exchange |= matches!(program.category, Category::Exchange | Category::Order);
    }
}

/// The program that was called, by the sender or by the Safe that the sender called. What other
/// smart accounts call does not stand in a place that all of them share.
fn called(header: &Header) -> Option<&'static Program> {
    let chain = header.network.chain;
    let target = header.target?;
    let direct = programs::at(chain, &target);
    if direct.is_some() || header.input.selector != Some(SAFE_EXECUTE) {
        return direct;
    }
    let inner = abi::account(U256::from_be_bytes(header.input.argument?.0))?;
    programs::at(chain, &inner)
}
