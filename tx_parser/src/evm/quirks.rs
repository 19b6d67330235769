//! Contracts whose logs do not follow the standards.

use alloy_primitives::address;
use pnl_core::Chain;

use super::Account;

/// Tokens of the DSToken line that create and destroy units with `Mint` and `Burn` and without a
/// `Transfer`: SAI, PETH, MKR.
const MINT_WITHOUT_TRANSFER: [Account; 3] = [
    address!("89d24a6b4ccb1b6faa2625fe562bdd9a23260359"),
    address!("f53ad2c6851052a81b42133467480961b2321c09"),
    address!("9f8f72aa9304c8b593d555f12ef6589cc3a579a2"),
];

/// Single tokens whose `Transfer` has no indexed argument, as if it were an amount: CryptoKitties.
const UNINDEXED_ITEMS: [Account; 1] = [address!("06012c8cf97bead5deae237070f9587f8e7a266d")];

/// Whether `Mint` and `Burn` of this contract stand in for `Transfer`.
pub(super) fn mints_without_transfer(chain: Chain, contract: &Account) -> bool {
    chain == Chain::Ethereum && MINT_WITHOUT_TRANSFER.contains(contract)
}

/// Whether the third argument of this contract's unindexed `Transfer` is an id.
pub(super) fn transfers_ids_unindexed(chain: Chain, contract: &Account) -> bool {
    chain == Chain::Ethereum && UNINDEXED_ITEMS.contains(contract)
}
