//! Events by signature. They label transactions with programs that nobody has listed.

use std::ops::RangeInclusive;

/// What an event tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Purpose {
    /// Something was exchanged.
    Swap,
    /// Liquidity was added to, removed from or harvested from a pool.
    Liquidity,
    /// A share in a vault was bought or given back.
    Vault,
    /// Lent, borrowed, paid back.
    Lend,
    /// A distribution was collected.
    Claim,
}

/// One event.
pub(super) struct Event {
    /// As the contract declares it; the first topic is its Keccak hash.
    pub(super) signature: &'static str,
    /// How many topics it has: contracts share signatures and index other arguments.
    pub(super) topics: RangeInclusive<usize>,
    pub(super) purpose: Purpose,
}

const fn event(signature: &'static str, purpose: Purpose) -> Event {
    Event { signature, topics: 1..=4, purpose }
}

use Purpose::{Claim, Lend, Liquidity, Swap, Vault};

#[rustfmt::skip]
pub(super) static EVENTS: &[Event] = &[
    // Uniswap V1, V2, V3, V4 and what was made after them.
    event("TokenPurchase(address,uint256,uint256)", Swap),
    event("EthPurchase(address,uint256,uint256)", Swap),
    event("Swap(address,uint256,uint256,uint256,uint256,address)", Swap),
    event("Swap(address,address,uint256,uint256,uint256,uint256)", Swap),
    event("Swap(address,address,int256,int256,uint160,uint128,int24)", Swap),
    event("Swap(address,address,int256,int256,uint160,uint128,int24,uint128,uint128)", Swap),
    event("Swap(bytes32,address,int128,int128,uint160,uint128,int24,uint24)", Swap),
    // Curve.
    event("TokenExchange(address,int128,uint256,int128,uint256)", Swap),
    event("TokenExchangeUnderlying(address,int128,uint256,int128,uint256)", Swap),
    event("TokenExchange(address,uint256,uint256,uint256,uint256)", Swap),
    event("TokenExchange(address,uint256,uint256,uint256,uint256,uint256,uint256)", Swap),
    // Balancer.
    event("LOG_SWAP(address,address,address,uint256,uint256)", Swap),
    event("Swap(bytes32,address,address,uint256,uint256)", Swap),
    event("Swap(address,address,address,uint256,uint256,uint256,uint256)", Swap),
    // Settlements and aggregators: CoW, 0x, KyberSwap.
    event("Trade(address,address,address,uint256,uint256,uint256,bytes)", Swap),
    event("TransformedERC20(address,address,address,uint256,uint256)", Swap),
    event("Swapped(address,address,address,address,uint256,uint256)", Swap),

    // A Compound market has the same `Mint` without indexed arguments.
    Event { signature: "Mint(address,uint256,uint256)", topics: 2..=2, purpose: Liquidity },
    event("Burn(address,uint256,uint256,address)", Liquidity),
    event("Burn(address,address,uint256,uint256)", Liquidity),
    event("Mint(address,address,int24,int24,uint128,uint256,uint256)", Liquidity),
    event("Collect(address,address,int24,int24,uint128,uint128)", Liquidity),
    event("IncreaseLiquidity(uint256,uint128,uint256,uint256)", Liquidity),
    event("DecreaseLiquidity(uint256,uint128,uint256,uint256)", Liquidity),
    event("Collect(uint256,address,uint256,uint256)", Liquidity),
    event("ModifyLiquidity(bytes32,address,int24,int24,int256,bytes32)", Liquidity),
    event("AddLiquidity(address,uint256[2],uint256[2],uint256,uint256)", Liquidity),
    event("AddLiquidity(address,uint256[3],uint256[3],uint256,uint256)", Liquidity),
    event("AddLiquidity(address,uint256[4],uint256[4],uint256,uint256)", Liquidity),
    event("AddLiquidity(address,uint256[2],uint256,uint256)", Liquidity),
    event("AddLiquidity(address,uint256[3],uint256,uint256)", Liquidity),
    event("AddLiquidity(address,uint256[],uint256[],uint256,uint256)", Liquidity),
    event("AddLiquidity(address,uint256[2],uint256,uint256,uint256)", Liquidity),
    event("RemoveLiquidity(address,uint256[2],uint256[2],uint256)", Liquidity),
    event("RemoveLiquidity(address,uint256[3],uint256[3],uint256)", Liquidity),
    event("RemoveLiquidity(address,uint256[4],uint256[4],uint256)", Liquidity),
    event("RemoveLiquidity(address,uint256[2],uint256)", Liquidity),
    event("RemoveLiquidity(address,uint256[3],uint256)", Liquidity),
    event("RemoveLiquidity(address,uint256[],uint256[],uint256)", Liquidity),
    event("RemoveLiquidityOne(address,uint256,uint256)", Liquidity),
    event("RemoveLiquidityOne(address,uint256,uint256,uint256)", Liquidity),
    event("RemoveLiquidityImbalance(address,uint256[2],uint256[2],uint256,uint256)", Liquidity),
    event("RemoveLiquidityImbalance(address,uint256[3],uint256[3],uint256,uint256)", Liquidity),
    event("RemoveLiquidityImbalance(address,uint256[4],uint256[4],uint256,uint256)", Liquidity),
    event("PoolBalanceChanged(bytes32,address,address[],int256[],uint256[])", Liquidity),

    // ERC-4626.
    event("Deposit(address,address,uint256,uint256)", Vault),
    event("Withdraw(address,address,address,uint256,uint256)", Vault),

    // Aave.
    event("Deposit(address,address,address,uint256,uint16)", Lend),
    event("Supply(address,address,address,uint256,uint16)", Lend),
    event("Withdraw(address,address,address,uint256)", Lend),
    event("Borrow(address,address,address,uint256,uint256,uint256,uint16)", Lend),
    event("Borrow(address,address,address,uint256,uint8,uint256,uint16)", Lend),
    event("Repay(address,address,address,uint256)", Lend),
    event("Repay(address,address,address,uint256,bool)", Lend),
    // Compound.
    event("Redeem(address,uint256,uint256)", Lend),
    event("RepayBorrow(address,address,uint256,uint256,uint256)", Lend),
    event("Supply(address,address,uint256)", Lend),
    event("SupplyCollateral(address,address,address,uint256)", Lend),
    event("WithdrawCollateral(address,address,address,uint256)", Lend),
    // Morpho.
    event("Supply(bytes32,address,address,uint256,uint256)", Lend),
    event("Withdraw(bytes32,address,address,address,uint256,uint256)", Lend),
    event("Borrow(bytes32,address,address,address,uint256,uint256)", Lend),
    event("Repay(bytes32,address,address,uint256,uint256)", Lend),
    event("SupplyCollateral(bytes32,address,address,uint256)", Lend),
    event("WithdrawCollateral(bytes32,address,address,address,uint256)", Lend),

    // The usual distributor by Merkle proof.
    event("Claimed(uint256,address,uint256)", Claim),
];
