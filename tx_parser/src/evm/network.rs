//! What the parser must know about a chain: its wrapped coin and how it charges fees.

use alloy_primitives::address;
use pnl_core::{Address, Chain};

use super::{Account, scalar};

/// The rules of one EVM chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    pub(super) chain: Chain,
    /// `chainId` of its transactions.
    pub(super) chain_id: u64,
    /// The contract whose tokens are the native coin.
    pub(super) wrapped_native: Account,
    /// Whether a rollup's fee for its data on the first layer comes on top of the gas.
    pub(super) has_l1_fee: bool,
    /// The first block whose receipts have a status (EIP-658).
    pub(super) status_from: u64,
    /// The first block in which clearing storage pays back less than it costs (EIP-3529).
    pub(super) small_refunds_from: u64,
}

impl Network {
    /// The rules of `chain` with its usual wrapped coin: WETH, WETH of the OP stack, WBNB. `None`
    /// for a chain that is no EVM chain.
    pub const fn of(chain: Chain) -> Option<Self> {
        let (chain_id, wrapped_native, has_l1_fee) = match chain {
            Chain::Solana => return None,
            Chain::Ethereum => (1, address!("c02aaa39b223fe8d0a0e5c4f27ead9083c756cc2"), false),
            Chain::Base => (8453, address!("4200000000000000000000000000000000000006"), true),
            Chain::BinanceSmartChain => {
                (56, address!("bb4cdb9cbd36b01bd1cbaebf2de08d9173bc095c"), false)
            }
        };
        let (status_from, small_refunds_from) = match chain {
            // Byzantium; London.
            Chain::Ethereum => (4_370_000, 12_965_000),
            // Hertz.
            Chain::BinanceSmartChain => (0, 31_302_048),
            Chain::Base | Chain::Solana => (0, 0),
        };
        Some(Self { chain, chain_id, wrapped_native, has_l1_fee, status_from, small_refunds_from })
    }

    /// The contract whose tokens are the native coin, in lower case.
    pub fn wrapped_native(&self) -> Address {
        Address::from_chain_data(&format!("{:#x}", self.wrapped_native))
    }

    /// The same rules with another wrapped coin, for test networks; `None` when the text is no
    /// 20-byte address.
    pub fn with_wrapped_native(self, contract: &Address) -> Option<Self> {
        Some(Self { wrapped_native: scalar::account(contract.as_str())?, ..self })
    }
}
